package e2e_test

import (
	"cmp"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestSubscribers has a hundred subscribers, of whom one hangs, one answers 500 and one is
// gone, and kills the process in the middle: the others get every event that was
// acknowledged, in the order of the store, and none twice within one life of the
// process. With PUSH_RATE (events a second) set, each has to have it within a second
// too, until the kill. PUSH_EVENTS makes it longer.
func TestSubscribers(t *testing.T) {
	events, rate := number(t, "PUSH_EVENTS", 60), number(t, "PUSH_RATE", 0)
	o := options{data: t.TempDir(), port: freePort(t), env: []string{"LOG_LEVEL=warning"}}
	p := pushing(t, o)
	free := make(chan struct{})
	hung := make(chan struct{}, 1000)
	odd := []*subscriber{
		newSubscriber(t, func(string) int { hung <- struct{}{}; <-free; return http.StatusOK }),
		newSubscriber(t, func(string) int { return http.StatusInternalServerError }),
		newSubscriber(t, func(string) int { return http.StatusGone }),
	}
	t.Cleanup(func() { close(free) })
	var good []*subscriber
	for range 97 {
		good = append(good, newSubscriber(t, nil))
	}
	for _, s := range slices.Concat(odd, good) {
		p.must("events/subscribe", s.subscription())
	}

	acked := make([]time.Time, events)
	send := func(p *process, from, to int) {
		pace := time.NewTicker(max(time.Second/time.Duration(max(rate, 1)), time.Nanosecond))
		defer pace.Stop()
		for i := from; i < to; i++ {
			if rate > 0 {
				<-pace.C
			}
			if err := p.say(pushID(i), "hello"); err != nil {
				t.Fatalf("event %d: %v\n%s", i, err, p.logs)
			}
			acked[i] = time.Now()
		}
	}
	half := events / 2
	send(p, 0, half)
	<-hung // the kill falls on a delivery that is under way
	p.kill()
	killed := time.Now()
	p = pushing(t, o)
	send(p, half, events)
	for _, s := range good {
		eventually(t, 2*time.Minute, func() error { return s.lacks(0, events) })
	}
	late := 0
	for i, s := range good {
		s.judge(t, i, events, killed)
		late += s.late(acked[:half/2], time.Second)
	}
	t.Logf("%d events to %d subscribers, %d of %d later than a second", events, len(good), late, half/2*len(good))
	if rate > 0 && late > 0 {
		t.Errorf("%d deliveries took more than a second", late)
	}
	if s := odd[1]; len(s.got()) > 0 || s.count() == 0 {
		t.Errorf("the one that fails: accepted %v", s.got())
	}
}

func (s *subscriber) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries)
}

type missing string

func (m missing) Error() string { return "still without " + string(m) }

// lacks is nil once every event arrived.
func (s *subscriber) lacks(from, to int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := from; i < to; i++ {
		if s.tries[pushID(i)] == 0 {
			return missing(pushID(i))
		}
	}
	return nil
}

// judge holds what arrived against what was sent, and against the kill between.
func (s *subscriber) judge(t *testing.T, i, events int, killed time.Time) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range s.problems {
		t.Errorf("%d: %s", i, what)
	}
	cut, _ := slices.BinarySearchFunc(s.at, killed, func(a, b time.Time) int { return cmp.Compare(a.UnixNano(), b.UnixNano()) })
	for life, ids := range [][]string{s.accepted[:cut], s.accepted[cut:]} {
		if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Errorf("%d, life %d: out of order, or twice: %v", i, life, ids)
		}
	}
	seen := map[string]bool{}
	for _, id := range s.accepted {
		seen[id] = true
	}
	if len(seen) != events {
		t.Errorf("%d: %d of %d events", i, len(seen), events)
	}
}

// late counts what of the events acknowledged at some instants took longer than d.
func (s *subscriber) late(acked []time.Time, d time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i, at := range acked {
		if j := slices.Index(s.accepted, pushID(i)); j < 0 || s.at[j].Sub(at) > d {
			n++
		}
	}
	return n
}

// TestSubscribersOutlive restarts: a subscription is delivered to again after an orderly
// end, nothing twice, and it ends with the token that it was made with.
func TestSubscribersOutlive(t *testing.T) {
	for _, backend := range []string{"sqlite", "redis", "nats"} {
		t.Run(backend, func(t *testing.T) {
			o := options{data: t.TempDir(), port: freePort(t), env: backendEnv(t, backend)}
			p := pushing(t, o)
			s := newSubscriber(t, nil)
			p.must("events/subscribe", s.subscription())
			for i := range 10 {
				if err := p.say(pushID(i), "hello"); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, time.Minute, func() error { return s.lacks(0, 10) })
			p.stop()
			p = pushing(t, o)
			if err := p.say(pushID(10), "hello"); err != nil {
				t.Fatal(err)
			}
			eventually(t, time.Minute, func() error { return s.lacks(10, 11) })
			s.judge(t, 0, 11, time.Time{})
			p.stop()

			o.env = append(slices.Clone(o.env), "MCP_AUTH_TOKEN=another-token-0123456789")
			p = pushing(t, o)
			eventually(t, time.Minute, func() error {
				if n := s.terminated(); n != 1 {
					return missing("the end of it")
				}
				return nil
			})
			if err := p.say(pushID(11), "hello"); err != nil {
				t.Fatal(err)
			}
			if code := p.stop(); code != 0 || s.lacks(11, 12) == nil {
				t.Errorf("exit %d; delivered to a revoked token: %v", code, s.got())
			}
		})
	}
}

// terminated counts the messages that a subscription ended.
func (s *subscriber) terminated() int {
	n := 0
	for _, id := range s.got() {
		if len(id) > 15 && id[:15] == "msg_terminated_" {
			n++
		}
	}
	return n
}

// TestCallbacksInside: no address inside is connected to, however it is written.
func TestCallbacksInside(t *testing.T) {
	p := integrated(t, options{})
	s := newSubscriber(t, nil)
	port := s.url[len("http://127.0.0.1:"):]
	for _, host := range []string{"127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]", "localhost", "169.254.169.254", "[64:ff9b::7f00:1]"} {
		for _, scheme := range []string{"https", "http"} {
			q := s.subscription()
			q["delivery"].(map[string]any)["url"] = scheme + "://" + host + ":" + port
			a, err := p.modern("events/subscribe", q)
			if err != nil || a.Error == nil || a.Error.Code != -32602 && a.Error.Code != -32015 {
				t.Errorf("%s://%s: %v, %+v", scheme, host, err, a.Error)
			}
		}
	}
	// One that is allowed may not send us on to one that is not.
	inside := newSubscriber(t, nil)
	redirect := newRedirect(t, inside.url)
	p = integrated(t, options{env: []string{"EVENTS_CALLBACK_HOSTS=" + redirect[len("http://"):]}})
	q := s.subscription()
	q["delivery"].(map[string]any)["url"] = redirect
	if a, err := p.modern("events/subscribe", q); err != nil || a.Error == nil || a.Error.Code != -32015 || a.Error.Data["reason"] != "http_4xx" {
		t.Errorf("a redirect: %v, %+v", err, a.Error)
	}
	if s.requests.Load()+inside.requests.Load() != 0 {
		t.Error("an address inside was reached")
	}
}
