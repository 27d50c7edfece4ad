package nats

import (
	"context"
	"time"
)

// holds notes a lease of this process, and settled takes it off.
func (q *Queue) holds(h *hold) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[h.group] == nil {
		q.held[h.group] = map[int64]*hold{}
	}
	q.held[h.group][h.seq] = h
}

func (q *Queue) settled(h *hold) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[h.group][h.seq] == h {
		delete(q.held[h.group], h.seq)
	}
}

// holding reports whether a handler of this process has an event.
func (q *Queue) holding(group string, seq int64) bool {
	return q.hold(group, seq) != nil
}

func (q *Queue) hold(group string, seq int64) *hold {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held[group][seq]
}

// takesOver gives a handler of this process that makes the first attempt at an event the
// newest delivery of it to acknowledge, and reports whether there is one.
func (q *Queue) takesOver(group string, seq int64, reply string) bool {
	h := q.hold(group, seq)
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reply == "" || h.over {
		return false
	}
	h.reply, h.renewed = reply, time.Now()
	return true
}

// maxEndings bounds the endings that are remembered for a server that may have forgotten.
const maxEndings = 4096

// remember notes that a first attempt ended that the server may have forgotten in a
// crash: it then delivers the event again, as if for the first time.
func (c *consumer) remember(h *hold) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endings == nil || len(c.endings) >= maxEndings {
		c.endings = map[int64]struct{}{}
	}
	c.endings[h.seq] = struct{}{}
}

// ended reports, once, whether a first attempt at an event is remembered.
func (c *consumer) ended(seq int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.endings[seq]
	delete(c.endings, seq)
	return ok
}

// forgotten reports whether the server has forgotten in a crash that it delivered an
// event: it answers no acknowledgement of it, and will deliver it again.
func (q *Queue) forgotten(ctx context.Context, h *hold) (bool, error) {
	info, err := q.consumerInfo(ctx, h.group)
	if err != nil || info == nil {
		return false, err
	}
	return int64(info.Delivered.Stream) < h.seq, nil //nolint:gosec // below 2^53
}
