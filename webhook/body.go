package webhook

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/webhook/limiter"
)

// How bodies are read: most in one piece into a pooled buffer, large ones piece by
// piece, so that a sender has to send bytes before he is given room for more.
const (
	directBody = 8 << 10
	firstPiece = 8 << 10
	stretch    = 64 << 10 // of a long body at a time
)

// What strangers are left of the budget: half of it for all of them, an eighth for one
// address. The rest is for those who have shown that they know a secret. An address that
// is known may be a proxy's, with anybody behind it, so an eighth is kept for short
// bodies, as most events are: whoever sends long ones cannot use it up.
const (
	strangersShare = 2
	addressShare   = 4 // of the strangers' share
	shortShare     = 8
)

var (
	errTooLarge = errors.New("body is above the limit")
	errBusy     = errors.New("body budget is used up")
)

// bodies reads request bodies within a limit for each and a budget for all.
type bodies struct {
	limit   int64
	budget  int64
	limiter *limiter.Limiter // nil knows everybody
	grace   time.Duration
	rate    int64 // bytes a second
	used    atomic.Int64
	pace    pace
	pool    sync.Pool // of *body
	shelves []shelf   // of buffers for long bodies, ascending
}

// A body is a request's bytes. They are valid until release.
type body struct {
	of     *bodies
	bytes  []byte
	own    []byte  // what it keeps for the next request
	lent   *buffer // from a shelf, in place of own
	taken  int64
	from   sender
	waited time.Duration // for the pace
	share  int64         // what from's address has of the strangers' share
}

// A sender is who a request came from, as far as that is known before its signature.
type sender struct {
	address  netip.Addr
	standing limiter.Standing
	fresh    bool // a known one that need not be remembered anew
}

func newBodies(o Options) *bodies {
	b := &bodies{limit: o.MaxBodyBytes, budget: o.BodyBudget, limiter: o.Limiter, grace: o.BodyGrace, rate: o.MinBodyRate, pace: pace{began: time.Now()}}
	b.pool.New = func() any { return &body{of: b, own: make([]byte, 0, directBody)} }
	b.shelves = makeShelves(int(o.MaxBodyBytes) + 1)
	return b
}

// read reads the whole body of r. The caller releases what it returns, with an error
// too. Errors: errTooLarge, errBusy, and those of the connection.
func (b *bodies) read(w http.ResponseWriter, r *http.Request, from sender) (*body, error) {
	d := b.pool.Get().(*body)
	d.bytes, d.from, d.waited = d.own[:0], from, 0
	n := r.ContentLength
	if n > b.limit {
		return d, errTooLarge
	}
	if n < 0 || n > directBody {
		return d, d.readPieces(w, r)
	}
	if err := d.room(int(n)); err != nil {
		return d, err
	}
	m, err := io.ReadFull(r.Body, d.bytes[:n])
	d.bytes = d.bytes[:m]
	return d, err
}

// readPieces reads a body that is long or of unknown length, and gives it up when it
// comes too slowly. It reads one byte above the limit, to see that there is one.
func (d *body) readPieces(w http.ResponseWriter, r *http.Request) error {
	began, control := time.Now(), http.NewResponseController(w)
	whole := d.of.limit
	if r.ContentLength >= 0 {
		whole = r.ContentLength
	}
	for {
		// What we kept it waiting is not the sender's doing.
		due := began.Add(d.waited + d.of.grace + time.Duration(int64(len(d.bytes))*int64(time.Second)/d.of.rate))
		_ = control.SetReadDeadline(due) // what has no deadlines is no connection
		// Who has sent something is given room for three times as much.
		piece := min(max(3*len(d.bytes), firstPiece), int(whole)+1-len(d.bytes))
		if err := d.room(piece); err != nil {
			return err
		}
		switch err := d.fill(r.Body, len(d.bytes)+piece); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// fill reads until the body has full bytes, io.EOF or another error; room is made.
func (d *body) fill(from io.Reader, full int) error {
	for len(d.bytes) < full {
		n, err := from.Read(d.bytes[len(d.bytes):min(full, len(d.bytes)+stretch)])
		d.bytes = d.bytes[:len(d.bytes)+n]
		switch {
		case int64(len(d.bytes)) > d.of.limit:
			return errTooLarge
		case err != nil:
			return err
		case len(d.bytes) > stretch:
			d.waited += d.of.pace.wait(n)
		}
	}
	return nil
}

// room makes room for n more bytes and takes them from the budget.
func (d *body) room(n int) error {
	budget := d.of.budget
	long := n > directBody || len(d.bytes) > 0
	if long {
		budget = max(budget-budget/shortShare, d.of.limit+1)
	}
	if d.from.standing != limiter.Known {
		budget = max(d.of.budget/strangersShare, d.of.limit+1)
		if long {
			if !d.of.limiter.Take(d.from.address, int64(n), max(budget/addressShare, d.of.limit+1), time.Now()) {
				return errBusy
			}
			d.share += int64(n)
		}
	}
	if d.of.used.Add(int64(n)) > budget {
		d.of.used.Add(int64(-n))
		return errBusy
	}
	d.taken += int64(n)
	if need := len(d.bytes) + n; need > cap(d.bytes) {
		larger := d.of.borrow(need)
		d.bytes = append(larger.bytes[:0], d.bytes...)
		d.of.giveBack(d.lent)
		d.lent = larger
	}
	return nil
}

// release gives the bytes back. Nobody may use them afterwards.
func (d *body) release() {
	d.of.used.Add(-d.taken)
	if d.share > 0 {
		d.of.limiter.Give(d.from.address, d.share)
	}
	d.of.giveBack(d.lent)
	d.taken, d.share, d.lent, d.bytes = 0, 0, nil, nil
	d.of.pool.Put(d)
}

// outcomeOf says how a request ends whose body could not be read.
func outcomeOf(err error) (o Outcome, reason string) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge, "" // a server before us has a smaller limit
	}
	switch {
	case errors.Is(err, errTooLarge):
		return TooLarge, ""
	case errors.Is(err, errBusy):
		return Busy, "bytes"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout, ""
	}
	return Aborted, ""
}
