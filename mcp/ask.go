package mcp

import (
	"context"

	"slackmcp/mcp/ask"
	"slackmcp/webhook/event"
)

// Settle handles an event that may be a click on a question of slack_ask: see
// [ask.Settle]. It needs a server with Slack and events.
func (s *Server) Settle(ctx context.Context, e *event.Event) error {
	return ask.Settle(ctx, s.events, s.slack, e)
}
