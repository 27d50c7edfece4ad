package guard

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// maxKeys bounds the idempotency keys of ended calls that are remembered. Beyond it the
// principal that has the most loses its oldest.
const maxKeys = 10_000

// ErrNoEnd is what a write ends with whose call panicked: its outcome is in doubt.
var ErrNoEnd = errors.New("the call that had the key did not end")

// A memory holds what became of the calls that have an idempotency key.
type memory struct {
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	runs  map[runKey]*run   // in flight and ended; guarded by mu
	ended map[string][]*run // by principal, those that ended first first; guarded by mu
	held  int               // how many have ended; guarded by mu
}

// A runKey is an idempotency key of one principal for one tool: another's is another key.
type runKey struct{ tool, principal, key string }

// A run is what became of a key. The fields below done are written before it is closed.
type run struct {
	key       runKey
	arguments [sha256.Size]byte
	done      chan struct{}

	at    time.Time // when it ended
	value any
	err   error
}

func newMemory(keep time.Duration, now func() time.Time) *memory {
	return &memory{keep: keep, now: now, runs: map[runKey]*run{}, ended: map[string][]*run{}}
}

// claim takes a key for a call. Where another call has it, claim waits for its end and
// reports it as known.
func (m *memory) claim(ctx context.Context, key runKey, arguments [sha256.Size]byte) (r *run, known bool, err error) {
	m.mu.Lock()
	m.expire(key.principal)
	r, known = m.runs[key]
	if !known {
		r = &run{key: key, arguments: arguments, done: make(chan struct{})}
		m.runs[key] = r
	}
	m.mu.Unlock()
	if r.arguments != arguments {
		return nil, false, &RefusedError{Code: "idempotency_key_reused", Remedy: "This idempotency_key was used with other arguments. Nothing was sent. Use a new key for a new message."}
	}
	if known {
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	return r, known, nil
}

// finish keeps what became of a run, the first time that it is called for it. A run that
// surely did nothing is forgotten, so that the key can be used again.
func (m *memory) finish(r *run, value any, err error) {
	if r == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-r.done:
		return
	default:
	}
	r.value, r.err, r.at = value, err, m.now()
	close(r.done)
	if err != nil && !maySent(err) {
		delete(m.runs, r.key)
		return
	}
	m.ended[r.key.principal] = append(m.ended[r.key.principal], r)
	m.held++
	if m.held > maxKeys {
		m.makeRoom()
	}
}

// makeRoom forgets what is too old, or else the oldest of the principal that has the most. It
// requires the lock.
func (m *memory) makeRoom() {
	most := ""
	for principal := range m.ended {
		m.expire(principal)
		if len(m.ended[principal]) > len(m.ended[most]) {
			most = principal
		}
	}
	if m.held > maxKeys {
		m.forget(most)
	}
}

// expire forgets what is too old of a principal's. It requires the lock.
func (m *memory) expire(principal string) {
	for list := m.ended[principal]; len(list) > 0 && m.now().Sub(list[0].at) >= m.keep; list = m.ended[principal] {
		m.forget(principal)
	}
}

// forget forgets the oldest of a principal's, of which there is one. It requires the lock.
func (m *memory) forget(principal string) {
	list := m.ended[principal]
	delete(m.runs, list[0].key)
	list[0] = nil
	m.held--
	if m.ended[principal] = list[1:]; len(list) == 1 {
		delete(m.ended, principal)
	}
}

func digest(v any) [sha256.Size]byte {
	b, err := json.Marshal(v)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(b)
}
