package limiter_test

import (
	"net/netip"
	"testing"
	"time"

	"slackmcp/webhook/limiter"
)

var start = time.Unix(1_790_000_000, 0)

// route is where the addresses of these tests post to.
const route = "slack"

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func fail(l *limiter.Limiter, a netip.Addr, n int) {
	for range n {
		l.Failed(a, route, start)
	}
}

func look(l *limiter.Limiter, a netip.Addr, after time.Duration) limiter.Standing {
	return l.Look(a, route, start.Add(after))
}

func TestFailuresHoldAnAddressBack(t *testing.T) {
	var began []netip.Prefix
	l := limiter.New(limiter.Options{PerMinute: 10, OnHeldBack: func(p netip.Prefix, _ string) { began = append(began, p) }})
	bad, other := addr("192.0.2.1"), addr("192.0.2.2")
	fail(l, bad, 9)
	if got := look(l, bad, 0); got != limiter.Unknown {
		t.Fatalf("after 9 failures of 10 the standing is %d", got)
	}
	fail(l, bad, 20)
	if got := look(l, bad, 0); got != limiter.HeldBack {
		t.Fatalf("after 29 failures the standing is %d, want held back", got)
	}
	if got := look(l, other, 0); got != limiter.Unknown {
		t.Errorf("the neighbour's standing is %d, want Unknown", got)
	}
	if len(began) != 1 || began[0] != netip.MustParsePrefix("192.0.2.1/32") {
		t.Errorf("notified of %v, want the address once", began)
	}
	if got := look(l, bad, 3*time.Minute); got != limiter.Unknown {
		t.Errorf("three minutes later the standing is %d, want Unknown", got)
	}
}

func TestAKnownAddressIsNeverHeldBack(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 10, Remember: time.Hour, OnHeldBack: func(p netip.Prefix, _ string) { t.Errorf("%s was held back", p) }})
	shared := addr("10.0.0.1")
	l.Verified(shared, route, start)
	fail(l, shared, 1000)
	if got := look(l, shared, 0); got != limiter.Known {
		t.Errorf("the standing is %d, want known", got)
	}
}

func TestOneVerifiedRequestFreesAnAddress(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 10, Remember: time.Hour})
	a := addr("10.0.0.1")
	fail(l, a, 100)
	l.Verified(a, route, start)
	if got := look(l, a, 0); got != limiter.Known {
		t.Errorf("the standing is %d, want known", got)
	}
	if got := look(l, a, 2*time.Hour); got != limiter.Unknown {
		t.Errorf("when it is forgotten the standing is %d, want Unknown", got)
	}
}

// TestFailuresAreRememberedUpToTheAllowance has a burst of failures cost an address no more than
// a minute.
func TestFailuresAreRememberedUpToTheAllowance(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 10})
	bad := addr("192.0.2.1")
	fail(l, bad, 1000)
	if got := look(l, bad, 0); got != limiter.HeldBack {
		t.Fatalf("after 1,000 failures the standing is %d, want held back", got)
	}
	if got := look(l, bad, 10*time.Second); got != limiter.Unknown {
		t.Errorf("when a sixth of a minute is over the standing is %d, want Unknown", got)
	}
}

// TestRoutesCountApart fails at one route, and looks at another.
func TestRoutesCountApart(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 10})
	a := addr("192.0.2.1")
	for range 100 {
		l.Failed(a, "another", start)
	}
	if got := look(l, a, 0); got != limiter.Unknown {
		t.Errorf("failures at another route made the standing %d, want Unknown", got)
	}
	l.Verified(a, "another", start)
	if got := look(l, a, 0); got != limiter.Unknown {
		t.Errorf("a verified request at another route made the standing %d, want Unknown", got)
	}
}

// TestClient counts IPv6 by /64, and an IPv4 address the same in the two forms in which
// networks write it inside an IPv6 address; in all others its owner could write what he likes.
func TestClient(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1/32",
		"::ffff:192.0.2.1":     "192.0.2.1/32",
		"64:ff9b::192.0.2.1":   "192.0.2.1/32",
		"64:ff9b::c000:201":    "192.0.2.1/32",
		"64:ff9b:1::192.0.2.1": "64:ff9b:1::/64",
		"64:ff9b:0:1::1":       "64:ff9b:0:1::/64",
		"2002:c000:201::1":     "2002:c000:201::/64",
		"::192.0.2.1":          "::/64",
		"::ffff:0:192.0.2.1":   "::/64",
		"2001:db8:1:2::1":      "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::3": "2001:db8:1:2::/64",
		"2001:db8:1:2::4%eth0": "2001:db8:1:2::/64",
	} {
		if got := limiter.Client(addr(a)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", a, got, want)
		}
	}
	if limiter.Client(netip.Addr{}).IsValid() {
		t.Error("the zero address counts as a client")
	}
}

// TestTableIsBounded floods the table with addresses; those that are known stay.
func TestTableIsBounded(t *testing.T) {
	l := limiter.New(limiter.Options{Addresses: 1024})
	known := make([]netip.Addr, 32)
	for i := range known {
		known[i] = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		l.Verified(known[i], route, start)
	}
	for i := range 50_000 {
		l.Failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), route, start)
	}
	if n := l.Len(); n > 1024 {
		t.Errorf("%d addresses are remembered, the bound is 1024", n)
	}
	for _, a := range known {
		if look(l, a, 0) != limiter.Known {
			t.Errorf("%s was forgotten for addresses that only failed", a)
		}
	}
}

func TestReserveIsBoundedByAddress(t *testing.T) {
	l := limiter.New(limiter.Options{})
	a := addr("192.0.2.1")
	if !l.Reserve(a, route, 600, 1000, start) || l.Reserve(a, route, 600, 1000, start) {
		t.Error("an address has more than its share")
	}
	l.Release(a, route, 600)
	if !l.Reserve(a, route, 1000, 1000, start) {
		t.Error("what was given back cannot be taken again")
	}
}

func TestInvalidAddressIsNotRemembered(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 1})
	var invalid netip.Addr
	fail(l, invalid, 10)
	l.Verified(invalid, route, start)
	if look(l, invalid, 0) != limiter.Unknown || l.Len() != 0 {
		t.Error("an address that is none is remembered")
	}
}

// TestLookingAllocatesNothing holds what the receive path pays.
func TestLookingAllocatesNothing(t *testing.T) {
	l := limiter.New(limiter.Options{})
	a := addr("2001:db8::1")
	l.Verified(a, route, start)
	if n := testing.AllocsPerRun(1000, func() { l.Look(a, route, start); l.Verified(a, route, start) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkLook is what a verified delivery pays.
func BenchmarkLook(b *testing.B) {
	l := limiter.New(limiter.Options{})
	a := addr("192.0.2.1")
	l.Verified(a, route, start)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Look(a, route, start)
		}
	})
}
