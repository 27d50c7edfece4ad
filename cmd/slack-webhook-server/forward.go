package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/cmd/slack-webhook-server/internal/sender"
	"slackmcp/server"
	"slackmcp/webhook/event"
)

// A forwarder posts events to a program that is being written, as their senders would.
type forwarder struct {
	*operation

	to string
	by map[string]server.Signing // by source
}

func newForwarder(o *operation, to string) (*forwarder, error) {
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &usageError{"--forward-to is no address such as http://127.0.0.1:8080/hook", o.cmd.CommandPath()}
	}
	return &forwarder{operation: o, to: to, by: map[string]server.Signing{}}, nil
}

// post posts one event, and says on stderr how that went. Only an event of a source whose secret is
// not known here is an error: what is not signed would be refused.
func (f *forwarder) post(ctx context.Context, e *event.Event) error {
	if f == nil {
		return nil
	}
	route := server.RouteOf(e.Source)
	if route == "" {
		return nil // No sender has posted it.
	}
	by, known := f.by[e.Source]
	if !known {
		var err error
		if by, err = server.SigningOf(f.config, route); err != nil {
			return err
		}
		f.by[e.Source] = by
	}
	answer, err := f.send(ctx, e, by)
	if err != nil {
		return f.tell(e, err.Error())
	}
	return f.tell(e, fmt.Sprintf("%d in %d ms", answer.Status, answer.Took.Milliseconds()))
}

func (f *forwarder) send(ctx context.Context, e *event.Event, by server.Signing) (sender.Answer, error) {
	body, err := e.Whole()
	if err != nil {
		return sender.Answer{}, err
	}
	h := http.Header{}
	for name, value := range e.Headers.All() {
		h.Set(name, value)
	}
	if e.Encoding == event.Form {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	s, err := sender.New(sender.Options{URL: f.to, Scheme: by.Scheme, Secret: by.Secret, Header: h, ID: e.ID})
	if err != nil {
		return sender.Answer{}, err
	}
	return s.Send(ctx, body, 0)
}

func (f *forwarder) tell(e *event.Event, text string) error {
	_, err := fmt.Fprintf(f.world.stderr, "%s of %s: %s\n", console.Plain(e.ID), console.Plain(e.Source), console.Plain(text))
	return err
}
