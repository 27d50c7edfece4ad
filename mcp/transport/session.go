package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

// A session is one client between initialize and its end: a streamable HTTP session,
// an SSE connection or a stdio process. The record in the store is the truth that
// replicas share; this is what one process needs beside it.
type session struct {
	id        string
	principal string
	box       *outbox
	stored    bool          // has a record
	pin       *pin          // of an SSE or stdio session, which lives with its stream instead
	done      chan struct{} // closed when the session ended

	// inLine is held while record and subscriptions are brought in line, so that an older
	// record never undoes what a client was just answered. It is taken before mu.
	inLine sync.Mutex

	mu      sync.Mutex
	revived bool // from its record, and no stream was opened here since
	version string
	client  mcp.Implementation
	caps    mcp.ClientCapabilities
	level   mcp.LoggingLevel
	subs    map[string]*subscription // by URI
	calls   map[*call]struct{}
	streams int                       // how many of the calls are streams
	answers map[int64]chan<- *message // requests of ours that wait for the client
	stream  *attachment               // the open GET stream, if any
	usedAt  time.Time
	touched bool // used since the janitor's last round
	ended   bool
}

// An attachment is the one stream that empties a session's outbox.
type attachment struct {
	replaced chan struct{} // closed to send the stream away
	left     chan struct{} // closed when it is gone
	abort    func()        // breaks a write that is under way
}

func newSession(id, principal string, limit int) *session {
	return &session{
		id: id, principal: principal, box: newOutbox(limit, make(chan struct{}, 1)), done: make(chan struct{}),
		level: mcp.LoggingLevelInfo, subs: map[string]*subscription{}, calls: map[*call]struct{}{},
		answers: map[int64]chan<- *message{}, usedAt: time.Now(), touched: true,
	}
}

// use notes that the client was heard of.
func (s *session) use() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usedAt = time.Now()
	s.touched = true
}

// state reports whether the session is held, or was used since this was asked last;
// and otherwise whether its client was silent for d.
func (s *session) state(now time.Time, d time.Duration) (used, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used = s.touched || s.stream != nil || len(s.calls) > 0
	s.touched = false
	return used, !used && now.Sub(s.usedAt) >= d
}

// add registers a running call, unless the session ended or has too many.
func (s *session) add(c *call, limit int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errClosed
	case len(s.calls)-s.streams >= limit:
		return errBusy
	}
	s.calls[c] = struct{}{}
	s.usedAt, s.touched = time.Now(), true
	return nil
}

// addStreams says that n more of the calls are streams, which the bound leaves out.
func (s *session) addStreams(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams += n
}

func (s *session) remove(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c)
	s.usedAt = time.Now()
}

// cancel ends this session's own calls of that id, and reports whether there was one.
func (s *session) cancel(id json.RawMessage) (found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.calls {
		// The specification forbids to cancel initialize.
		if bytes.Equal(c.id, id) && c.method != string(mcp.MethodInitialize) {
			c.cancel(errCancelled)
			found = true
		}
	}
	return found
}

// expect registers a request of ours; forget removes it.
func (s *session) expect(id int64, answer chan<- *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[id] = answer
}

func (s *session) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, id)
}

// maySubscribe reports whether a resource is followed already, or why it cannot be.
func (s *session) maySubscribe(uri string, limit int) (known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known = s.subs[uri]
	switch {
	case known:
		return true, nil
	case s.ended:
		return false, errClosed
	case len(s.subs) >= limit:
		return false, errTooManySubscriptions
	}
	return false, nil
}

// answer hands a client's response to who asked, and reports whether somebody did.
func (s *session) answer(m *message) bool {
	var id int64
	if json.Unmarshal(m.ID, &id) != nil {
		return false
	}
	s.mu.Lock()
	ch, ok := s.answers[id]
	delete(s.answers, id)
	s.mu.Unlock()
	if ok {
		ch <- m // capacity 1, and taken out of the map: never blocks
	}
	return ok
}

// wasElsewhere reports, once, whether the session came here from another replica: what
// its client was sent there is not known.
func (s *session) wasElsewhere() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.revived
	s.revived = false
	return was
}

// attach makes a the session's stream. An older one is sent away and awaited: the
// newest wins, and two never share an outbox.
func (s *session) attach(ctx context.Context, a *attachment) error {
	for {
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			return errClosed
		}
		old := s.stream
		if old == nil {
			s.stream = a
			s.mu.Unlock()
			return nil
		}
		select {
		case <-old.replaced:
		default:
			close(old.replaced)
		}
		s.mu.Unlock()
		old.abort()
		select {
		case <-old.left:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// detach ends the session's stream a.
func (s *session) detach(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == a {
		s.stream = nil
	}
	s.usedAt, s.touched = time.Now(), true
	close(a.left)
}

func (s *session) subscriptions() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	subs := make([]*subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		subs = append(subs, sub)
	}
	return subs
}

// record is the session as it is stored.
func (s *session) record() (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Record{ID: s.id, Principal: s.principal, ProtocolVersion: s.version, LogLevel: string(s.level), CreatedAt: time.Now()}
	var err error
	if r.ClientInfo, err = json.Marshal(s.client); err != nil {
		return r, err
	}
	if r.Capabilities, err = json.Marshal(s.caps); err != nil {
		return r, err
	}
	for uri := range s.subs {
		r.Subscriptions = append(r.Subscriptions, uri)
	}
	slices.Sort(r.Subscriptions)
	return r, nil
}

// adopt takes over what a record says, except its subscriptions.
func (s *session) adopt(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.level = r.ProtocolVersion, mcp.LoggingLevel(r.LogLevel)
	if len(r.ClientInfo) > 0 {
		if err := json.Unmarshal(r.ClientInfo, &s.client); err != nil {
			return err
		}
	}
	if len(r.Capabilities) > 0 {
		return json.Unmarshal(r.Capabilities, &s.caps)
	}
	return nil
}

// end closes the session: its calls are cancelled and its stream, if any, ends. It
// reports whether this call did it.
func (s *session) end(cause error) bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.ended = true
	for c := range s.calls {
		c.cancel(cause)
	}
	s.mu.Unlock()
	close(s.done)
	s.box.close()
	return true
}
