// Package limiter holds back addresses whose requests keep failing verification, so that long
// bodies from senders without a secret cost little.
//
// Only failures count, for each address and route: an address may have [Options.PerMinute]
// of them at a route, never more are remembered, and while it has that many it is held back
// there, until some of a minute's share have come back. An address from which a verified
// request came at a route within the last day is known there, and not held back. What is done with
// the one that is held back is its caller's: this package only tells.
//
// [Client] says which addresses count as one. The table is bounded; when it is full, the
// address that was quiet the longest of a few is forgotten, and known ones last.
//
// All methods are safe for concurrent use, allocate nothing for an address that is in
// the table, and never wait for more than a mutex.
package limiter

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The defaults of Options.
const (
	DefaultPerMinute = 60
	DefaultAddresses = 16384
	DefaultRemember  = 24 * time.Hour
)

const (
	shards = 16
	// touch is how old the mark of a known address may be before it should be renewed.
	touch = time.Minute
	// sample is how many addresses are looked at to find one to forget.
	sample = 8
)

// Options configure a Limiter. The zero value is ready to use.
type Options struct {
	// PerMinute is how many failures an address may have at a route in a minute; 0 means
	// DefaultPerMinute.
	PerMinute int
	// Addresses bounds the table; 0 means DefaultAddresses.
	Addresses int
	// Remember is for how long a verified request makes its address known; 0 means
	// DefaultRemember.
	Remember time.Duration
	// OnHeldBack is called, on the request's goroutine, with an address that is held back at
	// a route from now on: once, until it is no longer held back. nil is not called.
	OnHeldBack func(client netip.Prefix, route string)
}

// A Limiter holds addresses back.
type Limiter struct {
	opt    Options
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[key]*entry // guarded by mu
}

// A key is an address at a route. Its address is that of its client's prefix.
type key struct {
	client netip.Addr
	route  string
}

// An entry is what is remembered of an address at a route. It is guarded by its shard's mutex.
type entry struct {
	verified time.Time // the last verified request, or a little before it
	failures float64   // of the last minute, as of at
	at       time.Time
	held     bool  // OnHeldBack was called
	bytes    int64 // of bodies that are being read
}

// New returns a Limiter.
func New(o Options) *Limiter {
	if o.PerMinute <= 0 {
		o.PerMinute = DefaultPerMinute
	}
	if o.Addresses <= 0 {
		o.Addresses = DefaultAddresses
	}
	if o.Remember <= 0 {
		o.Remember = DefaultRemember
	}
	if o.OnHeldBack == nil {
		o.OnHeldBack = func(netip.Prefix, string) {}
	}
	l := &Limiter{opt: o, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].entries = map[key]*entry{}
	}
	return l
}

// A Standing is what is known of an address at a route from its earlier requests.
type Standing uint8

// The standings.
const (
	// Unknown is an address of which nothing is known.
	Unknown Standing = iota
	// Known is one from which a verified request came.
	Known
	// HeldBack is one with too many failures.
	HeldBack
)

// Look returns an address's standing at a route. The zero address is always Unknown.
func (l *Limiter) Look(a netip.Addr, route string, now time.Time) Standing {
	k, s := l.shard(a, route)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[k]
	switch {
	case e == nil:
		return Unknown
	case l.known(e, now):
		return Known
	case l.over(e, now):
		return HeldBack
	}
	return Unknown
}

// Verified notes that a request of the address was verified at a route.
func (l *Limiter) Verified(a netip.Addr, route string, now time.Time) {
	if !a.IsValid() {
		return
	}
	k, s := l.shard(a, route)
	if s.fresh(k, now) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.entry(s, k, now)
	e.verified, e.failures, e.held = now, 0, false
}

// fresh reports whether an address without failures was marked as verified a moment ago, so
// that most verified requests need no exclusive lock.
func (s *shard) fresh(k key, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[k]
	return e != nil && e.failures == 0 && now.Sub(e.verified) < touch
}

// Failed notes that a request of the address was not verified at a route.
func (l *Limiter) Failed(a netip.Addr, route string, now time.Time) {
	if !a.IsValid() {
		return
	}
	k, s := l.shard(a, route)
	s.mu.Lock()
	e := l.entry(s, k, now)
	e.failures, e.at = min(l.failures(e, now)+1, float64(l.opt.PerMinute)), now
	over := l.over(e, now)
	begins := over && !e.held && !l.known(e, now)
	e.held = over
	s.mu.Unlock()
	if begins {
		l.opt.OnHeldBack(Client(a), route)
	}
}

// Reserve takes n bytes of memory for the body of an unverified address, and reports whether
// the address then has no more than most at the route. Release gives them back.
func (l *Limiter) Reserve(a netip.Addr, route string, n, most int64, now time.Time) bool {
	if !a.IsValid() {
		return true
	}
	k, s := l.shard(a, route)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.entry(s, k, now)
	if e.bytes+n > most {
		return false
	}
	e.bytes += n
	return true
}

// Release gives back bytes that Reserve granted.
func (l *Limiter) Release(a netip.Addr, route string, n int64) {
	k, s := l.shard(a, route)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[k]; e != nil {
		e.bytes = max(0, e.bytes-n) // it may have been forgotten in between
	}
}

// Len returns how many addresses are remembered.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}

func (l *Limiter) known(e *entry, now time.Time) bool {
	return !e.verified.IsZero() && now.Sub(e.verified) < l.opt.Remember
}

// failures returns what is left of an address's failures: each minute takes PerMinute off.
func (l *Limiter) failures(e *entry, now time.Time) float64 {
	return max(0, e.failures-now.Sub(e.at).Minutes()*float64(l.opt.PerMinute))
}

// over reports whether an address has as many failures as it may.
func (l *Limiter) over(e *entry, now time.Time) bool {
	return l.failures(e, now)+1 > float64(l.opt.PerMinute)
}

// entry returns the entry of an address, made when it is new. It requires s.mu.
func (l *Limiter) entry(s *shard, k key, now time.Time) *entry {
	if e := s.entries[k]; e != nil {
		return e
	}
	if len(s.entries) >= max(1, l.opt.Addresses/shards) {
		l.forget(s, now)
	}
	e := &entry{at: now}
	s.entries[k] = e
	return e
}

// forget removes one address: of a few, an unknown before a known one, and the one that
// was quiet the longest. It requires s.mu.
func (l *Limiter) forget(s *shard, now time.Time) {
	var worst key
	var found *entry
	n := 0
	for k, e := range s.entries { // in random order
		if found == nil || l.goesBefore(e, found, now) {
			worst, found = k, e
		}
		if n++; n == sample {
			break
		}
	}
	delete(s.entries, worst)
}

func (l *Limiter) goesBefore(a, b *entry, now time.Time) bool {
	if ka, kb := l.known(a, now), l.known(b, now); ka != kb {
		return kb
	}
	return last(a).Before(last(b))
}

func last(e *entry) time.Time {
	if e.verified.After(e.at) {
		return e.verified
	}
	return e.at
}

// shard returns the key under which an address is counted, and its shard.
func (l *Limiter) shard(a netip.Addr, route string) (key, *shard) {
	k := key{Client(a).Addr(), route}
	return k, &l.shards[maphash.Comparable(l.seed, k)%shards]
}

// bits6 is how many bits of an IPv6 address name a customer.
const bits6 = 64

// nat64 is the prefix under which translators of networks write the IPv4 addresses of others
// (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Client returns the addresses that count as one client with a: the address itself for IPv4, and
// for IPv6 its /64, which is what one customer is given. An address of ::ffff:0:0/96 or
// 64:ff9b::/96 is the IPv4 address inside it; no other IPv6 address is taken for one, because
// its owner chooses what stands inside. The prefix of the zero address is the zero prefix.
func Client(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return netip.Prefix{}
	case nat64.Contains(a):
		b := a.As16()
		a, _ = netip.AddrFromSlice(b[12:]) // Four bytes are always an address.
	case a.Is6():
		p, _ := a.Prefix(bits6) // 64 is a length that every IPv6 address has.
		return p
	}
	return netip.PrefixFrom(a, a.BitLen())
}
