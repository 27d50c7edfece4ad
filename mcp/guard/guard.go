package guard

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Options configure a [Guard].
type Options struct {
	// Allow and Deny are channels by id or name (with or without "#"). With Allow
	// nothing else may be written to; Deny wins over Allow.
	Allow, Deny []string
	// MassMentions lets @channel, @here and @everyone call people.
	MassMentions bool
	// PerMinute bounds the messages to one channel within a minute; 0 is 30, and
	// negative is no bound.
	PerMinute int
	// Remember is how long an idempotency key is remembered; 0 is one hour.
	Remember time.Duration
	// ChannelName returns the name of a channel's id, for rules that are names. It is
	// required when Allow or Deny holds a name.
	ChannelName func(ctx context.Context, id string) (string, error)
	// Logger receives a line for each write; nil discards them.
	Logger *slog.Logger
	// OnWritten is called after each write that was carried out or refused; nil calls nothing.
	OnWritten func(ctx context.Context, w Written)
}

// Written is what became of a write. It holds nothing of what was written.
type Written struct {
	Tool, Principal, Channel string
	// TS is Slack's of what was written, empty where there is none.
	TS string
	// Refused is the code of the rule that forbade it, empty otherwise.
	Refused string
	// Err is nil for a success.
	Err error
}

const (
	defaultPerMinute = 30
	defaultRemember  = time.Hour
)

// A Guard is safe for concurrent use.
type Guard struct {
	rules        rules
	massMentions bool
	budget       *budget
	memory       *memory
	log          *slog.Logger
	onWritten    func(context.Context, Written)
}

// New checks the options.
func New(o Options) (*Guard, error) {
	if o.Remember < 0 {
		return nil, errors.New("guard: Remember is negative")
	}
	r, err := newRules(o)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Guard{
		rules:        r,
		massMentions: o.MassMentions,
		budget:       newBudget(cmp.Or(o.PerMinute, defaultPerMinute), time.Now),
		memory:       newMemory(cmp.Or(o.Remember, defaultRemember), time.Now),
		log:          o.Logger,
		onWritten:    o.OnWritten,
	}, nil
}

// A RefusedError is a write that was not sent because a rule forbids it. Its text is for
// the model and holds nothing that came from Slack.
type RefusedError struct {
	Code   string
	Remedy string
}

// Error returns the code and the remedy.
func (r *RefusedError) Error() string { return r.Code + ": " + r.Remedy }

// A Write is what a caller is about to do.
type Write struct {
	// Tool and Principal say which tool and which caller, for the audit.
	Tool, Principal string
	// Channel is the id of the channel that it goes to; empty for what goes to none.
	Channel string
	// Sends reports that people will see a new message: it counts against the budget.
	Sends bool
	// Key is the caller's idempotency key, empty for none; Arguments is all that the
	// call is made of, so that a key that is used for something else is noticed.
	Key       string
	Arguments any
}

// Check returns the refusal of a channel that may not be written to, without sending
// anything or using anything up.
func (g *Guard) Check(ctx context.Context, channel string) error {
	return g.rules.check(ctx, channel)
}

// A Permit is one write that may be carried out. Who has it sends, and then calls
// [Permit.End] once; a permit that is Repeated is ended already.
type Permit struct {
	// Repeated reports that the key is known: nothing is to be sent, and Result and Err
	// are what became of the first call.
	Repeated bool
	Result   any
	Err      error

	guard *Guard
	write Write
	run   *run // of the key; nil without one
}

// Begin asks for a write. Its error says that nothing may be sent. Where the same key is
// in use by another call, Begin waits for its end.
func (g *Guard) Begin(ctx context.Context, w Write) (*Permit, error) {
	if err := g.rules.check(ctx, w.Channel); err != nil {
		g.audit(ctx, w, "", err)
		return nil, err
	}
	p := &Permit{guard: g, write: w}
	if w.Key != "" {
		var err error
		if p.run, p.Repeated, err = g.memory.claim(ctx, w.Tool+"\x00"+w.Principal+"\x00"+w.Key, digest(w.Arguments)); err != nil {
			return nil, err
		}
		if p.Repeated {
			p.Result, p.Err = p.run.value, p.run.err
			return p, nil
		}
	}
	if w.Sends {
		if err := g.budget.take(w.Channel); err != nil {
			g.memory.finish(p.run, nil, err)
			g.audit(ctx, w, "", err)
			return nil, err
		}
	}
	return p, nil
}

// End keeps what became of a write: its result, the ts of what it wrote, "" for nothing,
// and its error.
func (p *Permit) End(ctx context.Context, result any, ts string, err error) {
	p.guard.memory.finish(p.run, result, err)
	if err != nil && p.write.Sends && !maySent(err) {
		p.guard.budget.giveBack(p.write.Channel)
	}
	p.guard.audit(ctx, p.write, ts, err)
}

// audit writes one line for a write, without what was written.
func (g *Guard) audit(ctx context.Context, w Write, ts string, err error) {
	level, outcome := slog.LevelInfo, "ok"
	var refusal *RefusedError
	switch {
	case errors.As(err, &refusal):
		level, outcome = slog.LevelWarn, "refused: "+refusal.Code
	case err != nil:
		level, outcome = slog.LevelWarn, "error"
	}
	attrs := []slog.Attr{
		slog.String("principal", w.Principal), slog.String("tool", w.Tool), slog.String("channel", w.Channel),
		slog.String("ts", ts), slog.String("outcome", outcome),
	}
	if err != nil && refusal == nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	g.log.LogAttrs(ctx, level, "slack write", attrs...)
	if g.onWritten == nil {
		return
	}
	done := Written{Tool: w.Tool, Principal: w.Principal, Channel: w.Channel, TS: ts, Err: err}
	if refusal != nil {
		done.Refused = refusal.Code
	}
	g.onWritten(ctx, done)
}

// rules are the channels that may be written to.
type rules struct {
	allow, deny []string
	byName      bool
	name        func(ctx context.Context, id string) (string, error)
}

var channelID = regexp.MustCompile(`^[CGDU][A-Z0-9]{2,20}$`)

func newRules(o Options) (rules, error) {
	r := rules{name: o.ChannelName}
	for _, list := range []struct {
		from []string
		to   *[]string
	}{{o.Allow, &r.allow}, {o.Deny, &r.deny}} {
		for _, s := range list.from {
			s = strings.TrimSpace(s)
			if s == "" {
				continue
			}
			if !channelID.MatchString(s) {
				s = strings.ToLower(strings.TrimPrefix(s, "#"))
				r.byName = true
			}
			*list.to = append(*list.to, s)
		}
	}
	if r.byName && r.name == nil {
		return r, errors.New("guard: ChannelName is required when Allow or Deny holds a name")
	}
	return r, nil
}

// check refuses a channel that is denied, or not allowed, or of which neither can be
// told: without its name a rule by name cannot be kept.
func (r *rules) check(ctx context.Context, channel string) error {
	if channel == "" || len(r.allow) == 0 && len(r.deny) == 0 {
		return nil
	}
	forms := []string{channel}
	if r.byName {
		name, err := r.name(ctx, channel)
		if err != nil {
			return &RefusedError{Code: "channel_not_checked", Remedy: "The operator allows writing to some channels only, by name, and this channel's name could not be found out. Nothing was sent. Check the channel, or try again later."}
		}
		if name != "" {
			forms = append(forms, strings.ToLower(name))
		}
	}
	in := func(list []string) bool {
		return slices.ContainsFunc(forms, func(f string) bool { return slices.Contains(list, f) })
	}
	if in(r.deny) || len(r.allow) > 0 && !in(r.allow) {
		return &RefusedError{Code: "channel_not_allowed", Remedy: "The operator does not allow writing to this channel. Nothing was sent. Tell the user; another channel may be allowed."}
	}
	return nil
}
