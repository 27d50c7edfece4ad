package tools

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const setAsk = "ask"

// maxOpen is how long a question can be answered at most.
const maxOpen = 7 * 24 * time.Hour

type askIn struct {
	Channel        string   `json:"channel,omitempty" alias:"channel_id" doc:"id, #name or link, or a user (id, @name, e-mail)"`
	Question       string   `json:"question,omitempty" alias:"text" max:"3000" doc:"The question, in Slack's mrkdwn"`
	Choices        []string `json:"choices,omitempty" alias:"options" max:"25" doc:"The buttons' labels, at most 75 characters each"`
	Who            []string `json:"who,omitempty" alias:"users" split:"," max:"50" doc:"Whose answer counts (id, @handle, e-mail); absent: all full members"`
	ThreadTS       string   `json:"thread_ts,omitempty" doc:"Thread to ask in: ts of its first message"`
	ExpiresIn      string   `json:"expires_in,omitempty" default:"1d" doc:"How long it can be answered (15m, 2h), at most 7d"`
	TimeoutSeconds int      `json:"timeout_seconds,omitempty" alias:"timeout" min:"0" max:"300" default:"25" doc:"How long to wait; 0 only asks"`
	AskID          string   `json:"ask_id,omitempty" doc:"Of an earlier call: waits on for its answer; give it alone"`
	naming
	safety
}

type askOut struct {
	view.Mark
	AskID     string     `json:"ask_id,omitempty" doc:"Pass it to the next call to go on waiting"`
	Status    string     `json:"status,omitempty" doc:"open, answered, or ended without an answer: withdrawn, expired, altered"`
	Answered  bool       `json:"answered"`
	Answer    *askAnswer `json:"answer,omitempty"`
	TimedOut  bool       `json:"timed_out"`
	Channel   string     `json:"channel,omitempty"`
	TS        string     `json:"ts,omitempty" doc:"of the message that asks"`
	Permalink string     `json:"permalink,omitempty"`
	Cursor    string     `json:"cursor,omitempty" doc:"slack_wait_for_event returns what came since the question"`
	carried
}

// askAnswer is who answered what.
type askAnswer struct {
	Choice     string       `json:"choice"`
	User       string       `json:"user" doc:"id of who answered"`
	Person     *view.Person `json:"person,omitempty"`
	AnsweredAt string       `json:"answered_at"`
	EventID    string       `json:"event_id"`
	Flags      view.Flags   `json:"flags,omitempty"`
}

func askTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_ask", Title: "Ask people and wait", Set: setAsk,
			Scope: access.Write, And: access.Events, For: toolset.BotForPerson, Effect: toolset.Adds,
			Needs: []string{scopePost, scopeUsers}, PersonNeeds: []string{scopeRead, scopeUsers},
			PersonDescription: "Ask people a question with buttons in Slack and wait until somebody presses one: an approval, a choice. The Slack app's bot asks, and names the user; the user has to be a member of the conversation. Returns who answered what; the message then shows the answer. When timed_out, call again with ask_id alone to go on waiting: an answer that came meanwhile is not lost. A status of withdrawn, expired or altered is no answer, neither yes nor no. slack_delete_message takes it back.",
			Description:       "Ask people a question with buttons in Slack and wait until somebody presses one: an approval, a choice. Returns who answered what; the message then shows the answer. When timed_out, call again with ask_id alone to go on waiting: an answer that came meanwhile is not lost. A status of withdrawn, expired or altered is no answer, neither yes nor no. slack_delete_message takes it back. For an answer in words use slack_post_message and slack_wait_for_event.",
		}, (*kit).ask),
	}
}

// notes say what to do about a question without an answer.
var notes = map[ask.Status]string{
	ask.Open:      "Nobody has answered yet. Call slack_ask again with this ask_id alone to go on waiting; do not ask again.",
	ask.Withdrawn: "The question was taken back: its message was deleted. Nobody has answered, and nothing is decided.",
	ask.Expired:   "The time for the question was up before anybody answered. Nothing is decided; ask again if it still matters.",
	ask.Altered:   "The message was changed after it was posted, or a person clicked in a copy of it. No answer counts and nothing is decided. Tell the user; ask again only when they agree.",
}

func (k *kit) ask(ctx context.Context, c *toolset.Call, in askIn) (askOut, error) {
	leave, err := k.waits.enter(ctx, c.Principal.Account())
	if err != nil {
		return askOut{}, err
	}
	defer leave()
	p, how := posed{id: strings.TrimSpace(in.AskID)}, carried{}
	if p.id == "" {
		if p, how, err = k.pose(ctx, c, in); err != nil || how.DryRun {
			return askOut{carried: how}, err
		}
	}
	r, err := k.awaitAnswer(ctx, c, p.id, time.Duration(in.TimeoutSeconds)*time.Second)
	if err != nil {
		return askOut{}, err
	}
	out := askOut{AskID: p.id, Status: string(r.Status), Channel: r.Channel, TS: r.TS, Cursor: p.cursor, carried: how}
	out.Permalink = view.Permalink(k.self(ctx).URL, r.Channel, r.TS, "")
	out.Answered, out.TimedOut = r.Status == ask.Answered, r.Status == ask.Open
	if out.Answered {
		out.Answer = k.answered(ctx, &r)
	}
	out.Note = strings.TrimSpace(out.Note + " " + notes[r.Status])
	return out, nil
}

// posed is what is kept of a question that was posted, for a repeat of its key.
type posed struct{ id, cursor string }

// pose posts the question.
func (k *kit) pose(ctx context.Context, c *toolset.Call, in askIn) (asked posed, how carried, err error) {
	q, n, err := k.question(ctx, c, in)
	if err != nil {
		return posed{}, carried{}, err
	}
	open, err := openFor(in.ExpiresIn)
	if err != nil {
		return posed{}, carried{}, err
	}
	written := q
	written.Text = in.Question // the same names may be others on a repeat
	args := struct {
		Question ask.Question
		Open     time.Duration
		Naming   naming
	}{written, open, in.naming}
	asked, w, err := begin[posed](ctx, k.asBot(), c, guard.Write{Channel: q.Channel, Sends: true, Arguments: args}, in.safety)
	switch {
	case w.due && w.DryRun:
		var p slackapi.Post
		if p, err = q.Message(strings.Repeat("0", 32)); err == nil {
			_, err = w.slack.PostMessage(ctx, p)
		}
		w.end(ctx, nil, "", err)
	case w.due:
		r, p, opening := k.Asks.Open(ctx, c.Principal.Owner(), q, open)
		if err = opening; err == nil {
			var sent slackapi.Posted
			asked.cursor = k.cursorNow()                     // an answer comes behind it
			if err = k.present(ctx, p.Channel); err == nil { // Names and turns may have taken a while.
				sent, err = w.slack.PostMessage(ctx, p)
			}
			w.wrote(ctx, k, sent.Channel, sent.TS, err)
			r, err = k.Asks.Posted(ctx, r, sent, err)
		}
		err = askFault(err)
		asked.id = r.ID
		w.end(ctx, asked, r.TS, err)
	}
	w.Note = n.on(w.Note)
	return asked, w.carried, err
}

// askFault says what a failure to ask means. Where the question was not kept, nothing was sent.
func askFault(err error) error {
	_, slack := errors.AsType[*slackapi.Error](err)
	switch {
	case err == nil || slack:
		return err
	case errors.Is(err, ask.ErrTooMany):
		return &guard.RefusedError{Code: "too_many_questions", Remedy: fmt.Sprintf("%d of your questions wait for their answers. Nothing was sent. Wait for answers with ask_id, or withdraw with slack_delete_message what no longer matters.", ask.MaxOpen)}
	case errors.Is(err, ask.ErrNotRecorded):
		return fault("not_recorded: the question stands in Slack, but it could not be recorded, so no answer to it counts. Tell the user; do not ask again before they agree.")
	}
	return &guard.RefusedError{Code: "questions_unavailable", Remedy: "Questions cannot be kept now: the server's store cannot be reached. Nothing was sent. Try again in a minute."}
}

// openFor reads how long a question can be answered.
func openFor(s string) (time.Duration, error) {
	m := age.FindStringSubmatch(strings.ToLower(strings.TrimSpace(s)))
	if m != nil {
		if d, err := time.ParseDuration(m[1] + "s"); err == nil {
			if d = d / time.Second * units[m[2]]; d > 0 && d <= maxOpen {
				return d, nil
			}
		}
	}
	return 0, &toolset.ArgumentError{Argument: "expires_in", Problem: "write how long the question can be answered as 90s, 15m, 2h or 1d; at most 7d"}
}

// question reads the arguments of a new question.
func (k *kit) question(ctx context.Context, c *toolset.Call, in askIn) (q ask.Question, n remarks, err error) {
	for i, choice := range in.Choices {
		var calmed bool
		in.Choices[i], calmed = k.Guard.Text(strings.TrimSpace(choice))
		n.calm(calmed)
		if n := utf8.RuneCountInString(in.Choices[i]); n == 0 || n > ask.MaxChoice {
			return q, nil, &toolset.ArgumentError{Argument: "choices", Problem: "each must have 1 to 75 characters"}
		}
		if slices.Contains(in.Choices[:i], in.Choices[i]) {
			return q, nil, &toolset.ArgumentError{Argument: "choices", Problem: "two of them are the same"}
		}
	}
	for _, needed := range []struct {
		argument string
		missing  bool
	}{
		{"channel", in.Channel == ""}, {"question", strings.TrimSpace(in.Question) == ""}, {"choices", len(in.Choices) == 0},
	} {
		if needed.missing {
			return q, nil, &toolset.ArgumentError{Argument: needed.argument, Problem: "it is required to ask a new question"}
		}
	}
	var own bool
	if q.Channel, own, err = k.place(ctx, in.Channel, in.safety); err != nil {
		return q, nil, err
	}
	if !own {
		if err = k.present(ctx, q.Channel); err != nil {
			return q, nil, err
		}
	}
	q.For = k.onBehalf(ctx)
	if q.ThreadTS, err = k.threadIn(ctx, "thread_ts", q.Channel, in.ThreadTS); err != nil {
		return q, nil, err
	}
	if q.Who, err = k.voters(ctx, in.Who); err != nil {
		return q, nil, err
	}
	q.Choices = in.Choices
	q.Text = k.prose(ctx, c, "question", in.Question, maxSection, in.naming, &n)
	// The message is changed when the question ends, and then Slack takes no word about previews.
	return q, n, k.Guard.Links(nil, append(q.Choices, q.Text)...)
}

// voters returns the ids of those whose answer counts. A display name, or a full name, is not
// enough: each user chooses their own, and may choose another's.
func (k *kit) voters(ctx context.Context, list []string) ([]string, error) {
	ids, err := k.users(ctx, list)
	if err != nil {
		return nil, err
	}
	for i, s := range list {
		ref, err := names.ParseUser(s)
		if err != nil || ref.Name == "" {
			continue
		}
		u, err := k.Names.User(ctx, ids[i])
		if err != nil {
			return nil, err
		}
		if !names.Same(u.Handle, ref.Name) {
			return nil, faultf("ambiguous_user: %q in who is a name that any user can take. Give the id of the one who is meant: %s.", ref.Name, k.called(ctx, []names.User{u}))
		}
	}
	return ids, nil
}

// awaitAnswer waits until a question of the caller's has ended or the time is up, and
// returns it as it then is.
func (k *kit) awaitAnswer(ctx context.Context, c *toolset.Call, id string, timeout time.Duration) (ask.Row, error) {
	changes, stop := k.Asks.Changes(ctx, id)
	defer stop()
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	up := time.NewTimer(timeout)
	defer up.Stop()
	for began, due := time.Now(), true; ; {
		if due {
			r, err := k.Asks.ReadAs(ctx, c.Principal.Owner(), id)
			switch {
			case errors.Is(err, ask.ErrNotKept):
				return r, &toolset.ArgumentError{Argument: "ask_id", Problem: "it is none that slack_ask returned to you, or its question is no longer kept; leave it out to start again with a new question"}
			case err != nil && ctx.Err() == nil:
				return r, faultf("questions_unavailable: the server's store cannot be reached. The question stands; call again with ask_id %s alone in a minute.", id)
			case err != nil || r.Status != ask.Open || timeout <= 0:
				return r, err
			}
		}
		select {
		case <-changes:
			due = true
		case <-progress.C:
			due = false
			c.Progress(time.Since(began).Seconds(), timeout.Seconds(), "waiting for an answer")
		case <-up.C:
			due, timeout = true, 0
		case <-ctx.Done():
			return ask.Row{}, ctx.Err()
		}
	}
}

func (k *kit) answered(ctx context.Context, r *ask.Row) *askAnswer {
	a := &askAnswer{User: r.Answer.User, EventID: r.Answer.EventID, AnsweredAt: view.Time(r.Answer.At)}
	a.Choice = a.Flags.Text(r.Choice(), ask.MaxChoice)
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	if u, err := k.Names.User(ctx, r.Answer.User); err == nil {
		a.Person = new(k.Judge.Reading(ctx).Person(&u))
	}
	return a
}

// questionAt returns the question whose message a tool is about to change; nil where the
// message is none.
func (k *kit) questionAt(ctx context.Context, owner, channel, ts string) (*ask.Row, error) {
	if k.Asks == nil {
		return nil, nil //nolint:nilnil // without questions no message is one
	}
	r, found, err := k.Asks.At(ctx, channel, ts)
	switch {
	case err != nil:
		return nil, fault("questions_unavailable: whether the message is a question of slack_ask cannot be found out now: the server's store cannot be reached. Nothing was changed. Try again in a minute.")
	case !found, k.person && r.Principal != owner:
		// It is a message like any other: to a person, of whom it is not known whether they see it, as every
		// message of the bot's is, which Slack lets nobody change with a token of theirs.
		return nil, nil //nolint:nilnil // as above
	}
	return &r, nil
}

// asksNothing refuses a message with the buttons of a question that is not kept here: another
// process with another store asked it, or it was posted at this moment. An app that Slack lets read
// once a minute does not look.
func (k *kit) asksNothing(ctx context.Context, rehearsal bool, channel, ts string) error {
	if !k.asked || rehearsal || k.Slack.Capped() {
		return nil
	}
	page, err := k.Slack.Replies(ctx, ask.One(channel, ts))
	asks, err := ask.Asks(page, err, ts)
	if asks {
		return errQuestion
	}
	return err
}
