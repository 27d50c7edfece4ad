package server

import (
	"context"
	"errors"
	"io"
)

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
	if s.mcp == nil {
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
	readers := startParts(life, s.readers, fail)
	s.awaitJournal(ctx)
	workers := startParts(life, s.workers, fail)
	assistants := startParts(life, s.assistants, fail)
	inbound := startParts(life, s.inbound, fail)
	err := s.mcp.ServeStdio(ctx, in, out)
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
