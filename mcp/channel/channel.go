// Package channel pushes chosen events into the conversation of the client that started
// this process over stdio: the "claude/channel" extension of Claude Code
// (code.claude.com/docs/en/channels-reference). A message of a person on the allow-list
// becomes one notification, which the client shows to its model as the words of that
// person; the model answers by the ordinary tools.
//
// It promises that no person who is not on the list is ever heard, whatever channel they
// write in, nor a tool that writes in the name of one who is: a channel without such a gate is a way to give
// a model orders. A message that
// arrives as several events (a mention is also a message) is pushed once. What a text
// hides from a reader is removed from it before. Nothing is pushed twice, and nothing
// that came before the client was ready: that is read with the tools.
//
// Where it is asked to, it also takes the client's permission prompts to Slack, as a
// question with two buttons, and the first answer of a person on the list back, once.
package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// The names of the extension.
const (
	Capability           = "claude/channel"
	PermissionCapability = "claude/channel/permission"

	pushMethod       = "notifications/claude/channel"
	permissionMethod = "notifications/claude/channel/permission"
	// RequestMethod is the notification by which the client asks for a permission.
	RequestMethod = "notifications/claude/channel/permission_request"
)

// A Poster posts the permission prompts; a [slackapi.Client] is one.
type Poster interface {
	PostMessage(ctx context.Context, p slackapi.Post) (slackapi.Posted, error)
}

// Options configure a [Channel]. Judge, Senders and Notify are required.
type Options struct {
	Events sight.Log
	// Judge decides whose words are shown: under lockdown nothing is pushed of a sender who is not
	// known to be of the workspace.
	Judge *view.Judge
	// Senders are the ids of the users who are heard.
	Senders []string
	// Watch are the ids of channels in which every message of a sender is pushed, not
	// only mentions.
	Watch []string
	// Notify sends a notification to the client, and waits until the client is ready for it.
	Notify func(ctx context.Context, method string, params any) error
	// Ready is closed when the client is ready.
	Ready <-chan struct{}
	// Permissions is the id of the channel or user to whom permission prompts go, by
	// Slack; empty relays none. Asks keeps them.
	Permissions string
	// ButtonsOnly reports that a prompt takes no answer in words, because people have tools that write in
	// their names; nil is never.
	ButtonsOnly func(ctx context.Context) bool
	Slack       Poster
	Asks        *ask.Questions
	// Logger receives what an operator should know; nil is silent.
	Logger *slog.Logger
}

// A Channel pushes events to one client. [Channel.Run] is called once.
type Channel struct {
	o       Options
	log     *slog.Logger
	senders map[string]bool
	watch   map[string]bool
	said    *recent // messages that were pushed: channel and ts
	threads *recent // threads in which the model was addressed
	prompts prompts
	ended   chan struct{} // closed when Run ends
}

// New checks the options.
func New(o Options) (*Channel, error) {
	switch {
	case o.Judge == nil || o.Notify == nil || o.Ready == nil:
		return nil, errors.New("channel: Judge, Notify and Ready are required")
	case len(o.Senders) == 0:
		return nil, errors.New("channel: without senders no message would be heard")
	case o.Permissions != "" && (o.Slack == nil || o.Asks == nil):
		return nil, errors.New("channel: permission prompts need Slack and a store of questions")
	case o.Permissions != "" && len(o.Senders) > ask.MaxWho:
		return nil, fmt.Errorf("channel: a permission prompt names at most %d senders, not %d", ask.MaxWho, len(o.Senders))
	}
	c := &Channel{o: o, log: o.Logger, senders: set(o.Senders), watch: set(o.Watch), said: newRecent(), threads: newRecent(), ended: make(chan struct{})}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, v := range list {
		s[v] = true
	}
	return s
}

// How events are read.
const (
	batch      = 200
	retryAfter = time.Second
)

// Run pushes what arrives from the client's being ready on, until ctx ends (nil) or the
// client is gone.
func (c *Channel) Run(ctx context.Context) error {
	defer c.withdraw(ctx)
	defer close(c.ended)
	select {
	case <-c.o.Ready:
	case <-ctx.Done():
		return nil
	}
	f := event.Follow(c.o.Events, event.Query{
		Filter: event.Filter{Source: event.SourceSlack}, After: c.o.Events.Newest(), Limit: batch, MaxBytes: 1,
	})
	defer f.Close()
	c.log.LogAttrs(ctx, slog.LevelInfo, "pushing events to the client", slog.Int("senders", len(c.senders)))
	for {
		err := c.read(ctx, f)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.log.LogAttrs(ctx, slog.LevelWarn, "events were not pushed", slog.String("error", err.Error()))
			if wait.Sleep(ctx, retryAfter) != nil {
				return nil
			}
			continue
		}
		select {
		case <-f.Ready():
		case <-ctx.Done():
			return nil
		}
	}
}

// read pushes one page. After a failure the follower stands behind the last event that
// was pushed.
func (c *Channel) read(ctx context.Context, f *event.Follower) error {
	pushed := f.Position()
	// What it pushes waits for the client and for Slack, so this one reader keeps its page.
	var page event.Page
	err := f.Read(ctx, func(p event.Page) error {
		page = p
		return nil
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
		c.log.LogAttrs(ctx, slog.LevelWarn, "events were passed over: too many came at once")
		f.Seek(c.o.Events.Newest())
		return nil
	}
	for i := range page.Events {
		if err := c.take(ctx, &page.Events[i]); err != nil {
			f.Seek(pushed)
			return err
		}
		pushed = page.Events[i].Position
	}
	return err
}

// take handles one event: words on a prompt, a message to push, or nothing.
func (c *Channel) take(ctx context.Context, e *event.Event) error {
	m, ok := c.heard(ctx, e)
	if !ok || c.said.has(m.key()) {
		return nil
	}
	// What the person's assistant wrote in their name is no word of theirs.
	if assistant, err := c.o.Judge.Assistant(ctx, e); assistant || err != nil {
		return err
	}
	if answered, err := c.word(ctx, m); err != nil || answered {
		if err == nil {
			c.said.add(m.key())
		}
		return err
	}
	if !c.addressed(m) {
		return nil
	}
	if err := c.o.Notify(ctx, pushMethod, c.params(m)); err != nil {
		return fmt.Errorf("notify the client: %w", err)
	}
	c.said.add(m.key())
	c.threads.add(m.thread())
	return nil
}

// params is the notification of one message. Keys of the meta are letters and
// underscores: the client drops others.
func (c *Channel) params(m message) any {
	meta := map[string]string{
		"event_id": m.EventID, "type": m.Type, "channel": m.Channel, "user": m.User, "ts": m.TS, "thread_ts": m.root(),
	}
	if m.ChannelType != "" {
		meta["channel_type"] = m.ChannelType
	}
	for key, value := range map[string]string{
		"user_name": m.UserName, "channel_name": m.ChannelName, "time": m.legend.Dated(m.Time), "time_zone": m.legend.TimeZone, "people": m.people(),
	} {
		if value != "" {
			meta[key] = value
		}
	}
	for _, f := range m.Flags {
		meta[f] = "true"
	}
	return map[string]any{"content": view.Said(m.Text, m.Files), "meta": meta}
}

// A message is one that a person on the list wrote.
type message struct {
	view.Event
	legend view.Legend
}

// people are the ids of those whom the text mentions: "Alice Young: U0123456789, Bob: U0234567890".
func (m message) people() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m.legend.People)) {
		all = append(all, name+": "+m.legend.People[name])
	}
	return strings.Join(all, ", ")
}

// key names the message, whichever event reports it.
func (m message) key() string { return m.Channel + "/" + m.TS }

// root is the message in whose thread an answer belongs.
func (m message) root() string {
	if m.ThreadTS != "" {
		return m.ThreadTS
	}
	return m.TS
}

func (m message) thread() string { return m.Channel + "/" + m.root() }

// direct are the conversations in which everything said is said to the model.
var direct = map[string]bool{"im": true, "app_home": true}

// words are the subtypes of messages that are a person's own, new words.
var words = map[string]bool{"": true, "thread_broadcast": true, "file_share": true}

// heard reads a new message by a person on the list out of an event, and reports whether
// it is one. Changed and deleted messages are none, nor is anything by a bot.
func (c *Channel) heard(ctx context.Context, e *event.Event) (message, bool) {
	if e.Source != event.SourceSlack || e.FromSelf || !c.senders[e.User] || !words[e.Kind.Subtype] {
		return message{}, false
	}
	if e.Kind.Type != "message" && e.Kind.Type != mention {
		return message{}, false
	}
	var m message
	passes := false
	err := c.o.Judge.Read(ctx, func(r *view.Reading) error {
		if passes = r.Passes(e); passes {
			m = message{r.Event(e, view.EventOptions{}), r.Legend()}
		}
		return nil
	})
	if err != nil || !passes {
		return message{}, false
	}
	// The sender is what Slack says of the author, not what the text claims; a bot that
	// posts in a person's name is not that person.
	if m.Provenance.Kind != view.KindPerson || !bool(m.Provenance.Verified) || m.TS == "" {
		return message{}, false
	}
	return m, true
}

const mention = "app_mention"

// addressed reports whether a message is meant for the model: a mention, a direct
// message, a message of a watched channel, or one in a thread where the model was
// addressed before.
func (c *Channel) addressed(m message) bool {
	return m.Type == mention || direct[m.ChannelType] || c.watch[m.Channel] || c.threads.has(m.thread())
}

// recent remembers the newest of many names. It is used by one goroutine.
type recent struct {
	names map[string]struct{}
	order []string // a ring, once it is full
	next  int
}

// remembered is how many names are kept.
const remembered = 1000

func newRecent() *recent { return &recent{names: map[string]struct{}{}} }

func (r *recent) has(name string) bool {
	_, ok := r.names[name]
	return ok
}

func (r *recent) add(name string) {
	if r.has(name) {
		return
	}
	r.names[name] = struct{}{}
	if len(r.order) < remembered {
		r.order = append(r.order, name)
		return
	}
	delete(r.names, r.order[r.next])
	r.order[r.next] = name
	r.next = (r.next + 1) % remembered
}
