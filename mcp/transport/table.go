package transport

import (
	"encoding/json"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// A table knows who follows which resource, in all eras, and joins the updates of one
// resource within the window: the first goes out at once, the rest together when the
// window ends.
type table struct {
	window time.Duration

	mu     sync.Mutex
	topics map[string]*topic // by URI; only those that somebody follows
	closed bool
	// recent is when resources changed last, of the newest maxRecent; nil where nobody asks.
	recent map[string]time.Time
	// before it nothing is known.
	knownFrom time.Time

	subscriptions atomic.Int64
	updates       atomic.Uint64 // Notify of a followed resource
	coalesced     atomic.Uint64 // of those, joined with another one
}

// A topic is one followed resource; guarded by table.mu.
type topic struct {
	uri   string
	param []byte // `"uri":"…"`, encoded once for everybody
	subs  map[*subscription]struct{}

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
}

func newTable(window time.Duration) *table {
	return &table{window: window, topics: map[string]*topic{}}
}

// follow subscribes box to uri.
func (t *table) follow(box *outbox, uri string, meta []byte) *subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	tp, ok := t.topics[uri]
	if !ok {
		quoted, _ := json.Marshal(uri) // a string always encodes
		tp = &topic{uri: uri, param: append([]byte(`"uri":`), quoted...), subs: map[*subscription]struct{}{}}
		t.topics[uri] = tp
	}
	s := &subscription{topic: tp, box: box, meta: meta}
	tp.subs[s] = struct{}{}
	t.subscriptions.Add(1)
	return s
}

// leave ends a subscription. After it nothing more is sent for it.
func (t *table) leave(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := s.topic.subs[s]; !ok {
		return
	}
	delete(s.topic.subs, s)
	t.subscriptions.Add(-1)
	s.box.forget(s)
	if len(s.topic.subs) == 0 {
		if s.topic.timer != nil {
			s.topic.timer.Stop()
		}
		delete(t.topics, s.topic.uri)
	}
}

// notify says that a resource changed.
func (t *table) notify(uri string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent != nil {
		t.remember(uri, time.Now())
	}
	tp, ok := t.topics[uri]
	if !ok || t.closed {
		return
	}
	t.updates.Add(1)
	if tp.pending {
		t.coalesced.Add(1)
		return
	}
	now := time.Now()
	if wait := t.window - now.Sub(tp.sentAt); wait > 0 {
		tp.pending = true
		if tp.timer == nil {
			tp.timer = time.AfterFunc(wait, func() { t.flush(tp) })
		} else {
			tp.timer.Reset(wait)
		}
		return
	}
	t.send(tp, now)
}

const (
	maxRecent = 4096
	recentAge = 30 * time.Second
)

// remember notes when a resource changed. It requires t.mu.
func (t *table) remember(uri string, now time.Time) {
	if len(t.recent) >= maxRecent {
		maps.DeleteFunc(t.recent, func(_ string, at time.Time) bool { return now.Sub(at) > recentAge })
		t.knownFrom = now.Add(-recentAge)
	}
	if len(t.recent) >= maxRecent {
		clear(t.recent)
		t.knownFrom = now
	}
	t.recent[uri] = now
}

// changedSince reports whether a resource changed at or after an instant, as far as that
// is known; otherwise it may have.
func (t *table) changedSince(uri string, since time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil || since.Before(t.knownFrom) {
		return true
	}
	at, ok := t.recent[uri]
	return ok && !at.Before(since)
}

func (t *table) flush(tp *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tp.pending && !t.closed {
		tp.pending = false
		t.send(tp, time.Now())
	}
}

// send requires t.mu.
func (t *table) send(tp *topic, now time.Time) {
	tp.sentAt = now
	for s := range tp.subs {
		s.box.markUpdated(s)
	}
}

// close stops the timers.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, tp := range t.topics {
		if tp.timer != nil {
			tp.timer.Stop()
		}
	}
}
