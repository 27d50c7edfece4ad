// Command embed runs slack-webhook-server as a library, with handlers in Go beside
// everything that the server does by itself. It takes the server's own settings:
//
//	SANDBOX=1 go run .
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, logs io.Writer) error {
	c, err := config.Load(config.Sources{
		Command: config.CommandServe, LookupEnv: os.LookupEnv, ReadFile: config.ReadFile,
		EnvFile: ".env", Root: os.Geteuid() == 0, ValidateFiles: server.ValidateFiles,
	})
	if err != nil {
		return err
	}
	log := config.NewLogger(c, logs, false)
	s, err := server.New(ctx, server.Options{Config: c, Logger: log, Out: out, Version: "embedded"})
	if err != nil {
		return err
	}
	h := handlers{out: out}
	err = errors.Join(
		// Every message in a public channel; the handlers without a group share one.
		s.On("message.channels", h.said),
		// Payments have a group of their own: their retries and dead letters concern
		// nobody else.
		s.On("payment_succeeded", h.paid,
			worker.InGroup("payments"), worker.Attempts(10), worker.Deadline(30*time.Second)),
	)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

type handlers struct{ out io.Writer }

// said shows typed access to what happened: any struct with the fields that one needs.
func (h handlers) said(_ context.Context, e *event.Event) error {
	if e.FromSelf {
		return nil // our own bot's words
	}
	m, err := event.Inner[struct {
		Text string `json:"text"`
	}](e)
	if err != nil {
		return queue.Permanent(err) // no other attempt will read it any better
	}
	_, err = fmt.Fprintf(h.out, "%s said %q in %s\n", e.User, m.Text, e.Channel)
	return err
}

// paid shows what an error may say: an ordinary one is tried again later.
func (h handlers) paid(ctx context.Context, e *event.Event) error {
	p, err := event.Inner[struct {
		Amount  string `json:"amount"`
		Invoice string `json:"invoice_id"`
	}](e)
	switch {
	case err != nil:
		return queue.Permanent(err)
	case p.Invoice == "":
		return queue.Permanent(errors.New("a payment without an invoice"))
	case ctx.Err() != nil:
		return ctx.Err()
	}
	_, err = fmt.Fprintf(h.out, "invoice %s was paid: %s\n", p.Invoice, p.Amount)
	return err
}
