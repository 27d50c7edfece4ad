package transport

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A response is the answer to one POST: a JSON object when the result is all there is
// to say, else a stream of events that ends with it. It becomes a stream on the first
// notification, or after a heartbeat's time, so that no proxy takes the silence of a
// long call for death.
type response struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	timeout  time.Duration
	interval time.Duration
	json     bool   // the client takes a JSON object
	streams  bool   // the client takes an event stream
	header   func() // called before the first byte
	lost     func() // called when the client is gone

	mu   sync.Mutex
	wire *wire // once it is a stream
	done bool
	beat *time.Timer
}

func (t *Transport) newResponse(w http.ResponseWriter, r *http.Request, lost func()) *response {
	p := &response{
		w: w, rc: http.NewResponseController(w), timeout: t.opt.WriteTimeout,
		interval: t.opt.Heartbeat, json: accepts(r, jsonMedia), streams: accepts(r, eventStream), lost: lost,
	}
	if p.streams {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.beat = time.AfterFunc(p.interval, p.heartbeat)
	}
	return p
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
	return p.wire.write(events.message(make([]byte, 0, len(msg)+frameOverhead), "", msg))
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
	p.wire = openWire(p.w, p.rc, p.timeout)
}

// calm keeps the answer whole: initialize's carries the session id in its headers, which
// are not known while it runs.
func (p *response) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beat != nil {
		p.beat.Stop()
	}
}

func (p *response) heartbeat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	p.upgrade()
	if p.wire.write([]byte(heartbeatFrame)) != nil {
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
		_ = p.wire.write(events.message(nil, "", body)) // a peer that left needs no answer
		p.wire.close()
		return
	}
	if p.header != nil {
		p.header()
	}
	writeJSON(p.w, status, body)
}
