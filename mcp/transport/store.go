package transport

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/store/state"
)

var (
	// ErrNoSession says that a store has no session of that id (any more).
	ErrNoSession = errors.New("no such session")
	// ErrTooManySessions says that a store is full of sessions in use.
	ErrTooManySessions = errors.New("too many sessions")
)

// A Record is what outlives one request of a session: all that another replica needs
// to go on with it.
type Record struct {
	ID              string          `json:"id"`
	Principal       string          `json:"principal"`
	ProtocolVersion string          `json:"protocol_version"`
	ClientInfo      json.RawMessage `json:"client_info,omitempty"`
	Capabilities    json.RawMessage `json:"capabilities,omitempty"`
	LogLevel        string          `json:"log_level,omitempty"`
	Subscriptions   []string        `json:"subscriptions,omitempty"` // sorted
	CreatedAt       time.Time       `json:"created_at"`
	// SubscribedAt is when the newest of the subscriptions was made.
	SubscribedAt time.Time `json:"subscribed_at,omitzero"`
}

// A SessionStore keeps the records of sessions. Replicas that share one behave as
// one server. It is safe for concurrent use; a record handed out belongs to the
// caller.
type SessionStore interface {
	// Create adds a record, or fails with ErrTooManySessions.
	Create(ctx context.Context, r Record) error
	// Get returns a record, or ErrNoSession when there is none or it expired.
	Get(ctx context.Context, id string) (Record, error)
	// Update changes a record in one atomic step, or fails with ErrNoSession.
	Update(ctx context.Context, id string, change func(*Record)) error
	// Delete removes a record, or fails with ErrNoSession.
	Delete(ctx context.Context, id string) error
	// Touch says that sessions are in use and starts their idle time anew. Unknown ids
	// are ignored.
	Touch(ctx context.Context, ids []string) error
	// Watch calls changed with the id of each session that changed or went without the
	// caller doing it: another replica's work, expiry, eviction. It blocks until ctx
	// ends.
	Watch(ctx context.Context, changed func(id string)) error
}

// A MemoryStore is the SessionStore of a single process.
type MemoryStore struct {
	max  int
	idle time.Duration

	mu      sync.Mutex
	records map[string]*kept           // by id
	watches map[*func(string)]struct{} // called with the id of a session that was forgotten
}

type kept struct {
	Record
	seenAt time.Time
}

// busy is how recently a session must have been used not to be evicted for
// a new one.
const busy = time.Minute

// NewMemoryStore returns an empty store of at most limit sessions, each forgotten
// when it was not touched for the idle time.
func NewMemoryStore(limit int, idle time.Duration) *MemoryStore {
	return &MemoryStore{max: limit, idle: idle, records: map[string]*kept{}, watches: map[*func(string)]struct{}{}}
}

// Create implements SessionStore. A full store evicts the session
// that was idle longest, unless even that one was used within the last minute.
func (m *MemoryStore) Create(_ context.Context, r Record) error {
	m.mu.Lock()
	now := time.Now()
	var gone []string
	if len(m.records) >= m.max {
		gone = m.evict(now)
	}
	full := len(m.records) >= m.max
	if !full {
		m.records[r.ID] = &kept{Record: r.clone(), seenAt: now}
	}
	m.mu.Unlock()
	m.notify(gone)
	if full {
		return ErrTooManySessions
	}
	return nil
}

// evict requires m.mu.
func (m *MemoryStore) evict(now time.Time) (gone []string) {
	gone = m.expire(now)
	if len(m.records) < m.max {
		return gone
	}
	var oldest *kept
	for _, k := range m.records {
		if oldest == nil || k.seenAt.Before(oldest.seenAt) {
			oldest = k
		}
	}
	if oldest == nil || now.Sub(oldest.seenAt) < busy {
		return gone
	}
	delete(m.records, oldest.ID)
	return append(gone, oldest.ID)
}

// expire requires m.mu.
func (m *MemoryStore) expire(now time.Time) (gone []string) {
	for id, k := range m.records {
		if now.Sub(k.seenAt) >= m.idle {
			delete(m.records, id)
			gone = append(gone, id)
		}
	}
	return gone
}

// notify calls the watches. It must be called without m.mu: a watch may ask for the record.
func (m *MemoryStore) notify(gone []string) {
	if len(gone) == 0 {
		return
	}
	m.mu.Lock()
	watches := slices.Collect(maps.Keys(m.watches))
	m.mu.Unlock()
	for _, id := range gone {
		for _, changed := range watches {
			(*changed)(id)
		}
	}
}

// Get implements SessionStore.
func (m *MemoryStore) Get(_ context.Context, id string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, err := m.find(id)
	if err != nil {
		return Record{}, err
	}
	return k.clone(), nil
}

// Update implements SessionStore.
func (m *MemoryStore) Update(_ context.Context, id string, change func(*Record)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, err := m.find(id)
	if err != nil {
		return err
	}
	change(&k.Record)
	return nil
}

// Delete implements SessionStore.
func (m *MemoryStore) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find(id); err != nil {
		return err
	}
	delete(m.records, id)
	return nil
}

// Touch implements SessionStore.
func (m *MemoryStore) Touch(_ context.Context, ids []string) error {
	m.mu.Lock()
	now := time.Now()
	for _, id := range ids {
		if k, ok := m.records[id]; ok {
			k.seenAt = now
		}
	}
	gone := m.expire(now)
	m.mu.Unlock()
	m.notify(gone)
	return nil
}

// Watch implements SessionStore: what a memory store does by itself is to forget.
func (m *MemoryStore) Watch(ctx context.Context, changed func(string)) error {
	m.mu.Lock()
	m.watches[&changed] = struct{}{}
	m.mu.Unlock()
	<-ctx.Done()
	m.mu.Lock()
	delete(m.watches, &changed)
	m.mu.Unlock()
	return nil
}

// find requires m.mu.
func (m *MemoryStore) find(id string) (*kept, error) {
	k, ok := m.records[id]
	if !ok {
		return nil, ErrNoSession
	}
	if time.Since(k.seenAt) >= m.idle {
		delete(m.records, id)
		return nil, ErrNoSession
	}
	return k, nil
}

func (r Record) clone() Record {
	r.Subscriptions = slices.Clone(r.Subscriptions)
	return r
}

// What replicas share lies below these.
const (
	keyKey      = "mcp/key"
	sessionsKey = "mcp/sessions/"
	ownersKey   = "mcp/owners/"   // by SSE session: the replica that holds its stream
	replicasKey = "mcp/replicas/" // leases of those that hold SSE streams
	inboxKey    = "mcp/inbox/"    // by replica: messages for its SSE sessions
	piecesKey   = "mcp/pieces/"   // of messages that are larger than a value
	answersKey  = "mcp/told/"     // answers and cancellations, for the replica that has the call
)

// A SharedStore is the SessionStore of several replicas. A session that is in use is
// renewed when a sixteenth of its life is over, so that its record is written seldom; it
// therefore lives a little longer than the idle time.
type SharedStore struct {
	shared state.Store
	max    int
	ttl    time.Duration
	renew  time.Duration // how old a record's last writing may be before Touch renews it

	mu    sync.Mutex
	known map[string]time.Time // the sessions of all replicas; when we renewed them last, if we did
}

// NewSharedStore returns a store of at most limit sessions, each forgotten when it was not
// touched for the idle time. The limit is kept to within what replicas open at once.
func NewSharedStore(shared state.Store, limit int, idle time.Duration) *SharedStore {
	renew := idle / 16
	return &SharedStore{shared: shared, max: limit, ttl: idle + 2*renew, renew: renew, known: map[string]time.Time{}}
}

// Create implements SessionStore. A full store evicts those that were
// idle longest, unless all are in use.
func (s *SharedStore) Create(ctx context.Context, r Record) error {
	if s.count() >= s.max {
		if err := s.evict(ctx); err != nil {
			return err
		}
	}
	data, err := encodeRecord(r)
	if err != nil {
		return err
	}
	if _, err := s.shared.Put(ctx, sessionsKey+r.ID, data, state.Put{TTL: s.ttl, IfAbsent: true}); err != nil {
		return err
	}
	s.note(r.ID, time.Now())
	return nil
}

// Get implements SessionStore.
func (s *SharedStore) Get(ctx context.Context, id string) (Record, error) {
	r, _, err := s.read(ctx, id)
	return r, err
}

func (s *SharedStore) read(ctx context.Context, id string) (Record, state.Entry, error) {
	v, err := s.shared.Get(ctx, sessionsKey+id)
	switch {
	case errors.Is(err, state.ErrNotFound):
		s.forget(id)
		return Record{}, v, ErrNoSession
	case err != nil:
		return Record{}, v, err
	}
	r, err := decodeRecord(v.Value)
	return r, v, err
}

// tries bounds how often a change is made anew because another replica made one.
const tries = 16

// Update implements SessionStore.
func (s *SharedStore) Update(ctx context.Context, id string, change func(*Record)) error {
	for range tries {
		r, v, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		change(&r)
		data, err := encodeRecord(r)
		if err != nil {
			return err
		}
		_, err = s.shared.Put(ctx, v.Key, data, state.Put{TTL: s.ttl, IfVersion: v.Version})
		if err == nil {
			s.note(id, time.Now())
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("session: %w too often", state.ErrConflict)
}

// Delete implements SessionStore.
func (s *SharedStore) Delete(ctx context.Context, id string) error {
	err := s.shared.Delete(ctx, sessionsKey+id, "")
	if errors.Is(err, state.ErrNotFound) {
		err = ErrNoSession
	}
	if err == nil || errors.Is(err, ErrNoSession) {
		s.forget(id)
	}
	return err
}

// Touch implements SessionStore.
func (s *SharedStore) Touch(ctx context.Context, ids []string) error {
	now := time.Now()
	for _, id := range ids {
		s.mu.Lock()
		at := s.known[id]
		s.mu.Unlock()
		if now.Sub(at) < s.renew {
			continue
		}
		if err := s.Update(ctx, id, func(*Record) {}); err != nil && !errors.Is(err, ErrNoSession) {
			return err
		}
	}
	return nil
}

// Watch implements SessionStore.
func (s *SharedStore) Watch(ctx context.Context, changed func(id string)) error {
	return s.shared.Watch(ctx, sessionsKey, func(c state.Change) {
		id := strings.TrimPrefix(c.Key, sessionsKey)
		if c.Gone {
			s.forget(id)
		} else {
			s.note(id, time.Time{})
		}
		changed(id)
	})
}

func (s *SharedStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// note remembers a session; a zero time does not overwrite when we renewed it.
func (s *SharedStore) note(id string, renewed time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if renewed.After(s.known[id]) || s.known[id].IsZero() {
		s.known[id] = renewed
	}
}

func (s *SharedStore) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

// evictAtOnce is how many sessions are evicted at a time when the store is full, so that not every
// new one has to look at all.
const evictAtOnce = 64

// evict looks at all sessions there are, which may be fewer than we know, and removes
// those that no client can be using: a session in use is renewed more often.
func (s *SharedStore) evict(ctx context.Context) error {
	all, err := s.all(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	before := s.known
	s.known = make(map[string]time.Time, len(all))
	for _, v := range all {
		id := strings.TrimPrefix(v.Key, sessionsKey)
		s.known[id] = before[id]
	}
	s.mu.Unlock()
	if len(all) < s.max {
		return nil
	}
	slices.SortFunc(all, func(a, b state.Entry) int { return cmp.Compare(a.ExpiresAt.UnixNano(), b.ExpiresAt.UnixNano()) })
	unused := time.Now().Add(s.ttl - 4*s.renew)
	removed := 0
	for _, v := range all[:min(len(all), evictAtOnce)] {
		if v.ExpiresAt.After(unused) {
			break
		}
		switch err := s.Delete(ctx, strings.TrimPrefix(v.Key, sessionsKey)); {
		case err == nil, errors.Is(err, ErrNoSession):
			removed++
		default:
			return err
		}
	}
	if removed == 0 {
		return ErrTooManySessions
	}
	return nil
}

// all returns every session, without its record.
func (s *SharedStore) all(ctx context.Context) ([]state.Entry, error) {
	const page = 1000
	var all []state.Entry
	for after := ""; ; {
		list, err := s.shared.List(ctx, sessionsKey, after, page)
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			v.Value = nil
			all = append(all, v)
		}
		if len(list) < page {
			return all, nil
		}
		after = list[len(list)-1].Key
	}
}

// A record is stored as JSON, or behind a zero byte as deflated JSON: a session that
// follows a thousand resources has to fit into a value.
const plainRecord = 4 << 10

func encodeRecord(r Record) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil || len(data) <= plainRecord {
		return data, err
	}
	var b bytes.Buffer
	b.WriteByte(0)
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxRecord bounds what a record becomes when it is read.
const maxRecord = 4 << 20

func decodeRecord(data []byte) (r Record, err error) {
	if len(data) > 0 && data[0] == 0 {
		in := flate.NewReader(bytes.NewReader(data[1:]))
		if data, err = io.ReadAll(io.LimitReader(in, maxRecord)); err != nil {
			return r, err
		}
	}
	err = json.Unmarshal(data, &r)
	return r, err
}
