package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// mostAtOnce bounds what one system call moves, in bytes: nothing else runs on its
// thread meanwhile.
const mostAtOnce = 64 << 10

// A conn is a TCP connection. Its methods may be called from several goroutines; reads
// take turns, and so do writes.
type conn struct {
	tcp     *net.TCPConn
	raw     syscall.RawConn
	in, out half
	watch   watch
	closed  atomic.Bool
}

func wrap(t *net.TCPConn) net.Conn {
	raw, err := t.SyscallConn()
	if err != nil {
		return t
	}
	c := &conn{tcp: t, raw: raw}
	c.in.init(t.SetReadDeadline, c.in.read)
	c.out.init(t.SetWriteDeadline, c.out.write)
	c.watch.init(&c.in, &c.closed)
	return c
}

// Read reads what is there, up to 64 KiB, or waits for it.
func (c *conn) Read(p []byte) (int, error) {
	c.in.turn.Lock()
	defer c.in.turn.Unlock()
	if len(p) == 1 && !c.watch.wait() {
		return 0, os.ErrDeadlineExceeded // bare: nearly every request ends with it
	}
	n, err := c.in.run(c.raw.Read, p[:min(len(p), mostAtOnce)])
	switch {
	case err != nil:
		return 0, c.failed("read", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of p, or tells how much of it.
func (c *conn) Write(p []byte) (int, error) {
	c.out.turn.Lock()
	defer c.out.turn.Unlock()
	n, err := c.out.run(c.raw.Write, p)
	if err != nil {
		return n, c.failed("write", err)
	}
	return n, nil
}

// failed puts an error into the shape that net gives it.
func (c *conn) failed(op string, err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok { // of the raw connection
		err = e.Err
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, e)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Close ends the connection and whoever waits for it.
func (c *conn) Close() error {
	c.closed.Store(true)
	c.watch.stop()
	return c.tcp.Close()
}

// CloseWrite tells the peer that nothing more is written. net/http does so before it
// closes a connection whose request it did not read.
func (c *conn) CloseWrite() error { return c.tcp.CloseWrite() }

func (c *conn) LocalAddr() net.Addr  { return c.tcp.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr { return c.tcp.RemoteAddr() }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds the reads that wait and those to come; the zero time does not.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.failed("set", net.ErrClosed)
	}
	err := c.in.setDue(t)
	c.watch.look()
	return err
}

// SetWriteDeadline bounds the writes that wait and those to come; the zero time does not.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.failed("set", net.ErrClosed)
	}
	return c.out.setDue(t)
}

// read is one attempt; false means that there is nothing to read yet.
func (h *half) read(fd uintptr) bool {
	if !h.enter() || len(h.buf) == 0 {
		return true
	}
	n, e := move(in, fd, h.buf)
	if e == syscall.EAGAIN {
		return !h.park()
	}
	if e != 0 {
		h.err = e
		return true
	}
	h.n = n
	return true
}

// write goes on where it stopped; false means that the peer has to read first.
func (h *half) write(fd uintptr) bool {
	if !h.enter() {
		return true
	}
	for h.n < len(h.buf) {
		n, e := move(out, fd, h.buf[h.n:min(len(h.buf), h.n+mostAtOnce)])
		if e == syscall.EAGAIN {
			return !h.park()
		}
		if e != 0 {
			h.err = e
			return true
		}
		h.n += n
	}
	return true
}
