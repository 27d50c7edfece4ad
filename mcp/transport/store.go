package transport

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
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
	watches map[*func(string)]struct{} // told of what was forgotten
}

type kept struct {
	Record
	seenAt time.Time
}

// busy is how recently a session must have been used to be safe from making room for
// a new one.
const busy = time.Minute

// NewMemoryStore returns an empty store of at most limit sessions, each forgotten
// when it was not touched for the idle time.
func NewMemoryStore(limit int, idle time.Duration) *MemoryStore {
	return &MemoryStore{max: limit, idle: idle, records: map[string]*kept{}, watches: map[*func(string)]struct{}{}}
}

// Create implements SessionStore. A full store makes room by forgetting the session
// that was idle longest, unless even that one was used within the last minute.
func (m *MemoryStore) Create(_ context.Context, r Record) error {
	m.mu.Lock()
	now := time.Now()
	var gone []string
	if len(m.records) >= m.max {
		gone = m.makeRoom(now)
	}
	full := len(m.records) >= m.max
	if !full {
		m.records[r.ID] = &kept{Record: r.clone(), seenAt: now}
	}
	m.mu.Unlock()
	m.tell(gone)
	if full {
		return ErrTooManySessions
	}
	return nil
}

// makeRoom requires m.mu.
func (m *MemoryStore) makeRoom(now time.Time) (gone []string) {
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

// tell must be called without m.mu: who is told may come back for the record.
func (m *MemoryStore) tell(gone []string) {
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
	m.tell(gone)
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
