// Package redis keeps state in Redis 6.2 or later, shared by all processes that name the
// same topic, and as durable as that Redis is. Its keys have the queue's hash tag, so a
// cluster keeps all of them on one node and one script may change several.
//
// A change is atomic: one script checks the condition, writes, and notes the change in a
// stream that every process follows.
package redis

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/redisconn"
	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// What zero Options mean.
const (
	DefaultTopic          = "slack.events"
	DefaultMaxConnections = 4
)

// minConnections are one that follows the changes and one that does all else.
const minConnections = 2

// callTimeout bounds one call.
const callTimeout = 3 * time.Second

// Options configure a Store.
type Options struct {
	// URL is where Redis is, in the forms that the queue takes. Required. No error and no
	// log line repeats it.
	URL string
	// MaxConnections bounds the connections to each node; 0 means 4, the least is 2.
	MaxConnections int
	// Topic names the store inside Redis; "" means slack.events. It has no braces.
	Topic string
	// Logger hears of Redis's going and coming; nil discards.
	Logger *slog.Logger
}

// A Store is a state.Store. Make it with Open.
type Store struct {
	log    *slog.Logger
	client goredis.UniversalClient
	hub    *values.Watchers
	keys   []string
	follow *follower
	end    context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
}

var _ state.Store = (*Store)(nil)

//go:embed lua/*.lua
var sources embed.FS

var (
	getScript    = script("get")
	putScript    = script("put")
	deleteScript = script("delete")
	listScript   = script("list")
	sweepScript  = script("sweep")
)

func script(name string) *goredis.Script {
	var b strings.Builder
	for _, part := range []string{"common", name} {
		text, err := sources.ReadFile("lua/" + part + ".lua")
		if err != nil {
			panic(err) // the file is compiled in
		}
		b.Write(text)
	}
	return goredis.NewScript(b.String())
}

// Open returns a store on the Redis of o.URL. One that cannot be reached is no error: each
// call says ErrUnavailable until it can. One that refuses the credentials is.
func Open(ctx context.Context, o Options) (*Store, error) {
	switch {
	case o.URL == "":
		return nil, errors.New("redis state: URL is missing, for example redis://localhost:6379/0")
	case o.MaxConnections < 0 || o.MaxConnections > 0 && o.MaxConnections < minConnections:
		return nil, fmt.Errorf("redis state: MaxConnections is %d, the least is %d", o.MaxConnections, minConnections)
	case strings.ContainsAny(o.Topic, "{}"):
		return nil, fmt.Errorf("redis state: Topic %q contains a brace", o.Topic)
	}
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := redisconn.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	redisconn.LogTo(o.Logger)
	p := "{" + o.Topic + "}:state:"
	s := &Store{
		log: o.Logger, client: c.Client(o.MaxConnections - 1), hub: values.NewWatchers(),
		keys: []string{p + "values", p + "index", p + "expiry", p + "changes"},
	}
	s.follow = &follower{store: s, client: c.Client(1), stream: p + "changes"}
	if err := s.follow.begin(ctx); err != nil && redisconn.Refused(err) {
		return nil, errors.Join(fmt.Errorf("redis state at %s: %w", c, err), s.client.Close(), s.follow.client.Close())
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	s.wg.Go(func() { s.follow.run(life) })
	s.wg.Go(func() { s.sweep(life) })
	return s, nil
}

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, key string) (state.Entry, error) {
	if err := values.CheckKey(key); err != nil {
		return state.Entry{}, err
	}
	v, err := s.eval(ctx, getScript, key)
	if err == nil && len(v) == 0 {
		err = state.ErrNotFound
	}
	if err != nil {
		return state.Entry{}, values.Fault(ctx, "get", err)
	}
	e, err := entry(key, v)
	return e, values.Fault(ctx, "get", err)
}

// Put implements state.Store.
func (s *Store) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	absent := 0
	if p.IfAbsent {
		absent = 1
	}
	v, err := s.eval(ctx, putScript, key, value, p.TTL.Milliseconds(), p.IfVersion, absent, rand.Text())
	if err == nil && len(v) == 0 {
		err = state.ErrConflict
	}
	if err != nil {
		return "", values.Fault(ctx, "put", err)
	}
	version, ok := v[0].(string)
	if !ok {
		return "", values.Fault(ctx, "put", errReply)
	}
	return version, nil
}

// Delete implements state.Store.
func (s *Store) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := deleteScript.Run(call, s.client, s.keys, key, ifVersion).Int()
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
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	v, err := s.eval(ctx, listScript, low, high, values.Limit(limit))
	var list []state.Entry
	for err == nil && len(v) >= 4 {
		key, ok := v[0].(string)
		if !ok {
			err = errReply
			break
		}
		var e state.Entry
		e, err = entry(key, v[1:4])
		list, v = append(list, e), v[4:]
	}
	if err != nil {
		return nil, values.Fault(ctx, "list", err)
	}
	return list, nil
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return s.hub.Watch(ctx, prefix, fn)
}

// Close ends the watchers and the connections. It is idempotent.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.end()
		s.hub.Close()
		s.wg.Wait()
		err = s.client.Close()
	})
	return err
}

var errReply = errors.New("redis: answer of an unexpected form: do the keys of this topic belong to another program?")

// entry reads version, expiry and value.
func entry(key string, v []any) (state.Entry, error) {
	if len(v) != 3 {
		return state.Entry{}, errReply
	}
	version, ok1 := v[0].(string)
	expires, ok2 := v[1].(int64)
	value, ok3 := v[2].(string)
	if !ok1 || !ok2 || !ok3 {
		return state.Entry{}, errReply
	}
	e := state.Entry{Key: key, Version: version, Value: []byte(value)}
	if expires > 0 {
		e.ExpiresAt = time.UnixMilli(expires)
	}
	return e, nil
}

func (s *Store) eval(ctx context.Context, sc *goredis.Script, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return sc.Run(ctx, s.client, s.keys, args...).Slice()
}
