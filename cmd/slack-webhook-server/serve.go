package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

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
	options := server.Options{Config: c, Logger: log, Out: w.stdout, Stdout: w.stdout, Stderr: w.stderr, Terminal: isTerminal(w.stdout), Program: w.program, Version: w.version}
	options.Reread = func() (config.Config, error) { return load(cmd, w, command) }
	if c.MCP.Transport == config.Stdio {
		options.Out, options.Stdout = nil, w.stderr // stdout carries the protocol
	}
	s, err := server.New(ctx, options)
	if err != nil {
		return err
	}
	if c.MCP.Transport == config.Stdio {
		return s.RunStdio(ctx, w.stdin, w.stdout)
	}
	defer onHangup(ctx, s.Reload)()
	return s.Run(ctx)
}

// onHangup calls reload for each SIGHUP until the function that it returns is called.
func onHangup(ctx context.Context, reload func(context.Context)) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				reload(ctx)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}
