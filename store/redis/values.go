package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/remote"
	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// smallValues are the small values of a Store. Their keys have the queue's hash tag, so a
// cluster keeps all of them on one node and one script may change several: a script checks
// the condition, writes, and notes the change in a stream that every process follows.
type smallValues struct {
	s        *Store
	watchers *values.Watchers
	keys     []string
	changes  goredis.UniversalClient // the connection that follows the stream
	last     string                  // the id up to which watchers were notified; "" is nothing known
}

// State returns the small values beside the events, shared by all processes that name the
// same topic, and as durable as Redis is. They end with the Store.
func (q *Store) State() state.Store { return q.values }

func newSmallValues(q *Store, changes goredis.UniversalClient) *smallValues {
	p := q.keys.prefix + "state:"
	return &smallValues{
		s: q, watchers: values.NewWatchers(), changes: changes,
		keys: []string{p + "values", p + "index", p + "expiry", p + "changes"},
	}
}

// Get implements state.Store.
func (v *smallValues) Get(ctx context.Context, key string) (state.Entry, error) {
	if err := values.CheckKey(key); err != nil {
		return state.Entry{}, err
	}
	list, err := v.eval(ctx, getValueScript, key)
	if err == nil && len(list) == 0 {
		err = state.ErrNotFound
	}
	if err != nil {
		return state.Entry{}, values.Fault(ctx, "get", err)
	}
	e, err := parseEntry(key, list)
	return e, values.Fault(ctx, "get", err)
}

// Put implements state.Store.
func (v *smallValues) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	absent := 0
	if p.IfAbsent {
		absent = 1
	}
	list, err := v.eval(ctx, putValueScript, key, value, p.TTL.Milliseconds(), p.IfVersion, absent, rand.Text())
	if err == nil && len(list) == 0 {
		err = state.ErrConflict
	}
	if err != nil {
		return "", values.Fault(ctx, "put", err)
	}
	version, ok := list[0].(string)
	if !ok {
		return "", values.Fault(ctx, "put", errReply)
	}
	return version, nil
}

// Delete implements state.Store.
func (v *smallValues) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := deleteValueScript.Run(call, v.s.client, v.keys, key, ifVersion).Int()
	switch {
	case err != nil:
		return values.Fault(ctx, "delete", err)
	case n == 1:
		return values.Fault(ctx, "delete", state.ErrNotFound)
	case n == 2:
		return values.Fault(ctx, "delete", state.ErrConflict)
	}
	return nil
}

// List implements state.Store.
func (v *smallValues) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	answer, err := v.eval(ctx, listValuesScript, low, high, values.Limit(limit))
	var list []state.Entry
	for err == nil && len(answer) >= 4 {
		key, ok := answer[0].(string)
		if !ok {
			err = errReply
			break
		}
		var e state.Entry
		e, err = parseEntry(key, answer[1:4])
		list, answer = append(list, e), answer[4:]
	}
	if err != nil {
		return nil, values.Fault(ctx, "list", err)
	}
	return list, nil
}

// Watch implements state.Store.
func (v *smallValues) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return v.watchers.Watch(ctx, prefix, fn)
}

// parseEntry reads version, expiry and value.
func parseEntry(key string, list []any) (state.Entry, error) {
	if len(list) != 3 {
		return state.Entry{}, errReply
	}
	version, ok1 := list[0].(string)
	expires, ok2 := list[1].(int64)
	value, ok3 := list[2].(string)
	if !ok1 || !ok2 || !ok3 {
		return state.Entry{}, errReply
	}
	e := state.Entry{Key: key, Version: version, Value: []byte(value)}
	if expires > 0 {
		e.ExpiresAt = time.UnixMilli(expires)
	}
	return e, nil
}

func (v *smallValues) eval(ctx context.Context, sc *goredis.Script, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := sc.Run(ctx, v.s.client, v.keys, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return list, nil
}

// begin finds the end of the stream of changes, so that no change after Open is missed.
func (v *smallValues) begin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if newest, err := v.newest(ctx); err == nil {
		v.last = newest
	}
}

func (v *smallValues) newest(ctx context.Context) (string, error) {
	list, err := v.changes.XRevRangeN(ctx, v.keys[3], "+", "-", 1).Result()
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "0-0", nil
	}
	return list[0].ID, nil
}

// follow notifies the watchers of changes until ctx ends, and closes the connection.
func (v *smallValues) follow(ctx context.Context) {
	defer closeWith(ctx, v.changes)()
	outage := remote.NewOutage(v.s.o.Logger, "state")
	away := v.last == ""
	for ctx.Err() == nil {
		err := v.step(ctx, away)
		switch {
		case err == nil:
			away = false
			outage.Over(ctx)
		case ctx.Err() == nil:
			away = true
			outage.Wait(ctx, err)
		}
	}
}

// step waits for changes and notifies the watchers. After Redis was away it first names
// every key there is: what the stream had may be trimmed, or lost with a crash.
func (v *smallValues) step(ctx context.Context, away bool) error {
	if away {
		if err := v.again(ctx); err != nil {
			return err
		}
	}
	streams, err := v.changes.XRead(ctx, &goredis.XReadArgs{Streams: []string{v.keys[3], v.last}, Count: 1000, Block: block}).Result()
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, m := range streams[0].Messages {
		key, _ := m.Values["k"].(string)
		gone, _ := m.Values["g"].(string)
		v.watchers.Notify(state.Change{Key: key, Gone: gone == "1"})
		v.last = m.ID
	}
	return nil
}

// again names every key to the watchers, and goes on with the stream where it is now,
// should it have lost its end.
func (v *smallValues) again(ctx context.Context) error {
	newest, err := v.newest(ctx)
	if err != nil {
		return err
	}
	if v.last == "" || earlier(newest, v.last) {
		v.last = newest
	}
	for low := "-"; ; {
		keys, err := v.changes.ZRangeByLex(ctx, v.keys[1], &goredis.ZRangeBy{Min: low, Max: "+", Count: 1000}).Result()
		if err != nil {
			return err
		}
		for _, key := range keys {
			v.watchers.Notify(state.Change{Key: key})
		}
		if len(keys) < 1000 {
			return nil
		}
		low = "(" + keys[len(keys)-1]
	}
}

// earlier compares two ids of a stream.
func earlier(a, b string) bool {
	id := func(s string) (ms, seq uint64) {
		m, n, _ := strings.Cut(s, "-")
		ms, _ = strconv.ParseUint(m, 10, 64) // the server's own form
		seq, _ = strconv.ParseUint(n, 10, 64)
		return ms, seq
	}
	am, as := id(a)
	bm, bs := id(b)
	return am < bm || am == bm && as < bs
}

// sweep removes what has expired, now and then; any process does it for all.
func (v *smallValues) sweep(ctx context.Context) {
	tick := time.NewTicker(remote.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		call, cancel := context.WithTimeout(ctx, callTimeout)
		if err := sweepValuesScript.Run(call, v.s.client, v.keys).Err(); err != nil && ctx.Err() == nil {
			v.s.o.Logger.LogAttrs(ctx, slog.LevelDebug, "expired state was not removed", slog.Any("error", err))
		}
		cancel()
	}
}
