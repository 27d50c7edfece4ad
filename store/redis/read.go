package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// History reads one page; see queue.Queue. Between the pieces of a long page others may
// write.
func (q *Store) History(ctx context.Context, query event.Query) (event.Page, error) {
	if err := q.life.Check(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	p, err := remote.History(ctx, storeLog{q}, query)
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// Tail follows the log; see queue.Queue. While Redis is away it waits.
func (q *Store) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := q.life.Enter("tail"); err != nil {
		return err
	}
	defer q.life.Leave()
	defer q.notifier.join(ctx)()
	return remote.Tail(ctx, q.life, storeLog{q}, q.o.Logger, from, fn)
}

// storeLog is the log as a reader sees it.
type storeLog struct{ q *Store }

// Start implements remote.Log.
func (l storeLog) Start(ctx context.Context, s queue.Start) (eventlog.Bounds, int64, error) {
	return l.q.start(ctx, s)
}

// Read implements remote.Log.
func (l storeLog) Read(ctx context.Context, p remote.Piece) (eventlog.Bounds, []event.Event, error) {
	b, events, err := l.q.read(ctx, p)
	if p.NoBodies && errors.Is(err, remote.ErrShort) {
		p.NoBodies = false // the fields of one are very long
		return l.q.read(ctx, p)
	}
	return b, events, err
}

// Wait implements remote.Log.
func (l storeLog) Wait(ctx context.Context, after int64) { l.q.notifier.wait(ctx, after, idle) }

// head is how many bytes of a record are read where bodies are not needed. The fields
// come first.
const head = 4 << 10

// read returns the events of a piece, and the bounds of the log at that moment. Without
// bodies it fails with remote.ErrShort where the fields of one are longer than head.
func (q *Store) read(ctx context.Context, p remote.Piece) (eventlog.Bounds, []event.Event, error) {
	up, most := 1, math.MaxInt32
	if p.Back {
		up = 0
	}
	if p.NoBodies {
		most = head
	}
	v, err := q.eval(ctx, readScript, []string{q.keys.meta, q.keys.log}, p.From, p.To, up, p.N, most)
	if err != nil {
		return eventlog.Bounds{}, nil, err
	}
	r := reply{list: v}
	b := r.bounds()
	list := r.sub()
	events := make([]event.Event, 0, len(list.list)/2)
	for len(list.list) > 0 && list.err == nil {
		seq := list.number()
		events = append(events, list.event(b.Epoch, seq))
	}
	if err := cmp.Or(r.err, list.err); err != nil {
		return eventlog.Bounds{}, nil, fmt.Errorf("redis: %w", err)
	}
	q.noticed(b.Epoch, b.Last)
	return b, events, nil
}

// start finds behind which sequence number a reader begins, and the bounds of the log. A
// start that is not kept is an expiry error.
func (q *Store) start(ctx context.Context, s queue.Start) (eventlog.Bounds, int64, error) {
	kind, value, epoch, ok := startArgs(s)
	if !ok {
		value = -1
	}
	v, err := q.eval(ctx, startScript, []string{q.keys.meta, q.keys.log}, kind, value, epoch)
	if err != nil {
		return eventlog.Bounds{}, 0, err
	}
	r := reply{list: v}
	b := r.bounds()
	at := r.number()
	if r.err != nil {
		return eventlog.Bounds{}, 0, fmt.Errorf("redis: %w", r.err)
	}
	if at < 0 {
		return b, 0, b.Expired()
	}
	return b, at, nil
}

// startArgs writes a start as the scripts read it; false is an ill-formed position.
func startArgs(s queue.Start) (kind string, value int64, epoch string, ok bool) {
	switch {
	case s.After != "":
		seq, ok := s.After.Seq()
		const most = 1 << 53
		if !ok || seq >= most {
			return "after", -1, s.After.Epoch(), false
		}
		return "after", int64(seq), s.After.Epoch(), true
	case !s.Since.IsZero():
		return "since", s.Since.UnixMicro(), "", true
	case s.Now:
		return "now", 0, "", true
	}
	return "oldest", 0, "", true
}

// Get returns the stored event; see queue.Queue.
func (q *Store) Get(ctx context.Context, source, id string) (event.Event, error) {
	if err := q.life.Check(ctx, "get"); err != nil {
		return event.Event{}, err
	}
	digest := eventlog.KeyOf(source, id)
	v, err := q.eval(ctx, getScript, []string{q.keys.meta, q.keys.log, q.keys.ids}, digest[:])
	if err != nil {
		return event.Event{}, fmt.Errorf("get: %w", err)
	}
	if len(v) == 0 {
		return event.Event{}, fmt.Errorf("get: %w", event.ErrNotFound)
	}
	r := reply{list: v}
	epoch := r.text()
	e := r.event(epoch, r.number())
	if r.err != nil {
		return event.Event{}, fmt.Errorf("get: redis: %w", r.err)
	}
	return e, nil
}

// idle is how long a reader or a consumer believes that nothing happened without asking.
const idle = 2 * time.Second

// A notifier reads the end of the log on a connection of its own while some reader or
// consumer of this process waits for more: one blocked read serves all of them.
type notifier struct {
	*remote.Notifier

	log     string // the stream's key
	connect func() goredis.UniversalClient
	wanted  chan struct{} // holds a token when a caller began to wait

	mu     sync.Mutex
	joined int
	stop   func() // ends the listening and waits for it
}

// join keeps the notifier listening until leave is called, which waits for its end when it
// is the last.
func (n *notifier) join(ctx context.Context) (leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.joined++
	if n.joined == 1 {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var listening sync.WaitGroup
		listening.Go(func() { n.listen(ctx) })
		n.stop = func() {
			cancel()
			listening.Wait()
		}
	}
	return func() {
		stop := func() {}
		n.mu.Lock()
		n.joined--
		if n.joined == 0 {
			stop = n.stop
		}
		n.mu.Unlock()
		stop()
	}
}

// wait returns when the log has something behind a sequence number, at the latest after
// most.
func (n *notifier) wait(ctx context.Context, after int64, most time.Duration) {
	n.Wait(ctx, after, most, func() {
		select {
		case n.wanted <- struct{}{}:
		default:
		}
	})
}

// block is how long Redis holds a read that finds nothing.
const block = 5 * time.Second

// listen reads behind what is known whenever a caller began to wait.
func (n *notifier) listen(ctx context.Context) {
	client := n.connect()
	defer closeWith(ctx, client)()
	outage := remote.NewOutage(slog.New(slog.DiscardHandler), "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wanted:
		}
		if err := n.read(ctx, client); err == nil {
			outage.Over(ctx)
		} else if !outage.Wait(ctx, err) {
			return
		}
	}
}

// read waits for an event behind what is known, and notifies.
func (n *notifier) read(ctx context.Context, client goredis.UniversalClient) error {
	from := strconv.FormatInt(n.Last(), 10) + "-" + strconv.FormatUint(math.MaxUint64, 10)
	streams, err := client.XRead(ctx, &goredis.XReadArgs{Streams: []string{n.log, from}, Count: 1, Block: block}).Result()
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	text, _, _ := strings.Cut(streams[0].Messages[0].ID, "-")
	seq, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	n.Notify(seq)
	return nil
}

// closeWith closes a client when ctx ends, which is what ends a blocked read, and returns a
// function that waits for that.
func closeWith(ctx context.Context, client goredis.UniversalClient) (wait func()) {
	var closing sync.WaitGroup
	closing.Go(func() {
		<-ctx.Done()
		_ = client.Close()
	})
	return closing.Wait
}
