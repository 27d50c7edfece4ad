package server

import (
	"context"
	"errors"

	"slackmcp/mcp/notify"
	"slackmcp/server/socket"
)

// The routes of the operator socket for webhook subscriptions.
const (
	routeSubscriptions       = "subscriptions/list"
	routeSubscription        = "subscriptions/show"
	routePauseSubscription   = "subscriptions/pause"
	routeResumeSubscription  = "subscriptions/resume"
	routeRemoveSubscription  = "subscriptions/remove"
	subscriptionsUnavailable = "this server posts to no subscribers: it runs without the MCP side (--integrated), or EVENTS_WEBHOOKS is off"
)

// ErrNoRunningServer says that a command is about what a running server does, and there
// is none.
var ErrNoRunningServer = errors.New("no running server answers here: start it, or name its DATA_DIR with --data-dir")

// named is what the routes about one subscription are given.
type named struct {
	ID string `json:"id"`
}

// operateSubscriptions lets an operator look at the webhook subscriptions, and stop
// them.
func (b *builder) operateSubscriptions() {
	webhooks := func() (*notify.Notifier, error) {
		if b.mcp == nil || b.mcp.Webhooks() == nil {
			return nil, errors.New(subscriptionsUnavailable)
		}
		return b.mcp.Webhooks(), nil
	}
	one := func(do func(*notify.Notifier, context.Context, string) error) socket.Route {
		return socket.Call(func(ctx context.Context, in named) (notify.Info, error) {
			e, err := webhooks()
			if err != nil {
				return notify.Info{}, err
			}
			before, err := e.Show(ctx, in.ID)
			if err != nil || do == nil {
				return before, err
			}
			return before, do(e, ctx, before.ID)
		})
	}
	b.socket.Handle(routeSubscriptions, socket.Call(func(ctx context.Context, _ struct{}) ([]notify.Info, error) {
		e, err := webhooks()
		if err != nil {
			return nil, err
		}
		return e.List(ctx)
	}))
	b.socket.Handle(routeSubscription, one(nil))
	b.socket.Handle(routePauseSubscription, one((*notify.Notifier).Pause))
	b.socket.Handle(routeResumeSubscription, one((*notify.Notifier).Resume))
	b.socket.Handle(routeRemoveSubscription, one((*notify.Notifier).Remove))
}

// Subscriptions is a running server's webhook subscriptions, as an operator's command
// works on them.
type Subscriptions struct{ client *socket.Client }

// OperateSubscriptions finds the server behind what [OpenOperator] opened.
// ErrNoRunningServer when that is a store without one.
func OperateSubscriptions(store any) (Subscriptions, error) {
	c, ok := store.(*socket.Client)
	if !ok {
		return Subscriptions{}, ErrNoRunningServer
	}
	return Subscriptions{c}, nil
}

// List returns all subscriptions, by principal.
func (s Subscriptions) List(ctx context.Context) ([]notify.Info, error) {
	return socket.Ask[[]notify.Info](ctx, s.client, routeSubscriptions, struct{}{})
}

// Show returns one subscription with its dead letters, by the beginning of its id.
func (s Subscriptions) Show(ctx context.Context, id string) (notify.Info, error) {
	return socket.Ask[notify.Info](ctx, s.client, routeSubscription, named{id})
}

// Pause stops deliveries until Resume, and returns the subscription as it was.
func (s Subscriptions) Pause(ctx context.Context, id string) (notify.Info, error) {
	return socket.Ask[notify.Info](ctx, s.client, routePauseSubscription, named{id})
}

// Resume goes on with a subscription that was paused.
func (s Subscriptions) Resume(ctx context.Context, id string) (notify.Info, error) {
	return socket.Ask[notify.Info](ctx, s.client, routeResumeSubscription, named{id})
}

// Remove ends a subscription and tells its receiver.
func (s Subscriptions) Remove(ctx context.Context, id string) (notify.Info, error) {
	return socket.Ask[notify.Info](ctx, s.client, routeRemoveSubscription, named{id})
}
