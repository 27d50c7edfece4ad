package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// Headers of a value.
const (
	// writerHeader tells one write from another, also where the server lost its end and
	// gives a revision again.
	writerHeader = "Slack-Webhook-Server-Writer"
	// expiresHeader is when the value is over, in Unix milliseconds of the server's clock:
	// the server removes it a second later at most.
	expiresHeader = "Slack-Webhook-Server-Expires"
)

// A held is what the bucket has under a key.
type held struct {
	state.Entry

	rev  uint64 // of the value or of its removal; 0 is never written
	live bool
}

// tries bounds how often a write is decided anew because another came between.
const tries = 16

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, key string) (e state.Entry, err error) {
	if err := values.CheckKey(key); err != nil {
		return e, err
	}
	err = s.do(ctx, "get", func(ctx context.Context, b *bucket) error {
		h, err := s.read(ctx, b, key)
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
func (s *Store) Put(ctx context.Context, key string, value []byte, p state.Put) (version string, err error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	err = s.do(ctx, "put", func(ctx context.Context, b *bucket) error {
		if !p.IfAbsent && p.IfVersion == "" {
			version, err = s.write(ctx, b, key, value, p.TTL)
			return err
		}
		return s.decide(ctx, b, key, func(h held) error {
			if p.IfAbsent && h.live || p.IfVersion != "" && (!h.live || h.Version != p.IfVersion) {
				return state.ErrConflict
			}
			version, err = s.write(ctx, b, key, value, p.TTL, jetstream.WithExpectLastSequencePerSubject(h.rev))
			return err
		})
	})
	return version, err
}

// Delete implements state.Store.
func (s *Store) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	return s.do(ctx, "delete", func(ctx context.Context, b *bucket) error {
		return s.decide(ctx, b, key, func(h held) error {
			switch {
			case !h.live:
				return state.ErrNotFound
			case ifVersion != "" && h.Version != ifVersion:
				return state.ErrConflict
			}
			return b.kv.Purge(ctx, subject(key), jetstream.LastRevision(h.rev), jetstream.PurgeTTL(markerTTL))
		})
	})
}

// decide reads a key and lets fn act on it, again when another write came between.
func (s *Store) decide(ctx context.Context, b *bucket, key string, fn func(held) error) error {
	for range tries {
		h, err := s.read(ctx, b, key)
		if err != nil {
			return err
		}
		if err := fn(h); !overtaken(err) {
			return err
		}
	}
	return state.ErrConflict
}

// overtaken reports whether a write was refused because of another one.
func overtaken(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// write puts a value and returns its version.
func (s *Store) write(ctx context.Context, b *bucket, key string, value []byte, ttl time.Duration, opts ...jetstream.PublishOpt) (string, error) {
	writer := rand.Text()[:10]
	m := natsgo.NewMsg("$KV." + s.bucket + "." + subject(key))
	m.Data = value
	m.Header.Set(writerHeader, writer)
	if ttl > 0 {
		m.Header.Set(expiresHeader, strconv.FormatInt(time.Now().Add(ttl+b.ahead).UnixMilli(), 10))
		whole := (ttl + time.Second - 1).Truncate(time.Second) // the server's unit
		opts = append(opts, jetstream.WithMsgTTL(whole))
	}
	ack, err := s.js.PublishMsg(ctx, m, opts...)
	if err != nil {
		return "", err
	}
	return version(ack.Sequence, writer), nil
}

func version(rev uint64, writer string) string { return strconv.FormatUint(rev, 10) + "-" + writer }

// read asks the server that takes the bucket's writes for a key.
func (s *Store) read(ctx context.Context, b *bucket, key string) (held, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": "$KV." + s.bucket + "." + subject(key)})
	if err != nil {
		return held{}, err
	}
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET.KV_"+s.bucket, body)
	if err != nil {
		return held{}, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq     uint64 `json:"seq"`
			Headers []byte `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return held{}, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return held{}, nil
		}
		return held{}, answer.Error
	}
	h := held{Entry: state.Entry{Key: key, Value: answer.Message.Data}, rev: answer.Message.Seq}
	if h.Value == nil {
		h.Value = []byte{}
	}
	header, err := natsgo.DecodeHeadersMsg(answer.Message.Headers)
	if err != nil {
		return held{}, err
	}
	writer := header.Get(writerHeader)
	h.Version, h.live = version(h.rev, writer), writer != "" // what removes a key has none
	if at := header.Get(expiresHeader); at != "" {
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return held{}, err
		}
		h.ExpiresAt = time.UnixMilli(ms).Add(-b.ahead)
		h.live = h.live && time.Now().Before(h.ExpiresAt)
	}
	return h, nil
}

// parallel is how many values of a listing are asked for at once.
const parallel = 16

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) (list []state.Entry, err error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	limit = values.Limit(limit)
	err = s.do(ctx, "list", func(ctx context.Context, b *bucket) error {
		keys, err := s.keys(ctx, b, prefix, after)
		for err == nil && len(list) < limit && len(keys) > 0 {
			n := min(limit-len(list), len(keys))
			var part []state.Entry
			part, err = s.values(ctx, b, keys[:n])
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
func (s *Store) keys(ctx context.Context, b *bucket, prefix, after string) ([]string, error) {
	pre := "$KV." + s.bucket + "."
	info, err := b.stream.Info(ctx, jetstream.WithSubjectFilter(pre+filter(prefix)))
	if err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	var keys []string
	for sub := range info.State.Subjects {
		key, err := keyOf(strings.TrimPrefix(sub, pre))
		if err == nil && key >= low && key < high {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// values reads keys, in their order, and leaves out those without a value.
func (s *Store) values(ctx context.Context, b *bucket, keys []string) ([]state.Entry, error) {
	all := make([]held, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, key := range keys {
		g.Go(func() (err error) {
			all[i], err = s.read(ctx, b, key)
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
