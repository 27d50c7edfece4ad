package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/notify"
	"slackmcp/server/operate"
	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook"
	"slackmcp/webhook/operator"
)

// ErrNoStore says that there is nothing that a command could work on.
var ErrNoStore = errors.New("there is nothing to work on")

// OpenOperator opens what an operator's command works on. When a server answers at the
// socket in DATA_DIR and has the store that the configuration means, it is that server's,
// and the result is a *operate.Client; otherwise the store itself, under the lock that the
// server would take. A store is never made, and nothing that a server keeps is trimmed by
// the command's own settings. The caller closes it.
//
// alone says that the command may have an embedded store to itself while no server runs.
func OpenOperator(ctx context.Context, c config.Config, log *slog.Logger, alone bool) (operator.Store, error) {
	path := operate.Path(c.Queue.DataDir)
	client, err := operate.Dial(ctx, path)
	switch {
	case err == nil && means(c, client.Hello()):
		return client, nil
	case err == nil:
		_ = client.Close() // the settings name another store
	case !errors.Is(err, operate.ErrNoServer):
		return nil, fmt.Errorf("%w\nIs it another user's server? Run this as that user, or name the DATA_DIR of yours with --data-dir", err)
	}
	if c.Queue.Backend.Embedded() {
		if err := aloneWith(c, path, alone); err != nil {
			return nil, err
		}
	}
	store, err := OpenStore(ctx, c, log)
	if errors.Is(err, queue.ErrLocked) {
		return nil, fmt.Errorf("%w\nThe process does not answer at %s: wait until it has started or ended, or look at its log", err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return store, nil
}

// means reports whether the server that answered has the store that the settings name.
// What no setting chose the server decides.
func means(c config.Config, h operate.Hello) bool {
	chosen := c.Queue.RedisURL.IsSet() || c.Queue.NATSURL.IsSet() || c.Origin("QUEUE_BACKEND_TYPE").Kind != config.FromDefault
	if chosen && h.Backend != string(c.Queue.Backend) {
		return false
	}
	return h.Topic == c.Queue.Topic || c.Origin("SLACK_EVENTS_TOPIC").Kind == config.FromDefault
}

// aloneWith judges whether an embedded store can be opened without its server.
func aloneWith(c config.Config, path string, alone bool) error {
	const remedy = "start the server, or name the DATA_DIR of the one that runs with --data-dir"
	switch {
	case c.Queue.Backend == config.Memory:
		return fmt.Errorf("%w: the memory backend lives inside a server, and none answers at %s: %s", ErrNoStore, path, remedy)
	case !sqlite.Exists(filepath.Clean(c.Queue.DataDir), c.Queue.Topic):
		return fmt.Errorf("%w: no server answers at %s, and there is no store in %s: %s", ErrNoStore, path, c.Queue.DataDir, remedy)
	case !alone:
		return fmt.Errorf("%w: no server answers at %s, and without one nothing arrives: start the server; what is stored the other commands show", ErrNoStore, path)
	}
	return nil
}

// forOperators are the settings with which a command opens a store: the bounds are the
// server's to keep, whose flags the command has not seen.
func forOperators(c config.Config) config.Config {
	c.Mode = config.ModeStandalone
	c.Queue.RetentionAge, c.Queue.RetentionCount, c.Queue.DedupeTTL = -1, 1_000_000_000, 10*365*24*time.Hour
	return c
}

// SQLiteOptions are those with which a command opens the embedded store that a configuration
// means.
func SQLiteOptions(c config.Config, log *slog.Logger) sqlite.Options {
	return sqliteOptions(forOperators(c), log)
}

// RejectedRoute is the route of the operator socket for `deliveries rejected`.
const RejectedRoute = "deliveries/rejected"

// RejectedList answers RejectedRoute.
type RejectedList struct {
	Rejected []webhook.Rejected `json:"rejected"`
}

// newOperatorSocket prepares the socket in DATA_DIR by which the commands of an operator
// reach this process; nil without events here, when the directory may be another server's.
// Commands that need more than the store get their routes here.
func newOperatorSocket(cfg config.Config, version string, store queue.Queue, values state.Store, k *gapKeeper, receiver *webhook.Receiver, assistants assistantSide, h *hooks) *operate.Server {
	if !cfg.Mode.Webhook() {
		return nil
	}
	socket := operate.New(operate.Options{
		Path:  operate.Path(cfg.Queue.DataDir),
		Hello: operate.Hello{Version: version, Backend: string(cfg.Queue.Backend), Topic: cfg.Queue.Topic},
		Queue: store, Drain: cfg.Drain, Logger: h.log, OnChanged: h.operated,
	})
	socket.HandleState(values)
	if k != nil {
		k.serve(socket)
	}
	if receiver != nil {
		serveEnrolling(socket, receiver, h)
		socket.Handle(RejectedRoute, operate.Call(func(context.Context, struct{}) (RejectedList, error) { return RejectedList{receiver.Rejected()}, nil }))
	}
	serveSubscriptions(socket, assistants.mcp)
	servePeople(socket, assistants.people, assistants.judge, h)
	serveVisibility(socket, assistants.people, assistants.judge, store, h)
	serveKeys(socket, assistants.people)
	return socket
}

// openSocket takes the socket's place. One that cannot be had keeps nothing else from
// working: it is logged with the remedy.
func (s *Server) openSocket(ctx context.Context) {
	if s.operators == nil {
		return
	}
	err := config.PrepareDataDir(s.cfg.Queue.DataDir)
	if err == nil {
		err = s.operators.Listen(ctx)
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "an operator's commands cannot reach this process", slog.String("error", err.Error()))
	}
}

// serveOperators answers until ctx ends. Its trouble is not that of the events.
func (s *Server) serveOperators(ctx context.Context) error {
	if err := s.operators.Serve(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the operator socket ended", slog.String("error", err.Error()))
	}
	return nil
}

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

// serveSubscriptions lets an operator look at the webhook subscriptions, and stop
// them.
func serveSubscriptions(socket *operate.Server, assistants *mcp.Server) {
	webhooks := func() (*notify.Notifier, error) {
		if assistants == nil || assistants.Webhooks() == nil {
			return nil, errors.New(subscriptionsUnavailable)
		}
		return assistants.Webhooks(), nil
	}
	one := func(do func(*notify.Notifier, context.Context, string) error) operate.Route {
		return operate.Call(func(ctx context.Context, in named) (notify.Info, error) {
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
	socket.Handle(routeSubscriptions, operate.Call(func(ctx context.Context, _ struct{}) ([]notify.Info, error) {
		e, err := webhooks()
		if err != nil {
			return nil, err
		}
		return e.List(ctx)
	}))
	socket.Handle(routeSubscription, one(nil))
	socket.Handle(routePauseSubscription, one((*notify.Notifier).Pause))
	socket.Handle(routeResumeSubscription, one((*notify.Notifier).Resume))
	socket.Handle(routeRemoveSubscription, one((*notify.Notifier).Remove))
}

// Subscriptions is a running server's webhook subscriptions, as an operator's command
// works on them.
type Subscriptions struct{ client *operate.Client }

// OperateSubscriptions finds the server behind what [OpenOperator] opened.
// ErrNoRunningServer when that is a store without one.
func OperateSubscriptions(store any) (Subscriptions, error) {
	c, ok := store.(*operate.Client)
	if !ok {
		return Subscriptions{}, ErrNoRunningServer
	}
	return Subscriptions{c}, nil
}

// List returns all subscriptions, by principal.
func (s Subscriptions) List(ctx context.Context) ([]notify.Info, error) {
	return operate.Ask[[]notify.Info](ctx, s.client, routeSubscriptions, struct{}{})
}

// Show returns one subscription with its dead letters, by the beginning of its id.
func (s Subscriptions) Show(ctx context.Context, id string) (notify.Info, error) {
	return operate.Ask[notify.Info](ctx, s.client, routeSubscription, named{id})
}

// Pause stops deliveries until Resume, and returns the subscription as it was.
func (s Subscriptions) Pause(ctx context.Context, id string) (notify.Info, error) {
	return operate.Ask[notify.Info](ctx, s.client, routePauseSubscription, named{id})
}

// Resume goes on with a subscription that was paused.
func (s Subscriptions) Resume(ctx context.Context, id string) (notify.Info, error) {
	return operate.Ask[notify.Info](ctx, s.client, routeResumeSubscription, named{id})
}

// Remove ends a subscription and tells its receiver.
func (s Subscriptions) Remove(ctx context.Context, id string) (notify.Info, error) {
	return operate.Ask[notify.Info](ctx, s.client, routeRemoveSubscription, named{id})
}
