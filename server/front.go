package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"slackmcp/server/fastpath"
	"slackmcp/server/tcp"
)

// A front is what serves the main listener: net/http, and before it, where senders are
// heard in clear, the fast path for what they post.
type front struct {
	http   *http.Server
	fast   *fastpath.Listener // nil over TLS, and where nobody posts
	served chan struct{}      // closed when serving has ended
}

// serve begins to serve the listener; fail is told when that ends before it should.
func (s *Server) serve(l net.Listener, quiet *silent, fail func(error)) *front {
	track := func(c net.Conn, state http.ConnState) {
		s.connections.track(c, state)
		quiet.track(c, state)
	}
	f := &front{
		http: &http.Server{
			ConnState: func(c net.Conn, state http.ConnState) {
				if state != http.StateNew || !fastpath.HandedOver(c) { // it was counted when it came
					track(c, state)
				}
			},
			Handler: s.echo, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
			IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		},
		served: make(chan struct{}),
	}
	l = tcp.NewListener(l)
	if s.tls == nil && s.receiver != nil && len(s.receiver.Paths()) > 0 {
		f.fast = fastpath.New(l, fastpath.Options{
			Handler: s.echo, Paths: s.receiver.Paths(), ConnState: track,
			FirstTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
			Panicked: func(v any, stack []byte) {
				s.log.LogAttrs(context.Background(), slog.LevelError, "panic outside of a handler", slog.Any("panic", v), slog.String("stack", string(stack)))
			},
		})
		l = f.fast
	}
	go func() {
		defer close(f.served)
		if err := serveOn(f.http, l, s.tls); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve: %w", err))
		}
	}()
	return f
}

// serveOn serves HTTP, or HTTPS and HTTP/2 where there is a certificate.
func serveOn(serve *http.Server, l net.Listener, c *certificate) error {
	if c == nil {
		return serve.Serve(l)
	}
	serve.TLSConfig = c.config()
	return serve.ServeTLS(l, "", "")
}

// drain closes the listener and waits until all requests have been answered; when ctx ends
// before, the rest is cut off, which its error says.
func (f *front) drain(ctx context.Context) error {
	fast := make(chan error, 1)
	go func() {
		if f.fast != nil {
			fast <- f.fast.Shutdown(ctx)
		}
		close(fast)
	}()
	err := errors.Join(f.http.Shutdown(ctx), <-fast)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), f.http.Close())
	}
	<-f.served
	return err
}
