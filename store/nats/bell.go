package nats

import (
	"context"
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A bell rings in a process when the stream grows, whoever let it grow: the server tells
// of each event once it is stored.
type bell struct {
	mu   sync.Mutex
	last int64         // the highest sequence known
	rung chan struct{} // closed at the next ring
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

// hear takes the server's word of one event.
func (b *bell) hear(m *natsgo.Msg) {
	seq, err := strconv.ParseInt(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.last, seq)
	b.wake()
}

// ring wakes all that wait, so that they look again.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake()
}

// wake requires b.mu.
func (b *bell) wake() {
	close(b.rung)
	b.rung = make(chan struct{})
}

// wait returns when the stream has something behind a sequence, at the latest after most.
func (b *bell) wait(ctx context.Context, after int64, most time.Duration) {
	b.mu.Lock()
	grown := b.last > after
	// What was known is believed once: a store can also lose its end.
	b.last = after
	rung := b.rung
	b.mu.Unlock()
	if grown {
		return
	}
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-rung:
	case <-t.C:
	case <-ctx.Done():
	}
}
