package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"slackmcp/config"
	"slackmcp/server/audit"
	"slackmcp/slackapi"
	"slackmcp/slackapi/socketmode"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/worker"
)

// otherSources gathers the senders beside Slack: those of the settings, and those of
// the sources file.
func (b *builder) otherSources(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	further, err := readSources(b.cfg, env(b.cfg))
	if problems := problemsOf("SOURCES_FILE", err); problems != nil {
		return &config.Error{Problems: problems}
	}
	b.sources = append(sources(b.cfg.Senders), further...)
	return nil
}

// receive builds the webhook side's handler. The mcp command has none.
func (b *builder) receive(context.Context) error {
	if !b.cfg.Receives() {
		return nil
	}
	limits := limiter.New(limiter.Options{PerMinute: b.cfg.Receive.UnverifiedPerMinute, OnHeldBack: b.heldBack})
	rc, err := webhook.New(webhook.Options{
		Limiter:        limits,
		Address:        b.proxies.Client,
		MaxInFlight:    b.cfg.Receive.MaxInFlight,
		OnObserve:      b.received(),
		Publisher:      b.store,
		SlackSecrets:   b.signingSecrets,
		Direct:         b.cfg.Slack.SocketMode,
		Sources:        b.sources,
		ReceiptSecrets: one(b.cfg.Senders.Webhook),
		ReceiptOutput:  b.out,
		Tolerance:      b.cfg.Receive.TimestampTolerance,
		MaxBodyBytes:   b.cfg.Receive.MaxBodyBytes,
		PublishTries:   max(b.cfg.Retry, 1), // 0 and 1 both mean one try
		Answers:        &b.answers,
		Logger:         b.log,
	})
	if err != nil {
		return err
	}
	b.receiver = rc
	b.metrics.Receive.Watch(rc)
	return nil
}

// heldBack tells, once for each time, of an address that keeps failing verification.
func (s *Server) heldBack(p netip.Prefix) {
	s.metrics.Receive.HeldBack()
	attrs := []slog.Attr{slog.String("remote", p.String()), slog.Int("per_minute", s.cfg.Receive.UnverifiedPerMinute)}
	if a := p.Addr(); a.IsPrivate() || a.IsLoopback() {
		attrs = append(attrs, slog.String("remedy", "if this is a proxy of yours, name it in TRUSTED_PROXIES, so that each client counts for itself"))
	}
	s.audit.Record(context.Background(), audit.Record{Event: audit.AddressHeldBack, Outcome: audit.Refused, Address: p.String()})
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "address keeps failing verification and is held back", attrs...)
}

// sourceNames are the sources of the events that this configuration receives.
func (b *builder) sourceNames() []string {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	var names []string
	if len(b.signingSecrets) > 0 || b.cfg.Slack.SocketMode {
		names = append(names, event.SourceSlack)
	}
	if b.cfg.Senders.Webhook.IsSet() {
		names = append(names, event.SourceReceipts)
	}
	for _, s := range b.sources {
		names = append(names, s.Name)
	}
	return names
}

// sources are the senders that have a variable of their own; each is served when its
// secret is set.
func sources(s config.Senders) []webhook.Source {
	var list []webhook.Source
	for _, sender := range []struct {
		name   string
		secret config.Secret
	}{
		{"contact_created", s.Contact},
		{"payment_succeeded", s.Stripe},
	} {
		if sender.secret.IsSet() {
			list = append(list, webhook.Source{Name: sender.name, Secrets: one(sender.secret)})
		}
	}
	return list
}

// one is the list of a secret, empty when it is not set.
func one(s config.Secret) []string {
	if !s.IsSet() {
		return nil
	}
	return []string{s.Reveal()}
}

// socketMode lets Slack send over connections that this process opens, beside the routes
// or in their place.
func (b *builder) socketMode(context.Context) error {
	if !b.cfg.Slack.SocketMode || b.receiver == nil {
		return nil
	}
	slack, err := slackapi.New(slackapi.Options{AppToken: b.appToken, URL: b.apiURL})
	if err != nil {
		return fmt.Errorf("socket mode: %w", err)
	}
	b.slackSocket, err = socketmode.New(socketmode.Options{
		Open:        slack.OpenConnection,
		Permanent:   refusedToken,
		Wait:        askedToWait,
		Handle:      handleEnvelope(b.receiver),
		Connections: b.cfg.Slack.SocketConnections,
		MaxBytes:    b.cfg.Receive.MaxBodyBytes,
		Logger:      b.log,
	})
	if err != nil {
		return err
	}
	b.inbound = append(b.inbound, part{"socket mode", b.slackSocket.Run})
	return nil
}

// handleEnvelope gives each delivery the way of those that are posted.
func handleEnvelope(rc *webhook.Receiver) func(context.Context, socketmode.Envelope) (json.RawMessage, bool) {
	return func(ctx context.Context, e socketmode.Envelope) (json.RawMessage, bool) {
		answer, stored := rc.Deliver(ctx, webhook.Direct{
			Body:        e.Payload,
			Command:     e.Type == "slash_commands",
			Interactive: e.Type != "events_api",
			Retry:       event.Retry{Num: e.RetryAttempt, Reason: retryReason(e)},
			RequestID:   e.ID,
		})
		return answer, stored
	}
}

// retryReason keeps what Slack says in a few words; anything else stays out of logs and
// stores.
func retryReason(e socketmode.Envelope) string {
	switch {
	case e.RetryAttempt == 0:
		return ""
	case e.RetryReason == "timeout", e.RetryReason == "connection_failed":
		return e.RetryReason
	}
	return "unknown"
}

// refusedToken reports an error that waiting does not cure.
func refusedToken(err error) bool {
	fault, ok := errors.AsType[*slackapi.Error](err)
	return ok && (fault.Kind == slackapi.Auth || fault.Kind == slackapi.MissingScope || fault.Kind == slackapi.Forbidden)
}

// askedToWait is how long Slack asks to wait.
func askedToWait(err error) time.Duration {
	if fault, ok := errors.AsType[*slackapi.Error](err); ok {
		return fault.RetryAfter
	}
	return 0
}

// errNoEvents says that a handler was registered where no events arrive.
var errNoEvents = errors.New("server: this configuration has no webhook side, so no event reaches a handler")

// On registers a handler for the received events that a pattern matches: a type
// (message), a type and subtype (message/channel_join), Slack's names of subscriptions
// (message.channels) or * for all. It is called before Run. A handler that returns an
// error, panics or takes longer than its deadline is tried again, up to MAX_ATTEMPTS
// times in all; then the event is a dead letter. Handlers share a consumer group unless
// worker.InGroup gives one its own.
func (s *Server) On(pattern string, fn worker.HandlerFunc, opts ...worker.Option) error {
	if s.mux == nil {
		return errNoEvents
	}
	return s.mux.On(pattern, fn, opts...)
}

// Answer lets fn say what Slack is told in the very answer to an interaction that a
// pattern matches: the options of a menu (block_suggestion), the errors of a view
// (view_submission), what a slash command shows at once (slash_command). The event is
// stored before fn is called and reaches the handlers of [Server.On] as well. See
// [webhook.AnswerFunc] for its deadline. Of several that match the first is asked.
func (s *Server) Answer(pattern string, fn webhook.AnswerFunc) error {
	if s.receiver == nil {
		return errNoEvents
	}
	return s.answers.On(pattern, fn)
}

// handlers builds the mux; it works nothing until somebody registers a handler.
func (b *builder) handlers(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	b.mux = worker.New(worker.Options{
		Group: queue.Group{
			Workers: b.cfg.Worker.Workers, Drain: b.cfg.Drain,
			Policy: queue.Policy{MaxAttempts: b.cfg.Worker.MaxAttempts},
		},
		Logger:    b.log,
		OnEnter:   b.enterHandler(),
		OnHandled: b.handled,
	})
	b.workers = append(b.workers, part{"handlers", func(ctx context.Context) error { return b.mux.Run(ctx, b.store) }})
	return nil
}
