package server

import (
	"context"
	"errors"
	"fmt"

	"slackmcp/config"
	"slackmcp/mcp/transport"
	"slackmcp/store/state"
)

// sharedValues is the state as the MCP side sees it; nil where it ends with the process,
// as the sessions then may too.
func (b *builder) sharedValues() transport.Values {
	embedded := b.cfg.Queue.Backend == config.Memory || b.cfg.Queue.Backend == config.SQLite && !b.cfg.Mode.Webhook()
	if embedded || b.cfg.MCP.Transport == config.Stdio {
		return nil
	}
	return values{b.state}
}

// values makes a state.Store the transport's Values.
type values struct{ store state.Store }

// Get implements transport.Values.
func (v values) Get(ctx context.Context, key string) (transport.Value, error) {
	e, err := v.store.Get(ctx, key)
	return value(e), translate(err)
}

// Put implements transport.Values.
func (v values) Put(ctx context.Context, key string, data []byte, w transport.Write) (string, error) {
	version, err := v.store.Put(ctx, key, data, state.Put{TTL: w.TTL, IfVersion: w.IfVersion, IfAbsent: w.IfAbsent})
	return version, translate(err)
}

// Delete implements transport.Values.
func (v values) Delete(ctx context.Context, key string) error {
	return translate(v.store.Delete(ctx, key, ""))
}

// List implements transport.Values.
func (v values) List(ctx context.Context, prefix, after string, limit int) ([]transport.Value, error) {
	list, err := v.store.List(ctx, prefix, after, limit)
	out := make([]transport.Value, len(list))
	for i, e := range list {
		out[i] = value(e)
	}
	return out, translate(err)
}

// Watch implements transport.Values.
func (v values) Watch(ctx context.Context, prefix string, fn func(key string, gone bool)) error {
	return v.store.Watch(ctx, prefix, func(c state.Change) { fn(c.Key, c.Gone) })
}

func value(e state.Entry) transport.Value {
	return transport.Value{Key: e.Key, Data: e.Value, Version: e.Version, ExpiresAt: e.ExpiresAt}
}

func translate(err error) error {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return fmt.Errorf("%w: %w", transport.ErrNoValue, err)
	case errors.Is(err, state.ErrConflict):
		return fmt.Errorf("%w: %w", transport.ErrConflict, err)
	}
	return err
}
