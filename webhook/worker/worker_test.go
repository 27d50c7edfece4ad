package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/worker"
)

// A rig is a mux over a memory queue, within synctest.
type rig struct {
	t   *testing.T
	q   *memory.Store
	mux *worker.Mux
	mu  sync.Mutex
	log []string
}

func newRig(t *testing.T, o worker.Options) *rig {
	t.Helper()
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	if o.Group.Policy == (queue.Policy{}) {
		o.Group.Policy = queue.Policy{MaxAttempts: 3, Base: time.Second, Jitter: -1}
	}
	return &rig{t: t, q: q, mux: worker.New(o)}
}

// on registers a handler that notes its name and returns what the function says for
// the nth call, counted from 1.
func (r *rig) on(pattern, name string, fn func(n int) error, opts ...worker.Option) {
	r.t.Helper()
	n := 0
	err := r.mux.On(pattern, func(context.Context, *event.Event) error {
		r.mu.Lock()
		n++
		call := n
		r.log = append(r.log, fmt.Sprintf("%s %d", name, call))
		r.mu.Unlock()
		return fn(call)
	}, opts...)
	if err != nil {
		r.t.Fatal(err)
	}
}

func always(err error) func(int) error { return func(int) error { return err } }

// run publishes events and works them for a while.
func (r *rig) run(d time.Duration, events ...event.Event) {
	r.t.Helper()
	for i, e := range events {
		e.Source, e.ID, e.Raw = "slack", fmt.Sprintf("Ev%d", i), []byte("{}")
		if _, err := r.q.Publish(r.t.Context(), e); err != nil {
			r.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	if err := r.mux.Run(ctx, r.q); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) want(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.log); diff != "" {
		r.t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// dead returns the reasons of a group's dead letters.
func (r *rig) dead(group string) []string {
	r.t.Helper()
	letters, err := r.q.DeadLetters(context.WithoutCancel(r.t.Context()), group, queue.LetterQuery{})
	if err != nil {
		r.t.Fatal(err)
	}
	var reasons []string
	for _, l := range letters {
		reasons = append(reasons, fmt.Sprintf("%d: %s", l.Attempts, l.Reason))
	}
	return reasons
}

func message(subtype, channelType string) event.Event {
	return event.Event{Kind: event.Kind{Type: "message", Subtype: subtype}, ChannelType: channelType}
}

var errBad = errors.New("bad")

func TestEventsReachMatchingHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, worker.Options{Group: queue.Group{Workers: 1}})
		for _, p := range []string{"*", "message", "message/", "message/channel_join", "message.channels", "message.im", "reaction_added"} {
			r.on(p, p, always(nil))
		}
		r.run(time.Second, message("", "channel"), message("channel_join", "group"), event.Event{Kind: event.Kind{Type: "hologram"}})
		r.want("* 1", "message 1", "message/ 1", "message.channels 1", "* 2", "message 2", "message/channel_join 1", "* 3")
	})
}

func TestEachGroupHasItsOwnFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, worker.Options{Group: queue.Group{Workers: 1}})
		r.on("message", "good", always(nil))
		r.on("message", "bad", always(errBad), worker.InGroup("audit"))
		r.run(time.Minute, message("", ""))
		if got := r.mux.Groups(); !cmp.Equal(got, []string{"handlers", "audit"}) {
			t.Errorf("Groups() = %v", got)
		}
		if got := r.dead("audit"); !cmp.Equal(got, []string{"3: message: bad"}) {
			t.Errorf("audit's dead letters are %q", got)
		}
		if got := r.dead("handlers"); got != nil {
			t.Errorf("handlers' dead letters are %q, want none", got)
		}
		calls := strings.Join(r.log, ",")
		if strings.Count(calls, "good") != 1 || strings.Count(calls, "bad") != 3 {
			t.Errorf("calls %v, want good once and bad three times", r.log)
		}
	})
}

func TestHandlersOfAGroupShareAnAttempt(t *testing.T) {
	permanent := queue.Permanent(errBad)
	tests := []struct {
		name string
		a, b func(n int) error
		want []string
		dead []string
	}{
		{"both work", always(nil), always(nil), []string{"a 1", "b 1"}, nil},
		{"one fails once, the other is not called again", func(n int) error {
			if n == 1 {
				return errBad
			}
			return nil
		}, always(nil), []string{"a 1", "b 1", "a 2"}, nil},
		{"one fails always", always(nil), always(errBad), []string{"a 1", "b 1", "b 2", "b 3"}, []string{"3: message: bad"}},
		{"one gives up at once", always(permanent), always(nil), []string{"a 1", "b 1"}, []string{"1: *: bad"}},
		{"one gives up, the other has its attempts all the same", always(permanent), func(n int) error {
			if n < 3 {
				return errBad
			}
			return nil
		}, []string{"a 1", "b 1", "b 2", "b 3"}, []string{"3: *: bad"}},
		{"one panics", func(int) error { panic("oh no") }, always(nil), []string{"a 1", "b 1", "a 2", "a 3"}, []string{"3: *: handler panicked: oh no"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, worker.Options{})
				r.on("*", "a", tt.a)
				r.on("message", "b", tt.b)
				r.run(time.Minute, message("", ""))
				r.want(tt.want...)
				if got := r.dead(worker.DefaultGroup); !cmp.Equal(got, tt.dead) {
					t.Errorf("dead letters %q, want %q", got, tt.dead)
				}
			})
		})
	}
}

func TestLongestPauseOfAGroupIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		r := newRig(t, worker.Options{})
		r.on("*", "short", func(int) error {
			at = append(at, time.Since(begin))
			return queue.RetryAfter(errBad, 5*time.Second)
		})
		r.on("*", "long", always(queue.RetryAfter(errBad, 20*time.Second)))
		r.run(25*time.Second, message("", ""))
		if want := []time.Duration{0, 20 * time.Second}; !cmp.Equal(at, want) {
			t.Errorf("attempts at %v, want %v", at, want)
		}
	})
}

func TestRedriveCallsEveryHandlerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, worker.Options{})
		r.on("*", "a", always(nil))
		r.on("*", "b", func(n int) error {
			if n <= 3 {
				return errBad
			}
			return nil
		})
		go func() {
			time.Sleep(time.Minute)
			letters, err := r.q.DeadLetters(t.Context(), worker.DefaultGroup, queue.LetterQuery{})
			if err != nil || len(letters) != 1 {
				t.Errorf("%d dead letters, %v, want 1", len(letters), err)
				return
			}
			if _, err := r.q.Redrive(t.Context(), worker.DefaultGroup, letters[0].Event.Position); err != nil {
				t.Error(err)
			}
		}()
		r.run(2*time.Minute, message("", ""))
		r.want("a 1", "b 1", "b 2", "b 3", "a 2", "b 4")
	})
}

func TestADeadlineIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, worker.Options{Group: queue.Group{Deadline: time.Second, Policy: queue.Policy{MaxAttempts: 1}}})
		err := r.mux.On("*", func(ctx context.Context, _ *event.Event) error {
			<-ctx.Done()
			return nil // as if all were well
		})
		if err != nil {
			t.Fatal(err)
		}
		r.run(time.Minute, message("", ""))
		if got := r.dead(worker.DefaultGroup); len(got) != 1 {
			t.Errorf("dead letters %q, want the event whose handler took too long", got)
		}
	})
}

func TestCallsAreObservedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var seen []worker.Observation
		r := newRig(t, worker.Options{
			Group:  queue.Group{Workers: 1, Policy: queue.Policy{MaxAttempts: 2, Base: time.Second, Jitter: -1}},
			Logger: slog.New(slog.NewTextHandler(&out, nil)), OnHandled: func(_ context.Context, o worker.Observation) { seen = append(seen, o) },
		})
		r.on("message", "a", func(n int) error {
			if n == 1 {
				panic(fmt.Errorf("deep: %w", errBad))
			}
			return nil
		})
		r.run(time.Minute, message("x", ""))
		if len(seen) != 2 || seen[0].Attempt != 1 || seen[1].Attempt != 2 || seen[1].Err != nil || seen[0].Kind.String() != "message/x" {
			t.Errorf("observed %+v", seen)
		}
		if p, ok := errors.AsType[*worker.PanicError](seen[0].Err); !ok || !errors.Is(p, errBad) || len(p.Stack) == 0 {
			t.Errorf("observed %v, want the panic with its cause and stack", seen[0].Err)
		}
		if log := out.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "event_id=Ev0") || !strings.Contains(log, "attempt=1") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestFirstHandlerDescribesItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, worker.Options{Group: queue.Group{Workers: 1, Deadline: time.Minute}})
		slow := func(int) error {
			<-time.After(10 * time.Second)
			return nil
		}
		r.on("message", "slow", slow, worker.InGroup("own"), worker.Attempts(2), worker.Deadline(2*time.Second), worker.Workers(2))
		r.on("message/x", "too", always(nil), worker.InGroup("own"))
		r.on("message", "shared", slow)
		r.run(5*time.Minute, message("", ""), message("", ""))
		if got := r.dead("own"); len(got) != 2 || !strings.HasPrefix(got[0], "2: ") {
			t.Errorf("dead letters %q, want both events after two attempts that were too long", got)
		}
		if got := r.dead(worker.DefaultGroup); got != nil {
			t.Errorf("the shared group has dead letters %q", got)
		}
	})
}

func TestOrderByChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, worker.Options{Group: queue.Group{Workers: 8}})
		in := func(channel string) event.Event {
			e := message("", "")
			e.Channel = channel
			return e
		}
		var order []string
		err := r.mux.On("message", func(_ context.Context, e *event.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.log = append(r.log, e.ID)
			if e.ID == "Ev0" && len(r.log) < 3 {
				return errBad
			}
			order = append(order, e.Channel+e.ID)
			return nil
		}, worker.InGroup("ordered"), worker.Ordered(worker.ByChannel))
		if err != nil {
			t.Fatal(err)
		}
		r.run(time.Minute, in("C1"), in("C1"), in("C2"), in("C1"), in(""))
		at := func(s string) int { return slices.Index(order, s) }
		if len(order) != 5 || at("C1Ev0") > at("C1Ev1") || at("C1Ev1") > at("C1Ev3") || at("C2Ev2") > at("C1Ev0") || at("Ev4") > at("C1Ev0") {
			t.Errorf("done in the order %v", order)
		}
	})
}

func TestLongPanicsAreCut(t *testing.T) {
	e := &worker.PanicError{Value: strings.Repeat("x", 1000)}
	if n := len(e.Error()); n > 250 {
		t.Errorf("the error has %d bytes", n)
	}
}

func TestOnChecksItsArguments(t *testing.T) {
	nop := func(context.Context, *event.Event) error { return nil }
	mux := worker.New(worker.Options{})
	for name, err := range map[string]error{
		"an empty pattern": mux.On("", nop),
		"a false kin":      mux.On("message.channel", nop),
		"no function":      mux.On("message", nil),
		"an ill group":     mux.On("message", nop, worker.InGroup("no spaces")),
		"an empty group":   mux.On("message", nop, worker.InGroup("")),
		"no group at all":  mux.On("message", nop, worker.Attempts(3)),
		"a false deadline": mux.On("message", nop, worker.InGroup("a"), worker.Deadline(-1)),
		"false attempts":   mux.On("message", nop, worker.InGroup("a"), worker.Attempts(-1)),
		"a group that is described twice": errors.Join(
			mux.On("message", nop, worker.InGroup("twice"), worker.Attempts(3)), mux.On("message", nop, worker.InGroup("twice"), worker.Attempts(4))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	mux = worker.New(worker.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := mux.Run(ctx, nil); err != nil {
		t.Errorf("Run without handlers: %v", err)
	}
	if err := mux.On("message", nop); err == nil {
		t.Error("On after Run: no error")
	}
}

// A failing consumer cannot consume one group.
type failing struct{ group string }

func (f failing) Consume(ctx context.Context, g queue.Group, _ queue.Handler) error {
	if g.Name == f.group {
		return queue.ErrClosed
	}
	<-ctx.Done()
	return nil
}

func TestAGroupThatFailsEndsRun(t *testing.T) {
	mux := worker.New(worker.Options{})
	nop := func(context.Context, *event.Event) error { return nil }
	if err := errors.Join(mux.On("*", nop), mux.On("*", nop, worker.InGroup("broken"))); err != nil {
		t.Fatal(err)
	}
	if err := mux.Run(t.Context(), failing{"broken"}); !errors.Is(err, queue.ErrClosed) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Run: %v, want ErrClosed with the group's name", err)
	}
}
