package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook"
)

// Time limits of the HTTP side. Slack gives up after three seconds; any other client that
// takes longer than these is disconnected.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // of headers and a short body; a long one is held to a rate
	idleTimeout       = 75 * time.Second // longer than the keep-alive of common proxies
	maxHeaderBytes    = 32 << 10
)

// Listen takes an address; its error names the setting that moves the server elsewhere.
func Listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: stop the program that has it, or choose another with %s", err, setting)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w: ports below 1024 are root's: choose a higher one with %s", err, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w: this machine does not have that address: choose another with %s", err, setting)
	}
	return nil, fmt.Errorf("listen: %w", err)
}

// ServerOptions are what NewServer needs.
type ServerOptions struct {
	// Handler serves every request. Required.
	Handler http.Handler
	// Certificate makes the server speak HTTPS and HTTP/2; nil leaves plain HTTP.
	Certificate *Certificate
	// MaxConnections is how many connections may be open; 0 sets no bound.
	MaxConnections int
	// MaxBodyBytes is the longest body, whose time an answer is given.
	MaxBodyBytes int64
	// Logger receives what net/http complains of, at debug. Required.
	Logger *slog.Logger
}

// A Server serves HTTP or HTTPS on one listener. NewServer makes it; Serve is called once.
type Server struct {
	http        http.Server
	certificate *Certificate
	connections connections
	served      chan struct{} // closed when Serve has returned
}

// NewServer returns a Server that does not listen yet.
func NewServer(o ServerOptions) *Server {
	s := &Server{certificate: o.Certificate, served: make(chan struct{})}
	s.connections.most, s.connections.silent = int64(o.MaxConnections), map[net.Conn]struct{}{}
	s.http = http.Server{
		Handler: o.Handler, ConnState: s.connections.track,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		// The time of the longest body at the slowest rate, and half a minute: a client that
		// reads no answer does not keep its connection for ever.
		WriteTimeout:   30*time.Second + time.Duration(o.MaxBodyBytes/webhook.DefaultMinBodyRate)*time.Second,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve serves the listener until Drain is called or the listener fails, which is an error.
func (s *Server) Serve(l net.Listener) (err error) {
	defer close(s.served)
	if s.certificate == nil {
		err = s.http.Serve(l)
	} else {
		s.http.TLSConfig = s.certificate.config()
		err = s.http.ServeTLS(l, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// Drain closes the listener and waits until all requests have been answered. When ctx ends
// before, the rest is cut off, which the error says. Serve has returned when Drain does.
func (s *Server) Drain(ctx context.Context) error {
	go s.connections.closeSilent(ctx)
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), s.http.Close())
	}
	<-s.served
	return err
}

// Connections returns how many connections are open, and how many were refused because
// MaxConnections were.
func (s *Server) Connections() (open, refused int64) {
	return s.connections.open.Load(), s.connections.refused.Load()
}

// ServeAdmin serves the operators' routes on an address of their own until ctx ends.
func ServeAdmin(ctx context.Context, addr string, h http.Handler, c *Certificate, log *slog.Logger) error {
	l, err := Listen(ctx, addr, "ADMIN_ADDR")
	if err != nil {
		return err
	}
	log.LogAttrs(ctx, slog.LevelInfo, "serving operators", slog.String("addr", l.Addr().String()))
	s := NewServer(ServerOptions{Handler: h, Certificate: c, Logger: log})
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() }) // its answers take milliseconds
	defer stop()
	return s.Serve(l)
}

// Unbounded takes the deadline of the answer away from the requests that authenticate lets
// pass: a stream has deadlines of its own.
func Unbounded(authenticate func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where there is a connection
			next.ServeHTTP(w, r)
		}))
	}
}

// silentGrace is how long, once the server drains, a connection may still begin its
// first request.
const silentGrace = 200 * time.Millisecond

// connections keeps no more than a number of connections open. What comes beyond is closed
// at once: to leave it waiting would keep every client waiting. It remembers those that
// have not sent a byte yet: clients dial more than they use, and http.Server.Shutdown would
// wait five seconds for each of them.
type connections struct {
	most          int64 // 0 is no bound
	open, refused atomic.Int64

	mu      sync.Mutex
	silent  map[net.Conn]struct{} // guarded by mu
	silents atomic.Int64          // the size of silent, so that requests need no lock
}

// track is the http.Server's ConnState hook.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if c.open.Add(1) > c.most && c.most > 0 {
			c.refused.Add(1)
			_ = conn.Close() // it has sent nothing; the hook is called again for its end
			return
		}
		c.mu.Lock()
		c.silent[conn] = struct{}{}
		c.silents.Store(int64(len(c.silent)))
		c.mu.Unlock()
	case http.StateActive, http.StateClosed, http.StateHijacked:
		if state != http.StateActive {
			c.open.Add(-1)
		}
		if c.silents.Load() == 0 {
			return // The connection is no silent one.
		}
		c.mu.Lock()
		delete(c.silent, conn)
		c.silents.Store(int64(len(c.silent)))
		c.mu.Unlock()
	case http.StateIdle:
	}
}

// closeSilent closes the connections that are still silent after the grace, unless ctx ends
// before.
func (c *connections) closeSilent(ctx context.Context) {
	if wait.Sleep(ctx, silentGrace) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.silent {
		_ = conn.Close()
	}
}
