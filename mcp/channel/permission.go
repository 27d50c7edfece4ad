package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/mcp/ask"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// A request is what the client asks when its model wants to use a tool.
type request struct {
	ID          string `json:"request_id"`
	Tool        string `json:"tool_name"`
	Description string `json:"description"`
	Preview     string `json:"input_preview"`
}

// A verdict is the answer of a person.
type verdict struct {
	ID       string `json:"request_id"`
	Behavior string `json:"behavior"`
}

// The buttons of a prompt, in their order, and what a click means to the client.
var (
	buttons   = []string{"Allow", "Deny"}
	behaviors = []string{"allow", "deny"}
)

var (
	// requestID is what the client promises of its ids: letters without l.
	requestID = regexp.MustCompile(`^[a-km-z]{5}$`)
	// answer is how a person answers in words.
	answer = regexp.MustCompile(`(?i)^\s*(y|yes|n|no)\s+([a-km-z]{5})\s*$`)
)

const (
	// maxPrompts bounds the prompts that wait for an answer; the oldest is withdrawn.
	maxPrompts = 100
	// promptOpen is how long a prompt can be answered in Slack after this process was last
	// alive, and renewEvery how often it says that it is.
	promptOpen = 2 * time.Minute
	renewEvery = 20 * time.Second
	// promptLife is how long a prompt is kept open: the client does not say when its own user
	// has answered.
	promptLife = 24 * time.Hour
	// withdrawWithin bounds the withdrawing of what waits when the channel ends.
	withdrawWithin = 5 * time.Second
)

// A prompt is a question of the client's that waits for its answer.
type prompt struct {
	request string // the client's id of it
	words   bool   // an answer in words counts
	row     ask.Row
}

// prompts are those without an end yet. They are added by the client's notifications, read
// by the events, and taken by who waits for their end.
type prompts struct {
	mu      sync.Mutex
	waiting []prompt // oldest first
	closed  bool
}

// add posts a prompt, unless one of the same request waits, and returns it. A person who
// reads the prompts waits for it: an answer may be read before Slack has said where the
// question stands. dropped are the oldest ones beyond the bound.
func (p *prompts) add(request string, words bool, post func() (ask.Row, error)) (added prompt, dropped []prompt, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return prompt{}, nil, errEnded
	case slices.ContainsFunc(p.waiting, func(w prompt) bool { return w.request == request }):
		return prompt{}, nil, errWaits
	}
	r, err := post()
	if err != nil {
		return prompt{}, nil, err
	}
	added = prompt{request, words, r}
	p.waiting = append(p.waiting, added)
	if over := len(p.waiting) - maxPrompts; over > 0 {
		dropped = slices.Clone(p.waiting[:over])
		p.waiting = slices.Delete(p.waiting, 0, over)
	}
	return added, dropped, nil
}

var (
	errWaits = errors.New("the same request waits for its answer")
	errEnded = errors.New("the channel has ended")
)

// in returns the prompt of a request in whose thread a message stands, written after it.
func (p *prompts) in(request string, m message) (prompt, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiting {
		if w.words && w.request == request && m.Channel == w.row.Channel && m.ThreadTS == w.row.TS && later(m.TS, w.row.TS) {
			return w, true
		}
	}
	return prompt{}, false
}

// later compares two ts of Slack's, seconds and six digits.
func later(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// take removes a prompt, and reports whether it waited.
func (p *prompts) take(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.waiting)
	p.waiting = slices.DeleteFunc(p.waiting, func(w prompt) bool { return w.row.ID == id })
	return len(p.waiting) < n
}

// close removes every prompt and takes no more.
func (p *prompts) close() []prompt {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.waiting
	p.waiting, p.closed = nil, true
	return list
}

// Requested takes the params of a [RequestMethod] notification, asks in Slack, and waits
// until the prompt, the channel or ctx has ended; an answer is given to the client. The client
// asks its user at the same time, so what cannot be asked here is only logged.
func (c *Channel) Requested(ctx context.Context, params any) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	p, err := c.prompt(ctx, params)
	if err == nil {
		err = c.await(ctx, p)
	}
	if err != nil && ctx.Err() == nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "a permission prompt was not relayed", slog.String("error", err.Error()))
	}
}

func (c *Channel) prompt(ctx context.Context, params any) (prompt, error) {
	if c.o.Permissions == "" {
		return prompt{}, errors.New("no person is named to answer it")
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return prompt{}, err
	}
	var r request
	if err := json.Unmarshal(raw, &r); err != nil {
		return prompt{}, err
	}
	if !requestID.MatchString(r.ID) {
		return prompt{}, errors.New("its request_id is not five letters")
	}
	words := c.o.ButtonsOnly == nil || !c.o.ButtonsOnly(ctx)
	q := ask.Question{Channel: c.o.Permissions, Text: r.text(words), Choices: buttons, Who: c.o.Senders}
	p, dropped, err := c.prompts.add(r.ID, words, func() (ask.Row, error) {
		// Without a principal no caller of slack_ask can wait for the answer.
		row, post, err := c.o.Asks.Open(ctx, "", q, promptOpen)
		if err != nil {
			return row, fmt.Errorf("keep the prompt: %w", err)
		}
		posted, err := c.post(ctx, post)
		if row, err = c.o.Asks.Posted(ctx, row, posted, err); err != nil {
			return row, fmt.Errorf("post the prompt: %w", err)
		}
		return row, nil
	})
	c.end(ctx, dropped)
	return p, err
}

// post lets a post that has begun end when ctx does: who withdraws the prompt has to know where
// it stands.
func (c *Channel) post(ctx context.Context, p slackapi.Post) (slackapi.Posted, error) {
	posting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(withdrawWithin, cancel) })()
	return c.o.Slack.PostMessage(posting, p)
}

// await waits for the end of a prompt, and gives an answer to the client, once. While it
// waits the prompt stays open.
func (c *Channel) await(ctx context.Context, p prompt) error {
	changes, stop := c.o.Asks.Changes(ctx, p.row.ID)
	defer stop()
	for renewed := time.Now(); ; {
		r, err := c.o.Asks.Read(ctx, p.row.ID)
		switch {
		case errors.Is(err, ask.ErrNotKept), err == nil && r.Status != ask.Open:
			return c.tell(ctx, p, &r)
		case err != nil:
			c.log.LogAttrs(ctx, slog.LevelDebug, "a permission prompt cannot be read now", slog.String("error", err.Error()))
		case time.Since(renewed) >= renewEvery && time.Since(p.row.Asked) < promptLife && c.o.Asks.Extend(ctx, p.row.ID, promptOpen) == nil:
			renewed = time.Now()
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return nil
		}
	}
}

// tell gives the answer to a prompt that has ended to the client, unless it has it.
func (c *Channel) tell(ctx context.Context, p prompt, r *ask.Row) error {
	if !c.prompts.take(p.row.ID) {
		return nil // it was withdrawn
	}
	if r.Status != ask.Answered {
		c.log.LogAttrs(ctx, slog.LevelWarn, "a permission prompt ended without an answer", slog.String("status", string(r.Status)))
		return nil
	}
	behavior := behaviors[r.Answer.Choice]
	c.log.LogAttrs(ctx, slog.LevelInfo, "a permission prompt was answered", slog.String("user", r.Answer.User), slog.String("behavior", behavior))
	if err := c.o.Notify(ctx, permissionMethod, verdict{p.request, behavior}); err != nil {
		return fmt.Errorf("notify the client: %w", err)
	}
	return nil
}

// withdraw ends the prompts that wait when the channel does: their buttons say so.
func (c *Channel) withdraw(ctx context.Context) {
	waiting := c.prompts.close() // after a post that has begun
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawWithin)
	defer cancel()
	c.end(ctx, waiting)
}

func (c *Channel) end(ctx context.Context, list []prompt) {
	for _, p := range list {
		if err := c.o.Asks.Withdraw(ctx, p.row.ID); err != nil {
			c.log.LogAttrs(ctx, slog.LevelWarn, "a permission prompt still shows its buttons", slog.String("error", err.Error()))
		}
	}
}

// text is the prompt as people read it. What the client says of the tool is quoted: a
// model wrote part of it.
func (r request) text(words bool) string {
	var flags view.Flags
	var b strings.Builder
	fmt.Fprintf(&b, "The assistant asks to use *%s*", escape(flags.Text(r.Tool, 100)))
	if d := flags.Text(r.Description, 500); d != "" {
		b.WriteString(": " + escape(d))
	}
	if p := flags.Text(r.Preview, 1500); p != "" {
		b.WriteString("\n```" + strings.ReplaceAll(escape(p), "```", "'''") + "```")
	}
	if b.WriteString("\nPress a button"); words {
		b.WriteString(", or reply in this message's thread \"yes " + r.ID + "\" or \"no " + r.ID + "\"")
	}
	b.WriteString(".")
	return b.String()
}

// escaper keeps text from being read as Slack's markup
// (docs.slack.dev/messaging/formatting-message-text).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escape(s string) string { return escaper.Replace(s) }

// word takes an answer in words to a prompt that waits, and reports whether a message is
// one: written in the prompt's own thread, after it, by a person whom it names.
func (c *Channel) word(ctx context.Context, m message) (answered bool, err error) {
	parts := answer.FindStringSubmatch(m.Text)
	if parts == nil || len(m.Files) > 0 { // a file has no mark of who shared it
		return false, nil
	}
	p, ok := c.prompts.in(strings.ToLower(parts[2]), m)
	if !ok {
		return false, nil
	}
	choice := slices.Index(behaviors, "deny")
	if strings.HasPrefix(strings.ToLower(parts[1]), "y") {
		choice = slices.Index(behaviors, "allow")
	}
	if answered, err = c.o.Asks.AnswerInWords(ctx, p.row.ID, choice, m.User, m.EventID); err != nil {
		return false, fmt.Errorf("answer a permission prompt: %w", err)
	}
	return answered, nil
}
