package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/socketmode"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

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
