package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"slackmcp/store/internal/remote"
	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// Headers of a value.
const (
	// writerHeader distinguishes one write from another, also where the server lost its end and
	// gives a revision again.
	writerHeader = "Slack-Webhook-Server-Writer"
	// expiresHeader is when the value is over, in Unix milliseconds of the server's clock:
	// the server removes it a second later at most.
	expiresHeader = "Slack-Webhook-Server-Expires"
)

// smallValues are the small values of a Store, in a key-value bucket of their own. Values
// expire by the server's per-message TTL; conditions are the revision of a key, which the
// server compares as it writes. What is read comes from the server that takes the bucket's
// writes, so that every process sees a value once Put has returned.
type smallValues struct {
	s        *Store
	bucket   string // its name
	watchers *values.Watchers
	fresh    chan struct{} // holds a token when NATS is back

	opened  atomic.Pointer[valueBucket]
	opening sync.Mutex

	// What follows belongs to the follower of changes.
	watch jetstream.KeyWatcher // begun and not yet followed
	last  uint64               // the revision up to which watchers were notified
	known bool                 // whether last was ever found
}

// A valueBucket is the opened bucket.
type valueBucket struct {
	kv     jetstream.KeyValue
	stream jetstream.Stream
	ahead  time.Duration // how far the server's clock is ahead of ours
}

// A heldValue is what the bucket has under a key.
type heldValue struct {
	state.Entry

	rev  uint64 // of the value or of its removal; 0 is never written
	live bool
}

// State returns the small values beside the events, shared by all processes that name the
// same topic, and as durable as NATS is. They end with the Store.
func (q *Store) State() state.Store { return q.values }

func newSmallValues(q *Store) *smallValues {
	return &smallValues{s: q, bucket: "STATE-" + escape(q.o.Topic), watchers: values.NewWatchers(), fresh: make(chan struct{}, 1)}
}

// ready returns the bucket, and makes it or finds it first when that was not done yet.
func (v *smallValues) ready(ctx context.Context) (*valueBucket, error) {
	if b := v.opened.Load(); b != nil {
		return b, nil
	}
	if !v.s.nc.IsConnected() {
		return nil, errAway
	}
	v.opening.Lock()
	defer v.opening.Unlock()
	if b := v.opened.Load(); b != nil {
		return b, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	kv, err := v.s.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: v.bucket, Description: "state of slack-webhook-server", Replicas: v.s.o.Replicas,
		History: 1, LimitMarkerTTL: markerTTL, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, err
	}
	stream, err := v.s.js.Stream(ctx, "KV_"+v.bucket)
	if err != nil {
		return nil, err
	}
	b := &valueBucket{kv: kv, stream: stream, ahead: time.Until(stream.CachedInfo().TimeStamp)}
	v.opened.Store(b)
	return b, nil
}

// do runs one operation on the bucket.
func (v *smallValues) do(ctx context.Context, op string, fn func(context.Context, *valueBucket) error) error {
	if err := ctx.Err(); err != nil {
		return values.Fault(ctx, op, err)
	}
	b, err := v.ready(ctx)
	if err == nil {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		err = fn(call, b)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) {
		v.opened.CompareAndSwap(b, nil) // it was deleted; the next call makes it
	}
	return values.Fault(ctx, op, err)
}

// Get implements state.Store.
func (v *smallValues) Get(ctx context.Context, key string) (e state.Entry, err error) {
	if err := values.CheckKey(key); err != nil {
		return e, err
	}
	err = v.do(ctx, "get", func(ctx context.Context, b *valueBucket) error {
		h, err := v.read(ctx, b, key)
		if err == nil && !h.live {
			err = state.ErrNotFound
		}
		e = h.Entry
		return err
	})
	if err != nil {
		return state.Entry{}, err
	}
	return e, nil
}

// Put implements state.Store.
func (v *smallValues) Put(ctx context.Context, key string, value []byte, p state.Put) (version string, err error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	err = v.do(ctx, "put", func(ctx context.Context, b *valueBucket) error {
		if !p.IfAbsent && p.IfVersion == "" {
			version, err = v.write(ctx, b, key, value, p.TTL)
			return err
		}
		return v.decide(ctx, b, key, func(h heldValue) error {
			if p.IfAbsent && h.live || p.IfVersion != "" && (!h.live || h.Version != p.IfVersion) {
				return state.ErrConflict
			}
			version, err = v.write(ctx, b, key, value, p.TTL, jetstream.WithExpectLastSequencePerSubject(h.rev))
			return err
		})
	})
	return version, err
}

// Delete implements state.Store.
func (v *smallValues) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	return v.do(ctx, "delete", func(ctx context.Context, b *valueBucket) error {
		return v.decide(ctx, b, key, func(h heldValue) error {
			switch {
			case !h.live:
				return state.ErrNotFound
			case ifVersion != "" && h.Version != ifVersion:
				return state.ErrConflict
			}
			return b.kv.Purge(ctx, subjectOfKey(key), jetstream.LastRevision(h.rev), jetstream.PurgeTTL(markerTTL))
		})
	})
}

// decide reads a key and lets fn act on it, again when another write came between, but
// not for ever.
func (v *smallValues) decide(ctx context.Context, b *valueBucket, key string, fn func(heldValue) error) error {
	for range 16 {
		h, err := v.read(ctx, b, key)
		if err != nil {
			return err
		}
		if err := fn(h); !conflict(err) {
			return err
		}
	}
	return state.ErrConflict
}

// write puts a value and returns its version.
func (v *smallValues) write(ctx context.Context, b *valueBucket, key string, value []byte, ttl time.Duration, opts ...jetstream.PublishOpt) (string, error) {
	writer := rand.Text()[:10]
	m := natsgo.NewMsg("$KV." + v.bucket + "." + subjectOfKey(key))
	m.Data = value
	m.Header.Set(writerHeader, writer)
	if ttl > 0 {
		m.Header.Set(expiresHeader, strconv.FormatInt(time.Now().Add(ttl+b.ahead).UnixMilli(), 10))
		whole := (ttl + time.Second - 1).Truncate(time.Second) // the server's unit
		opts = append(opts, jetstream.WithMsgTTL(whole))
	}
	ack, err := v.s.js.PublishMsg(ctx, m, opts...)
	if err != nil {
		return "", err
	}
	return versionOf(ack.Sequence, writer), nil
}

func versionOf(rev uint64, writer string) string { return strconv.FormatUint(rev, 10) + "-" + writer }

// read asks the server that takes the bucket's writes for a key.
func (v *smallValues) read(ctx context.Context, b *valueBucket, key string) (heldValue, error) {
	m, err := v.s.fromLeader(ctx, "KV_"+v.bucket, "$KV."+v.bucket+"."+subjectOfKey(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return heldValue{}, nil
	}
	if err != nil {
		return heldValue{}, err
	}
	writer := m.Header.Get(writerHeader) // what removes a key has none
	h := heldValue{Entry: state.Entry{Key: key, Value: m.Data, Version: versionOf(m.Sequence, writer)}, rev: m.Sequence, live: writer != ""}
	if h.Value == nil {
		h.Value = []byte{}
	}
	if at := m.Header.Get(expiresHeader); at != "" {
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return heldValue{}, err
		}
		h.ExpiresAt = time.UnixMilli(ms).Add(-b.ahead)
		h.live = h.live && time.Now().Before(h.ExpiresAt)
	}
	return h, nil
}

// List implements state.Store.
func (v *smallValues) List(ctx context.Context, prefix, after string, limit int) (list []state.Entry, err error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	limit = values.Limit(limit)
	err = v.do(ctx, "list", func(ctx context.Context, b *valueBucket) error {
		keys, err := v.keys(ctx, b, prefix, after)
		for err == nil && len(list) < limit && len(keys) > 0 {
			n := min(limit-len(list), len(keys))
			var part []state.Entry
			part, err = v.readAll(ctx, b, keys[:n])
			list, keys = append(list, part...), keys[n:]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// keys returns the keys, in order, that may have a value.
func (v *smallValues) keys(ctx context.Context, b *valueBucket, prefix, after string) ([]string, error) {
	pre, filter := "$KV."+v.bucket+".", ">"
	if whole := strings.LastIndexByte(prefix, '/'); whole >= 0 {
		filter = subjectOfKey(prefix[:whole]) + ".>" // all keys with the prefix have it, and others too
	}
	info, err := b.stream.Info(ctx, jetstream.WithSubjectFilter(pre+filter))
	if err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	var keys []string
	for sub := range info.State.Subjects {
		key, err := keyOfSubject(strings.TrimPrefix(sub, pre))
		if err == nil && key >= low && key < high {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// readAll reads keys, in their order, and leaves out those without a value.
func (v *smallValues) readAll(ctx context.Context, b *valueBucket, keys []string) ([]state.Entry, error) {
	all := make([]heldValue, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, key := range keys {
		g.Go(func() (err error) {
			all[i], err = v.read(ctx, b, key)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []state.Entry
	for _, h := range all {
		if h.live {
			list = append(list, h.Entry)
		}
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

// begin starts a watch before Open returns, so that no later change is missed.
func (v *smallValues) begin(ctx context.Context) {
	if w, err := v.openWatch(ctx); err == nil {
		v.watch = w
	}
}

// reconnected makes the follower begin anew.
func (v *smallValues) reconnected() {
	select {
	case v.fresh <- struct{}{}:
	default:
	}
}

// openWatch starts a watch behind what watchers were notified of, or at the end of the
// bucket.
func (v *smallValues) openWatch(ctx context.Context) (jetstream.KeyWatcher, error) {
	b, err := v.ready(ctx)
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := b.stream.Info(call)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			v.opened.CompareAndSwap(b, nil)
		}
		return nil, err
	}
	if !v.known || info.State.LastSeq < v.last {
		v.last, v.known = info.State.LastSeq, true
	}
	// The watch lives until Stop: its context must not end with this call.
	return b.kv.WatchAll(context.WithoutCancel(ctx), jetstream.MetaOnly(), jetstream.ResumeFromRevision(v.last+1))
}

// follow notifies the watchers of changes until ctx ends.
func (v *smallValues) follow(ctx context.Context) {
	outage := remote.NewOutage(v.s.o.Logger, "state")
	if v.watch == nil {
		v.again(ctx, outage)
	}
	for ctx.Err() == nil {
		v.followWatch(ctx)
		v.again(ctx, outage)
	}
}

// again opens a watch once NATS is there, and names every key to the watchers: the bucket
// may not remember removals any more.
func (v *smallValues) again(ctx context.Context, outage *remote.Outage) {
	for ctx.Err() == nil {
		w, err := v.openWatch(ctx)
		if err == nil {
			if err = v.notifyAll(ctx); err == nil {
				v.watch = w
				outage.Over(ctx)
				return
			}
			_ = w.Stop()
		}
		if ctx.Err() == nil {
			outage.Wait(ctx, err)
		}
	}
}

// followWatch passes on what the watch has, until it ends or NATS was away.
func (v *smallValues) followWatch(ctx context.Context) {
	w := v.watch
	v.watch = nil
	if w == nil {
		return
	}
	defer w.Stop() //nolint:errcheck // what cannot be stopped is gone with its connection
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.fresh:
			return
		case e, ok := <-w.Updates():
			if !ok {
				return
			}
			if e == nil {
				continue // the end of what was there
			}
			v.last = max(v.last, e.Revision())
			key, err := keyOfSubject(e.Key())
			if err != nil {
				v.s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a key of the state's bucket cannot be read", slog.Any("error", err))
				continue
			}
			v.watchers.Notify(state.Change{Key: key, Gone: e.Operation() != jetstream.KeyValuePut})
		}
	}
}

// notifyAll names every key that has a value to the watchers.
func (v *smallValues) notifyAll(ctx context.Context) error {
	b, err := v.ready(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := b.kv.ListKeys(ctx)
	if err != nil {
		return err
	}
	defer list.Stop() //nolint:errcheck // as in followWatch
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sub, ok := <-list.Keys():
			if !ok {
				return nil
			}
			if key, err := keyOfSubject(sub); err == nil {
				v.watchers.Notify(state.Change{Key: key})
			}
		}
	}
}

// subjectOfKey writes a key as a subject: each segment a token, so that a prefix can be
// asked for. What a token cannot have is an underscore and two hexadecimal digits, an
// empty segment a lone underscore.
func subjectOfKey(key string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		var b strings.Builder
		for _, c := range []byte(s) {
			switch c {
			case '_', '.', ':':
				b.WriteByte('_')
				b.WriteString(hex.EncodeToString([]byte{c}))
			default:
				b.WriteByte(c)
			}
		}
		if segments[i] = b.String(); s == "" {
			segments[i] = "_"
		}
	}
	return strings.Join(segments, ".")
}

var errSubject = errors.New("a key of the bucket is not ours")

// keyOfSubject is the reverse of subjectOfKey.
func keyOfSubject(subject string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(subject); i++ {
		switch c := subject[i]; {
		case c == '.':
			b.WriteByte('/')
		case c != '_':
			b.WriteByte(c)
		case i+1 == len(subject) || subject[i+1] == '.': // an empty segment
		default:
			if i+3 > len(subject) {
				return "", errSubject
			}
			v, err := hex.DecodeString(subject[i+1 : i+3])
			if err != nil {
				return "", errSubject
			}
			b.Write(v)
			i += 2
		}
	}
	return b.String(), nil
}
