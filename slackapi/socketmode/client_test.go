package socketmode_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/slackapi/socketmode"
)

const patience = 60 * time.Second

// A rig is a workspace in Socket Mode with an app that is connected to it.
type rig struct {
	t      *testing.T
	slack  *sandbox.Sandbox
	client *socketmode.Client
	stop   context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	events map[string]int // event id -> deliveries that were handled
	refuse func(n int) bool
	n      int
	logs   strings.Builder
}

func newRig(t *testing.T, o sandbox.Options, change ...func(*socketmode.Options)) *rig {
	t.Helper()
	r := &rig{t: t, ended: make(chan error, 1), events: map[string]int{}, refuse: func(int) bool { return false }}
	o.SocketMode, o.Empty = true, true
	var err error
	if r.slack, err = sandbox.New(o); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, closeSlack := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.slack.Serve(serving, l) }()
	api, err := slackapi.New(slackapi.Options{AppToken: sandbox.DefaultAppToken, URL: "http://" + l.Addr().String() + "/api/", Pace: 1000})
	if err != nil {
		t.Fatal(err)
	}
	so := socketmode.Options{Open: api.OpenConnection, Handle: r.handle, Logger: slog.New(slog.NewTextHandler(&lockedWriter{r: r}, nil))}
	for _, c := range change {
		c(&so)
	}
	if r.client, err = socketmode.New(so); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- r.client.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		closeSlack()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

type lockedWriter struct{ r *rig }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.logs.Write(p)
}

func (r *rig) handle(_ context.Context, e socketmode.Envelope) (json.RawMessage, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if r.refuse(r.n) {
		return nil, false
	}
	var p struct {
		EventID string `json:"event_id"`
		Type    string `json:"type"`
		Command string `json:"command"`
	}
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		r.t.Errorf("payload %s: %v", e.Payload, err)
	}
	r.events[p.EventID+p.Command]++
	if e.AcceptsAnswer {
		return json.RawMessage(`{"text":"` + e.Type + `"}`), true
	}
	return nil, true
}

func (r *rig) handled() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.events)
}

// eventually waits until fn is true.
func (r *rig) eventually(what string, fn func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !fn(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("%s did not come to be\n%s", what, r.logs.String())
		}
	}
}

func (r *rig) connected(n int) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d connections", n), func() bool { return r.slack.SocketConnections() == n && r.client.Connections() == n })
}

func (r *rig) say(n int) {
	r.t.Helper()
	for i := range n {
		if _, err := r.slack.PostAs("bob", "#general", fmt.Sprint("message ", i), sandbox.Saying{}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// settle waits for all deliveries and returns them.
func (r *rig) settle() []sandbox.Delivery {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := r.slack.Settle(ctx); err != nil {
		r.t.Fatal(err)
	}
	return r.slack.Deliveries()
}

func TestDeliveriesAreAcknowledgedWhenTheyAreStored(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{Speed: 10_000, AnswerWithin: time.Second})
	r.connected(socketmode.DefaultConnections)
	r.mu.Lock()
	r.refuse = func(n int) bool { return n%5 == 1 } // the store is in trouble at times
	r.mu.Unlock()
	r.say(10)
	handled := r.handled
	repeated := 0
	for _, d := range r.settle() {
		if d.State != sandbox.Delivered || handled()[d.EventID] < 1 {
			t.Errorf("delivery %s is %s, handled %d times", d.EventID, d.State, handled()[d.EventID])
		}
		repeated += len(d.Attempts) - 1
	}
	if repeated < 2 {
		t.Errorf("%d deliveries were repeated, want those that were not stored", repeated)
	}
}

func TestARefreshLosesNothing(t *testing.T) {
	t.Parallel()
	const n = socketmode.DefaultConnections
	r := newRig(t, sandbox.Options{Speed: 1000, AnswerWithin: patience})
	r.connected(n)
	for range 3 {
		r.say(20)
		end := r.slack.WarnSockets()
		r.say(20) // before the others are there
		r.connected(2 * n)
		r.say(20) // over old and new
		end()
		r.say(20)
		r.connected(n)
	}
	for _, d := range r.settle() {
		if d.State != sandbox.Delivered || r.handled()[d.EventID] < 1 {
			t.Errorf("delivery %s is %s, handled %d times: %+v", d.EventID, d.State, r.handled()[d.EventID], d.Attempts)
		}
		for _, a := range d.Attempts {
			if a.Reason == "connection_failed" {
				t.Errorf("delivery %s met no connection", d.EventID)
			}
		}
	}
}

func TestBrokenConnectionsComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{Speed: 1000})
	r.connected(socketmode.DefaultConnections)
	r.say(5)
	r.slack.BreakSockets()
	r.say(5)
	for _, d := range r.settle() {
		if r.handled()[d.EventID] < 1 {
			t.Errorf("delivery %s is %s: %+v", d.EventID, d.State, d.Attempts)
		}
	}
	r.connected(socketmode.DefaultConnections)
}

func TestInteractionsAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{})
	r.connected(socketmode.DefaultConnections)
	a, err := r.slack.Slash(t.Context(), "bob", "#general", "/lamp", "on")
	if err != nil || a.Status != 200 || string(a.Body) != `{"text":"slash_commands"}` {
		t.Errorf("the command was answered %+v, %v", a, err)
	}
	a, err = r.slack.Shortcut(t.Context(), "bob", "lamp")
	if err != nil || string(a.Body) != `{"text":"interactive"}` {
		t.Errorf("the shortcut was answered %+v, %v", a, err)
	}
}

func TestDisabledIsLoggedAndRetriedSlowly(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{})
	r.connected(socketmode.DefaultConnections)
	r.slack.SetSocketMode(false)
	r.state(socketmode.Disabled)
	r.logged("turn it on")
}

func TestTooManyConnectionsAreLoggedWithTheirRemedy(t *testing.T) {
	t.Parallel()
	var o socketmode.Options
	r := newRig(t, sandbox.Options{}, func(all *socketmode.Options) {
		all.Connections = socketmode.MaxConnections
		o = *all
	})
	r.connected(socketmode.MaxConnections)
	o.Connections = 1
	further, err := socketmode.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- further.Run(ctx) }()
	r.eventually("the state", func() bool { s, _ := further.State(); return s == socketmode.TooMany })
	r.logged("lower SOCKET_CONNECTIONS")
	if s, without := r.client.State(); s != socketmode.Connected || without != 0 {
		t.Errorf("with connections the state is %s, and there is none for %s", s, without)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStateSaysForHowLongThereIsNoConnection(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	r := newRig(t, sandbox.Options{}, func(o *socketmode.Options) {
		open := o.Open
		o.Open = func(ctx context.Context) (string, error) {
			if down.Load() {
				return "", errors.New("no way to slack")
			}
			return open(ctx)
		}
	})
	r.connected(socketmode.DefaultConnections)
	down.Store(true)
	r.slack.BreakSockets()
	r.state(socketmode.Connecting)
	_, first := r.client.State()
	r.eventually("more time without a connection", func() bool { _, later := r.client.State(); return later > first })
	down.Store(false)
	r.state(socketmode.Connected)
	for _, s := range []socketmode.State{socketmode.Connecting, socketmode.Refused, socketmode.Disabled, socketmode.TooMany} {
		if s.Remedy() == "" {
			t.Errorf("the state %s has no remedy", s)
		}
	}
}

// state waits for a state.
func (r *rig) state(want socketmode.State) {
	r.t.Helper()
	r.eventually("the state "+string(want), func() bool { s, _ := r.client.State(); return s == want })
}

// logged waits for words in the log.
func (r *rig) logged(words string) {
	r.t.Helper()
	r.eventually("the words "+words+" in the log", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return strings.Contains(r.logs.String(), words)
	})
}

func TestARefusedTokenIsLogged(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{}, func(o *socketmode.Options) {
		o.Open = func(context.Context) (string, error) { return "", errors.New("invalid_auth") }
		o.Permanent = func(error) bool { return true }
	})
	r.state(socketmode.Refused)
}

func TestAStopAcknowledgesWhatIsBeingHandled(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	r := newRig(t, sandbox.Options{AnswerWithin: patience}, func(o *socketmode.Options) {
		handle := o.Handle
		o.Handle = func(ctx context.Context, e socketmode.Envelope) (json.RawMessage, bool) {
			close(begun)
			<-goOn
			if ctx.Err() != nil {
				t.Error("the context of a delivery that is being handled ended with the stop")
			}
			return handle(ctx, e)
		}
	})
	r.connected(socketmode.DefaultConnections)
	r.say(1)
	<-begun
	r.stop()
	close(goOn)
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	for _, d := range r.settle() {
		if d.State != sandbox.Delivered || len(d.Attempts) != 1 {
			t.Errorf("delivery %+v, want it acknowledged", d)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	open := func(context.Context) (string, error) { return "", nil }
	handle := func(context.Context, socketmode.Envelope) (json.RawMessage, bool) { return nil, false }
	for _, o := range []socketmode.Options{
		{},
		{Open: open},
		{Handle: handle},
		{Open: open, Handle: handle, Connections: 11},
		{Open: open, Handle: handle, Connections: -1},
		{Open: open, Handle: handle, MaxBytes: -1},
	} {
		if _, err := socketmode.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
