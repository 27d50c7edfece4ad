package webhook

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// How bodies are read: most in one piece into a pooled buffer, large ones piece by
// piece, so that a sender has to send bytes before he is given room for more.
const (
	pooledBody = 64 << 10
	firstPiece = 16 << 10
)

var (
	errTooLarge = errors.New("body is above the limit")
	errBusy     = errors.New("body budget is used up")
)

// bodies reads request bodies within a limit for each and a budget for all.
type bodies struct {
	limit  int64
	budget int64
	used   atomic.Int64
	pool   sync.Pool // of *body
}

// A body is a request's bytes. They are valid until release.
type body struct {
	of    *bodies
	bytes []byte
	taken int64
}

func newBodies(limit, budget int64) *bodies {
	b := &bodies{limit: limit, budget: budget}
	b.pool.New = func() any { return &body{of: b, bytes: make([]byte, 0, 4<<10)} }
	return b
}

// read reads the whole body of r. The caller releases what it returns, with an error
// too. Errors: errTooLarge, errBusy, and those of the connection.
func (b *bodies) read(r *http.Request) (*body, error) {
	d := b.pool.Get().(*body)
	d.bytes = d.bytes[:0]
	n := r.ContentLength
	if n > b.limit {
		return d, errTooLarge
	}
	if n < 0 || n > pooledBody {
		return d, d.readPieces(r.Body)
	}
	if err := d.room(int(n)); err != nil {
		return d, err
	}
	m, err := io.ReadFull(r.Body, d.bytes[:n])
	d.bytes = d.bytes[:m]
	return d, err
}

// readPieces reads a body that is long or of unknown length. It reads one byte above
// the limit, to see that there is one.
func (d *body) readPieces(r io.Reader) error {
	for {
		piece := min(max(len(d.bytes), firstPiece), int(d.of.limit)+1-len(d.bytes))
		if err := d.room(piece); err != nil {
			return err
		}
		full := len(d.bytes) + piece
		for len(d.bytes) < full {
			n, err := r.Read(d.bytes[len(d.bytes):full])
			d.bytes = d.bytes[:len(d.bytes)+n]
			if int64(len(d.bytes)) > d.of.limit {
				return errTooLarge
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// room makes room for n more bytes and takes them from the budget.
func (d *body) room(n int) error {
	if d.of.used.Add(int64(n)) > d.of.budget {
		d.of.used.Add(int64(-n))
		return errBusy
	}
	d.taken += int64(n)
	if need := len(d.bytes) + n; need > cap(d.bytes) {
		grown := make([]byte, len(d.bytes), need)
		copy(grown, d.bytes)
		d.bytes = grown
	}
	return nil
}

// release gives the bytes back. Nobody may use them afterwards.
func (d *body) release() {
	d.of.used.Add(-d.taken)
	d.taken = 0
	if cap(d.bytes) <= pooledBody {
		d.of.pool.Put(d)
	}
}

// outcomeOf says how a request ends whose body could not be read.
func outcomeOf(err error) Outcome {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge // a server before us has a smaller limit
	}
	switch {
	case errors.Is(err, errTooLarge):
		return TooLarge
	case errors.Is(err, errBusy):
		return Busy
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	}
	return Aborted
}
