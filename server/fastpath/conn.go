package fastpath

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// bufferSize is how long a plain request may be, in bytes, and how many a connection has
// while it waits.
const bufferSize = 8 << 10

// writeTimeout bounds the writing of an answer to a client that reads none.
const writeTimeout = 10 * time.Second

// The states of a connection, so that Shutdown closes it only between two requests.
const (
	working int32 = iota
	resting
	ended
)

// A conn is a connection as long as it is served here. One goroutine has it.
type conn struct {
	net.Conn
	l      *Listener
	remote string
	state  atomic.Int32
	*room
}

// A room is what a connection's requests are served in, one after the other.
type room struct {
	buf    [bufferSize]byte
	n      int // bytes of buf that were read
	slack  int // line ends that may still stand before the next request
	head   head
	values [maxFields]string
	url    url.URL
	body   body
	req    http.Request
	answer answer
	out    []byte
}

var closing = []string{"close"}

type body struct{ bytes.Reader }

// Close implements io.Closer.
func (*body) Close() error { return nil }

// maxKept is how much of an answer's memory is kept for the next.
const maxKept = 16 << 10

// clear lets go of what a request has left.
func (r *room) clear() {
	clear(r.req.Header)
	clear(r.values[:])
	r.answer.reset()
	r.head, r.url, r.req = head{}, url.URL{}, http.Request{Header: r.req.Header}
	if cap(r.answer.body) > maxKept || cap(r.out) > maxKept {
		r.answer.body, r.out = nil, nil
	}
}

func newRoom() any {
	return &room{req: http.Request{Header: http.Header{}}, answer: answer{header: http.Header{}}}
}

// serve serves plain requests until one is not, and reports that: else the connection has
// ended, or is to be closed.
func (c *conn) serve() (handOver bool) {
	if !c.read(c.l.o.FirstTimeout) {
		return false
	}
	c.l.o.track(c.Conn, http.StateActive)
	for c.plain() {
		if !c.request() {
			return false
		}
		c.n = copy(c.buf[:], c.buf[c.head.size+c.head.length:c.n])
		c.clear()
		for c.slack = maxSlack; c.slip(); {
			if !c.rest() {
				return false
			}
		}
	}
	return true
}

// maxSlack is how many line ends may stand between a body and the next request: some
// clients send one behind a body, and net/http overlooks as many.
const maxSlack = 4

// slip drops the line ends before the next request, and reports whether nothing is left.
func (c *conn) slip() bool {
	n := 0
	for n < c.n && c.slack > 0 && (c.buf[n] == '\r' || c.buf[n] == '\n') {
		n++
		c.slack--
	}
	c.n = copy(c.buf[:], c.buf[n:c.n])
	return c.n == 0
}

// rest waits for the next request.
func (c *conn) rest() bool {
	c.state.Store(resting)
	// Shutdown says first that it drains, and looks for who rests then.
	return !c.l.draining.Load() && c.read(c.l.o.IdleTimeout) && c.state.CompareAndSwap(resting, working)
}

// read reads what comes next into the empty buffer.
func (c *conn) read(timeout time.Duration) bool {
	if c.SetReadDeadline(time.Now().Add(timeout)) != nil {
		return false
	}
	var err error
	c.n, err = c.Read(c.buf[:])
	return err == nil && c.n > 0
}

// plain reports whether the buffer begins with a whole plain request, and reads its head.
func (c *conn) plain() bool {
	return c.head.read(c.buf[:c.n], c.l.paths, c.req.Header, &c.values) && c.head.size+c.head.length <= c.n
}

// request serves one, and reports whether the connection goes on.
func (c *conn) request() bool {
	h := &c.head
	c.url = url.URL{Path: h.path}
	c.body.Reset(c.buf[h.size : h.size+h.length])
	c.req = http.Request{
		Method: http.MethodPost, URL: &c.url, RequestURI: h.path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.req.Header, Body: &c.body, ContentLength: int64(h.length), Host: h.host, RemoteAddr: c.remote,
	}
	c.answer.reset()
	if !c.handle() {
		return false
	}
	if c.l.draining.Load() {
		c.answer.header["Connection"] = closing
	}
	c.out = c.answer.appendTo(c.out[:0], &c.l.date)
	if c.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return false
	}
	_, err := c.Write(c.out)
	return err == nil && !c.answer.closes()
}

// handle calls the handler; false means that it panicked, which ends the connection as
// with net/http.
func (c *conn) handle() (ok bool) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		ok = false
		if v != http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared by identity, as net/http does
			c.l.o.panicked(v, debug.Stack())
		}
	}()
	c.l.o.Handler.ServeHTTP(&c.answer, &c.req)
	return true
}

// A handed is a connection that goes on with net/http, which reads first what was read
// here.
type handed struct {
	net.Conn
	first  []byte
	closed atomic.Bool
}

// HandedOver reports whether a connection was accepted from a Listener, so that its
// ConnState was told of it before.
func HandedOver(c net.Conn) bool {
	_, ok := c.(*handed)
	return ok
}

// Read implements net.Conn.
func (h *handed) Read(p []byte) (int, error) {
	if len(h.first) == 0 || h.closed.Load() {
		return h.Conn.Read(p)
	}
	n := copy(p, h.first)
	if h.first = h.first[n:]; len(h.first) == 0 {
		h.first = nil
	}
	return n, nil
}

// Close implements net.Conn. A request that was not read yet is never read.
func (h *handed) Close() error {
	h.closed.Store(true)
	return h.Conn.Close()
}

// CloseWrite tells the client that nothing more is written; net/http does so before it
// closes a connection whose request it did not read.
func (h *handed) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
