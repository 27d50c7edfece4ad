package guard

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
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

// maxBudgets bounds the channels whose messages are counted.
const maxBudgets = 10_000

// A budget counts the messages to each channel within the last minute.
type budget struct {
	limit int // negative is none
	now   func() time.Time

	mu   sync.Mutex
	sent map[string][]time.Time // channel -> when, oldest first; guarded by mu
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

// sweep forgets the channels that nobody wrote to for a minute, and all when there is
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
