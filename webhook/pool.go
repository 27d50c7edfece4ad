package webhook

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// The bounds of small bodies. Almost every event is below 8 KiB, and one above 64 KiB is rare.
const (
	smallBody = 64 << 10
	shortBody = 8 << 10
	// smallTime is how long after its headers a small body has to be whole.
	smallTime = 2 * time.Second
	// poolBytes is the memory of all small bodies, and poolAbove what of it those above shortBody
	// may have.
	poolBytes = 16 << 20
	poolAbove = 12 << 20
	// smallPiece is the memory that a body begins with. It grows fourfold as bytes arrive.
	smallPiece = 2 << 10
	// requestBytes is what a request costs beside its body, so that the pool also bounds bodies
	// of which nothing arrives.
	requestBytes = 2 << 10
)

// errGaveWay ends a body whose memory a newer one needs.
var errGaveWay = errors.New("the body gave way to a newer one")

// A pool is the memory of small bodies. It is granted as bytes arrive. When all of it is in use,
// the body that has been unfinished the longest gives way: a sender with the secret is done within
// milliseconds, so it is one that takes its time. A body that is whole gives way to none; where
// there are only such, the newcomer waits for the first of them to be done. All methods are safe
// for concurrent use.
type pool struct {
	all, above *semaphore.Weighted // above is the part of bodies above shortBody
	used       atomic.Int64

	mu         sync.Mutex
	unfinished [2]list.List // of *pooled, the oldest first; bodies above shortBody are the second
}

func newPool(all, above int64) *pool {
	return &pool{all: semaphore.NewWeighted(all), above: semaphore.NewWeighted(above)}
}

// inUse returns how many bytes are granted.
func (p *pool) inUse() int64 { return p.used.Load() }

// A pooled is a small body with its part of the pool, which its owner gives back by release.
type pooled struct {
	of      *pool
	bytes   []byte
	class   int   // the list of of.unfinished that it is in
	taken   int64 // bytes of the pool; written under of.mu
	by      time.Time
	control *http.ResponseController

	place   *list.Element      // guarded by of.mu; nil before it has memory, and once it is whole or gave way
	gaveWay bool               // guarded by of.mu
	stop    context.CancelFunc // guarded by of.mu; ends its waiting for memory, nil while it does not wait
}

// read reads the whole body of r, whose length is known and at most smallBody. began is when
// its headers were whole. The caller releases what it returns, also with an error. Errors: errBusy
// when no memory came free in time, errGaveWay, and those of the connection.
func (p *pool) read(w http.ResponseWriter, r *http.Request, began time.Time) (*pooled, error) {
	n := int(r.ContentLength)
	d := &pooled{of: p, by: began.Add(smallTime), control: http.NewResponseController(w)}
	if n > shortBody {
		d.class = 1
	}
	_ = d.control.SetReadDeadline(d.by) // Only a test's ResponseWriter has no deadlines.
	err := d.fill(r.Context(), r.Body, n)
	p.mu.Lock()
	d.leave()
	if err != nil && d.gaveWay {
		err = errGaveWay
	}
	p.mu.Unlock()
	if err == nil {
		_ = d.control.SetReadDeadline(time.Time{}) // The answer may take longer; the server bounds it.
	}
	return d, err
}

// fill reads n bytes, and takes memory as they arrive.
func (d *pooled) fill(ctx context.Context, from io.Reader, n int) error {
	for piece := smallPiece; ; piece *= 4 {
		full := min(n, piece)
		if err := d.grow(ctx, full); err != nil {
			return err
		}
		had := len(d.bytes)
		m, err := io.ReadFull(from, d.bytes[had:full])
		d.bytes = d.bytes[:had+m]
		if err != nil || full == n {
			return err
		}
	}
}

// grow takes the memory of a body of n bytes.
func (d *pooled) grow(ctx context.Context, n int) error {
	need := int64(n) + requestBytes - d.taken
	if err := d.take(ctx, need); err != nil {
		return err
	}
	p := d.of
	p.used.Add(need)
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.gaveWay {
		p.give(d.class, need)
		return errGaveWay
	}
	if d.taken += need; d.place == nil {
		d.place = p.unfinished[d.class].PushBack(d)
	}
	d.bytes = append(make([]byte, 0, n), d.bytes...)
	return nil
}

// take takes bytes from the pool, first from the part of its class.
func (d *pooled) take(ctx context.Context, need int64) error {
	p := d.of
	if d.class == 1 {
		if err := d.acquire(ctx, p.above, need, p.unfinished[1:]); err != nil {
			return err
		}
	}
	err := d.acquire(ctx, p.all, need, p.unfinished[:])
	if err != nil && d.class == 1 {
		p.above.Release(need)
	}
	return err
}

// acquire takes bytes from a part of the pool. Where they are in use, as many older bodies of the
// lists give way as have them, and the bytes are waited for.
func (d *pooled) acquire(ctx context.Context, part *semaphore.Weighted, need int64, of []list.List) error {
	if part.TryAcquire(need) {
		return nil
	}
	p := d.of
	ctx, stop := context.WithDeadline(ctx, d.by)
	defer stop()
	p.mu.Lock()
	d.stop = stop
	for freed := int64(0); freed < need; {
		oldest := oldestOf(of)
		if oldest == nil || oldest == d {
			break // What is left is whole, or younger: it is waited for, until a newcomer needs the place.
		}
		freed += oldest.taken
		oldest.giveWay()
	}
	gaveWay := d.gaveWay
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		d.stop = nil
		p.mu.Unlock()
	}()
	if gaveWay {
		return errGaveWay
	}
	if part.Acquire(ctx, need) != nil {
		return errBusy
	}
	return nil
}

// oldestOf returns the body that has been unfinished the longest; nil where there is none.
func oldestOf(of []list.List) (oldest *pooled) {
	for i := range of {
		if e := of[i].Front(); e != nil {
			if d := e.Value.(*pooled); oldest == nil || d.by.Before(oldest.by) {
				oldest = d
			}
		}
	}
	return oldest
}

// giveWay ends the reading of a body, or its waiting for more memory. It requires of.mu.
func (d *pooled) giveWay() {
	d.gaveWay = true
	d.leave()
	_ = d.control.SetReadDeadline(time.Unix(1, 0))
	if d.stop != nil {
		d.stop()
	}
}

// leave takes a body off the list of the unfinished ones. It requires of.mu.
func (d *pooled) leave() {
	if d.place != nil {
		d.of.unfinished[d.class].Remove(d.place)
		d.place = nil
	}
}

// release gives the body's part of the pool back.
func (d *pooled) release() { d.of.give(d.class, d.taken) }

// give puts bytes of a class back.
func (p *pool) give(class int, n int64) {
	p.used.Add(-n)
	p.all.Release(n)
	if class == 1 {
		p.above.Release(n)
	}
}
