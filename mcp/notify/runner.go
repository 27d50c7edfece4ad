package notify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

const (
	// readAhead is how many events a subscription holds in memory.
	readAhead = 20
	// saveEvery is the shortest time between two writes of a cursor that moves.
	saveEvery = time.Second
	// driftEvery is the same for a cursor that passes by what does not match. After a crash that much is looked through
	// once more; each write is a sync, and a thousand subscriptions that match nothing would write all the time.
	driftEvery = 15 * time.Minute
	// storePause is the wait after the log or the state failed.
	storePause = time.Second
	// gapAttempts bounds the attempts to post a gap: some receivers do not know the message.
	gapAttempts = 3
)

// A message is what waits to be posted: an event, or that some were lost.
type message struct {
	Item
	gap bool
}

// A runner delivers one subscription's events, one after the other.
type runner struct {
	notifier *Notifier
	sub      atomic.Pointer[Subscription]
	changed  chan struct{} // capacity 1: sub did
	cancel   context.CancelFunc
	done     chan struct{}
	ended    atomic.Bool // the subscription is no more: there is nothing to save

	// Of the runner's own goroutine.
	progress
	events  Follower // nil until the first read
	pending []message
	scanned string // how far the log was looked at, while nothing is pending
	fresh   bool   // what is pending was read for the attempt that comes now
	tried   string // the id of the event that an attempt failed of
	dirty   bool   // progress is ahead of what was saved
	savedAt time.Time
}

func (n *Notifier) newRunner(ctx context.Context, s *Subscription) *runner {
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{notifier: n, changed: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	r.sub.Store(s)
	go func() {
		defer close(r.done)
		defer cancel()
		r.run(ctx)
	}()
	return r
}

// errNoCaller says that who has subscribed may do so no more; the subscription is about to be removed.
var errNoCaller = errors.New("who has subscribed may have subscriptions no more")

// caller is who has subscribed, as of now.
func (r *runner) caller(ctx context.Context) (*access.Principal, error) {
	s := r.sub.Load()
	p, err := r.notifier.opt.Caller(ctx, s.Principal, s.Credential)
	if p == nil && err == nil {
		err = errNoCaller
	}
	return p, err
}

// update gives the runner the subscription as it is now.
func (r *runner) update(s *Subscription) {
	if r.sub.Swap(s).version == s.version {
		return
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *runner) run(ctx context.Context) {
	if !r.begin(ctx) {
		return
	}
	defer r.leave(ctx)
	for ctx.Err() == nil {
		pause := r.step(ctx)
		if pause == 0 {
			continue
		}
		var news <-chan struct{} // nil while more events would change nothing
		if r.events != nil && len(r.pending) == 0 && !r.idle() {
			news = r.events.Ready()
		}
		timer := time.NewTimer(pause)
		select {
		case <-news:
		case <-r.changed:
			r.refresh(ctx)
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// begin reads where the subscription stands, as soon as that can be read.
func (r *runner) begin(ctx context.Context) bool {
	for {
		p, err := loadProgress(ctx, r.notifier.opt.State, r.sub.Load().ID)
		switch {
		case err == nil:
			r.progress, r.scanned = p, p.Cursor
			r.savedAt = time.Now().Add(-mathrand.N(driftEvery)) //nolint:gosec // not all at once
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, state.ErrNotFound):
			// It is being removed, or its place was lost: then it goes on from now, and says so.
			var caller *access.Principal
			if caller, err = r.caller(ctx); err == nil {
				p.Cursor, err = r.notifier.opt.Source.Now(ctx, caller)
			}
			if err == nil {
				p.Truncated = true
				r.progress, r.scanned, r.dirty = p, p.Cursor, true
				return true
			}
		}
		r.notifier.log.LogAttrs(ctx, slog.LevelWarn, "delivery state was not read", slog.Any("error", err))
		if wait.Sleep(ctx, storePause) != nil {
			return false
		}
	}
}

// leave saves what was not saved yet.
func (r *runner) leave(ctx context.Context) {
	if r.events != nil {
		r.events.Close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.notifier.opt.Grace)
	defer cancel()
	r.save(ctx, true)
}

// refresh takes over what a refresh wrote beside the subscription.
func (r *runner) refresh(ctx context.Context) {
	r.Due = time.Time{} // its client is alive: no need to wait
	r.save(ctx, true)
}

// idle reports that nothing is to be delivered for now.
func (r *runner) idle() bool {
	s := r.sub.Load()
	return s.Paused || !r.SuspendedAt.IsZero() || !time.Now().Before(s.ExpiresAt)
}

// far is a wait that something else ends.
const far = time.Hour

// step does the next thing, and returns how long to wait before the one after it unless
// something happens: 0 is not at all.
func (r *runner) step(ctx context.Context) time.Duration {
	saveIn := r.save(ctx, false)
	if r.idle() {
		return saveIn
	}
	if len(r.pending) == 0 {
		if !r.read(ctx) {
			return storePause
		}
		if len(r.pending) == 0 {
			return saveIn
		}
	}
	if due := time.Until(r.Due); due > 0 {
		r.fresh = false
		return min(due, saveIn)
	}
	if access.IsPerson(r.sub.Load().Principal) && !r.fresh {
		if !r.again(ctx) {
			return storePause
		}
		if len(r.pending) == 0 {
			return saveIn
		}
	}
	r.deliver(ctx)
	r.fresh = false
	return 0
}

// again reads anew what is due to a person: what they may see now decides each attempt, and what has been
// taken away since the last one is passed over.
func (r *runner) again(ctx context.Context) bool {
	r.pending, r.scanned = nil, r.Cursor
	r.events.Seek(r.Cursor)
	if !r.read(ctx) {
		return false
	}
	if len(r.pending) == 0 || r.pending[0].ID != r.tried {
		r.Attempt = 0 // they were another event's
	}
	return true
}

// read fetches what comes next. It reports false when the log cannot be read.
func (r *runner) read(ctx context.Context) bool {
	s := r.sub.Load()
	since := time.Now().Add(-r.notifier.opt.Backlog)
	if r.Since.After(since) {
		since = r.Since
	}
	ahead := readAhead
	if access.IsPerson(s.Principal) {
		ahead = 1 // each is read when it is due
	}
	var b Batch
	var err error
	if r.events == nil {
		var caller *access.Principal
		if caller, err = r.caller(ctx); err == nil {
			r.events, err = r.notifier.opt.Source.Follow(caller, s.Name, s.Arguments, r.scanned, ahead)
		}
	}
	if err == nil {
		b, err = r.events.Read(ctx, since)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.notifier.log.LogAttrs(ctx, slog.LevelWarn, "events for a subscription were not read", slog.String("subscription", s.ID), slog.Any("error", err))
		}
		return false
	}
	if b.Truncated {
		r.pending = append(r.pending, gapMessage(s.ID, b.From, b.Shown))
		r.Truncated, r.dirty = true, true
	}
	for _, item := range b.Items {
		r.pending = append(r.pending, message{Item: item})
	}
	r.scanned, r.fresh = b.Cursor, true
	if len(r.pending) == 0 && r.Cursor != b.Cursor {
		// Nothing between matched: the subscription stands behind it.
		r.Cursor = b.Cursor
		r.dirty = r.dirty || time.Since(r.savedAt) > driftEvery
	}
	return true
}

// gapMessage says that what lies before a cursor was lost in part. Its id is the same
// over retries and after a crash.
func gapMessage(id, cursor, shown string) message {
	body, _ := json.Marshal(map[string]string{"type": "gap", "cursor": shown})
	sum := sha256.Sum256([]byte(id + "\x00" + cursor))
	return message{Item: Item{ID: "msg_gap_" + hex.EncodeToString(sum[:12]), Body: body, Cursor: cursor}, gap: true}
}

// deliver posts the first of what is pending and says what follows from the answer.
func (r *runner) deliver(ctx context.Context) {
	s, m := r.sub.Load(), r.pending[0]
	id := m.ID
	if r.notifier.opt.OwnIDs && !m.gap {
		sum := sha256.Sum256([]byte(s.ID + "\x00" + m.ID + "\x00" + m.Cursor))
		id = "msg_" + hex.EncodeToString(sum[:16])
	}
	if len(m.Body) > maxBody {
		r.giveUp(ctx, s, m, "too_large", "dead")
		return
	}
	// What was begun may end: a receiver that has accepted an event must be heard.
	posting, cancel := graceful(ctx, r.notifier.opt.Grace)
	defer cancel()
	began := time.Now()
	o := r.notifier.post(posting, s, id, m.Body)
	if !o.Answered() && ctx.Err() != nil {
		return // another process, or this one later, begins anew
	}
	why := o.Reason()
	switch {
	case o.Err == nil:
		r.accepted(m, time.Since(began))
		return
	case o.Final:
		r.failed(why)
		r.giveUp(ctx, s, m, why, "skipped")
		return
	}
	r.failed(why)
	r.Attempt++
	policy := r.notifier.opt.Retry
	if m.gap {
		policy.MaxAttempts = gapAttempts
	}
	delay, again := policy.delay(r.Attempt, o.Pause, mathrand.Float64()) //nolint:gosec // jitter, no secret
	if !again {
		r.giveUp(ctx, s, m, why, "dead")
		return
	}
	r.Due, r.tried = time.Now().Add(delay), m.ID
	r.notifier.opt.OnObserve(Observation{Outcome: "retried", Duration: time.Since(began), Subscription: s.ID, Event: m.ID, Why: why})
	r.save(ctx, true) // an attempt counts, whatever happens to this process
}

func (r *runner) accepted(m message, took time.Duration) {
	r.pass(m)
	r.LastDeliveryAt, r.LastError, r.FailingSince, r.Lost = time.Now(), "", time.Time{}, 0
	if !m.gap {
		r.Accepted++
	}
	r.notifier.opt.OnObserve(Observation{Outcome: "accepted", Duration: took, Subscription: r.sub.Load().ID, Event: m.ID})
}

func (r *runner) failed(why string) {
	r.LastError = why
	if r.FailingSince.IsZero() {
		r.FailingSince = time.Now()
	}
}

// pass moves behind the first of what is pending.
func (r *runner) pass(m message) {
	r.pending = r.pending[1:]
	r.Cursor, r.Attempt, r.Due, r.dirty = m.Cursor, 0, time.Time{}, true
	if len(r.pending) == 0 {
		r.Cursor = r.scanned
	}
}

// giveUp goes on behind an event that is not accepted, and keeps it as a dead letter.
// After many in a row the subscription is suspended.
func (r *runner) giveUp(ctx context.Context, s *Subscription, m message, why, outcome string) {
	attempts := r.Attempt
	r.pass(m)
	r.notifier.opt.OnObserve(Observation{Outcome: outcome, Subscription: s.ID, Event: m.ID, Why: why})
	if m.gap {
		return // the answer to the next refresh says it
	}
	if outcome == "skipped" {
		attempts++
		r.Skipped++
	} else {
		r.Dead++
	}
	if err := r.notifier.keep(ctx, s, Letter{EventID: m.ID, Cursor: m.Cursor, Reason: why, Attempts: attempts, DiedAt: time.Now()}); err != nil {
		r.notifier.log.LogAttrs(ctx, slog.LevelWarn, "a dead letter was not kept", slog.String("subscription", s.ID), slog.Any("error", err))
	}
	r.Lost++
	if r.Lost >= r.notifier.opt.SuspendAfter {
		r.SuspendedAt = time.Now()
		r.notifier.log.LogAttrs(ctx, slog.LevelWarn, "subscription suspended until it is refreshed", slog.String("subscription", s.ID), slog.String("reason", why))
	}
	r.save(ctx, true)
}

// save writes the progress when it is time to, or at once, and returns how long the next
// write may wait.
func (r *runner) save(ctx context.Context, now bool) time.Duration {
	if !r.dirty && !now || r.ended.Load() {
		return far
	}
	if pause := saveEvery - time.Since(r.savedAt); pause > 0 && !now {
		return pause
	}
	born, cursor := r.Born, r.Cursor
	err := r.settle(ctx, r.notifier.opt.State, r.sub.Load())
	if err != nil {
		if ctx.Err() == nil {
			r.notifier.log.LogAttrs(ctx, slog.LevelWarn, "delivery state was not written", slog.Any("error", err))
		}
		r.savedAt = time.Now()
		return storePause
	}
	if r.Born != born || r.Cursor != cursor {
		r.pending, r.scanned = nil, r.Cursor // another process has come farther
		if r.events != nil {
			r.events.Seek(r.Cursor)
		}
	}
	r.dirty, r.savedAt = false, time.Now()
	return far
}

// graceful returns a context that ends some time after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// A progress is how far a subscription's deliveries have come. It is kept as JSON, apart
// from the subscription, because only the process that delivers writes it; and less
// often than it changes, so that after a crash the last second is delivered again.
type progress struct {
	// Born names this life of the subscription: one that lapsed and was granted again has
	// another.
	Born string `json:"born"`
	// Cursor stands behind the last event that is done with.
	Cursor string `json:"cursor"`
	// Since leaves out what was received before.
	Since time.Time `json:"since,omitzero"`
	// Attempt counts the failures of the event behind the cursor; Due is when it is tried
	// again.
	Attempt int       `json:"attempt,omitempty"`
	Due     time.Time `json:"due,omitzero"`

	LastDeliveryAt time.Time `json:"last_delivery_at,omitzero"`
	LastError      string    `json:"last_error,omitempty"`
	FailingSince   time.Time `json:"failing_since,omitzero"`
	// Lost counts the events in a row that were given up.
	Lost        int       `json:"lost,omitempty"`
	SuspendedAt time.Time `json:"suspended_at,omitzero"`
	// Truncated says that events were lost since the last refresh.
	Truncated bool `json:"truncated,omitempty"`
	// Accepted, Skipped and Dead count events.
	Accepted int64 `json:"accepted"`
	Skipped  int64 `json:"skipped,omitempty"`
	Dead     int64 `json:"dead,omitempty"`

	version string
}

func (p *progress) status() Status {
	return Status{Active: p.SuspendedAt.IsZero(), LastDeliveryAt: p.LastDeliveryAt, LastError: p.LastError, FailedSince: p.FailingSince}
}

func loadProgress(ctx context.Context, s state.Store, id string) (progress, error) {
	var p progress
	entry, err := s.Get(ctx, deliveryKeys+id)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(entry.Value, &p); err != nil {
		return p, err
	}
	p.version = entry.Version
	return p, nil
}

// outlives is how long a progress is kept beyond its subscription.
const outlives = time.Hour

// save writes a progress over the version that it was read in, or where none was.
func (p *progress) save(ctx context.Context, s state.Store, sub *Subscription) error {
	if p.Born == "" {
		p.Born = rand.Text()
	}
	when := state.Put{TTL: max(time.Until(sub.ExpiresAt), 0) + outlives, IfAbsent: true}
	if p.version != "" {
		when.IfVersion, when.IfAbsent = p.version, false
	}
	version, err := put(ctx, s, deliveryKeys+sub.ID, p, when)
	if err == nil {
		p.version = version
	}
	return err
}

// settle saves a progress that another may have written meanwhile: a refresh, or a
// process that has taken the subscription over. Whichever has come farther counts, unless
// the other is of another life.
func (p *progress) settle(ctx context.Context, s state.Store, sub *Subscription) error {
	err := p.save(ctx, s, sub)
	if !errors.Is(err, state.ErrConflict) {
		return err
	}
	other, err := loadProgress(ctx, s, sub.ID)
	if errors.Is(err, state.ErrNotFound) {
		p.version = ""
		return p.save(ctx, s, sub)
	}
	if err != nil {
		return err
	}
	if other.Born != p.Born || behind(p.Cursor, other.Cursor) {
		*p = other
		return nil
	}
	p.version, p.SuspendedAt, p.Truncated, p.Lost = other.version, other.SuspendedAt, other.Truncated, other.Lost
	return p.save(ctx, s, sub)
}

// CursorStart is the cursor before the first event of the log.
const CursorStart = "start"

// behind reports whether cursor a comes before b. Cursors are ordered as strings are.
func behind(a, b string) bool {
	return b != CursorStart && (a == CursorStart || a < b)
}

// A Letter is an event that a receiver did not accept and is not sent any more. The
// event itself is in the log.
type Letter struct {
	EventID  string    `json:"event_id"`
	Cursor   string    `json:"cursor"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	DiedAt   time.Time `json:"died_at"`
}

// How many letters of a subscription are kept, and how long.
const (
	maxLetters = 100
	letterAge  = 7 * 24 * time.Hour
)

// keep stores a letter; the oldest is dropped for it when there are too many.
func (n *Notifier) keep(ctx context.Context, s *Subscription, l Letter) error {
	prefix := letterKeys + s.ID + "/"
	kept, err := n.opt.State.List(ctx, prefix, "", maxLetters)
	if err != nil {
		return err
	}
	if len(kept) >= maxLetters {
		if err := n.opt.State.Delete(ctx, kept[0].Key, ""); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	_, err = put(ctx, n.opt.State, prefix+l.Cursor, l, state.Put{TTL: letterAge})
	return err
}

// letters lists what is kept, oldest event first.
func (n *Notifier) letters(ctx context.Context, id string) ([]Letter, error) {
	entries, err := list(ctx, n.opt.State, letterKeys+id+"/")
	if err != nil {
		return nil, err
	}
	letters := make([]Letter, 0, len(entries))
	for _, entry := range entries {
		var l Letter
		if err := json.Unmarshal(entry.Value, &l); err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	return letters, nil
}
