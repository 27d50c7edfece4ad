// Command conformance serves the fixtures that the public MCP conformance suites ask
// for, over this project's transport. It is a test program: test/conformance.sh runs
// the suites against it, and the product does not contain it.
//
// It prints the URL of its mount and serves until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1) //nolint:gocritic // the process ends, and with it the notification of signals
	}
}

func run(ctx context.Context, addr string) error {
	t, err := transport.New(transport.Options{
		Default: transport.StreamableHTTP,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	if err := t.Attach(newServer(t)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", t.Handler())
	mux.Handle("/mcp/", t.Handler())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "http://%s/mcp\n", l.Addr())

	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	err = t.Run(ctx) // ends the streams, without which Shutdown would wait for them
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(closing))
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func newServer(t *transport.Transport) *server.MCPServer {
	s := server.NewMCPServer("conformance", "1.0.0", append(t.ServerOptions(),
		server.WithPromptCapabilities(true),
		server.WithCompletions(),
		server.WithElicitation(),
		server.WithInputSchemaValidation(),
	)...)
	s.EnableSampling()
	addContentTools(s)
	addNotifyingTools(s)
	addAskingTools(s)
	addInputTools(s)
	addChangingTools(s)
	addResources(s)
	addPrompts(s)
	return s
}

// fixed returns a tool without arguments that always answers the same.
func fixed(name, description string, content ...mcp.Content) server.ServerTool {
	return server.ServerTool{
		Tool: mcp.NewTool(name, mcp.WithDescription(description)),
		Handler: func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: content}, nil
		},
	}
}

func text(s string) mcp.Content { return mcp.NewTextContent(s) }
