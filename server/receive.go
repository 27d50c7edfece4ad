package server

import (
	"context"

	"slackmcp/config"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// receive builds the webhook side's handler. The mcp command has none.
func (b *builder) receive(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	further, err := readSources(b.cfg)
	if problems := problemsOf("SOURCES_FILE", err); problems != nil {
		return &config.Error{Problems: problems}
	}
	rc, err := webhook.New(webhook.Options{
		Observe:        b.metrics.Receive.Observe,
		Publisher:      b.store,
		SlackSecrets:   b.signingSecrets,
		Sources:        append(sources(b.cfg.Senders), further...),
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
	return nil
}

// sourceNames are the sources of the events that this configuration receives.
func (b *builder) sourceNames() []string {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	var names []string
	if len(b.signingSecrets) > 0 {
		names = append(names, event.SourceSlack)
	}
	if b.cfg.Senders.Webhook.IsSet() {
		names = append(names, event.SourceReceipts)
	}
	for _, s := range sources(b.cfg.Senders) {
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
