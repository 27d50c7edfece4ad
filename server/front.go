package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"slackmcp/webhook"
)

// A front is the http.Server of the main listener.
type front struct {
	http   *http.Server
	served chan struct{} // closed when serving has ended
}

// serve begins to serve the listener; fail is called when that ends before it should.
func (s *Server) serve(l net.Listener, quiet *silent, fail func(error)) *front {
	f := &front{
		http: &http.Server{
			ConnState: func(c net.Conn, state http.ConnState) {
				s.connections.track(c, state)
				quiet.track(c, state)
			},
			Handler: s.echo, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
			WriteTimeout: writeTimeout(s.cfg.Receive.MaxBodyBytes),
			IdleTimeout:  idleTimeout, MaxHeaderBytes: maxHeaderBytes,
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		},
		served: make(chan struct{}),
	}
	go func() {
		defer close(f.served)
		if err := serveOn(f.http, l, s.tls); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve: %w", err))
		}
	}()
	return f
}

// writeTimeout is how long a request may take from its headers to the end of its answer,
// so that a client that reads no answer does not keep its connection for ever: the time
// of the longest body at the slowest rate, and half a minute.
func writeTimeout(maxBody int64) time.Duration {
	return 30*time.Second + time.Duration(maxBody/webhook.DefaultMinBodyRate)*time.Second
}

// unbounded takes the deadline of the answer away from a request that the middleware let
// pass: a stream has deadlines of its own.
func unbounded(authenticate func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where there is a connection
			next.ServeHTTP(w, r)
		}))
	}
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
	err := f.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), f.http.Close())
	}
	<-f.served
	return err
}
