package nats

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"
)

// holds notes a lease of this process, and settled takes it off.
func (q *Store) holds(h *hold) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[h.group] == nil {
		q.held[h.group] = map[int64]*hold{}
	}
	q.held[h.group][h.seq] = h
}

func (q *Store) settled(h *hold) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[h.group][h.seq] == h {
		delete(q.held[h.group], h.seq)
	}
}

// holding reports whether a handler of this process has an event.
func (q *Store) holding(group string, seq int64) bool {
	return q.hold(group, seq) != nil
}

func (q *Store) hold(group string, seq int64) *hold {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held[group][seq]
}

// takesOver gives a handler of this process that makes the first attempt at an event the
// newest delivery of it to acknowledge, and reports whether there is one. A store that
// lost its end gives the sequence numbers of what was lost again: the records tell.
func (q *Store) takesOver(group string, seq int64, record []byte, reply string) bool {
	h := q.hold(group, seq)
	if h == nil || !bytes.Equal(h.record, record) {
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
		c.endings = map[int64]digest{}
	}
	c.endings[h.seq] = sha256.Sum256(h.record)
}

// ended reports, once, whether a first attempt at an event is remembered.
func (c *consumer) ended(seq int64, record []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.endings[seq]
	delete(c.endings, seq)
	return ok && d == sha256.Sum256(record)
}

// A digest tells one record from another.
type digest = [sha256.Size]byte

// moved reports whether an event is an item already. One that comes for the first time
// can be another event than the item's.
func (c *consumer) moved(ctx context.Context, s *store, seq int64, tries int, record []byte) (bool, error) {
	_, there := s.board.item(c.g.Name, seq)
	if !there || tries > 1 {
		return there, nil
	}
	_, of, rev, err := c.q.load(ctx, c.g.Name, seq)
	return rev != 0 && bytes.Equal(of, record), err
}

// forgotten reports whether the server has forgotten in a crash that it delivered an
// event: it answers no acknowledgement of it, and will deliver it again.
func (q *Store) forgotten(ctx context.Context, h *hold) (bool, error) {
	info, err := q.consumerInfo(ctx, h.group)
	if err != nil || info == nil {
		return false, err
	}
	return int64(info.Delivered.Stream) < h.seq, nil //nolint:gosec // below 2^53
}
