package operate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/server/operate"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func newQueue(t *testing.T, ids ...string) *memory.Store {
	t.Helper()
	q, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	for _, id := range ids {
		if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Kind: event.Kind{Type: "message"}, ReceivedAt: time.Now(), Raw: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

func TestOnlyTheOwnerCanOpenIt(t *testing.T) {
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	serve(t, dir, newQueue(t))
	info, err := os.Lstat(operate.Path(dir))
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != fs.ModeSocket {
		t.Errorf("the socket is %v (%v), want a socket of mode 0600", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files beside the socket (%v), want none", len(left)-1, err)
	}
}

func TestPlaces(t *testing.T) {
	hello := func(dir string) *operate.Server {
		return operate.New(operate.Options{Path: operate.Path(dir), Queue: newQueue(t)})
	}
	t.Run("nobody there", func(t *testing.T) {
		if _, err := operate.Dial(t.Context(), operate.Path(shortDir(t))); !errors.Is(err, operate.ErrNoServer) {
			t.Errorf("Dial: %v, want ErrNoServer", err)
		}
	})
	t.Run("left by a process that was killed", func(t *testing.T) {
		dir := shortDir(t)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: operate.Path(dir), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		if _, err := operate.Dial(t.Context(), operate.Path(dir)); !errors.Is(err, operate.ErrNoServer) {
			t.Errorf("Dial: %v, want ErrNoServer", err)
		}
		serve(t, dir, newQueue(t))
	})
	t.Run("another server is there", func(t *testing.T) {
		dir := shortDir(t)
		first := serve(t, dir, newQueue(t))
		if err := hello(dir).Listen(t.Context()); !errors.Is(err, operate.ErrInUse) {
			t.Errorf("Listen: %v, want ErrInUse", err)
		}
		if _, err := first.Groups(t.Context()); err != nil {
			t.Errorf("the first server after the second tried: %v", err)
		}
	})
	t.Run("the path is too long", func(t *testing.T) {
		dir := filepath.Join(shortDir(t), strings.Repeat("long/", 20))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		err := hello(dir).Listen(t.Context())
		if !errors.Is(err, operate.ErrPath) || !strings.Contains(err.Error(), "choose a DATA_DIR of at most") {
			t.Errorf("Listen: %v, want ErrPath with the remedy", err)
		}
		if _, err := operate.Dial(t.Context(), operate.Path(dir)); !errors.Is(err, operate.ErrNoServer) {
			t.Errorf("Dial: %v, want ErrNoServer", err)
		}
	})
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	c := serve(t, shortDir(t), newQueue(t, "a"))
	ctx := t.Context()
	if _, err := c.Redrive(ctx, "nobody"); !errors.Is(err, queue.ErrNoGroup) {
		t.Errorf("Redrive: %v, want ErrNoGroup", err)
	}
	if _, err := c.Get(ctx, "slack", "nothing"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	_, err := c.History(ctx, event.Query{After: event.NewPosition("elsewhere", 1)})
	if expired, ok := errors.AsType[*event.CursorExpiredError](err); !ok || expired.Oldest == "" {
		t.Errorf("History: %v, want a CursorExpiredError with the oldest position", err)
	}
	if _, err := operate.Ask[int](ctx, c, "no/such", nil); !errors.Is(err, operate.ErrUnknownRoute) {
		t.Errorf("an unknown route: %v, want ErrUnknownRoute", err)
	}
	if _, err := operate.Ask[int](ctx, c, "replay", "no object"); !errors.Is(err, operate.ErrRequest) {
		t.Errorf("a body of another kind: %v, want ErrRequest", err)
	}
	if _, err := operate.Ask[int](ctx, c, "replay", map[string]string{"group": strings.Repeat("x", 2<<20)}); !errors.Is(err, operate.ErrRequest) {
		t.Errorf("a body of 2 MiB: %v, want ErrRequest", err)
	}
}

func TestOrderIsNotKeptOverTheSocket(t *testing.T) {
	q := newQueue(t)
	dir := shortDir(t)
	c := serve(t, dir, q)
	g := queue.Group{Name: "g", Key: func(e *event.Event) string { return e.Channel }}
	err := c.Consume(t.Context(), g, func(context.Context, queue.Delivery) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "cannot be ordered over the socket") {
		t.Errorf("Consume with a key: %v, want it refused", err)
	}
	if groups, err := c.Groups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("groups %v, %v, want none registered", groups, err)
	}
}

// TestAConsumerThatDies: what it held has failed, and another one is given it.
func TestAConsumerThatDies(t *testing.T) {
	q := newQueue(t, "a", "b")
	dir := shortDir(t)
	serve(t, dir, q)
	group := queue.Group{Name: "g", Workers: 2, Policy: queue.Policy{Base: time.Millisecond, Jitter: -1}}

	// A consumer that takes deliveries and is gone before it says how they went.
	raw, err := net.Dial("unix", operate.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"name":"g","start":{},"filter":{},"workers":2,"deadline":60000000000,"drain":0,"policy":{"Base":1000000,"Jitter":-1}}`
	fmt.Fprintf(raw, "POST /v1/consume HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	got := make([]byte, 0, 8192)
	for strings.Count(string(got), `"lease"`) < 2 {
		b := make([]byte, 4096)
		n, err := raw.Read(b)
		if err != nil {
			t.Fatalf("read: %v after %s", err, got)
		}
		got = append(got, b[:n]...)
	}
	raw.Close()

	second, err := operate.Dial(t.Context(), operate.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var mu sync.Mutex
	attempts := map[string][]int{}
	err = second.Consume(ctx, group, func(_ context.Context, d queue.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		attempts[d.Event.ID] = append(attempts[d.Event.ID], d.Attempt)
		if len(attempts) == 2 {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Consume: %v", err)
	}
	if got := fmt.Sprint(attempts); got != "map[a:[2] b:[2]]" {
		t.Errorf("attempts of the second consumer: %s, want the second of each", got)
	}
}

// TestAStoppingServer lets a consumer finish what it holds, and then tells it.
func TestAStoppingServer(t *testing.T) {
	q := newQueue(t, "a")
	dir := shortDir(t)
	s := operate.New(operate.Options{Path: operate.Path(dir), Queue: q})
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	c, err := operate.Dial(t.Context(), operate.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Consume(t.Context(), queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error {
		stop()
		<-time.After(100 * time.Millisecond) // the server waits for this
		return nil
	})
	if !errors.Is(err, queue.ErrClosed) {
		t.Errorf("Consume on a server that stops: %v, want ErrClosed", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Groups[0].Done != 1 {
		t.Errorf("after the stop: %+v, %v, want the event done", stats.Groups, err)
	}
	if _, err := os.Lstat(operate.Path(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket after the stop: %v, want none", err)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	c := serve(t, shortDir(t), newQueue(t))
	ctx, stop := context.WithCancel(t.Context())
	results := make(chan error, 200)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { results <- c.Tail(ctx, queue.Start{}, func(event.Event) error { return nil }) })
	}
	for range 36 { // of 100, 64 are served
		if err := <-results; !errors.Is(err, operate.ErrBusy) {
			t.Errorf("one tail too many: %v, want ErrBusy", err)
		}
	}
	stop()
	wg.Wait()
	if _, err := c.Groups(t.Context()); err != nil {
		t.Errorf("after the tails: %v", err)
	}
}

func TestAddedRoutes(t *testing.T) {
	type in struct{ N int }
	dir := shortDir(t)
	s := operate.New(operate.Options{Path: operate.Path(dir), Queue: newQueue(t)})
	s.Handle("double", operate.Call(func(_ context.Context, v in) (int, error) {
		if v.N < 0 {
			return 0, errors.New("below zero")
		}
		return 2 * v.N, nil
	}))
	s.Handle("count", operate.Stream(func(_ context.Context, v in, send func(int) error) error {
		for i := range v.N {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- s.Serve(ctx) }()
	defer func() { stop(); <-ended }() //nolint:errcheck // it has ended
	c, err := operate.Dial(t.Context(), operate.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := operate.Ask[int](t.Context(), c, "double", in{21}); n != 42 || err != nil {
		t.Errorf("Ask: %d, %v, want 42", n, err)
	}
	if _, err := operate.Ask[int](t.Context(), c, "double", in{-1}); err == nil || !strings.Contains(err.Error(), "below zero") {
		t.Errorf("Ask: %v, want the route's error", err)
	}
	sum := 0
	if err := operate.Follow(t.Context(), c, "count", in{5}, func(i int) error { sum += i; return nil }); err != nil || sum != 10 {
		t.Errorf("Follow: sum %d, %v, want 10", sum, err)
	}
}

// FuzzRequest holds the routes to refusing, and never to ending, whatever is posted.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{`{"group":"g","at":["e-0000000000000001"]}`, `{"filter":{"since":[1,2]}}`, `[]`, `{"id":{"bytes":"/w=="}}`, `null`} {
		for _, route := range []string{"events/list", "events/get", "dead-letters/list", "replay", "consume/settle"} {
			f.Add(route, []byte(body))
		}
	}
	q, err := memory.New(memory.Options{})
	if err != nil {
		f.Fatal(err)
	}
	c := serve(f, shortDir(f), q)
	_ = c
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.Path())
	}}}
	f.Fuzz(func(t *testing.T, route string, body []byte) {
		if strings.ContainsAny(route, "? #%\x00\n") || route == "consume" || route == "events/tail" {
			return
		}
		req, err := http.NewRequest(http.MethodPost, "http://operator/v1/"+route, strings.NewReader(string(body)))
		if err != nil {
			return
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", route, err)
		}
		res.Body.Close()
	})
}
