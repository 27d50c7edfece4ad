package fastpath

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Listener. Handler, Paths and the timeouts are required.
type Options struct {
	// Handler serves the plain requests.
	Handler http.Handler
	// Paths are the routes that it serves here, exactly as requests name them.
	Paths []string
	// FirstTimeout bounds the wait for a connection's first byte, IdleTimeout that for the
	// next request.
	FirstTimeout, IdleTimeout time.Duration
	// ConnState is told, as an http.Server's is, when a connection is new, first active and
	// closed. Of one that becomes the http.Server's it is told no more: the server tells its
	// own ConnState, of which HandedOver knows that it is not new. It may close the
	// connection. nil is told nothing.
	ConnState func(net.Conn, http.ConnState)
	// Panicked is told what a handler panicked with, and where; nil is told nothing.
	Panicked func(v any, stack []byte)
}

func (o *Options) track(c net.Conn, s http.ConnState) {
	if o.ConnState != nil {
		o.ConnState(c, s)
	}
}

func (o *Options) panicked(v any, stack []byte) {
	if o.Panicked != nil {
		o.Panicked(v, stack)
	}
}

// A Listener accepts the connections that net/http is to serve. Make one with New, hand it
// to http.Server.Serve, and call Shutdown beside the server's own, or after it.
type Listener struct {
	net.Listener
	o     Options
	paths map[string]struct{}
	date  date
	rooms sync.Pool

	begin  sync.Once
	rests  chan net.Conn // for net/http
	fails  chan error    // of the listener in front of which it stands
	close  sync.Once
	closed chan struct{}
	wg     sync.WaitGroup

	draining atomic.Bool
	mu       sync.Mutex
	conns    map[*conn]struct{} // guarded by mu: those that are served here
}

// New returns a Listener in front of l. It accepts from l when it is asked for a connection
// the first time.
func New(l net.Listener, o Options) *Listener {
	f := &Listener{
		Listener: l, o: o, paths: map[string]struct{}{}, conns: map[*conn]struct{}{},
		rests: make(chan net.Conn), fails: make(chan error), closed: make(chan struct{}),
	}
	for _, p := range o.Paths {
		f.paths[p] = struct{}{}
	}
	f.rooms.New = newRoom
	return f
}

// Accept waits for the next connection that is not served here. Errors are those of the
// listener in front of which it stands; whoever asks again after one makes it go on.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { l.wg.Go(l.accept) })
	select {
	case c := <-l.rests:
		return c, nil
	case err := <-l.fails:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections that are served here go on until Shutdown.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *Listener) accept() {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			l.o.track(c, http.StateNew)
			l.wg.Go(func() { l.serve(c) })
			continue
		}
		select {
		case l.fails <- err:
		case <-l.closed:
			return
		}
	}
}

// serve serves a connection, and hands it over or closes it.
func (l *Listener) serve(nc net.Conn) {
	r := l.rooms.Get().(*room) //nolint:forcetypeassert // the pool holds nothing else
	c := &conn{Conn: nc, l: l, remote: nc.RemoteAddr().String(), room: r}
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	var rest *handed
	defer func() {
		r.clear()
		l.rooms.Put(r)
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
		if rest == nil {
			l.o.track(nc, http.StateClosed)
			_ = nc.Close()
			return
		}
		l.handOver(rest)
	}()
	if c.serve() {
		rest = &handed{Conn: nc, first: bytes.Clone(c.buf[:c.n])}
	}
}

// handOver makes a connection one that Accept returns.
func (l *Listener) handOver(c *handed) {
	_ = c.SetDeadline(time.Time{}) // that a connection has ended is net/http's to notice
	select {
	case l.rests <- c:
	case <-l.closed:
		l.o.track(c.Conn, http.StateClosed)
		_ = c.Close() // nothing of this request was acknowledged
	}
}

// Shutdown closes the connections that wait for their next request, and waits until the
// others have been answered, or until ctx ends: then it closes them too, and returns ctx's
// error. Those that have sent nothing yet are left to FirstTimeout, or to who is told of
// them by ConnState. It ends only when the Listener was closed too, as http.Server.Shutdown
// does.
func (l *Listener) Shutdown(ctx context.Context) error {
	l.begin.Do(func() {}) // who has not begun to accept will not
	l.draining.Store(true)
	l.closeConns(func(c *conn) bool { return c.state.CompareAndSwap(resting, ended) })
	done := make(chan struct{})
	go func() {
		l.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		l.closeConns(func(*conn) bool { return true })
		return ctx.Err()
	}
}

func (l *Listener) closeConns(which func(*conn) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if which(c) {
			_ = c.Close()
		}
	}
}
