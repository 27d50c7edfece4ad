package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"slackmcp/server/audit"
	"slackmcp/server/operate"
	"slackmcp/webhook"
)

// EnrollRoute is the route of the operator socket for `sources enroll`.
const EnrollRoute = "sources/enroll"

// enrollFor is how long a secret is waited for.
const enrollFor = 10 * time.Minute

// Enroll asks EnrollRoute to take a secret.
type Enroll struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
}

// Enrolled is what the stream sends when the secret came.
type Enrolled struct {
	Secret string `json:"secret"`
}

var errNotEnrolled = errors.New("no handshake came within ten minutes: call it again, and make the webhook meanwhile")

// serveEnrolling gives `sources enroll` its route.
func serveEnrolling(socket *operate.Server, receiver *webhook.Receiver, h *hooks) {
	socket.Handle(EnrollRoute, operate.Stream(func(ctx context.Context, in Enroll, send func(Enrolled) error) error {
		ctx, cancel := context.WithTimeoutCause(ctx, enrollFor, errNotEnrolled)
		defer cancel()
		secret, err := receiver.Enroll(ctx, in.Name, in.Provider)
		if err != nil {
			return fmt.Errorf("source %s: %w", in.Name, err)
		}
		h.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: "source_enrolled", Target: "source:" + in.Name})
		h.log.LogAttrs(ctx, slog.LevelInfo, "a source's handshake brought its secret", slog.String("source", in.Name))
		return send(Enrolled{secret})
	}))
}
