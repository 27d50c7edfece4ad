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

const (
	// maxKeys bounds the idempotency keys that are remembered; the oldest make room.
	maxKeys = 10_000
	// longestRun is more than any write takes. A call that is not at its end by then has
	// panicked, and its outcome is in doubt.
	longestRun = 10 * time.Minute
)

var errNoEnd = errors.New("the call that had the key did not end")

// A memory holds what became of the calls that have an idempotency key.
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

// claim takes a key for a call. Where another call has it, claim waits for its end and
// reports it as known.
func (m *memory) claim(ctx context.Context, key string, arguments [sha256.Size]byte) (r *run, known bool, err error) {
	m.mu.Lock()
	m.expire()
	r, known = m.runs[key]
	if !known {
		r = &run{key: key, arguments: arguments, began: m.now(), done: make(chan struct{})}
		m.runs[key] = r
		m.order = append(m.order, r)
	}
	m.mu.Unlock()
	if r.arguments != arguments {
		return nil, false, &RefusedError{Code: "idempotency_key_reused", Remedy: "This idempotency_key was used with other arguments. Nothing was sent. Use a new key for a new message."}
	}
	if known {
		bounded, cancel := context.WithTimeout(ctx, longestRun)
		defer cancel()
		select {
		case <-r.done:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return nil, false, ctx.Err()
			}
			m.finish(r, nil, errNoEnd)
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
	if err != nil && !maySent(err) && m.runs[r.key] == r {
		delete(m.runs, r.key)
	}
	r.value, r.err = value, err
	close(r.done)
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

func digest(v any) [sha256.Size]byte {
	b, err := json.Marshal(v)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(b)
}
