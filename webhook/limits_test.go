package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
)

// strict holds addresses back after three failures; a test's requests say in a header
// where they come from.
func strict(o *webhook.Options) {
	o.Limiter = limiter.New(limiter.Options{PerMinute: 4})
	o.RefusalDelay = time.Millisecond
	o.Address = func(r *http.Request) netip.Addr {
		if a, err := netip.ParseAddr(r.Header.Get("X-Test-From")); err == nil {
			return a
		}
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
}

func from(address string) func(*http.Request) { return with("X-Test-From", address) }

func TestAddressThatKeepsFailingIsHeldBack(t *testing.T) {
	r := newRig(t, strict)
	body := []byte(`{"type":"event_callback","event_id":"Ev1"}`)
	for i, forged := range []func(*http.Request){
		without("X-Slack-Signature"),
		with("X-Slack-Signature", "v0=nonsense"),
		with("X-Slack-Signature", "v0="+strings.Repeat("0", 64)),
	} {
		if got := r.slack(body, forged, from("192.0.2.1")); got.status != http.StatusUnauthorized {
			t.Fatalf("failure %d was answered %d, want 401", i+1, got.status)
		}
	}
	r.slack(body, with("X-Slack-Signature", "v0="+strings.Repeat("1", 64)), from("192.0.2.1"))
	got := r.slack(body, without("X-Slack-Signature"), from("192.0.2.1"))
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %d %s, want 429 with Retry-After", got.status, got.body)
	}
	if ob := r.observed(5); ob.Outcome != webhook.Limited || ob.Address.String() != "192.0.2.1" || ob.Bytes != 0 {
		t.Errorf("observed %s from %s with %d bytes, want limited from 192.0.2.1 with none", ob.Outcome, ob.Address, ob.Bytes)
	}
	r.slack(body, from("192.0.2.2")).want(t, 200, `{"status":"ok"}`)
}

// TestVerifiedSenderIsNeverLimited posts signed events from an address that
// another sender keeps failing from, as behind a proxy that is not configured as one.
func TestVerifiedSenderIsNeverLimited(t *testing.T) {
	r := newRig(t, strict)
	r.slack([]byte(`{"type":"event_callback","event_id":"Ev0"}`)).want(t, 200, `{"status":"ok"}`)
	for i := range 50 {
		if got := r.slack([]byte(`{}`), without("X-Slack-Signature")); got.status != http.StatusUnauthorized {
			t.Fatalf("failure %d was answered %d, want 401", i, got.status)
		}
		r.slack(fmt.Appendf(nil, `{"type":"event_callback","event_id":"Ev1%d"}`, i)).want(t, 200, `{"status":"ok"}`)
	}
}

// TestRefusalsWait lets refusals wait for longer than the test takes: an address that keeps
// failing is not answered until it hangs up, its signed events are, and so are refusals
// beyond those that may wait.
func TestRefusalsWait(t *testing.T) {
	r := newRig(t, strict, func(o *webhook.Options) { o.RefusalDelay, o.MaxInFlight = time.Hour, 16 })
	r.srv.Close()
	r.srv = httptest.NewServer(r.rc) // without a ReadTimeout, which would end the waiting
	r.slack([]byte(`{"event_id":"Ev0"}`)).want(t, 200, `{"status":"ok"}`)
	forged := "v0=" + strings.Repeat("0", 64)
	for range 3 {
		r.slack([]byte(`{}`), with("X-Slack-Signature", forged))
	}

	var waiting []net.Conn
	for range 2 { // an eighth of MaxInFlight
		waiting = append(waiting, r.dial(t, "Content-Length: 2\r\n", "{}", forged))
	}
	r.awaitDelayed(2)
	if got := r.slack([]byte(`{}`), with("X-Slack-Signature", forged)); got.status != http.StatusUnauthorized {
		t.Errorf("a refusal beyond those that may wait was answered %d, want 401 at once", got.status)
	}
	r.slack([]byte(`{"event_id":"Ev1"}`)).want(t, 200, `{"status":"ok"}`)
	if n := r.rc.InFlight(); n != 0 {
		t.Errorf("InFlight() = %d while refusals wait, want 0", n)
	}
	if n := r.rc.Delayed(); n != 2 {
		t.Errorf("Delayed() = %d, want the 2 that were not answered", n)
	}
	for _, conn := range waiting {
		_ = conn.Close()
	}
	r.awaitDelayed(0)
}

// awaitDelayed waits until n refusals wait.
func (r *rig) awaitDelayed(n int64) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.rc.Delayed() != n; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("Delayed() = %d, want %d", r.rc.Delayed(), n)
		}
	}
}

// TestSlowBodyIsGivenUp trickles a body that would take an hour.
func TestSlowBodyIsGivenUp(t *testing.T) {
	r := newRig(t, func(o *webhook.Options) { o.BodyGrace, o.MinBodyRate = 200*time.Millisecond, 1<<20 })
	conn := r.dial(t, "Transfer-Encoding: chunked\r\n", "", "v0="+strings.Repeat("0", 64))
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if _, err := io.WriteString(conn, "1\r\nx\r\n"); err != nil {
					return
				}
			case <-stop:
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered %d, want 408", resp.StatusCode)
	}
}

// TestUnverifiedAddressesLeaveBudgetToOthers fills what unverified addresses may have of the body budget, with
// publishes that do not return, and sends a body from an address that is known.
func TestUnverifiedAddressesLeaveBudgetToOthers(t *testing.T) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	store := storeFunc(func(_ context.Context, e event.Event) (queue.Receipt, error) {
		if e.ID == "EvKNOWN" {
			return queue.Receipt{}, nil
		}
		entered <- struct{}{}
		<-leave
		return queue.Receipt{}, nil
	})
	r := newRig(t, strict, func(o *webhook.Options) { o.Publisher, o.MaxBodyBytes, o.BodyBudget = store, 1000, 4000 })
	known := append([]byte(`{"type":"event_callback","event_id":"EvKNOWN","text":"`), bytes.Repeat([]byte("x"), 900)...)
	known = append(known, `"}`...)
	r.slack(known, from("192.0.2.9")).want(t, 200, `{"status":"ok"}`)

	done := make(chan answer, 2)
	for i := range 2 {
		go func() { done <- r.slack(large(1000), from(fmt.Sprintf("198.51.100.%d", i))) }()
		<-entered
	}
	if got := r.slack(large(1000), from("198.51.100.7")); got.status != http.StatusServiceUnavailable {
		t.Errorf("a third unverified address was answered %d, want 503", got.status)
	}
	r.slack(known, from("192.0.2.9")).want(t, 200, `{"status":"ok"}`)
	close(leave)
	for range 2 {
		(<-done).want(t, 200, `{"status":"ok"}`)
	}
}

// TestLongBodiesLeaveBudgetToShortOnes fills what long bodies may have of the budget, from
// the address of a signed sender, as behind a proxy that is not configured as one.
func TestLongBodiesLeaveBudgetToShortOnes(t *testing.T) {
	const limit = 100 << 10
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	store := storeFunc(func(_ context.Context, e event.Event) (queue.Receipt, error) {
		if len(e.Raw) > 10<<10 {
			entered <- struct{}{}
			<-leave
		}
		return queue.Receipt{}, nil
	})
	r := newRig(t, strict, func(o *webhook.Options) { o.Publisher, o.MaxBodyBytes, o.BodyBudget = store, limit, 8*limit+100 })
	short := []byte(`{"type":"event_callback","event_id":"EvSHORT"}`)
	r.slack(short).want(t, 200, `{"status":"ok"}`)

	done := make(chan answer, 7)
	for range 7 {
		go func() { done <- r.slack(large(limit)) }()
		<-entered
	}
	for _, size := range []int{limit, 10 << 10} {
		if got := r.slack(large(size)); got.status != http.StatusServiceUnavailable {
			t.Errorf("one more of %d bytes was answered %d, want 503", size, got.status)
		}
	}
	r.slack(short).want(t, 200, `{"status":"ok"}`)
	close(leave)
	for range 7 {
		(<-done).want(t, 200, `{"status":"ok"}`)
	}
}

// TestRequestsInFlightAreBounded holds as many requests in Publish as there may be.
func TestRequestsInFlightAreBounded(t *testing.T) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	store := storeFunc(func(context.Context, event.Event) (queue.Receipt, error) {
		entered <- struct{}{}
		<-leave
		return queue.Receipt{}, nil
	})
	r := newRig(t, func(o *webhook.Options) { o.Publisher, o.MaxInFlight = store, 2 })
	done := make(chan answer, 2)
	for i := range 2 {
		go func() { done <- r.slack(fmt.Appendf(nil, `{"event_id":"Ev%d"}`, i)) }()
		<-entered
	}
	got := r.slack([]byte(`{"event_id":"Ev9"}`))
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %d %s, want 503 with Retry-After", got.status, got.body)
	}
	if ob := r.observed(1); ob.Outcome != webhook.Busy || ob.Reason != "requests" {
		t.Errorf("observed %s %s, want busy for requests", ob.Outcome, ob.Reason)
	}
	close(leave)
	for range 2 {
		(<-done).want(t, 200, `{"status":"ok"}`)
	}
	r.slack([]byte(`{"event_id":"Ev9"}`)).want(t, 200, `{"status":"ok"}`)
}
