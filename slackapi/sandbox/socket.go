package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// DefaultAppToken opens the sandbox's Socket Mode connections.
const DefaultAppToken = "xapp-sandbox-app" //nolint:gosec // worth nothing outside a sandbox

// Slack's numbers (docs.slack.dev/apis/events-api/using-socket-mode).
const (
	maxSockets    = 10
	ticketLife    = 30 * time.Second
	warningAhead  = 10 * time.Second
	socketTimeout = 5 * time.Second // of one write
	maxAckBytes   = 1 << 20
)

// errNoSocket says that the app has no connection.
var errNoSocket = errors.New("sandbox: the app has no socket mode connection")

// sockets are the app's Socket Mode connections.
type sockets struct {
	mu      sync.Mutex
	on      bool // deliveries go this way; guarded by mu, like all below
	serial  uint64
	tickets map[string]time.Time // that may be dialled, until when
	conns   []*socket
}

// A socket is one connection of the app's.
type socket struct {
	ws   *websocket.Conn
	done chan struct{} // closed when the connection has ended
	acks map[string]chan json.RawMessage
	mu   sync.Mutex // guards acks
}

func newSockets(on bool) *sockets {
	return &sockets{on: on, tickets: map[string]time.Time{}}
}

func (s *sockets) enabled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on
}

// SetSocketMode turns Socket Mode on or off, as the app's settings do: what is delivered
// goes over the app's connections in place of the Request URL. Turning it off ends them.
func (s *Sandbox) SetSocketMode(on bool) {
	s.sockets.mu.Lock()
	s.sockets.on = on
	s.sockets.mu.Unlock()
	if on {
		return
	}
	for _, c := range s.sockets.all() {
		c.end("link_disabled")
	}
}

// SocketConnections is how many connections the app has.
func (s *Sandbox) SocketConnections() int {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	return len(s.sockets.conns)
}

// RefreshSockets renews all connections as Slack does every few hours: it warns, and ends
// them ten seconds of its clock later.
func (s *Sandbox) RefreshSockets() {
	time.AfterFunc(s.sender.clock(warningAhead), s.WarnSockets())
}

// WarnSockets announces to the app that its present connections are about to end; end ends them.
func (s *Sandbox) WarnSockets() (end func()) {
	present := s.sockets.all()
	for _, c := range present {
		c.disconnect("warning")
	}
	return func() {
		for _, c := range present {
			c.end("refresh_requested")
		}
	}
}

// BreakSockets cuts all connections without a word.
func (s *Sandbox) BreakSockets() {
	for _, c := range s.sockets.all() {
		_ = c.ws.CloseNow() // it is to break
	}
}

// disconnect says that the connection will end. One that is gone needs no farewell.
func (c *socket) disconnect(reason string) {
	_ = c.write(context.Background(), object{"type": "disconnect", "reason": reason, "debug_info": object{"host": "applink-sandbox"}})
}

func (c *socket) end(reason string) {
	c.disconnect(reason)
	_ = c.ws.Close(websocket.StatusNormalClosure, reason) // it has ended when that fails
}

func (s *sockets) all() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

func appsConnectionsOpen(c *call) (object, error) {
	if !c.sockets.enabled() {
		return nil, fail("not_allowed")
	}
	ticket := digest(32, c.newID("ticket"), c.opt.SigningSecret)
	c.sockets.mu.Lock()
	defer c.sockets.mu.Unlock()
	for old, until := range c.sockets.tickets {
		if time.Now().After(until) {
			delete(c.sockets.tickets, old)
		}
	}
	c.sockets.tickets[ticket] = time.Now().Add(ticketLife)
	return object{"url": "ws" + strings.TrimPrefix(c.base, "http") + "/link/?ticket=" + ticket + "&app_id=" + digest(16, c.app.id)}, nil
}

// serveSocket is where the app connects with a ticket.
func (s *Sandbox) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.sockets.mu.Lock()
	until, known := s.sockets.tickets[r.URL.Query().Get("ticket")]
	delete(s.sockets.tickets, r.URL.Query().Get("ticket"))
	s.sockets.mu.Unlock()
	if !known || time.Now().After(until) {
		http.Error(w, "unknown or used ticket", http.StatusForbidden)
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	ws.SetReadLimit(maxAckBytes)
	ctx := r.Context()
	c := &socket{ws: ws, done: make(chan struct{}), acks: map[string]chan json.RawMessage{}}
	defer close(c.done)
	n, ok := s.sockets.add(c)
	if !ok {
		_ = c.write(ctx, object{"type": "disconnect", "reason": "too_many_websockets"})
		_ = ws.Close(websocket.StatusNormalClosure, "too many websockets")
		return
	}
	defer s.sockets.remove(c)
	hello := object{
		"type": "hello", "num_connections": n, "connection_info": object{"app_id": s.app.id},
		"debug_info": object{"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": 18060, "started": time.Now().UTC().Format("2006-01-02 15:04:05.000")},
	}
	if c.write(ctx, hello) == nil {
		s.sockets.open(c)
		c.read(ctx)
	}
	_ = ws.CloseNow() // it has ended
}

// add takes a connection in, unless there are too many; nothing is sent over it before open.
func (s *sockets) add(c *socket) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) + 1, len(s.conns) < maxSockets
}

func (s *sockets) open(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
}

func (s *sockets) remove(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(o *socket) bool { return o == c })
}

// read takes acknowledgements until the connection ends.
func (c *socket) read(ctx context.Context) {
	for {
		_, data, err := c.ws.Read(ctx)
		if err != nil {
			return
		}
		var ack struct {
			ID      string          `json:"envelope_id"`
			Payload json.RawMessage `json:"payload"`
		}
		if json.Unmarshal(data, &ack) != nil {
			continue
		}
		c.mu.Lock()
		if waiting := c.acks[ack.ID]; waiting != nil {
			waiting <- ack.Payload
			delete(c.acks, ack.ID)
		}
		c.mu.Unlock()
	}
}

func (c *socket) write(ctx context.Context, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("sandbox: encode: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, data)
}

// request sends one delivery over any connection and waits for its acknowledgement.
func (s *sockets) request(ctx context.Context, within time.Duration, what string, payload json.RawMessage, num int, reason string) answer {
	a := answer{attempt: Attempt{At: time.Now(), RetryNum: num}}
	body, err := s.exchange(ctx, within, what, payload, num, reason)
	a.body, a.attempt.Latency = body, time.Since(a.attempt.At)
	switch {
	case err == nil:
		a.attempt.Status = http.StatusOK
	case errors.Is(err, errNoSocket):
		a.attempt.Reason = "connection_failed"
	default:
		a.attempt.Reason = "timeout"
	}
	return a
}

func (s *sockets) exchange(ctx context.Context, within time.Duration, what string, payload json.RawMessage, num int, reason string) (json.RawMessage, error) {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil, errNoSocket
	}
	c := s.conns[rand.IntN(len(s.conns))] //nolint:gosec // Slack takes any
	s.serial++
	id := fmt.Sprintf("%08x-e5ea-4b0c-8000-%012x", s.serial, time.Now().UnixNano()&0xffffffffffff)
	s.mu.Unlock()
	acked := make(chan json.RawMessage, 1)
	c.mu.Lock()
	c.acks[id] = acked
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.acks, id)
		c.mu.Unlock()
	}()
	envelope := object{"type": what, "envelope_id": id, "payload": payload, "accepts_response_payload": what != "events_api"}
	if what == "events_api" {
		envelope["retry_attempt"], envelope["retry_reason"] = num, reason
	}
	if err := c.write(ctx, envelope); err != nil {
		return nil, err
	}
	patience := time.NewTimer(within)
	defer patience.Stop()
	select {
	case body := <-acked:
		return body, nil
	case <-patience.C:
		return nil, errors.New("not acknowledged in time")
	case <-c.done:
		return nil, errors.New("the connection ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
