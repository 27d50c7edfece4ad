package server

import (
	"context"
	"log/slog"
	"net/netip"

	"slackmcp/config"
	"slackmcp/server/audit"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
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
