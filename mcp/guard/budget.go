package guard

import (
	"fmt"
	"sync"
	"time"
)

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
