package transport

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
)

// pieceSize is how much of an answer a peer has to take within one deadline, in bytes.
const pieceSize = 64 << 10

// A pacedWriter is a response that is written in pieces, each with a deadline of its own. So the
// server's WriteTimeout does not end a long one, and a peer that takes nothing does. One goroutine
// at a time writes; SetWriteDeadline is safe beside it.
type pacedWriter struct {
	http.ResponseWriter
	rc      *http.ResponseController // of the response below
	flush   func() error
	timeout time.Duration
	broken  atomic.Bool
}

func newPacedWriter(w http.ResponseWriter, timeout time.Duration) *pacedWriter {
	p := &pacedWriter{ResponseWriter: w, rc: http.NewResponseController(w), timeout: timeout}
	p.flush = p.rc.Flush
	if f := tellingFlush(w); f != nil {
		p.flush = f
	}
	return p
}

// tellingFlush finds the flush that tells its error, behind routers whose own one does not: a stream whose peer takes
// nothing would not be known to have ended before its next write. It is nil where there is none.
func tellingFlush(w http.ResponseWriter) func() error {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }:
			return t.FlushError
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// Unwrap is for http.ResponseController.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// extend begins the time of one piece.
func (p *pacedWriter) extend() error {
	if err := p.rc.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if p.broken.Load() {
		_ = p.rc.SetWriteDeadline(past) // The write tells.
	}
	return nil
}

// Write implements http.ResponseWriter.
func (p *pacedWriter) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, pieceSize) {
		if err := p.extend(); err != nil {
			return n, err
		}
		m, err := p.ResponseWriter.Write(piece)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// FlushError is http.ResponseController's Flush.
func (p *pacedWriter) FlushError() error {
	if err := p.extend(); err != nil {
		return err
	}
	return p.flush()
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// SetWriteDeadline is called by http.ResponseController. A deadline that is over breaks the write
// that is under way, and all that follow.
func (p *pacedWriter) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		p.broken.Store(true)
	}
	return p.rc.SetWriteDeadline(t)
}

// rest takes the deadline away: the connection may serve another request.
func (p *pacedWriter) rest() { _ = p.rc.SetWriteDeadline(time.Time{}) }

// claim counts the bytes of an answer until release is called: its client may read it slowly. One
// of more than a piece waits for space, as what goes onto a session's stream does, and fails with a
// *quotaError where there is none in time, or where as much waits already as may. Shorter ones are
// bounded by the number of calls.
func (t *Transport) claim(ctx context.Context, size int) (release func(), err error) {
	q, who := t.quotas.queues, account(ctx)
	n := min(int64(size), q.each)
	release = func() { q.give(who, n) }
	if size <= pieceSize {
		q.force(who, n)
		return release, nil
	}
	err = q.take(who, n)
	if err == nil {
		return release, nil
	}
	w := t.quotas.waiting
	m := min(n, w.each)
	if w.take(who, m) != nil {
		t.noteQuota(ctx, err)
		return nil, err
	}
	defer w.give(who, m)
	patience, cancel := context.WithTimeout(ctx, t.opt.WriteTimeout)
	defer cancel()
	for wait.Sleep(patience, quotaPoll) == nil {
		if err = q.take(who, n); err == nil {
			return release, nil
		}
	}
	t.noteQuota(ctx, err)
	return nil, err
}
