package transport

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/mcp/access"
)

// A table knows who follows which resource, in all eras, and joins the updates of one
// resource within the window: the first goes out at once, the rest together when the
// window ends.
type table struct {
	span time.Duration

	mu     sync.Mutex
	topics map[string]*topic // by URI; only those that a client follows
	closed bool
	// recent is when resources changed last, of the newest maxRecent; nil without other replicas.
	recent map[string]change
	// before it nothing is known.
	knownFrom time.Time
	doubts    []doubt
	asking    bool // resolve is about to be called

	quota *quota // of subscriptions; nil is none
	told  func(*access.Principal, Cause) Verdict
	// audience finds those who need be asked; see Options.Audience.
	audience func(why Cause, most int) (users []string, ok bool)

	subscriptions atomic.Int64
	updates       atomic.Uint64 // Notify of a followed resource
	coalesced     atomic.Uint64 // of those, joined with another one
}

// A topic is one followed resource; guarded by table.mu.
type topic struct {
	uri   string
	param []byte // `"uri":"…"`, encoded once for all
	table *table
	subs  followers
	// judged are those of the subscriptions that are told of some changes only, by user. Each has a window of its
	// own, which tells nothing of the others' changes.
	judged map[string]followers
	window
}

// followers are some of the subscriptions to a topic.
type followers map[*subscription]struct{}

// A window joins updates.
type window struct {
	sentAt  time.Time
	pending bool
	timer   *time.Timer
}

// A subscription is one outbox's interest in one resource.
type subscription struct {
	topic *topic
	box   *outbox
	meta  []byte // `"_meta":{…},` of a listen stream, else nil

	// Guarded by box.mu.
	dirty bool   // waits in box.updated
	gone  bool   // ended; what waits is dropped
	sent  uint64 // the event that carried it last
	// why is what changed since the client was told, of a judged one, and last why it was told last.
	why, last []Cause

	own window // of a judged one; guarded by table.mu
}

// mostCauses bounds what is remembered of why something changed: the newest.
const mostCauses = 8

// because notes why the resource changed. It requires box.mu.
func (s *subscription) because(why Cause) {
	if len(s.why) >= mostCauses {
		s.why = slices.Clone(s.why[1:])
	}
	s.why = append(s.why, why)
}

// stillTold reports whether the client may be told of anything that changed, as of now. What was told with an earlier
// update, while its window was open, is nothing new, and what has become undecided is asked again. It requires box.mu.
func (s *subscription) stillTold() (told bool) {
	t := s.topic.table
	for _, why := range s.why {
		switch t.verdict(s.box.caller, why) {
		case Told:
			told = true
		case Undecided:
			time.AfterFunc(askAgain, func() { t.notifyAgain(s, why) }) // t.mu is not taken within box.mu
		case NotTold:
		}
	}
	s.why, s.last = nil, s.why
	return told
}

func newTable(span time.Duration) *table {
	everybody := func(Cause, int) ([]string, bool) { return nil, false }
	return &table{span: span, topics: map[string]*topic{}, audience: everybody}
}

// follow subscribes box to uri.
func (t *table) follow(box *outbox, uri string, meta []byte) *subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	tp, ok := t.topics[uri]
	if !ok {
		quoted, _ := json.Marshal(uri) // a string always encodes
		tp = &topic{uri: uri, param: append([]byte(`"uri":`), quoted...), subs: followers{}, judged: map[string]followers{}, table: t}
		t.topics[uri] = tp
	}
	s := &subscription{topic: tp, box: box, meta: meta}
	tp.add(s)
	t.subscriptions.Add(1)
	if t.quota != nil {
		t.quota.force(box.account, weight(uri))
	}
	return s
}

// leave ends a subscription. After it nothing more is sent for it.
func (t *table) leave(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.topic.remove(s) {
		return
	}
	s.own.stop()
	t.subscriptions.Add(-1)
	if t.quota != nil {
		t.quota.give(s.box.account, weight(s.topic.uri))
	}
	s.box.forget(s)
	if len(s.topic.subs)+len(s.topic.judged) == 0 {
		s.topic.stop()
		delete(t.topics, s.topic.uri)
	}
}

// add puts a subscription among those of its kind.
func (tp *topic) add(s *subscription) {
	if !s.box.judged {
		tp.subs[s] = struct{}{}
		return
	}
	if tp.judged[s.box.user] == nil {
		tp.judged[s.box.user] = followers{}
	}
	tp.judged[s.box.user][s] = struct{}{}
}

// has reports whether a subscription has not ended.
func (tp *topic) has(s *subscription) bool {
	of := tp.subs
	if s.box.judged {
		of = tp.judged[s.box.user]
	}
	_, ok := of[s]
	return ok
}

// remove ends a subscription. It reports whether there was one.
func (tp *topic) remove(s *subscription) bool {
	if !tp.has(s) {
		return false
	}
	delete(tp.subs, s)
	if of := tp.judged[s.box.user]; s.box.judged {
		if delete(of, s); len(of) == 0 {
			delete(tp.judged, s.box.user)
		}
	}
	return true
}

// stop ends the wait for the window.
func (w *window) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// due reports whether an update goes out at once. Otherwise it is pending until later is called, and joined
// reports whether one was pending already.
func (w *window) due(now time.Time, span time.Duration, later func()) (due, joined bool) {
	if w.pending {
		return false, true
	}
	wait := span - now.Sub(w.sentAt)
	if wait <= 0 {
		w.sentAt = now
		return true, false
	}
	w.pending = true
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, later)
	} else {
		w.timer.Reset(wait)
	}
	return false, false
}

// over reports whether the window has ended with something pending, which goes out now.
func (w *window) over(now time.Time) bool {
	if !w.pending {
		return false
	}
	w.pending, w.sentAt = false, now
	return true
}

// notify says that a resource changed.
func (t *table) notify(uri string, why Cause) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent != nil {
		t.remember(uri, why, time.Now())
	}
	tp, ok := t.topics[uri]
	if !ok || t.closed {
		return
	}
	now := time.Now()
	if len(tp.subs) > 0 {
		t.updates.Add(1)
		due, joined := tp.due(now, t.span, func() { t.flush(tp) })
		if due {
			tp.send()
		}
		if joined {
			t.coalesced.Add(1)
		}
	}
	t.notifyJudged(tp, why, now)
}

// notifyJudged says to people that a resource changed: it asks of as few as may be told of why. It requires t.mu.
func (t *table) notifyJudged(tp *topic, why Cause, now time.Time) {
	if len(tp.judged) == 0 {
		return
	}
	if users, some := t.audience(why, len(tp.judged)); some {
		for _, user := range users {
			for s := range tp.judged[user] {
				t.notifyOne(s, why, now)
			}
		}
		return
	}
	for _, of := range tp.judged {
		for s := range of {
			t.notifyOne(s, why, now)
		}
	}
}

// notifyOne says to one client that a resource changed, if they may be told of why. It requires t.mu.
func (t *table) notifyOne(s *subscription, why Cause, now time.Time) {
	switch t.verdict(s.box.caller, why) {
	case NotTold:
		return
	case Undecided:
		t.postpone(s, why)
		return
	case Told:
	}
	t.updates.Add(1)
	due, joined := s.own.due(now, t.span, func() { t.flushOne(s) })
	if due {
		s.box.markUpdated(s, why)
		return
	}
	if joined {
		t.coalesced.Add(1)
	}
	s.box.note(s, why)
}

// notifyAgain says to one client, who still follows it, that a resource changed.
func (t *table) notifyAgain(s *subscription, why Cause) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && s.topic.has(s) {
		t.notifyOne(s, why, time.Now())
	}
}

// verdict is whether a caller may be told of a change.
func (t *table) verdict(caller *access.Principal, why Cause) Verdict {
	if why == nil || t.told == nil {
		return Told
	}
	return t.told(caller, why)
}

// note keeps why a resource changed, until the client is told.
func (b *outbox) note(s *subscription, why Cause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.because(why)
}

// What is undecided is asked again for a while, less and less often; then the client is not told.
const (
	askAgain  = 100 * time.Millisecond
	askRarely = 2 * time.Second
	undecided = 5 * time.Minute
	// mostUndecided bounds how much is asked again at a time.
	mostUndecided = 10_000
)

// A doubt is an update of which it is not known whether its client may be told.
type doubt struct {
	s     *subscription
	why   Cause
	since time.Time
	next  time.Time // when it is asked again
}

// later is when a doubt is asked again that was not decided yet: after a tenth of the time that it has waited.
func (d *doubt) later(now time.Time) time.Time {
	return now.Add(min(max(now.Sub(d.since)/10, askAgain), askRarely))
}

// postpone asks again in a while. It requires t.mu.
func (t *table) postpone(s *subscription, why Cause) {
	if len(t.doubts) >= mostUndecided {
		t.doubts = slices.Delete(t.doubts, 0, mostUndecided/10) // those that have been asked the longest
	}
	now := time.Now()
	t.doubts = append(t.doubts, doubt{s, why, now, now.Add(askAgain)})
	t.askLater()
}

// askLater sees to it that what is undecided is asked again. It requires t.mu.
func (t *table) askLater() {
	if len(t.doubts) > 0 && !t.asking {
		t.asking = true
		time.AfterFunc(askAgain, t.resolve)
	}
}

// resolve asks again.
func (t *table) resolve() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, all := time.Now(), t.doubts
	t.doubts, t.asking = nil, false
	left := all[:0]
	for _, d := range all {
		if t.closed || !d.s.topic.has(d.s) {
			continue
		}
		if now.Before(d.next) {
			left = append(left, d)
			continue
		}
		v := t.verdict(d.s.box.caller, d.why)
		switch {
		case v == Undecided && now.Sub(d.since) < undecided:
			d.next = d.later(now)
			left = append(left, d)
		case v == Told:
			t.notifyOne(d.s, d.why, now)
		}
	}
	clear(all[len(left):])
	t.doubts = append(left, t.doubts...) // what notifyOne met is the newest
	t.askLater()
}

// A change is when a resource changed last, and why, of the last few times.
type change struct {
	at  time.Time
	why []Cause
}

const (
	maxRecent = 4096
	recentAge = 30 * time.Second
)

// remember notes when a resource changed, and why. It requires t.mu.
func (t *table) remember(uri string, why Cause, now time.Time) {
	if len(t.recent) >= maxRecent {
		maps.DeleteFunc(t.recent, func(_ string, c change) bool { return now.Sub(c.at) > recentAge })
		t.knownFrom = now.Add(-recentAge)
	}
	if len(t.recent) >= maxRecent {
		clear(t.recent)
		t.knownFrom = now
	}
	if t.told == nil {
		t.recent[uri] = change{at: now}
		return
	}
	c := t.recent[uri]
	if len(c.why) >= mostCauses {
		c.why = slices.Clone(c.why[1:])
	}
	t.recent[uri] = change{now, append(c.why, why)}
}

// changedSince reports whether a resource changed at or after an instant, as far as that
// is known, and why it changed lately; otherwise it may have.
func (t *table) changedSince(uri string, since time.Time) (why []Cause, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil || since.Before(t.knownFrom) {
		return []Cause{nil}, true
	}
	c, ok := t.recent[uri]
	return c.why, ok && !c.at.Before(since)
}

// catchUp tells a client who follows a resource late what changed meanwhile.
func (t *table) catchUp(s *subscription, since time.Time) {
	causes, changed := t.changedSince(s.topic.uri, since)
	if !changed {
		return
	}
	if !s.box.judged {
		s.box.markUpdated(s, nil)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, why := range causes {
		t.notifyOne(s, why, time.Now())
	}
}

func (t *table) flush(tp *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && tp.over(time.Now()) {
		tp.send()
	}
}

// flushOne ends the window of one subscription.
func (t *table) flushOne(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && s.own.over(time.Now()) {
		s.box.markNoted(s)
	}
}

// send requires the lock of the table.
func (tp *topic) send() {
	for s := range tp.subs {
		s.box.markUpdated(s, nil)
	}
}

// close stops the timers.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, tp := range t.topics {
		tp.stop()
		for _, of := range tp.judged {
			for s := range of {
				s.own.stop()
			}
		}
	}
}
