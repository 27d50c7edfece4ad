package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

// ServeStdio serves one client over in and out, one message a line, in every era. It
// returns nil when the client closed in and its calls were answered or five seconds
// passed, or when ctx ended. The caller is the principal of ctx. In must be closed to stop a
// read that is under way.
func (t *Transport) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	if t.server == nil || !t.gate.enter() {
		return errors.New("transport: ServeStdio needs an attached server that is not stopping")
	}
	defer t.gate.leave()
	life, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.sessions.quota.force("", 1)
	ses, end := t.pinned("stdio-"+rand.Text(), access.From(ctx), "") // the one client of its process
	ses.pin.anyEra = !t.opt.HandshakeOnly
	p := &stdio{t: t, ses: ses, out: out, listeners: map[string]*listener{}, left: make(chan struct{})}
	t.owner.Store(p)

	writerDone := make(chan error, 1)
	go func() { writerDone <- p.write(life) }()
	readerDone := make(chan error, 1)
	go func() { readerDone <- p.read(life, in) }()

	var err error
	select {
	case err = <-readerDone:
		ses.pin.calls.close()
		settle(ses.pin, lastAnswers)
	case err = <-writerDone:
		writerDone <- err
	case <-ctx.Done():
	case <-t.stopping:
		ses.pin.calls.close()
		settle(ses.pin, t.opt.Grace)
	}
	p.dismissAll()
	end()
	close(p.left)
	if werr := <-writerDone; err == nil {
		err = werr
	}
	return err
}

// stdio is the one client of a process's standard input and output.
type stdio struct {
	t    *Transport
	ses  *session
	out  io.Writer
	left chan struct{} // closed when nothing more will be sent

	mu        sync.Mutex
	listeners map[string]*listener // by request id
}

// Ready is closed when the client of stdio has said that it is initialized.
func (t *Transport) Ready() <-chan struct{} { return t.ready }

// NotifyStdio sends a notification to the client of stdio, in order, and waits for space until
// ctx ends. Without such a client, or after it left, it is an error.
func (t *Transport) NotifyStdio(ctx context.Context, method string, params any) error {
	p := t.owner.Load()
	if p == nil {
		return errors.New("transport: no client is connected over stdio")
	}
	body, err := encodeNotification(method, params)
	if err != nil {
		return err
	}
	return p.ses.box.push(ctx, body)
}

// notificationInitialized ends the handshake.
const notificationInitialized = "notifications/initialized"

// lastAnswers is what calls get to finish after the client closed its side: a script
// that pipes messages in wants the answers, and Slack may take its time.
const lastAnswers = 5 * time.Second

// settle waits until the calls of a pinned session were answered, at most d.
func settle(p *pin, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.calls.empty:
	case <-timer.C:
	}
}

// read takes messages until in ends.
func (p *stdio) read(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), int(p.t.opt.MaxBodyBytes))
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			p.take(ctx, bytes.Clone(line))
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("transport: a message exceeds %d bytes", p.t.opt.MaxBodyBytes)
	}
	return nil // a closed or broken input is the client's way to leave
}

func (p *stdio) take(ctx context.Context, line []byte) {
	m, err := parseMessage(line)
	if err != nil {
		body, _ := encode(nil, rpcError(nil, parseCode(err), err.Error(), nil))
		_ = p.ses.box.push(ctx, body)
		return
	}
	if !m.isRequest() {
		if id := m.cancelledID(); m.Method == string(mcp.MethodNotificationCancelled) && id != nil && p.dismiss(ctx, string(id)) {
			return
		}
		if m.Method == notificationInitialized {
			p.t.readyOnce.Do(func() { close(p.t.ready) })
		}
		_ = p.t.take(ctx, p.ses, m) // its calls run here, all of them
		return
	}
	if p.t.opt.HandshakeOnly && m.Method == string(mcp.MethodServerDiscover) {
		body, _ := encode(m.ID, rpcError(m.ID, mcp.METHOD_NOT_FOUND, "Method not found", nil))
		_ = p.ses.box.push(ctx, body)
		return
	}
	if m.Method == string(mcp.MethodSubscriptionsListen) && mcp.IsModernProtocol(m.metaVersion()) {
		p.listen(ctx, m)
		return
	}
	if err := p.t.start(ctx, p.ses, m, func() {}); err != nil {
		body, _ := encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, err.Error(), nil))
		_ = p.ses.box.push(ctx, body)
	}
}

// listen serves subscriptions/listen. Its stream is the one line that there is, which
// every message on it names.
func (p *stdio) listen(ctx context.Context, m *message) {
	c, err := p.t.begin(ctx, p.ses, m)
	if err != nil {
		body, _ := encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, err.Error(), nil))
		_ = p.ses.box.push(ctx, body)
		return
	}
	c.stateless = true
	defer c.release()
	l, body, _ := p.t.grant(c, m, p.ses.box.wake) //nolint:contextcheck // a call carries its own
	if l == nil {
		_ = p.ses.box.push(ctx, body)
		return
	}
	_ = p.ses.box.push(ctx, l.ack)
	if l.empty {
		p.t.dismiss(l)
		_ = p.ses.box.push(ctx, l.result)
		return
	}
	id := string(m.ID)
	p.dismiss(ctx, id) // a client that uses an id twice means the newer one
	p.mu.Lock()
	p.listeners[id] = l
	p.mu.Unlock()
	l.box.signal() // an update that came before it was in the map has woken no reader
}

// dismiss ends the listener of an id, if there is one.
func (p *stdio) dismiss(ctx context.Context, id string) bool {
	p.mu.Lock()
	l, ok := p.listeners[id]
	delete(p.listeners, id)
	p.mu.Unlock()
	if ok {
		p.t.dismiss(l)
		_ = p.ses.box.push(ctx, l.result)
	}
	return ok
}

func (p *stdio) dismissAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.listeners {
		p.t.dismiss(l)
	}
}

// write sends what waits until the session is over, and then the rest.
func (p *stdio) write(ctx context.Context) error {
	for {
		select {
		case <-p.ses.box.wake:
			if err := p.writeOnce(); err != nil {
				return fmt.Errorf("transport: write to the client: %w", err)
			}
		case <-p.left:
			_ = p.writeOnce() // the client may be gone
			return nil
		case <-ctx.Done():
			_ = p.writeOnce()
			return nil
		}
	}
}

func (p *stdio) writeOnce() error {
	buf := p.ses.box.take(nil, lines)
	p.mu.Lock()
	for _, l := range p.listeners {
		buf = l.box.take(buf, lines)
	}
	p.mu.Unlock()
	if len(buf) == 0 {
		return nil
	}
	_, err := p.out.Write(buf)
	return err
}
