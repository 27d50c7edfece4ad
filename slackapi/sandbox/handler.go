package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Handler serves the Web API below /api/, what its answers point to (files, uploads,
// response URLs), and the control endpoints below /sandbox/ to loopback clients.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", s.serveAPI)
	mux.HandleFunc("POST /upload/v1/{secret}", s.serveUpload)
	mux.HandleFunc("GET /files-pri/{file}/{name}", s.serveFile)
	mux.HandleFunc("GET /files-pri/{file}/download/{name}", s.serveFile)
	mux.HandleFunc("POST /actions/{team}/{secret}", s.serveResponse)
	mux.HandleFunc("GET /link/{$}", s.serveSocket)
	mux.HandleFunc("GET /{$}", serveSignIn)
	s.control(mux)
	return mux
}

// Serve serves Handler on a listener and delivers events until ctx ends. It closes
// the listener, and returns nil after a stop by ctx.
func (s *Sandbox) Serve(ctx context.Context, ln net.Listener) error {
	if s.RequestBase() == "" {
		if err := s.SetBaseURL("http://" + ln.Addr().String()); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	var both sync.WaitGroup
	var served, delivered error
	both.Go(func() {
		defer stop()
		served = server.Serve(ln)
	})
	both.Go(func() { delivered = s.Run(ctx) })
	<-ctx.Done()
	closed := server.Close()
	both.Wait()
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	if err := errors.Join(served, closed, delivered); err != nil {
		return fmt.Errorf("sandbox: serve: %w", err)
	}
	return nil
}

// RequestBase is the base URL that the sandbox was told; empty without one.
func (s *Sandbox) RequestBase() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opt.BaseURL
}
