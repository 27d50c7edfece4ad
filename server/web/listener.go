package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"slackmcp/webhook"
)

// Time limits of the HTTP side. Slack gives up after three seconds; any other client that
// takes longer than these is disconnected.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // of a whole request; the bodies of senders have times of their own
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
	// MaxConnections is how many connections may be open: for one more, another gives way. It is
	// lowered to what the process's limit of open files leaves. 0 sets no bound.
	MaxConnections int
	// Proxies are those that stand in front of many clients, so that no share is theirs.
	Proxies Proxies
	// MaxBodyBytes is the longest body, whose time an answer is given.
	MaxBodyBytes int64
	// Logger receives what net/http complains of, at debug, and a warning where MaxConnections is
	// lowered. Required.
	Logger *slog.Logger
}

// A Server serves HTTP or HTTPS on one listener. NewServer makes it; Serve is called once.
type Server struct {
	http        http.Server
	certificate *Certificate
	connections connections
	served      chan struct{} // closed when Serve has returned
}

// NewServer returns a Server that does not listen yet. ctx is that of a line it may log.
func NewServer(ctx context.Context, o ServerOptions) *Server {
	s := &Server{certificate: o.Certificate, served: make(chan struct{})}
	s.connections.most, s.connections.proxies = possible(ctx, o.MaxConnections, descriptors(), o.Logger), o.Proxies
	s.connections.began, s.connections.open = time.Now(), map[*connection]struct{}{}
	s.http = http.Server{
		Handler: o.Handler, ConnState: s.connections.track, ConnContext: carryConnection,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streamsPerConnection},
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		// The time of the longest body at the slowest rate, and half a minute: a client that
		// reads no answer does not keep its connection for ever.
		WriteTimeout:   30*time.Second + time.Duration(o.MaxBodyBytes/webhook.DefaultMinBodyRate)*time.Second,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// possible returns how many connections may be open where the process has so many descriptors; 0 is
// no bound of either. An eighth of them is left to files and to connections that the process opens:
// where none is left a newcomer cannot be accepted, whoever gave way to it.
func possible(ctx context.Context, connections, descriptors int, log *slog.Logger) int {
	most := descriptors - descriptors/8
	if connections == 0 || descriptors == 0 || connections <= most {
		return connections
	}
	log.WarnContext(ctx, "fewer connections than MAX_CONNECTIONS can be open",
		slog.Int("descriptors", descriptors), slog.Int("connections", most),
		slog.String("remedy", "raise the process's limit of open files (ulimit -n, LimitNOFILE of systemd), or lower MAX_CONNECTIONS"))
	return most
}

// Serve serves the listener until Drain is called or the listener fails, which is an error.
func (s *Server) Serve(l net.Listener) (err error) {
	defer close(s.served)
	l = listener{l, &s.connections}
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

// Connections returns how many connections are open, and how many gave way to others because
// MaxConnections were.
func (s *Server) Connections() (open, gaveWay int64) { return s.connections.count() }

// ServeAdmin serves the operators' routes on an address of their own until ctx ends.
func ServeAdmin(ctx context.Context, addr string, h http.Handler, c *Certificate, log *slog.Logger) error {
	l, err := Listen(ctx, addr, "ADMIN_ADDR")
	if err != nil {
		return err
	}
	log.LogAttrs(ctx, slog.LevelInfo, "serving operators", slog.String("addr", l.Addr().String()))
	s := NewServer(ctx, ServerOptions{Handler: h, Certificate: c, Logger: log})
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
