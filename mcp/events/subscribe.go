package events

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// Subscriptions keeps webhook subscriptions.
type Subscriptions interface{ Subscribe() }

func (x *Extension) subscribe(context.Context, *access.Principal, *transport.Request) (any, error) {
	return nil, x.unsupported("deliveryMode", "webhook")
}

func (x *Extension) unsubscribe(context.Context, *access.Principal, *transport.Request) (any, error) {
	return nil, x.unsupported("deliveryMode", "webhook")
}
