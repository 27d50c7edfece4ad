package transport

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"os"
	"sync"
	"time"
)

const eventStream = "text/event-stream"

const heartbeatFrame = ": ping\n\n"

// A wire is a response that became a stream of events.
type wire struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// openWire sends the headers of an event stream.
func openWire(w http.ResponseWriter, rc *http.ResponseController) *wire {
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	// The nginx configuration of the seeds buffers answers unless this header is set.
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	_ = rc.SetReadDeadline(time.Time{}) // the body was read; from here on a peer may be silent
	return &wire{w: w, rc: rc}
}

func (s *wire) write(frames []byte) error {
	if _, err := s.w.Write(frames); err != nil {
		return err
	}
	return s.rc.Flush()
}

// enterStream counts a stream in, or answers why there can be none.
func (t *Transport) enterStream(w http.ResponseWriter, r *http.Request) bool {
	if !t.gate.enter() {
		t.unavailable(w, "stopping")
		return false
	}
	if e, ok := errors.AsType[*quotaError](t.quotas.streams.take(account(r.Context()), 1)); ok {
		t.gate.leave()
		t.refuseQuota(w, r, e)
		return false
	}
	t.count.streamsOpened.Add(1)
	return true
}

func (t *Transport) leaveStream(r *http.Request) {
	t.quotas.streams.give(account(r.Context()), 1)
	t.gate.leave()
}

// carry empties an outbox onto a wire until ctx, the transport or one of the others
// ends.
func (t *Transport) carry(ctx context.Context, s *wire, box *outbox, replaced, ended <-chan struct{}) {
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
	frames := box.take(nil, events)
	defer box.written()
	if len(frames) == 0 {
		return false, nil
	}
	if err := s.write(frames); err != nil {
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

// retryAfter is how long a client is asked to wait, in seconds, when the server is full.
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
	if t.opt.OnRefuse != nil {
		t.opt.OnRefuse(r, reason)
	}
}

// A response is the answer to one POST: a JSON object when the result is all there is
// to say, else a stream of events that ends with it. It becomes a stream on the first
// notification, or after a heartbeat's time, so that no proxy takes the silence of a
// long call for death.
type response struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	t        *Transport
	id       json.RawMessage // of the request; nil for a batch
	interval time.Duration
	json     bool   // the client takes a JSON object
	streams  bool   // the client takes an event stream
	header   func() // called before the first byte
	lost     func() // called when the client is gone

	mu   sync.Mutex
	wire *wire // once it is a stream
	done bool
	// broken says that its peer took something no more.
	broken bool
	beat   *time.Timer
}

func (t *Transport) newResponse(w http.ResponseWriter, r *http.Request, id json.RawMessage, lost func()) *response {
	p := &response{
		w: w, rc: http.NewResponseController(w), id: id,
		t:        t,
		interval: t.opt.Heartbeat, json: accepts(r, jsonMedia), streams: accepts(r, eventStream), lost: lost,
	}
	if p.streams {
		p.beat = time.AfterFunc(math.MaxInt64, p.heartbeat) // not until beats
	}
	return p
}

// beats makes a stream of the answer when nothing was sent for a heartbeat's time. An answer without it stays whole until
// a notification comes: initialize's carries the session id in its headers, which are not known while it runs.
func (p *response) beats() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beat != nil && !p.done {
		p.beat.Reset(p.interval)
	}
}

// before has a function called before the first byte is written.
func (p *response) before(header func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.header = header
}

// send implements sink. A client that takes no stream is not sent notifications.
func (p *response) send(_ context.Context, msg []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return errClosed
	}
	if !p.streams {
		return errNoAnswers
	}
	return p.event(msg)
}

// event requires p.mu.
func (p *response) event(msg []byte) error {
	p.upgrade()
	p.beat.Reset(p.interval)
	return p.write(events.message(make([]byte, 0, len(msg)+frameOverhead), "", msg))
}

// write requires p.mu. The first write that the peer does not take counts as a stream that was cut.
func (p *response) write(frame []byte) error {
	err := p.wire.write(frame)
	if err != nil && !p.broken {
		p.broken = true
		p.t.cut(err)
	}
	return err
}

// frameOverhead is what framing adds to a message, at least.
const frameOverhead = 32

// upgrade requires p.mu.
func (p *response) upgrade() {
	if p.wire != nil {
		return
	}
	if p.header != nil {
		p.header()
	}
	p.wire = openWire(p.w, p.rc)
}

func (p *response) heartbeat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	p.upgrade()
	if p.write([]byte(heartbeatFrame)) != nil {
		p.lost()
		return
	}
	p.beat.Reset(p.interval)
}

// abandon ends a response that has nothing to say; the caller answers.
func (p *response) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if p.beat != nil {
		p.beat.Stop()
	}
}

// finish sends the result: with the status when it is all there is, else as the last
// event.
func (p *response) finish(status int, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if p.beat != nil {
		p.beat.Stop()
	}
	if p.wire == nil && p.streams && !p.json {
		p.upgrade()
	}
	if p.wire != nil {
		_ = p.write(events.message(nil, "", body)) // a peer that left needs no answer
		return
	}
	if p.header != nil {
		p.header()
	}
	writeJSON(p.w, status, body)
}
