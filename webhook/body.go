package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook/limiter"
)

// A long body is read piece by piece, so that a sender has to send bytes before more memory is
// allocated for it.
const (
	longPiece = 8 << 10
	stretch   = 64 << 10 // the most that is read of a long body at a time
)

// answerTime is how long after its last byte was due the answer to a long body may take.
const answerTime = 30 * time.Second

// The parts of the budget of long bodies. All unverified addresses together may use half of
// it, and one of them an eighth. The rest is for addresses from which a verified request came.
const (
	unverifiedShare = 2
	addressShare    = 4 // of the part of the unverified addresses
)

var (
	errTooLarge = errors.New("body is above the limit")
	errBusy     = errors.New("body budget is used up")
)

// bodies reads request bodies. Small ones have a pool of their own; those that are longer, or
// of unknown length, are read within a budget, at a least rate for each and a pace for all.
type bodies struct {
	limit   int64            // of a source that has none of its own
	usual   int64            // the part of the budget of bodies up to that limit
	budget  atomic.Int64     // of long bodies
	limiter *limiter.Limiter // nil takes every address for a known one
	grace   time.Duration
	rate    int64 // bytes a second
	used    atomic.Int64
	over    atomic.Int64 // what of used have unverified bodies that are above limit
	pace    pace
	small   *pool
}

// A body is the bytes of a long body with their part of the budget, which its owner gives
// back by release.
type body struct {
	of     *bodies
	limit  int64
	bytes  []byte
	from   sender
	taken  int64         // bytes of the budget
	over   int64         // bytes that are counted as above the common limit
	share  int64         // bytes that the limiter granted to the sender's address
	waited time.Duration // how long the pace held the body back
}

// A sender is what is known of a long body's origin before its signature is checked.
type sender struct {
	address  netip.Addr
	route    string
	standing limiter.Standing
}

func newBodies(o Options) *bodies {
	b := &bodies{
		limit: o.MaxBodyBytes, usual: o.BodyBudget, limiter: o.Limiter,
		grace: o.BodyGrace, rate: o.MinBodyRate, pace: pace{began: time.Now()}, small: newPool(poolBytes, poolAbove),
	}
	b.budget.Store(o.BodyBudget)
	return b
}

// budgetFor is the least budget for bodies of some length: unverified addresses have one of them at a time, and the
// others as much.
func budgetFor(longest int64) int64 { return unverifiedShare * (longest + 1) }

// isSmall reports whether a request says that its body is a small one, within the limit of its source.
func isSmall(r *http.Request, limit int64) bool {
	return r.ContentLength >= 0 && r.ContentLength <= min(smallBody, limit)
}

// inUse returns how many bytes of memory all bodies are granted.
func (b *bodies) inUse() int64 { return b.used.Load() + b.small.inUse() }

// readLong reads the whole of a body that is not small, up to a limit, and gives it up when it comes too slowly.
// The caller releases what it returns, also with an error. Errors: errTooLarge, errBusy, and
// those of the connection.
func (b *bodies) readLong(w http.ResponseWriter, r *http.Request, from sender, limit int64) (*body, error) {
	d := &body{of: b, from: from, limit: limit}
	if r.ContentLength > limit {
		return d, errTooLarge
	}
	return d, d.readPieces(w, r)
}

// readPieces reads one byte above the limit, to see that there is one.
func (d *body) readPieces(w http.ResponseWriter, r *http.Request) error {
	began, control := time.Now(), http.NewResponseController(w)
	whole := d.limit
	if r.ContentLength >= 0 {
		whole = r.ContentLength
	}
	for {
		// The sender is not charged for the time that the pace held its body back.
		due := began.Add(d.waited + d.of.grace + time.Duration(int64(len(d.bytes))*int64(time.Second)/d.of.rate))
		_ = control.SetReadDeadline(due) // Only a test's ResponseWriter has no deadlines.
		if d.limit > d.of.limit {
			_ = control.SetWriteDeadline(due.Add(answerTime)) // The server's own is for bodies of the common limit.
		}
		piece := nextPiece(len(d.bytes), int(whole)+1)
		if err := d.grow(piece); err != nil {
			return err
		}
		switch err := d.fill(r, len(d.bytes)+piece); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// nextPiece is for how many bytes more than it has memory is allocated to a body of at most whole bytes: for three
// times as much as the sender has sent. It stops at a quarter of the whole, from which the next piece is the last, so
// that what is copied over never has more than a quarter of the body beside it.
func nextPiece(has, whole int) int {
	piece := 3 * has
	if quarter := (whole + 3) / 4; has < quarter {
		piece = min(piece, quarter-has)
	}
	return min(max(piece, longPiece), whole-has)
}

// fill reads until the body has full bytes, for which there is space, or until io.EOF or
// another error.
func (d *body) fill(r *http.Request, full int) error {
	for len(d.bytes) < full {
		n, err := r.Body.Read(d.bytes[len(d.bytes):min(full, len(d.bytes)+stretch)])
		d.bytes = d.bytes[:len(d.bytes)+n]
		switch {
		case int64(len(d.bytes)) > d.limit:
			return errTooLarge
		case err != nil:
			return err
		case len(d.bytes) > stretch:
			d.waited += d.of.pace.wait(r.Context(), n)
		}
	}
	return nil
}

// reserve takes n more bytes from what an unverified address may have, and from what all of them may have of bodies
// above the common limit: one body of a source that takes longer ones leaves the others' part alone.
func (d *body) reserve(n int64) error {
	most := min(d.limit, d.of.limit) + 1
	if size := d.taken + n; size > most {
		most = d.limit + 1
		more := size - d.over
		if d.of.over.Add(more) > most {
			d.of.over.Add(-more)
			return errBusy
		}
		d.over += more
	}
	if !d.of.limiter.Reserve(d.from.address, d.from.route, n, max(d.of.usual/unverifiedShare/addressShare, most), time.Now()) {
		return errBusy
	}
	d.share += n
	return nil
}

// grow takes n more bytes from the budget and makes space for them.
func (d *body) grow(n int) error {
	budget := d.of.budget.Load()
	if d.from.standing != limiter.Known {
		budget = budget / unverifiedShare
		if err := d.reserve(int64(n)); err != nil {
			return err
		}
	}
	budget = max(budget, d.limit+1)
	if d.of.used.Add(int64(n)) > budget {
		d.of.used.Add(int64(-n))
		return errBusy
	}
	d.taken += int64(n)
	if need := len(d.bytes) + n; need > cap(d.bytes) {
		d.bytes = append(make([]byte, 0, need), d.bytes...)
	}
	return nil
}

// release gives the body's part of the budget back.
func (d *body) release() {
	d.of.used.Add(-d.taken)
	d.of.over.Add(-d.over)
	if d.share > 0 {
		d.of.limiter.Release(d.from.address, d.from.route, d.share)
	}
}

// longRate is how many bytes a second are read of all bodies together that are longer than
// a stretch. Without a pace, reading and hashing bodies of a MiB took more than a third of
// a processor under make flood, and none of them was signed. A MiB alone takes 60 ms, and
// Slack waits for 3 s.
const longRate = 16 << 20

// A pace gives out time at longRate. It is safe for concurrent use.
type pace struct {
	began time.Time
	next  atomic.Int64 // when the next caller has its turn, in nanoseconds after began
}

// wait takes the time of n bytes, waits until the callers before have had theirs or ctx is
// done, and returns how long it waited.
func (p *pace) wait(ctx context.Context, n int) time.Duration {
	cost := int64(n) * int64(time.Second) / longRate
	now := int64(time.Since(p.began))
	for {
		next := p.next.Load()
		at := max(next, now)
		if p.next.CompareAndSwap(next, at+cost) {
			_ = wait.Sleep(ctx, time.Duration(at-now)) // When ctx is done, the next read fails.
			return time.Duration(at - now)
		}
	}
}
