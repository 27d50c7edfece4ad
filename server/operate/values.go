package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/state"
)

// The routes of the small values beside the events, by name.
const (
	routeStateGet    = "state/get"
	routeStatePut    = "state/put"
	routeStateDelete = "state/delete"
	routeStateList   = "state/list"
	routeStateWatch  = "state/watch"
)

// The values that requests for small values hold, and their answers.
type (
	keyIn struct {
		Key     string `json:"key"`
		Version string `json:"version,omitempty"`
	}
	putIn struct {
		Key       string        `json:"key"`
		Value     []byte        `json:"value"`
		TTL       time.Duration `json:"ttl,omitempty"` // in nanoseconds
		IfVersion string        `json:"if_version,omitempty"`
		IfAbsent  bool          `json:"if_absent,omitempty"`
	}
	listIn struct {
		Prefix string `json:"prefix"`
		After  string `json:"after,omitempty"`
		Limit  int    `json:"limit,omitempty"`
	}
	wireChange struct {
		Key  string `json:"key"`
		Gone bool   `json:"gone,omitempty"`
	}
)

// HandleState gives the small values of a store their routes. It is called before Listen.
func (s *Server) HandleState(values state.Store) {
	s.Handle(routeStateGet, Call(func(ctx context.Context, in keyIn) (state.Entry, error) { return values.Get(ctx, in.Key) }))
	s.Handle(routeStatePut, Call(func(ctx context.Context, in putIn) (string, error) {
		return values.Put(ctx, in.Key, in.Value, state.Put{TTL: in.TTL, IfVersion: in.IfVersion, IfAbsent: in.IfAbsent})
	}))
	s.Handle(routeStateDelete, Call(func(ctx context.Context, in keyIn) (none, error) {
		return none{}, values.Delete(ctx, in.Key, in.Version)
	}))
	s.Handle(routeStateList, Call(func(ctx context.Context, in listIn) ([]state.Entry, error) {
		return values.List(ctx, in.Prefix, in.After, in.Limit)
	}))
	s.Handle(routeStateWatch, Stream(func(ctx context.Context, in listIn, send func(wireChange) error) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return values.Watch(ctx, in.Prefix, func(c state.Change) {
			if send(wireChange(c)) != nil {
				cancel() // the reader is gone
			}
		})
	}))
}

// A State is the small values of the server behind a socket.
type State struct{ c *Client }

// NewState returns the small values of a client's server. That the server cannot be
// reached, or is older than these routes, is [state.ErrUnavailable].
func NewState(c *Client) State { return State{c} }

var _ state.Store = State{}

// unavailable gives an error of the socket the meaning that it has for a state.
func unavailable(err error) error {
	if errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrClosed) || errors.Is(err, ErrUnknownRoute) || errors.Is(err, ErrBusy) {
		return fmt.Errorf("state: %w: %w", state.ErrUnavailable, err)
	}
	return err
}

// Get implements state.Store.
func (s State) Get(ctx context.Context, key string) (state.Entry, error) {
	e, err := Ask[state.Entry](ctx, s.c, routeStateGet, keyIn{Key: key})
	return e, unavailable(err)
}

// Put implements state.Store.
func (s State) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	version, err := Ask[string](ctx, s.c, routeStatePut, putIn{key, value, p.TTL, p.IfVersion, p.IfAbsent})
	return version, unavailable(err)
}

// Delete implements state.Store.
func (s State) Delete(ctx context.Context, key, ifVersion string) error {
	_, err := Ask[none](ctx, s.c, routeStateDelete, keyIn{key, ifVersion})
	return unavailable(err)
}

// List implements state.Store.
func (s State) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	list, err := Ask[[]state.Entry](ctx, s.c, routeStateList, listIn{prefix, after, limit})
	return list, unavailable(err)
}

// Watch implements state.Store. When the server stops it ends with state.ErrUnavailable.
func (s State) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	return unavailable(Follow(ctx, s.c, routeStateWatch, listIn{Prefix: prefix}, func(c wireChange) error {
		fn(state.Change(c))
		return nil
	}))
}
