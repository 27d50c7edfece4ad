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
	"sync"
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
	o.Address = func(r *http.Request) netip.Addr {
		if a, err := netip.ParseAddr(r.Header.Get("X-Test-From")); err == nil {
			return a
		}
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
}

func from(address string) func(*http.Request) { return with("X-Test-From", address) }

// forged is a signature that is well-formed and wrong.
var forged = with("X-Slack-Signature", "v0="+strings.Repeat("0", 64))

// long is an event of more than 64 KiB, of which nothing is read from an address that is held back.
func long(id string) []byte {
	return append(append([]byte(`{"type":"event_callback","event_id":"`+id+`","text":"`), bytes.Repeat([]byte("x"), 64<<10)...), `"}`...)
}

// TestAddressThatKeepsFailingIsHeldBack fails in the three ways that count, until nothing of a
// long body, or of one of unknown length, is read any more.
func TestAddressThatKeepsFailingIsHeldBack(t *testing.T) {
	r := newRig(t, strict)
	body := []byte(`{"type":"event_callback","event_id":"Ev1"}`)
	for i, wrong := range []func(*http.Request){without("X-Slack-Signature"), with("X-Slack-Signature", "v0=nonsense"), forged, forged} {
		if got := r.slack(body, wrong, from("192.0.2.1")); got.status != http.StatusUnauthorized {
			t.Fatalf("failure %d was answered %d, want 401", i+1, got.status)
		}
	}
	got := r.slack(long("Ev2"), from("192.0.2.1"))
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("a long body was answered %d %s, want 429 with Retry-After", got.status, got.body)
	}
	if ob := r.observed(5); ob.Outcome != webhook.Limited || ob.Address.String() != "192.0.2.1" || ob.Bytes != 0 || !ob.Claimed {
		t.Errorf("observed %s from %s with %d bytes, claimed %t, want limited from 192.0.2.1 with none, and claimed", ob.Outcome, ob.Address, ob.Bytes, ob.Claimed)
	}
	if got := r.slack(body, chunked, from("192.0.2.1")); got.status != http.StatusTooManyRequests {
		t.Errorf("a body of unknown length was answered %d, want 429", got.status)
	}
	r.slack(long("Ev2"), from("192.0.2.2")).want(t, 200, `{"status":"ok"}`)
	r.slack(body, from("192.0.2.1")).want(t, 200, `{"status":"ok"}`)
	r.slack(long("Ev3"), from("192.0.2.1")).want(t, 200, `{"status":"ok"}`) // The address is known now.
}

// TestSmallSignedRequestsAreVerified posts signed events of up to 64 KiB from an address that
// failed a thousand times and was never known, as after a restart behind one proxy.
func TestSmallSignedRequestsAreVerified(t *testing.T) {
	r := newRig(t, strict)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range 60 {
				if got := r.slack([]byte(`{}`), []func(*http.Request){forged, without("X-Slack-Signature")}[i%2]); got.status != http.StatusUnauthorized {
					t.Errorf("a failure was answered %d, want 401", got.status)
				}
			}
		})
	}
	wg.Wait()
	r.slack([]byte(`{"event_id":"Ev1"}`)).want(t, 200, `{"status":"ok"}`)
	r.slack(large(64<<10)).want(t, 200, `{"status":"ok"}`)
}

// TestHonestTroublesAreNoFailures has an address do what an honest sender may do too, and fail
// at the routes of others: its long events are read all the same.
func TestHonestTroublesAreNoFailures(t *testing.T) {
	r := newRig(t, strict, func(o *webhook.Options) {
		o.ReceiptSecrets = []string{"receipts"}
		o.Sources = []webhook.Source{{Name: "shop", Secrets: []string{"another"}}}
	})
	old := time.Now().Add(-time.Hour)
	for range 20 {
		if got := r.slack([]byte(`{}`), signed(secret, old, []byte(`{}`))); got.status != http.StatusUnauthorized {
			t.Fatalf("a stale request was answered %d, want 401", got.status)
		}
		if got := r.slack(large(1<<20 + 1)); got.status != http.StatusRequestEntityTooLarge {
			t.Fatalf("a body that is too large was answered %d, want 413", got.status)
		}
		for _, path := range []string{webhook.ReceiptPath, webhook.SourcePath + "shop"} {
			if got := r.post(path, []byte(`{}`)); got.status != http.StatusUnauthorized {
				t.Fatalf("an unsigned request to %s was answered %d, want 401", path, got.status)
			}
		}
	}
	for range 4 {
		if got := r.raw(t, "Content-Length: 100\r\n", `{"half":`, "v0="+strings.Repeat("0", 64)); got != http.StatusRequestTimeout {
			t.Fatalf("half a body was answered %d, want 408", got)
		}
	}
	r.slack(long("Ev1")).want(t, 200, `{"status":"ok"}`)
}

// TestRefusalsWait lets refusals wait for longer than the test takes: none of them is answered
// until its sender hangs up, signed events are, and so are refusals beyond those that may wait.
// A refusal closes its connection.
func TestRefusalsWait(t *testing.T) {
	const most = 256
	r := newRig(t, func(o *webhook.Options) { o.RefusalDelay = time.Hour })
	r.srv.Close()
	r.srv = httptest.NewServer(r.rc) // without a ReadTimeout, which would end the waiting
	var waiting []net.Conn
	for range most {
		waiting = append(waiting, r.dial(t, "Content-Length: 2\r\n", "{}", "v0="+strings.Repeat("0", 64)))
	}
	r.awaitDelayed(most)
	if got := r.slack([]byte(`{}`), forged); got.status != http.StatusUnauthorized || !got.closed {
		t.Errorf("a refusal beyond those that may wait was answered %d and closed %t, want 401 at once and closed", got.status, got.closed)
	}
	r.slack([]byte(`{"event_id":"Ev1"}`)).want(t, 200, `{"status":"ok"}`)
	if n := r.rc.InFlight(); n != 0 {
		t.Errorf("InFlight() = %d while refusals wait, want 0", n)
	}
	if n := r.rc.Delayed(); n != most {
		t.Errorf("Delayed() = %d, want the %d that were not answered", n, most)
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
	const limit = 100 << 10
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	store := storeFunc(func(_ context.Context, e event.Event) (queue.Receipt, error) {
		if e.ID == "EvKNOWN" {
			return queue.Receipt{}, nil
		}
		entered <- struct{}{}
		<-leave
		return queue.Receipt{}, nil
	})
	r := newRig(t, strict, func(o *webhook.Options) { o.Publisher, o.MaxBodyBytes, o.BodyBudget = store, limit, 4*limit+100 })
	known := append([]byte(`{"type":"event_callback","event_id":"EvKNOWN","text":"`), bytes.Repeat([]byte("x"), limit-100)...)
	known = append(known, `"}`...)
	r.slack(known, from("192.0.2.9")).want(t, 200, `{"status":"ok"}`)

	done := make(chan answer, 2)
	for i := range 2 {
		go func() { done <- r.slack(large(limit), from(fmt.Sprintf("198.51.100.%d", i))) }()
		<-entered
	}
	if got := r.slack(large(limit), from("198.51.100.7")); got.status != http.StatusServiceUnavailable {
		t.Errorf("a third unverified address was answered %d, want 503", got.status)
	}
	r.slack(known, from("192.0.2.9")).want(t, 200, `{"status":"ok"}`)
	close(leave)
	for range 2 {
		(<-done).want(t, 200, `{"status":"ok"}`)
	}
}

// TestLongBodiesLeaveMemoryToSmallOnes fills the budget of long bodies from the address of a
// signed sender, as behind a proxy that is not configured as one.
func TestLongBodiesLeaveMemoryToSmallOnes(t *testing.T) {
	const limit = 100 << 10
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	store := storeFunc(func(_ context.Context, e event.Event) (queue.Receipt, error) {
		if len(e.Raw) > 64<<10 {
			entered <- struct{}{}
			<-leave
		}
		return queue.Receipt{}, nil
	})
	r := newRig(t, strict, func(o *webhook.Options) { o.Publisher, o.MaxBodyBytes, o.BodyBudget = store, limit, 7*limit+100 })
	short := []byte(`{"type":"event_callback","event_id":"EvSHORT"}`)
	r.slack(short).want(t, 200, `{"status":"ok"}`)

	done := make(chan answer, 7)
	for range 7 {
		go func() { done <- r.slack(large(limit)) }()
		<-entered
	}
	if got := r.slack(large(limit)); got.status != http.StatusServiceUnavailable {
		t.Errorf("one more was answered %d, want 503", got.status)
	}
	r.slack(short).want(t, 200, `{"status":"ok"}`)
	r.slack(large(64<<10)).want(t, 200, `{"status":"ok"}`)
	close(leave)
	for range 7 {
		(<-done).want(t, 200, `{"status":"ok"}`)
	}
}

// TestSlowRequestsAreNotInFlight has many more bodies under way from one address than there may be
// requests in flight, on a server that knows no address yet.
func TestSlowRequestsAreNotInFlight(t *testing.T) {
	r := newRig(t, strict, func(o *webhook.Options) { o.MaxInFlight = 2 })
	for range 20 {
		r.dial(t, "Content-Length: 2000\r\n", "{", "v0="+strings.Repeat("0", 64))
		r.dial(t, "Content-Length: 100000\r\n", "{", "v0="+strings.Repeat("0", 64))
	}
	for deadline := time.Now().Add(10 * time.Second); r.rc.BytesInFlight() < 20*8<<10; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are granted, want those of 40 bodies", r.rc.BytesInFlight())
		}
	}
	for i := range 10 {
		r.slack(fmt.Appendf(nil, `{"event_id":"Ev%d"}`, i)).want(t, 200, `{"status":"ok"}`)
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
