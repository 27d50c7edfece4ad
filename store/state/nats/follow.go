package nats

import (
	"context"
	"errors"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/remote"
	"slackmcp/store/state"
)

// A follower watches the bucket and tells the hub.
type follower struct {
	store *Store
	watch jetstream.KeyWatcher // begun and not yet followed
	last  uint64               // the revision up to which everything was told
	known bool                 // whether last was ever found
}

// begin starts a watch behind what was told.
func (f *follower) begin(ctx context.Context) {
	if w, err := f.open(ctx); err == nil {
		f.watch = w
	}
}

// open starts a watch. It begins behind what was told, or at the end of the bucket.
func (f *follower) open(ctx context.Context) (jetstream.KeyWatcher, error) {
	b, err := f.store.ready(ctx)
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := b.stream.Info(call)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			f.store.made.CompareAndSwap(b, nil)
		}
		return nil, err
	}
	if !f.known || info.State.LastSeq < f.last {
		f.last, f.known = info.State.LastSeq, true
	}
	// The watch lives until Stop: its context must not end with this call.
	return b.kv.WatchAll(context.WithoutCancel(ctx), jetstream.MetaOnly(), jetstream.ResumeFromRevision(f.last+1))
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	trouble := remote.NewOutage(f.store.o.Logger, "state")
	if f.watch == nil {
		f.again(ctx, trouble)
	}
	for ctx.Err() == nil {
		f.follow(ctx)
		f.again(ctx, trouble)
	}
}

// again opens a watch once NATS is there, and tells every key: what the bucket knew of
// removals may be over.
func (f *follower) again(ctx context.Context, trouble *remote.Outage) {
	for ctx.Err() == nil {
		w, err := f.open(ctx)
		if err == nil {
			if err = f.all(ctx); err == nil {
				f.watch = w
				trouble.Over(ctx)
				return
			}
			_ = w.Stop()
		}
		if ctx.Err() == nil {
			trouble.Wait(ctx, err)
		}
	}
}

// follow tells what the watch has, until it ends or NATS was away.
func (f *follower) follow(ctx context.Context) {
	w := f.watch
	f.watch = nil
	defer w.Stop() //nolint:errcheck // what cannot be stopped is gone with its connection
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.store.fresh:
			return
		case e, ok := <-w.Updates():
			if !ok {
				return
			}
			if e == nil {
				continue // the end of what was there
			}
			f.tell(ctx, e)
		}
	}
}

func (f *follower) tell(ctx context.Context, e jetstream.KeyValueEntry) {
	f.last = max(f.last, e.Revision())
	key, err := keyOf(e.Key())
	if err != nil {
		f.store.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a key of the state's bucket cannot be read", slog.Any("error", err))
		return
	}
	f.store.hub.Notify(state.Change{Key: key, Gone: e.Operation() != jetstream.KeyValuePut})
}

// all tells every key that has a value.
func (f *follower) all(ctx context.Context) error {
	b, err := f.store.ready(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := b.kv.ListKeys(ctx)
	if err != nil {
		return err
	}
	defer list.Stop() //nolint:errcheck // as in follow
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sub, ok := <-list.Keys():
			if !ok {
				return nil
			}
			if key, err := keyOf(sub); err == nil {
				f.store.hub.Notify(state.Change{Key: key})
			}
		}
	}
}
