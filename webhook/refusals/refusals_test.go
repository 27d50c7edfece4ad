package refusals_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/webhook/refusals"
)

var wrong = refusals.Kind{Client: netip.MustParsePrefix("192.0.2.1/32"), Route: "slack", Outcome: "bad_signature", Reason: "mismatch", Status: 401}

// TestTheFirstIsToldAndTheOthersAreCounted refuses for three minutes, and then again later.
func TestTheFirstIsToldAndTheOthersAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs := &bytes.Buffer{}
		var counted []int
		c := refusals.New(refusals.Options{
			Logger:  slog.New(slog.NewTextHandler(logs, nil)),
			OnCount: func(k refusals.Kind, n int) { counted = append(counted, n) },
		})
		told := 0
		for range 180 { // one second each
			for range 100 {
				if c.First(wrong) {
					told++
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if told != 1 {
			t.Errorf("of 18,000 refusals of one kind %d were told, want 1", told)
		}
		if sum(counted) != 17_999 || len(counted) != 3 {
			t.Errorf("counted %v, want 17,999 in three minutes", counted)
		}
		if n := strings.Count(logs.String(), "\n"); n != 3 || !strings.Contains(logs.String(), `msg="requests refused again" outcome=bad_signature status=401 source=slack remote=192.0.2.1 count=5999 reason=mismatch`) {
			t.Errorf("the log has %d lines, want 3 counts:\n%s", n, logs)
		}
		time.Sleep(5 * time.Minute)
		if len(counted) != 3 {
			t.Errorf("counted %v without a refusal", counted)
		}
		if !c.First(wrong) {
			t.Error("the first after five quiet minutes is not told")
		}
	})
}

// TestKindsAreToldApart refuses by another client, at another route and for another reason.
func TestKindsAreToldApart(t *testing.T) {
	t.Parallel()
	c := refusals.New(refusals.Options{})
	client, route, reason := wrong, wrong, wrong
	client.Client = netip.MustParsePrefix("2001:db8::/64")
	route.Route = "mcp"
	reason.Reason = "missing"
	for _, k := range []refusals.Kind{wrong, client, route, reason} {
		if !c.First(k) || c.First(k) {
			t.Errorf("%v is not told once", k)
		}
	}
}

// TestManyClientsAreCountedTogether refuses a hundred thousand clients, more than are told apart.
func TestManyClientsAreCountedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines, counted int
		var together string
		c := refusals.New(refusals.Options{OnCount: func(k refusals.Kind, n int) {
			lines++
			if counted += n; !k.Client.IsValid() {
				together = k.Remote()
			}
		}})
		told := 0
		const all = 100_000
		for i := range all {
			k := wrong
			k.Client = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
			if c.First(k) {
				told++
			}
		}
		c.Flush()
		if told > 1001 || lines > 1001 {
			t.Errorf("%d were told and %d counts, want at most 1,001 of each", told, lines)
		}
		if told+counted != all {
			t.Errorf("told %d and counted %d, want %d together", told, counted, all)
		}
		if together != "further clients" {
			t.Errorf("those that are not told apart are said to be %q", together)
		}
		time.Sleep(2 * time.Minute) // their timer ends
	})
}

// TestConcurrentRefusals counts each once.
func TestConcurrentRefusals(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	n := 0
	c := refusals.New(refusals.Options{OnCount: func(_ refusals.Kind, more int) {
		mu.Lock()
		defer mu.Unlock()
		n += more
	}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 1000 {
				k := wrong
				k.Reason = fmt.Sprint(j % 3)
				if c.First(k) {
					mu.Lock()
					n++
					mu.Unlock()
				}
				if i == 0 && j%100 == 0 {
					c.Flush()
				}
			}
		})
	}
	wg.Wait()
	c.Flush()
	if n != 8000 {
		t.Errorf("told and counted %d, want 8,000", n)
	}
}

func sum(list []int) (total int) {
	for _, n := range list {
		total += n
	}
	return total
}

// BenchmarkFirst is what a refusal pays.
func BenchmarkFirst(b *testing.B) {
	c := refusals.New(refusals.Options{})
	b.ReportAllocs()
	for b.Loop() {
		c.First(wrong)
	}
}
