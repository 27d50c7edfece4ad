package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/notify"
	"slackmcp/store/state"
)

// TestDelivery: challenged, then what matches, in order, each once.
func TestDelivery(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, _ := r.start()
	p := newEndpoint(t)
	r.say("C01", 1)
	g := subscribe(t, e, p.request(`{"channel":"C01"}`))
	if g.Cursor != r.position(1) || g.Truncated || !g.Status.Active || time.Until(g.RefreshBefore) < 23*time.Hour {
		t.Errorf("granted %+v", g)
	}
	r.say("C02", 1)
	r.say("C01", 50)
	eventually(t, "50 events", func() bool { return len(p.accepted()) >= 50 })
	if d := cmp.Diff(ids(3, 52), p.accepted()); d != "" {
		t.Error(d)
	}
	first := p.requests()[0]
	if first.sub != g.ID || first.body["eventId"] != first.id || first.body["name"] != "message.created" || first.body["cursor"] != r.position(3) || first.body["type"] != nil {
		t.Errorf("posted %+v", first)
	}
	again := subscribe(t, e, p.request(`{"channel":"C01"}`))
	if again.ID != g.ID || again.Cursor < g.Cursor {
		t.Errorf("refreshed %+v, was %+v", again, g)
	}
}

// TestNothingUnverified: an address that does not repeat the challenge is sent nothing.
func TestNothingUnverified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, _ := r.start()
	p := newEndpoint(t)
	p.dumb = true
	gone := newEndpoint(t)
	gone.dumb = true
	gone.set(func(received) int { return http.StatusNotFound })
	for _, tc := range []struct {
		name   string
		change func(*notify.Request)
		reason string
		field  string
	}{
		{"no echo", func(*notify.Request) {}, "challenge_failed", ""},
		{"404", func(q *notify.Request) { q.URL = gone.url }, "http_4xx", ""},
		{"nobody there", func(q *notify.Request) { q.URL = "http://127.0.0.1:1/" }, "connection_refused", ""},
		{"no https", func(q *notify.Request) { q.URL = "http://hooks.example.com/" }, "", "delivery.url"},
		{"an inside address", func(q *notify.Request) { q.URL = "https://10.0.0.1/" }, "", "delivery.url"},
		{"a short secret", func(q *notify.Request) { q.Secret = "whsec_c2hvcnQ=" }, "", "delivery.secret"},
		{"no secret", func(q *notify.Request) { q.Secret = strings.Repeat("x", 40) }, "", "delivery.secret"},
	} {
		q := p.request(`{}`)
		tc.change(&q)
		_, err := e.Subscribe(t.Context(), q)
		callback, _ := errors.AsType[*notify.CallbackError](err)
		input, _ := errors.AsType[*notify.InputError](err)
		if tc.reason != "" && (callback == nil || callback.Reason != tc.reason) || tc.field != "" && (input == nil || input.Field != tc.field) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	r.say("C01", 3)
	if list, err := e.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("kept %v, %v", list, err)
	}
	for _, x := range append(p.requests(), gone.requests()...) {
		if x.typ != "verification" {
			t.Errorf("sent %+v", x)
		}
	}
}

// TestRetry: a receiver that fails is tried again with the same id and gets all in
// order; what it refuses for good is a dead letter.
func TestRetry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, _ := r.start()
	p := newEndpoint(t)
	tries := map[string]int{}
	p.set(func(x received) int {
		tries[x.id]++
		switch x.id {
		case "Ev000002":
			if tries[x.id] < 3 {
				return http.StatusServiceUnavailable
			}
		case "Ev000003":
			return http.StatusGone
		case "Ev000004":
			return http.StatusRequestEntityTooLarge
		case "Ev000005":
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	g := subscribe(t, e, p.request(`{}`))
	r.say("C01", 6)
	eventually(t, "the last", func() bool { return slices.Contains(p.accepted(), "Ev000006") })
	if d := cmp.Diff([]string{"Ev000001", "Ev000002", "Ev000006"}, p.accepted()); d != "" {
		t.Error(d)
	}
	p.mu.Lock()
	if d := cmp.Diff(map[string]int{"Ev000001": 1, "Ev000002": 3, "Ev000003": 1, "Ev000004": 1, "Ev000005": 4, "Ev000006": 1}, tries); d != "" {
		t.Error(d)
	}
	p.mu.Unlock()
	var info notify.Info
	eventually(t, "the count", func() bool {
		var err error
		if info, err = e.Show(t.Context(), g.ID); err != nil {
			t.Fatal(err)
		}
		return info.Accepted == 3
	})
	if info.State != notify.StateActive || info.Skipped != 2 || info.Dead != 1 || len(info.DeadLetters) != 3 {
		t.Errorf("shown %+v", info)
	}
	if l := info.DeadLetters[2]; l.EventID != "Ev000005" || l.Reason != "http_5xx" || l.Attempts != 4 || l.Cursor != r.position(5) {
		t.Errorf("letter %+v", l)
	}
	if b, _ := json.Marshal(info); strings.Contains(string(b), "k=9") || strings.Contains(string(b), secret) {
		t.Errorf("a secret is shown: %s", b)
	}
}

// TestAReceiverThatHangsDelaysNoOther: of twelve, one takes no answer and one answers 500.
func TestAReceiverThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, _ := r.start()
	free := make(chan struct{})
	hangs, fails := newEndpoint(t), newEndpoint(t)
	fails.set(func(received) int { return http.StatusInternalServerError })
	var good []*endpoint
	for range 10 {
		good = append(good, newEndpoint(t))
	}
	for _, p := range append([]*endpoint{hangs, fails}, good...) {
		subscribe(t, e, p.request(`{}`))
	}
	t.Cleanup(func() { close(free) }) // before the endpoints close, which wait for it
	hangs.set(func(received) int { <-free; return http.StatusOK })
	r.say("C01", 100)
	for i, p := range good {
		eventually(t, "100 events", func() bool { return len(p.accepted()) >= 100 })
		if d := cmp.Diff(ids(1, 100), p.accepted()); d != "" {
			t.Errorf("%d: %s", i, d)
		}
	}
}

// TestRestart: what was accepted before an orderly end is not sent again, and what came
// meanwhile is sent.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, stop := r.start()
	p := newEndpoint(t)
	subscribe(t, e, p.request(`{}`))
	r.say("C01", 30)
	eventually(t, "some", func() bool { return len(p.accepted()) >= 10 })
	stop()
	r.say("C01", 5)
	_, stop = r.start()
	eventually(t, "all", func() bool { return len(p.accepted()) >= 35 })
	stop()
	if d := cmp.Diff(ids(1, 35), p.accepted()); d != "" {
		t.Error(d)
	}
}

// TestRotation: a new secret signs beside the old one for a while.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, _ := r.start()
	p := newEndpoint(t)
	subscribe(t, e, p.request(`{}`))
	q := p.request(`{}`)
	q.Secret = "whsec_" + strings.Repeat("bmV3", 8)
	subscribe(t, e, q)
	r.say("C01", 1)
	eventually(t, "one signed with the old", func() bool { return len(p.accepted()) == 1 })
	p.mu.Lock()
	p.secret = q.Secret
	p.mu.Unlock()
	r.say("C01", 1)
	eventually(t, "one signed with the new", func() bool { return len(p.accepted()) == 2 })
}

// TestGap: a receiver is told what it was not told, by a message and at the next refresh.
func TestGap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, _ := r.start()
	p := newEndpoint(t)
	r.say("C01", 2)
	q := p.request(`{}`)
	q.Cursor = "gone-0000000000000001"
	if g := subscribe(t, e, q); !g.Truncated || g.Cursor != notify.CursorStart {
		t.Errorf("granted %+v", g)
	}
	eventually(t, "both", func() bool { return len(p.accepted()) == 2 })
	if g := subscribe(t, e, q); g.Truncated {
		t.Errorf("told twice: %+v", g)
	}

	old := newRig(t, func(o *notify.Options) { o.Backlog = time.Hour })
	e, _ = old.start()
	p = newEndpoint(t)
	g := subscribe(t, e, p.request(`{}`))
	if err := e.Pause(t.Context(), g.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pause", func() bool { i, _ := e.Show(t.Context(), g.ID); return i.State == notify.StatePaused })
	old.sayAt(time.Now().Add(-2*time.Hour), 3)
	old.say("C01", 1)
	if err := e.Resume(t.Context(), g.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gap and the event", func() bool { return len(p.requests()) == 2 })
	got := p.requests()
	if got[0].typ != "gap" || got[0].body["cursor"] != old.position(3) || !strings.HasPrefix(got[0].id, "msg_gap_") || got[1].id != "Ev000004" {
		t.Errorf("got %+v", got)
	}
	eventually(t, "the refresh to say so", func() bool { return subscribe(t, e, p.request(`{}`)).Truncated })
}

// sayAt publishes messages that were received at an instant.
func (r *rig) sayAt(at time.Time, n int) {
	for range n {
		r.sent++
		e := message(r.sent)
		e.ReceivedAt = at
		r.log.Append(e)
	}
}

// TestSuspension: one that refuses everything is left alone until it is refreshed, and
// then gets what came meanwhile.
func TestSuspension(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *notify.Options) { o.SuspendAfter = 3 })
	e, _ := r.start()
	p := newEndpoint(t)
	p.set(func(received) int { return http.StatusGone })
	g := subscribe(t, e, p.request(`{}`))
	r.say("C01", 8)
	state := func() string { i, _ := e.Show(t.Context(), g.ID); return i.State }
	eventually(t, "the suspension", func() bool { return state() == notify.StateSuspended })
	if n := len(p.requests()); n != 3 {
		t.Errorf("%d requests", n)
	}
	p.set(func(received) int { return http.StatusOK })
	if g := subscribe(t, e, p.request(`{}`)); g.Status.LastError != "http_4xx" || g.Status.FailedSince.IsZero() || !g.Status.Active {
		t.Errorf("refreshed %+v", g)
	}
	eventually(t, "the rest", func() bool { return len(p.accepted()) == 5 })
	if d := cmp.Diff(ids(4, 8), p.accepted()); d != "" {
		t.Error(d)
	}
	eventually(t, "it to be well", func() bool { return state() == notify.StateActive })
}

// TestSubscriptionsEnd: unsubscribed, removed by an operator, of a principal that is no more, or not
// refreshed.
func TestSubscriptionsEnd(t *testing.T) {
	t.Parallel()
	revoked := make(chan struct{})
	r := newRig(t, func(o *notify.Options) {
		o.Caller = func(_ context.Context, principal, _ string) (*access.Principal, error) {
			select {
			case <-revoked:
				if principal == "token:fired" {
					return nil, nil //nolint:nilnil // nobody any more
				}
			default:
			}
			return eventtest.Service(), nil
		}
	})
	e, _ := r.start()
	left, removed, fired, stays := newEndpoint(t), newEndpoint(t), newEndpoint(t), newEndpoint(t)
	subscribe(t, e, left.request(`{}`))
	g := subscribe(t, e, removed.request(`{}`))
	q := fired.request(`{}`)
	q.Principal = "token:fired"
	subscribe(t, e, q)
	subscribe(t, e, stays.request(`{}`))

	if found, err := e.Unsubscribe(t.Context(), left.request(`{}`).Key); err != nil || !found {
		t.Errorf("unsubscribed: %v, %v", found, err)
	}
	if found, err := e.Unsubscribe(t.Context(), left.request(`{}`).Key); err != nil || found {
		t.Errorf("once more: %v, %v", found, err)
	}
	if err := e.Remove(t.Context(), g.ID); err != nil {
		t.Error(err)
	}
	close(revoked)
	eventually(t, "one to be left", func() bool { l, _ := e.List(t.Context()); return len(l) == 1 && e.Stats().Working == 1 })
	r.say("C01", 3)
	eventually(t, "its events", func() bool { return len(stays.accepted()) == 3 })
	for name, p := range map[string]*endpoint{"removed": removed, "fired": fired} {
		eventually(t, name+" to be told", func() bool { return len(p.requests()) == 1 })
		if x := p.requests()[0]; x.typ != "terminated" {
			t.Errorf("%s was sent %+v", name, x)
		}
	}
	if n := len(left.requests()); n != 0 {
		t.Errorf("who left was sent %d", n)
	}
	if err := e.Remove(t.Context(), g.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

// TestLimits bounds the subscriptions of a principal and the challenges to a host.
func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *notify.Options) { o.MaxPerPrincipal, o.ChallengesPerMinute = 2, 3 })
	e, _ := r.start()
	p := newEndpoint(t)
	for _, a := range []string{`{}`, `{"channel":"C01"}`, `{}`} {
		subscribe(t, e, p.request(a))
	}
	_, err := e.Subscribe(t.Context(), p.request(`{"channel":"C02"}`))
	if limit, ok := errors.AsType[*notify.LimitError](err); !ok || limit.Max != 2 {
		t.Errorf("the third: %v", err)
	}
	for i := range 3 {
		q := p.request(`{}`)
		q.Principal = "token:other" + string(rune('a'+i))
		if _, err = e.Subscribe(t.Context(), q); err != nil {
			break
		}
	}
	if _, ok := errors.AsType[*notify.LimitError](err); !ok {
		t.Errorf("one challenge too many: %v", err)
	}
}

// TestReplicas divide the subscriptions, take over from one that ends, and send nothing
// twice.
func TestReplicas(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *notify.Options) { o.Exclusive = false })
	var points []*endpoint
	a, stopA := r.start()
	for range 20 {
		p := newEndpoint(t)
		points = append(points, p)
		subscribe(t, a, p.request(`{}`))
	}
	r.say("C01", 10)
	b, _ := r.start()
	eventually(t, "both to work", func() bool {
		return a.Stats().Working > 0 && b.Stats().Working > 0 && a.Stats().Working+b.Stats().Working == 20
	})
	r.say("C01", 10)
	stopA()
	r.say("C01", 10)
	for i, p := range points {
		eventually(t, "all events", func() bool { return len(p.accepted()) >= 30 })
		if d := cmp.Diff(ids(1, 30), p.accepted()); d != "" {
			t.Errorf("%d: %s", i, d)
		}
	}
}

// TestOwnIDs gives each message an id of its own, the same over retries.
func TestOwnIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *notify.Options) { o.OwnIDs = true })
	e, _ := r.start()
	p := newEndpoint(t)
	n := 0
	p.set(func(received) int {
		if n++; n == 1 {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	subscribe(t, e, p.request(`{}`))
	r.say("C01", 1)
	eventually(t, "two tries", func() bool { return len(p.requests()) == 2 })
	got := p.requests()
	if got[0].id != got[1].id || got[0].id == "Ev000001" || got[1].body["eventId"] != "Ev000001" {
		t.Errorf("got %+v", got)
	}
}

// TestWhoHasSubscribedIsNotKnownYet: while it cannot be found out nothing is delivered, and all of it
// afterwards.
func TestWhoHasSubscribedIsNotKnownYet(t *testing.T) {
	t.Parallel()
	known := make(chan struct{})
	r := newRig(t, func(o *notify.Options) {
		o.Caller = func(context.Context, string, string) (*access.Principal, error) {
			select {
			case <-known:
				return eventtest.Service(), nil
			default:
				return nil, access.ErrUnavailable
			}
		}
	})
	e, _ := r.start()
	at := newEndpoint(t)
	subscribe(t, e, at.request(`{}`))
	r.say("C01", 1)
	time.Sleep(300 * time.Millisecond)
	if got := at.accepted(); len(got) != 0 {
		t.Fatalf("%v was delivered to nobody known", got)
	}
	close(known)
	eventually(t, "the event", func() bool { return len(at.accepted()) == 1 })
}
