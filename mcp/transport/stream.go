package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

const eventStream = "text/event-stream"

// bufferBytes is what a stream's write usually fits in; larger buffers are not kept.
const (
	bufferBytes    = 4 << 10
	maxKeptBytes   = 64 << 10
	heartbeatFrame = ": ping\n\n"
)

// A wire is a response that became a stream of events. Each write has a deadline of
// its own, so the server's WriteTimeout does not end it and a peer that takes nothing
// does.
type wire struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
}

// openWire sends the headers of an event stream.
func openWire(w http.ResponseWriter, rc *http.ResponseController, timeout time.Duration) *wire {
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	// The seeds' nginx block buffers answers unless this tells it not to.
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	_ = rc.SetReadDeadline(time.Time{}) // the body was read; from here on a peer may be silent
	return &wire{w: w, rc: rc, timeout: timeout}
}

func (s *wire) write(frames []byte) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(frames); err != nil {
		return err
	}
	return s.rc.Flush()
}

// close takes the deadline away again: the connection may serve another request.
func (s *wire) close() { _ = s.rc.SetWriteDeadline(time.Time{}) }

// abort breaks a write that is under way.
func (s *wire) abort() { _ = s.rc.SetWriteDeadline(time.Unix(1, 0)) }

// buffers are shared by the streams, which are silent most of the time.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, bufferBytes)
	return &p
}

func (b *buffers) put(p *[]byte) {
	if cap(*p) <= maxKeptBytes {
		*p = (*p)[:0]
		b.pool.Put(p)
	}
}

// enterStream counts a stream in, or answers why there can be none.
func (t *Transport) enterStream(w http.ResponseWriter) bool {
	if !t.gate.enter() {
		t.unavailable(w, "stopping")
		return false
	}
	if t.open.Add(1) > int64(t.opt.MaxStreams) {
		t.leaveStream()
		t.count.streamsFull.Add(1)
		t.unavailable(w, "too_many_streams")
		return false
	}
	t.count.streamsOpened.Add(1)
	return true
}

func (t *Transport) leaveStream() {
	t.open.Add(-1)
	t.gate.leave()
}

// carry empties an outbox onto a wire until ctx, the transport or one of the others
// ends.
func (t *Transport) carry(ctx context.Context, s *wire, box *outbox, replaced, ended <-chan struct{}) {
	defer s.close()
	beat := time.NewTimer(t.opt.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-box.wake:
			wrote, err := t.carryOnce(s, box)
			if err != nil {
				t.cut(err)
				return
			}
			if wrote {
				beat.Reset(t.opt.Heartbeat)
			}
		case <-beat.C:
			if err := s.write([]byte(heartbeatFrame)); err != nil {
				t.cut(err)
				return
			}
			beat.Reset(t.opt.Heartbeat)
		case <-ctx.Done():
			return
		case <-replaced:
			return
		case <-ended:
			return
		case <-t.stopping:
			_, _ = t.carryOnce(s, box) // what waits; the peer may be gone
			return
		}
	}
}

// carryOnce writes all that waits.
func (t *Transport) carryOnce(s *wire, box *outbox) (wrote bool, err error) {
	buf := t.buffers.get()
	defer t.buffers.put(buf)
	*buf = box.take((*buf)[:0], events)
	if len(*buf) == 0 {
		return false, nil
	}
	if err := s.write(*buf); err != nil {
		box.failed()
		return false, err
	}
	return true, nil
}

// cut counts a stream that ended because its peer took nothing; one that closed the
// connection is no news.
func (t *Transport) cut(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.count.streamsCut.Add(1)
		t.log.Info("stream ended: its peer takes nothing")
	}
}

// retryAfter is what a client is asked to wait, in seconds, when there is no room.
const retryAfter = "5"

func (t *Transport) unavailable(w http.ResponseWriter, code string) {
	w.Header().Set("Retry-After", retryAfter)
	reply(w, http.StatusServiceUnavailable, code, "try again later")
}

func (t *Transport) refused(r *http.Request, reason string) {
	if reason == "host" {
		t.count.refusedHost.Add(1)
	} else {
		t.count.refusedOrigin.Add(1)
	}
	t.log.Warn("request refused", slog.String("reason", reason), slog.String("remote_addr", r.RemoteAddr), slog.String("path", r.URL.Path))
}
