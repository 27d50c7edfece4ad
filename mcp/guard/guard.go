// Package guard stands between an assistant and whatever it may write: which channels
// it may write to, how often, whom it may call, what it sent already, and the record
// of it.
//
// It promises that a write that its rules forbid is never sent; that within an hour a
// repeat of an idempotency key sends nothing and returns what the first call returned,
// also when its outcome is not known, unless its principal used very many keys meanwhile; and
// that each write that was allowed leaves one audit line. What it remembers it keeps in the process: a restart forgets
// keys and budgets.
package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// Options configure a [Guard].
type Options struct {
	// Allow and Deny are conversations; see [ParseRule]. With Allow nothing else may be written
	// to; Deny wins over Allow.
	Allow, Deny []string
	// MassMentions lets @channel, @here and @everyone call people.
	MassMentions bool
	// NoRemote forbids what is fetched from elsewhere when a message is shown: previews of
	// links, and images and videos by URL.
	NoRemote bool
	// PerMinute bounds the messages to one channel within a minute; 0 is 30, and
	// negative is no bound.
	PerMinute int
	// Remember is how long an idempotency key is remembered; 0 is one hour.
	Remember time.Duration
	// Directory finds what the rules name. It is required when Allow or Deny holds a name or
	// a person.
	Directory Directory
	// Kept remembers over restarts which channel a name was found to be; nil does not.
	Kept state.Store
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
	rules        *rules
	massMentions bool
	noRemote     bool
	budget       *budget
	memory       *memory
	log          *slog.Logger
	onWritten    func(context.Context, Written)
	sight        Directory // of a person's guard what they see; nil of that of services
	account      string    // whose budget a person's guard has
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
		noRemote:     o.NoRemote,
		budget:       newBudget(cmp.Or(o.PerMinute, defaultPerMinute), time.Now),
		memory:       newMemory(cmp.Or(o.Remember, defaultRemember), time.Now),
		log:          o.Logger,
		onWritten:    o.OnWritten,
	}, nil
}

// For returns the guard of a person who sees conversations by d. The rules are the same, and what they
// name is still found by the guard's own Directory, but of the conversation that is written to d tells.
// What the person does not see is not there for them, whatever a rule says of it. All that write as the
// person, who has the account, have one budget.
func (g *Guard) For(d Directory, account string) *Guard {
	person := *g
	person.sight, person.account = d, account
	return &person
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
	// Channel is the id of the conversation that it goes to; empty for what goes to none that is
	// there yet, which only happens where no conversation is allowed by name.
	Channel string
	// Also are further conversations that it changes.
	Also []string
	// Sends reports that people will see a new message: it counts against the budget.
	Sends bool
	// Key is the caller's idempotency key, empty for none; Arguments is all that the
	// call is made of, so that a key that is used for something else is noticed.
	Key       string
	Arguments any
}

// Check returns the refusal of a write to conversations of which one may not be written to,
// without sending anything or using anything up. A user's id stands for the direct message
// with them, and "" for a conversation that is not there yet.
func (g *Guard) Check(ctx context.Context, channels ...string) error {
	for _, channel := range channels {
		if err := g.rules.check(ctx, channel, g.sight); err != nil {
			return err
		}
	}
	return nil
}

// purse is whose messages to the conversation of a write are counted.
func (g *Guard) purse(w *Write) string {
	if g.sight == nil {
		return w.Channel
	}
	return g.account + " " + w.Channel
}

// Restricts reports whether some conversation may not be written to.
func (g *Guard) Restricts() bool { return len(g.rules.allow)+len(g.rules.deny) > 0 }

// Run finds what the rules name, until all is found or ctx is done. It returns nil.
func (g *Guard) Run(ctx context.Context) error {
	g.rules.find(ctx, g.log)
	return nil
}

// A Permit is one write that may be carried out. Its holder sends, and then calls
// [Permit.End] once, with [ErrNoEnd] after a panic: until then, other calls with the same
// key wait. A permit that is Repeated is ended already.
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
	if err := g.Check(ctx, append([]string{w.Channel}, w.Also...)...); err != nil {
		g.audit(ctx, w, "", err)
		return nil, err
	}
	p := &Permit{guard: g, write: w}
	if w.Key != "" {
		var err error
		if p.run, p.Repeated, err = g.memory.claim(ctx, runKey{w.Tool, w.Principal, w.Key}, digest(w.Arguments)); err != nil {
			return nil, err
		}
		if p.Repeated {
			p.Result, p.Err = p.run.value, p.run.err
			return p, nil
		}
	}
	if w.Sends {
		if err := g.budget.take(g.purse(&w)); err != nil {
			g.memory.finish(p.run, nil, err)
			g.audit(ctx, w, "", err)
			return nil, err
		}
	}
	return p, nil
}

// End keeps what became of a write: its result, as far as a repeat needs it, the ts of what it
// wrote, "" for nothing, and its error.
func (p *Permit) End(ctx context.Context, result any, ts string, err error) {
	p.guard.memory.finish(p.run, result, err)
	if err != nil && p.write.Sends && !maySent(err) {
		p.guard.budget.giveBack(p.guard.purse(&p.write))
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

// maySent reports that it cannot be known whether something was sent.
func maySent(err error) bool {
	var slack *slackapi.Error
	var refusal *RefusedError
	switch {
	case errors.As(err, &refusal):
		return false
	case errors.As(err, &slack):
		return slack.Kind == slackapi.Ambiguous || slack.Kind == slackapi.Internal
	}
	return true
}

// maxBudgets bounds the channels whose messages are counted.
const maxBudgets = 10_000

// A budget counts the messages to each channel within the last minute.
type budget struct {
	limit int // negative is none
	now   func() time.Time

	mu   sync.Mutex
	sent map[string][]time.Time // channel, or account and channel -> when, oldest first; guarded by mu
}

func newBudget(limit int, now func() time.Time) *budget {
	return &budget{limit: limit, now: now, sent: map[string][]time.Time{}}
}

func (b *budget) take(channel string) error {
	if b.limit < 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	sent := recent(b.sent[channel], now)
	if len(sent) >= b.limit {
		b.sent[channel] = sent
		wait := time.Minute - now.Sub(sent[0])
		return &RefusedError{Code: "send_budget_used_up", Remedy: fmt.Sprintf("As many messages were sent to this channel within a minute as the operator allows. Nothing was sent. Put what is left into one message and wait %d seconds.", int(wait/time.Second)+1)}
	}
	if len(b.sent) >= maxBudgets {
		b.sweep(now)
	}
	b.sent[channel] = append(sent, now)
	return nil
}

// giveBack takes the newest message back: it was surely not sent.
func (b *budget) giveBack(channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sent := b.sent[channel]; len(sent) > 0 {
		b.sent[channel] = sent[:len(sent)-1]
	}
}

// sweep forgets the channels that were not written to for a minute, and all when there is
// none such. It requires the lock.
func (b *budget) sweep(now time.Time) {
	for channel, sent := range b.sent {
		if len(recent(sent, now)) == 0 {
			delete(b.sent, channel)
		}
	}
	if len(b.sent) >= maxBudgets {
		clear(b.sent)
	}
}

func recent(sent []time.Time, now time.Time) []time.Time {
	for len(sent) > 0 && now.Sub(sent[0]) >= time.Minute {
		sent = sent[1:]
	}
	return sent
}
