package tools

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

const (
	progressEvery = 10 * time.Second
	// waitShare is the part of all waits that one principal may hold.
	waitShare = 4
)

type waitIn struct {
	eventFilter
	TimeoutSeconds int    `json:"timeout_seconds,omitempty" alias:"timeout" min:"1" max:"300" default:"25" doc:"How long to wait"`
	IncludeSelf    bool   `json:"include_self,omitempty" doc:"Also wake for what our own bot causes"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" default:"20" doc:"Most events to return at once"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call: returns first what came since"`
}

type waitOut struct {
	Events     []view.Event `json:"events"`
	TimedOut   bool         `json:"timed_out"`
	NextCursor string       `json:"next_cursor" doc:"Pass as cursor to the next call; always set"`
}

func (k *kit) waitForEvent(ctx context.Context, c *toolset.Call, in waitIn) (waitOut, error) {
	filter, err := k.filter(ctx, in.eventFilter)
	if err != nil {
		return waitOut{}, err
	}
	filter.ExcludeSelf = !in.IncludeSelf
	leave, err := k.waits.enter(c.Principal.Name)
	if err != nil {
		return waitOut{}, err
	}
	defer leave()
	after, err := position(in.Cursor)
	if err != nil {
		return waitOut{}, err
	}
	if in.Cursor == "" {
		after = k.Events.Newest()
	}
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	w := wait{
		kit: k, call: c, progress: progress.C, began: time.Now(),
		events:  event.Follow(k.Events, event.Query{Filter: filter, After: after, Limit: in.Limit}),
		timeout: time.Duration(in.TimeoutSeconds) * time.Second, what: "an event",
	}
	defer w.events.Close()
	return w.run(ctx)
}

// A wait is one call that waits.
type wait struct {
	kit      *kit
	call     *toolset.Call
	progress <-chan time.Time
	began    time.Time
	events   *event.Follower
	timeout  time.Duration
	what     string // that is waited for
}

// run reads what is there and then waits for more. What it has read lies before the
// cursor that it returns, and nothing else does.
func (w *wait) run(ctx context.Context) (waitOut, error) {
	timeout := time.NewTimer(w.timeout)
	defer timeout.Stop()
	for {
		rows, err := w.read(ctx)
		if err != nil {
			return waitOut{}, err
		}
		if len(rows) > 0 {
			return w.out(rows), nil
		}
		again, err := w.pause(ctx, timeout.C)
		if err != nil {
			return waitOut{}, err
		}
		if !again {
			return w.out(nil), nil
		}
	}
}

// read shows what there is.
func (w *wait) read(ctx context.Context) (rows []view.Event, err error) {
	from := w.events.Position()
	err = w.kit.Judge.Read(ctx, func(r *view.Reading) error {
		rows = nil
		w.events.Seek(from)
		return w.events.Read(ctx, func(page event.Page) error {
			for i := range page.Events {
				row, _ := w.kit.row(r, &page.Events[i], concise)
				rows = append(rows, row)
			}
			return nil
		})
	})
	return rows, err
}

// pause waits until there may be something to read, and reports false when the time is
// up.
func (w *wait) pause(ctx context.Context, timeout <-chan time.Time) (again bool, err error) {
	for {
		select {
		case <-w.events.Ready():
			return true, nil
		case <-w.progress:
			w.call.Progress(time.Since(w.began).Seconds(), w.timeout.Seconds(), "waiting for "+w.what)
		case <-timeout:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (w *wait) out(rows []view.Event) waitOut {
	out := waitOut{Events: rows, TimedOut: len(rows) == 0, NextCursor: string(w.events.Position())}
	if out.TimedOut {
		out.Events = []view.Event{}
	}
	if out.NextCursor == "" {
		out.NextCursor = CursorStart
	}
	return out
}

// A waitLimit bounds the waits that are open at once.
type waitLimit struct {
	limit int

	mu    sync.Mutex
	total int
	held  map[string]int // principal -> open waits; guarded by mu, as is total
}

func newWaitLimit(limit int) *waitLimit {
	return &waitLimit{limit: limit, held: map[string]int{}}
}

// enter takes a place, which leave gives back.
func (l *waitLimit) enter(principal string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.limit || l.held[principal] >= max(1, l.limit/waitShare) {
		return nil, fault("too_many_waits: as many calls are waiting for events as the server allows. Let one end, or use slack_list_events with a cursor.")
	}
	l.total++
	l.held[principal]++
	return func() { l.leave(principal) }, nil
}

func (l *waitLimit) leave(principal string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.held[principal]--; l.held[principal] == 0 {
		delete(l.held, principal)
	}
}

const setAsk = "ask"

type askIn struct {
	Channel        string   `json:"channel,omitempty" alias:"channel_id" doc:"Channel id, #name or link; a user (id, @name, e-mail) to ask them directly"`
	Question       string   `json:"question,omitempty" alias:"text" max:"3000" doc:"The question, in Slack's mrkdwn"`
	Choices        []string `json:"choices,omitempty" alias:"options" max:"25" doc:"The buttons' labels, at most 75 characters each"`
	Who            []string `json:"who,omitempty" alias:"users" split:"," max:"50" doc:"Users whose answer counts (id, @name, e-mail); everybody's when absent"`
	ThreadTS       string   `json:"thread_ts,omitempty" doc:"Ask in the thread of this message (ts)"`
	TimeoutSeconds int      `json:"timeout_seconds,omitempty" alias:"timeout" min:"0" max:"300" default:"25" doc:"How long to wait for the answer; 0 asks and returns"`
	AskID          string   `json:"ask_id,omitempty" doc:"ask_id of an earlier call: waits on for its answer and asks nothing; give it alone"`
	safety
}

type askOut struct {
	AskID     string     `json:"ask_id,omitempty" doc:"Pass it to the next call to go on waiting"`
	Answered  bool       `json:"answered"`
	Answer    *askAnswer `json:"answer,omitempty"`
	TimedOut  bool       `json:"timed_out"`
	Channel   string     `json:"channel,omitempty"`
	TS        string     `json:"ts,omitempty" doc:"of the message that asks"`
	Permalink string     `json:"permalink,omitempty"`
	carried
}

// askAnswer is who answered what.
type askAnswer struct {
	Untrusted  bool         `json:"untrusted"`
	Choice     string       `json:"choice"`
	User       string       `json:"user" doc:"id of who answered"`
	Person     *view.Person `json:"person,omitempty"`
	AnsweredAt string       `json:"answered_at"`
	EventID    string       `json:"event_id"`
	Flags      view.Flags   `json:"flags,omitempty"`
}

func askTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_ask", Title: "Ask people and wait", Set: setAsk,
			Scope: access.Write, And: access.Events, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Ask people a question with buttons in Slack and wait until somebody presses one: an approval, a choice. Returns who answered what; the message then shows the answer and its buttons are gone. When timed_out, call again with ask_id alone to go on waiting: an answer that came meanwhile is not lost. For an answer in words use slack_post_message and slack_wait_for_event.",
		}, k.ask),
	}
}

func (k *kit) ask(ctx context.Context, c *toolset.Call, in askIn) (askOut, error) {
	leave, err := k.waits.enter(c.Principal.Name)
	if err != nil {
		return askOut{}, err
	}
	defer leave()
	if k.OnAsk != nil && !in.DryRun {
		k.OnAsk()
	}
	var id ask.ID
	var how carried
	if in.AskID != "" {
		var ok bool
		if id, ok = ask.ParseID(in.AskID); !ok {
			return askOut{}, &toolset.ArgumentError{Argument: "ask_id", Problem: "it is none that slack_ask returned; leave it out to ask a new question"}
		}
	} else {
		if id, how, err = k.pose(ctx, c, in); err != nil || how.DryRun {
			return askOut{carried: how}, err
		}
	}
	out := askOut{AskID: id.String(), Channel: id.Channel, TS: id.TS, carried: how}
	out.Permalink = view.Permalink(k.self(ctx).URL, id.Channel, id.TS, "")
	click, err := k.answer(ctx, c, id, time.Duration(in.TimeoutSeconds)*time.Second)
	if err != nil {
		return askOut{}, err
	}
	if click == nil {
		out.TimedOut = true
		if out.Note == "" {
			out.Note = "Nobody has answered yet. Call slack_ask again with this ask_id alone to go on waiting; do not ask again."
		}
		return out, nil
	}
	out.Answered, out.Answer = true, k.answered(ctx, click)
	return out, nil
}

// pose posts the question.
func (k *kit) pose(ctx context.Context, c *toolset.Call, in askIn) (ask.ID, carried, error) {
	q, calmed, err := k.question(ctx, in)
	if err != nil {
		return ask.ID{}, carried{}, err
	}
	after := k.Events.Newest() // a click can only come later
	p, err := q.Post(after)
	if err != nil {
		return ask.ID{}, carried{}, err
	}
	id, w, err := begin[ask.ID](ctx, k, c, guard.Write{Channel: q.Channel, Sends: true, Arguments: q}, in.safety)
	if w.due {
		var r slackapi.Posted
		r, err = w.slack.PostMessage(ctx, p)
		w.wrote(k, r.Channel, r.TS, err)
		id = ask.ID{Channel: r.Channel, TS: r.TS, After: after}
		w.end(ctx, id, r.TS, err)
	}
	if calmed {
		w.Note = noteMentions
	}
	return id, w.carried, err
}

// question reads the arguments of a new question.
func (k *kit) question(ctx context.Context, in askIn) (q ask.Question, calmed bool, err error) {
	for i, choice := range in.Choices {
		in.Choices[i] = strings.TrimSpace(choice)
		if n := utf8.RuneCountInString(in.Choices[i]); n == 0 || n > ask.MaxChoice {
			return q, false, &toolset.ArgumentError{Argument: "choices", Problem: "each must have 1 to 75 characters"}
		}
		if slices.Contains(in.Choices[:i], in.Choices[i]) {
			return q, false, &toolset.ArgumentError{Argument: "choices", Problem: "two of them are the same"}
		}
	}
	for _, needed := range []struct {
		argument string
		missing  bool
	}{
		{"channel", in.Channel == ""}, {"question", strings.TrimSpace(in.Question) == ""}, {"choices", len(in.Choices) == 0},
	} {
		if needed.missing {
			return q, false, &toolset.ArgumentError{Argument: needed.argument, Problem: "it is required to ask a new question"}
		}
	}
	if q.Channel, err = k.channel(ctx, in.Channel); err != nil {
		return q, false, err
	}
	if q.ThreadTS, err = ts("thread_ts", in.ThreadTS); err != nil {
		return q, false, err
	}
	if q.Who, err = k.users(ctx, in.Who); err != nil {
		return q, false, err
	}
	q.Choices = in.Choices
	q.Text, calmed = k.Guard.Text(in.Question)
	return q, calmed, nil
}

// answer waits for the click that answers a question; nil when the time is up.
func (k *kit) answer(ctx context.Context, c *toolset.Call, id ask.ID, timeout time.Duration) (*ask.Click, error) {
	clicks := ask.Clicks(k.Events, id)
	defer clicks.Close()
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	up := time.NewTimer(timeout)
	defer up.Stop()
	w := wait{kit: k, call: c, events: clicks, progress: progress.C, began: time.Now(), timeout: timeout, what: "an answer"}
	for {
		click, _, err := ask.First(ctx, clicks, id)
		if err != nil || click != nil {
			return click, err
		}
		again, err := w.pause(ctx, up.C)
		if err != nil || !again {
			return nil, err
		}
	}
}

func (k *kit) answered(ctx context.Context, click *ask.Click) *askAnswer {
	a := &askAnswer{Untrusted: true, User: click.User, EventID: click.EventID, AnsweredAt: view.Time(click.Event.ReceivedAt)}
	a.Choice = a.Flags.Text(click.Choice, ask.MaxChoice)
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	if u, err := k.Names.User(ctx, click.User); err == nil {
		a.Person = new(k.Judge.Reading(ctx).Person(&u))
	}
	return a
}
