package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/server"
)

// serve loads the settings and runs a server until the context ends.
func serve(cmd *cobra.Command, w world, command config.Command) error {
	c, err := load(cmd, w, command)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
	log.LogAttrs(ctx, slog.LevelDebug, "configuration", slog.Any("settings", c))
	c.LogWarnings(ctx, log)
	out := w.stdout
	if c.MCP.Transport == config.Stdio {
		out = io.Discard // stdout carries the protocol
	}
	s, err := server.New(ctx, server.Options{
		Config: c, Logger: log, Out: out, Terminal: isTerminal(w.stdout), Version: w.version,
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
