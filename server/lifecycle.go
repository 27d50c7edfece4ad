package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"slackmcp/server/audit"
	"slackmcp/server/web"
)

// journalPatience bounds how long the start waits for the journal's window.
const journalPatience = 3 * time.Second

// A part is something that runs beside the listener until its context ends.
type part struct {
	name string
	run  func(context.Context) error
}

// running is what runs beside the listener. Readers begin first and end last; assistants and
// inbound end first.
type running struct {
	readers, workers, assistants []part
	inbound                      []part // what events arrive by beside the listener
}

// parts are run together; the first that fails unexpectedly ends the server.
type parts struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
}

// startParts runs each part under one context. fail is called with a part that ended with
// an error before it was asked to.
func startParts(ctx context.Context, list []part, fail func(error)) *parts {
	ctx, cancel := context.WithCancel(ctx)
	p := &parts{cancel: cancel}
	for _, one := range list {
		p.wg.Go(func() {
			if err := one.run(ctx); err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("%s: %w", one.name, err))
			}
		})
	}
	return p
}

// stop asks the parts to end and waits for them.
func (p *parts) stop() {
	p.cancel()
	p.wg.Wait()
}

// Run listens and serves until ctx is done; then it drains and returns nil. It
// returns an error when it cannot listen or when a part fails. The store is closed
// either way. Run may be called once.
//
// Draining goes from the outside in: not ready, no new connections, streams closed,
// requests finished, handlers finished, journal ended, store closed. It is bounded by
// the drain time of the configuration.
func (s *Server) Run(ctx context.Context) error {
	return errors.Join(s.listenAndDrain(ctx), s.closeStores())
}

// listenAndDrain is Run but for the closing of the store.
func (s *Server) listenAndDrain(ctx context.Context) error {
	listener, err := web.Listen(ctx, s.cfg.Listen.Addr(), "HOST and PORT")
	if err != nil {
		return err
	}
	s.addr.Store(listener.Addr())

	// What runs here outlives ctx until the drain says otherwise.
	life := context.WithoutCancel(ctx)
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	readers := startParts(life, s.parts.readers, fail)
	s.prepare(ctx)
	workers := startParts(life, s.parts.workers, fail)
	assistants := startParts(life, s.parts.assistants, fail)
	go func() {
		if err := s.front.Serve(listener); err != nil {
			fail(err)
		}
	}()
	inbound := startParts(life, s.parts.inbound, fail)
	s.started(ctx)

	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}

	s.health.Set(web.Draining)
	s.log.LogAttrs(ctx, slog.LevelInfo, "draining", slog.Float64("at_most_seconds", s.cfg.Drain.Seconds()))
	drain, cancel := context.WithTimeout(life, s.cfg.Drain)
	defer cancel()
	inbound.cancel()    // takes nothing more, and acknowledges what it has
	assistants.cancel() // ends the open streams, which Shutdown would wait for
	err = errors.Join(err, s.front.Drain(drain))
	inbound.stop()
	assistants.stop()
	workers.stop()
	readers.stop()
	s.refusals.Flush()
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopped")
	s.audit.Record(ctx, audit.Record{Event: audit.Stopped, Outcome: audit.OK, Version: s.opt.Version})
	return errors.Join(err, s.audit.Close())
}

// prepare does what has to be done before anything is worked.
func (s *Server) prepare(ctx context.Context) {
	s.awaitJournal(ctx)
	s.openSocket(ctx)
}

// awaitJournal gives the journal a moment to read its window, so that the first reader
// finds it filled. A slow store does not delay the start for longer: readers then ask the store.
func (s *Server) awaitJournal(ctx context.Context) {
	if s.assistants.journal == nil {
		return
	}
	select {
	case <-s.assistants.journal.Loaded():
	case <-time.After(journalPatience):
		s.log.LogAttrs(ctx, slog.LevelWarn, "the journal is still being read")
	case <-ctx.Done():
	}
}

// started marks the server ready once it can be reached.
func (s *Server) started(ctx context.Context) {
	s.health.Set(web.Serving)
	s.audit.Record(ctx, audit.Record{Event: audit.Started, Outcome: audit.OK, Version: s.opt.Version})
	close(s.ready)
	s.announce(ctx)
}

// Addr returns the address that Run listens on, or "" before it does.
func (s *Server) Addr() string {
	if a, ok := s.addr.Load().(net.Addr); ok {
		return a.String()
	}
	return ""
}

// Ready is closed when the server can be reached.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// errNoMCP says that a stdio server was asked of a configuration without an MCP side.
var errNoMCP = errors.New("this configuration has no MCP side to serve over stdio")

// RunStdio serves one MCP client over in and out, and listens nowhere, until in ends
// or ctx does. Nothing but the protocol is written to out. RunStdio may be called
// once, in Run's place.
func (s *Server) RunStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	return errors.Join(s.serveStdio(ctx, in, out), s.closeStores())
}

// serveStdio is RunStdio but for the closing of the store.
func (s *Server) serveStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	if s.assistants.mcp == nil {
		return errNoMCP
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
		cancel()
	}
	life := context.WithoutCancel(ctx)
	readers := startParts(life, s.parts.readers, fail)
	s.awaitJournal(ctx)
	workers := startParts(life, s.parts.workers, fail)
	assistants := startParts(life, s.parts.assistants, fail)
	inbound := startParts(life, s.parts.inbound, fail)
	err := s.assistants.mcp.ServeStdio(ctx, in, out)
	inbound.stop()
	assistants.stop()
	workers.stop()
	readers.stop()
	select {
	case partErr := <-failed:
		err = errors.Join(err, partErr)
	default:
	}
	return err
}

// RunHandler serves requests that its caller brings, and does not listen: serve is
// given the handler of every route and returns when ctx is done. No handler, journal or
// other part runs beside it, so that nothing is half done when the process is frozen.
// The store is closed at the end. RunHandler may be called once, in Run's place.
func (s *Server) RunHandler(ctx context.Context, serve func(ctx context.Context, h http.Handler) error) error {
	defer s.store.Close()
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving a function",
		slog.String("queue_backend", string(s.cfg.Queue.Backend)), slog.Any("receives", s.receiver.Paths()), slog.String("version", s.opt.Version))
	s.health.Set(web.Serving)
	close(s.ready)
	err := serve(ctx, s.site.Handler())
	s.health.Set(web.Draining)
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopped")
	return errors.Join(err, s.store.Close())
}
