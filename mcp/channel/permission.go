package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"slackmcp/mcp/ask"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
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

// The buttons of a prompt, and what a click means to the client.
const (
	allow = "Allow"
	deny  = "Deny"
)

var behaviors = map[string]string{allow: "allow", deny: "deny"}

var (
	// requestID is what the client promises of its ids: letters without l.
	requestID = regexp.MustCompile(`^[a-km-z]{5}$`)
	// answer is how a person answers in words.
	answer = regexp.MustCompile(`(?i)^\s*(y|yes|n|no)\s+([a-km-z]{5})\s*$`)
)

// maxPrompts bounds the prompts that wait for an answer; the oldest is dropped.
const maxPrompts = 100

// prompts are those without an answer yet. They are added by the client's
// notifications and taken by the events.
type prompts struct {
	mu    sync.Mutex
	byID  map[string]ask.ID
	order []string
}

func newPrompts() *prompts { return &prompts{byID: map[string]ask.ID{}} }

// add posts a prompt, unless it waits already, and remembers where. A person who reads the
// prompts waits for it: an answer may be read before Slack has said where the question
// stands.
func (p *prompts) add(id string, post func() (ask.ID, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.byID[id]; ok {
		return nil
	}
	at, err := post()
	if err != nil {
		return err
	}
	if len(p.order) == maxPrompts {
		delete(p.byID, p.order[0])
		p.order = p.order[1:]
	}
	p.byID[id] = at
	p.order = append(p.order, id)
	return nil
}

// has reports whether a prompt waits.
func (p *prompts) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.byID[id]
	return ok
}

// at returns the request whose prompt is a message.
func (p *prompts) at(channel, ts string) (id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, at := range p.byID {
		if at.Channel == channel && at.TS == ts {
			return id, true
		}
	}
	return "", false
}

func (p *prompts) remove(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, id)
	for i, one := range p.order {
		if one == id {
			p.order = append(p.order[:i], p.order[i+1:]...)
			return
		}
	}
}

// Requested takes the params of a [RequestMethod] notification and asks in Slack. The
// client asks its user at the same time, so what cannot be asked here is only logged.
func (c *Channel) Requested(ctx context.Context, params any) {
	if err := c.prompt(ctx, params); err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "a permission prompt was not relayed", slog.String("error", err.Error()))
	}
}

func (c *Channel) prompt(ctx context.Context, params any) error {
	if c.o.Permissions == "" {
		return errors.New("no person is named to answer it")
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	var r request
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	if !requestID.MatchString(r.ID) {
		return errors.New("its request_id is not five letters")
	}
	q := ask.Question{Channel: c.o.Permissions, Text: r.text(), Choices: []string{allow, deny}, Who: c.o.Senders}
	if len(q.Who) > ask.MaxWho {
		q.Who = q.Who[:ask.MaxWho]
	}
	after := c.o.Events.Newest()
	post, err := q.Post(after)
	if err != nil {
		return err
	}
	return c.prompts.add(r.ID, func() (ask.ID, error) {
		posted, err := c.o.Slack.PostMessage(ctx, post)
		if err != nil {
			return ask.ID{}, fmt.Errorf("post the prompt: %w", err)
		}
		return ask.ID{Channel: posted.Channel, TS: posted.TS, After: after}, nil
	})
}

// text is the prompt as people read it. What the client says of the tool is quoted: a
// model wrote part of it.
func (r request) text() string {
	var flags view.Flags
	var b strings.Builder
	fmt.Fprintf(&b, "The assistant asks to use *%s*", escape(flags.Text(r.Tool, 100)))
	if d := flags.Text(r.Description, 500); d != "" {
		b.WriteString(": " + escape(d))
	}
	if p := flags.Text(r.Preview, 1500); p != "" {
		b.WriteString("\n```" + strings.ReplaceAll(escape(p), "```", "'''") + "```")
	}
	b.WriteString("\nPress a button, or write \"yes " + r.ID + "\" or \"no " + r.ID + "\".")
	return b.String()
}

// escaper keeps text from being read as Slack's markup
// (docs.slack.dev/messaging/formatting-message-text).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escape(s string) string { return escaper.Replace(s) }

// clicked takes a click on a prompt's button back to the client, and puts the answer
// into the message. Whose click counts stands in the button, which Slack hands back as
// it was; it is judged here all the same.
func (c *Channel) clicked(ctx context.Context, e *event.Event, click *ask.Click) error {
	id, ok := c.prompts.at(click.ID.Channel, click.ID.TS)
	if !ok || !c.senders[click.User] {
		return nil
	}
	behavior, ok := behaviors[click.Choice]
	if !ok {
		return nil
	}
	if err := c.o.Notify(ctx, permissionMethod, verdict{id, behavior}); err != nil {
		return fmt.Errorf("notify the client: %w", err)
	}
	c.prompts.remove(id)
	c.log.LogAttrs(ctx, slog.LevelInfo, "a permission prompt was answered", slog.String("user", click.User), slog.String("behavior", behavior))
	if err := ask.Settle(ctx, c.o.Events, c.o.Slack, e); err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "the prompt still shows its buttons", slog.String("error", err.Error()))
	}
	return nil
}

// word reads an answer in words to a prompt that waits.
func (c *Channel) word(m message) (verdict, bool) {
	parts := answer.FindStringSubmatch(m.Text)
	if parts == nil {
		return verdict{}, false
	}
	id := strings.ToLower(parts[2])
	if !c.prompts.has(id) {
		return verdict{}, false
	}
	behavior := behaviors[deny]
	if strings.HasPrefix(strings.ToLower(parts[1]), "y") {
		behavior = behaviors[allow]
	}
	return verdict{id, behavior}, true
}
