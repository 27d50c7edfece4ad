package server

import (
	"context"

	"slackmcp/webhook"
)

// receive builds the webhook side's handler. The mcp command has none.
func (b *builder) receive(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	rc, err := webhook.New(webhook.Options{
		Publisher:    b.store,
		SlackSecrets: b.signingSecrets,
		Tolerance:    b.cfg.Receive.TimestampTolerance,
		MaxBodyBytes: b.cfg.Receive.MaxBodyBytes,
		PublishTries: max(b.cfg.Retry, 1), // 0 and 1 both mean one try
		Logger:       b.log,
	})
	if err != nil {
		return err
	}
	b.receiver = rc
	return nil
}
