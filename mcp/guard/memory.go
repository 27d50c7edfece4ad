package guard

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"slackmcp/slackapi"
)

// maxKeys bounds the idempotency keys that are remembered; the oldest make room.
const maxKeys = 10_000

// A memory runs what belongs to a key once.
type memory struct {
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	runs  map[string]*run // guarded by mu
	order []*run          // oldest first
}

// A run is what became of a key. The fields below done are written before it is closed.
type run struct {
	key       string
	arguments [sha256.Size]byte
	began     time.Time
	done      chan struct{}

	value any
	err   error
}

func newMemory(keep time.Duration, now func() time.Time) *memory {
	return &memory{keep: keep, now: now, runs: map[string]*run{}}
}

// once runs fn unless the key has run. Who comes while it runs waits for it. A run that
// surely did nothing is forgotten, so that the key can be used again.
func (m *memory) once(ctx context.Context, key string, arguments [sha256.Size]byte, fn func() (any, error)) (v any, repeated bool, err error) {
	r, fresh := m.claim(key, arguments)
	if r.arguments != arguments {
		return nil, false, &RefusedError{Code: "idempotency_key_reused", Remedy: "This idempotency_key was used with other arguments. Nothing was sent. Use a new key for a new message."}
	}
	if !fresh {
		select {
		case <-r.done:
			return r.value, true, r.err
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	defer close(r.done)
	r.err = errors.New("the call that had the key did not end") // should fn panic
	r.value, r.err = fn()
	if r.err != nil && !maySent(r.err) {
		m.release(r)
	}
	return r.value, false, r.err
}

func (m *memory) claim(key string, arguments [sha256.Size]byte) (r *run, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if r, ok := m.runs[key]; ok {
		return r, false
	}
	r = &run{key: key, arguments: arguments, began: m.now(), done: make(chan struct{})}
	m.runs[key] = r
	m.order = append(m.order, r)
	return r, true
}

// expire forgets what is too old, and the oldest beyond the bound. It requires the lock.
func (m *memory) expire() {
	for len(m.order) > 0 && (len(m.order) > maxKeys || m.now().Sub(m.order[0].began) >= m.keep) {
		if oldest := m.order[0]; m.runs[oldest.key] == oldest {
			delete(m.runs, oldest.key)
		}
		m.order = m.order[1:]
	}
}

func (m *memory) release(r *run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs[r.key] == r {
		delete(m.runs, r.key)
	}
}

// maySent reports that nobody can know that nothing was sent.
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

func digest(v any) [sha256.Size]byte {
	b, err := json.Marshal(v)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(b)
}
