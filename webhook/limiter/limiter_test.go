package limiter_test

import (
	"net/netip"
	"testing"
	"time"

	"slackmcp/webhook/limiter"
)

var start = time.Unix(1_790_000_000, 0)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func fail(l *limiter.Limiter, a netip.Addr, n int) {
	for range n {
		l.Failed(a, start)
	}
}

func look(l *limiter.Limiter, a netip.Addr, after time.Duration) limiter.Standing {
	s, _ := l.Look(a, start.Add(after))
	return s
}

func TestFailuresHoldAnAddressBack(t *testing.T) {
	var began []netip.Prefix
	l := limiter.New(limiter.Options{PerMinute: 10, OnHeldBack: func(p netip.Prefix) { began = append(began, p) }})
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
	l := limiter.New(limiter.Options{PerMinute: 10, Remember: time.Hour, OnHeldBack: func(p netip.Prefix) { t.Errorf("%s was held back", p) }})
	shared := addr("10.0.0.1")
	l.Verified(shared, start)
	fail(l, shared, 1000)
	if got := look(l, shared, 0); got != limiter.Known {
		t.Errorf("the standing is %d, want known", got)
	}
}

func TestOneVerifiedRequestFreesAnAddress(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 10, Remember: time.Hour})
	a := addr("10.0.0.1")
	fail(l, a, 100)
	l.Verified(a, start)
	if got := look(l, a, 0); got != limiter.Known {
		t.Errorf("the standing is %d, want known", got)
	}
	if got := look(l, a, 2*time.Hour); got != limiter.Unknown {
		t.Errorf("when it is forgotten the standing is %d, want Unknown", got)
	}
}

// TestAddressesOfOneCustomer counts IPv6 by /64, and an IPv4 address the same however
// it is written.
func TestAddressesOfOneCustomer(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 4})
	for _, a := range []string{"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::3", "2001:db8:1:2::4%eth0"} {
		l.Failed(addr(a), start)
	}
	if look(l, addr("2001:db8:1:2::99"), 0) != limiter.HeldBack || look(l, addr("2001:db8:1:3::1"), 0) != limiter.Unknown {
		t.Error("IPv6 addresses do not count by their /64")
	}
	fail(l, addr("::ffff:192.0.2.1"), 4)
	if look(l, addr("192.0.2.1"), 0) != limiter.HeldBack {
		t.Error("an IPv4 address inside IPv6 counts apart")
	}
}

// TestTableIsBounded floods the table with addresses; those that are known stay.
func TestTableIsBounded(t *testing.T) {
	l := limiter.New(limiter.Options{Addresses: 1024})
	known := make([]netip.Addr, 32)
	for i := range known {
		known[i] = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		l.Verified(known[i], start)
	}
	for i := range 50_000 {
		l.Failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), start)
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
	if !l.Reserve(a, 600, 1000, start) || l.Reserve(a, 600, 1000, start) {
		t.Error("an address has more than its share")
	}
	l.Release(a, 600)
	if !l.Reserve(a, 1000, 1000, start) {
		t.Error("what was given back cannot be taken again")
	}
}

func TestInvalidAddressIsNotRemembered(t *testing.T) {
	l := limiter.New(limiter.Options{PerMinute: 1})
	var invalid netip.Addr
	fail(l, invalid, 10)
	l.Verified(invalid, start)
	if look(l, invalid, 0) != limiter.Unknown || l.Len() != 0 {
		t.Error("an address that is none is remembered")
	}
}

// TestLookingAllocatesNothing holds what the receive path pays.
func TestLookingAllocatesNothing(t *testing.T) {
	l := limiter.New(limiter.Options{})
	a := addr("2001:db8::1")
	l.Verified(a, start)
	if n := testing.AllocsPerRun(1000, func() { l.Look(a, start); l.Verified(a, start) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkLook is what a verified delivery pays.
func BenchmarkLook(b *testing.B) {
	l := limiter.New(limiter.Options{})
	a := addr("192.0.2.1")
	l.Verified(a, start)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Look(a, start)
		}
	})
}
