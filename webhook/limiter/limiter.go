// Package limiter holds back addresses whose requests keep failing verification, so that
// senders without a secret cost little, and senders with one are not disturbed.
//
// Only failures count: an address may have [Options.PerMinute] of them, and what it
// posts beyond that is refused before its body is read, until a minute's share has come
// back. An address from which a verified request came within the last day is known: it
// is never held back, whatever else comes from it, because the address may be that of a
// proxy which is not configured as one.
//
// An IPv6 address stands for its /64, which is what one customer is given. The table is
// bounded; when it is full, the address that was quiet the longest of a few is
// forgotten, and known ones last.
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
	// PerMinute is how many failures an address may have in a minute; 0 means
	// DefaultPerMinute.
	PerMinute int
	// Addresses bounds the table; 0 means DefaultAddresses.
	Addresses int
	// Remember is for how long a verified request makes its address known; 0 means
	// DefaultRemember.
	Remember time.Duration
	// OnHeldBack is called, on the request's goroutine, with an address that is held back
	// from now on: once, until it is no longer held back. nil is not called.
	OnHeldBack func(netip.Prefix)
}

// A Limiter holds addresses back.
type Limiter struct {
	opt    Options
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[netip.Addr]*entry // guarded by mu
}

// An entry is what is remembered of an address. It is guarded by its shard's mutex.
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
		o.OnHeldBack = func(netip.Prefix) {}
	}
	l := &Limiter{opt: o, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].entries = map[netip.Addr]*entry{}
	}
	return l
}

// A Standing is what is known of an address from its earlier requests.
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

// Look returns an address's standing, and for a known one whether its mark is fresh, so that
// Verified need not be called again so soon. The zero address is always Unknown.
func (l *Limiter) Look(a netip.Addr, now time.Time) (s Standing, fresh bool) {
	a, sh := l.shard(a)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	e := sh.entries[a]
	switch {
	case e == nil:
		return Unknown, false
	case l.known(e, now):
		return Known, now.Sub(e.verified) < touch
	case l.failures(e, now)+1 > float64(l.opt.PerMinute):
		return HeldBack, false
	}
	return Unknown, false
}

// Verified notes that a request of the address was verified.
func (l *Limiter) Verified(a netip.Addr, now time.Time) {
	if !a.IsValid() {
		return
	}
	a, s := l.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.entry(s, a, now)
	e.verified, e.failures, e.held = now, 0, false
}

// Failed notes that a request of the address was not verified, and reports whether the
// address, known or not, has had as many of them as it may.
func (l *Limiter) Failed(a netip.Addr, now time.Time) (over bool) {
	if !a.IsValid() {
		return false
	}
	a, s := l.shard(a)
	s.mu.Lock()
	e := l.entry(s, a, now)
	e.failures, e.at = l.failures(e, now)+1, now
	over = e.failures+1 > float64(l.opt.PerMinute)
	begins := over && !e.held && !l.known(e, now)
	e.held = over
	s.mu.Unlock()
	if begins {
		bits := 32
		if a.Is6() {
			bits = prefix6
		}
		l.opt.OnHeldBack(netip.PrefixFrom(a, bits))
	}
	return over
}

// Reserve takes n bytes of memory for the body of an unverified address, and reports whether
// the address then has no more than most. Release gives them back.
func (l *Limiter) Reserve(a netip.Addr, n, most int64, now time.Time) bool {
	if !a.IsValid() {
		return true
	}
	a, s := l.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.entry(s, a, now)
	if e.bytes+n > most {
		return false
	}
	e.bytes += n
	return true
}

// Release gives back bytes that Reserve granted.
func (l *Limiter) Release(a netip.Addr, n int64) {
	a, s := l.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[a]; e != nil {
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

// entry returns an address's entry, made when it is new. It requires s.mu.
func (l *Limiter) entry(s *shard, a netip.Addr, now time.Time) *entry {
	if e := s.entries[a]; e != nil {
		return e
	}
	if len(s.entries) >= max(1, l.opt.Addresses/shards) {
		l.forget(s, now)
	}
	e := &entry{at: now}
	s.entries[a] = e
	return e
}

// forget removes one address: of a few, an unknown before a known one, and the one that
// was quiet the longest. It requires s.mu.
func (l *Limiter) forget(s *shard, now time.Time) {
	var worst netip.Addr
	var found *entry
	n := 0
	for a, e := range s.entries { // in random order
		if found == nil || l.goesBefore(e, found, now) {
			worst, found = a, e
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

// prefix6 is how many bits of an IPv6 address name a customer.
const prefix6 = 64

// shard returns the address under which an address is counted, and its shard.
func (l *Limiter) shard(a netip.Addr) (netip.Addr, *shard) {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(prefix6) // 64 is a length that every IPv6 address has.
		a = p.Addr()
	}
	return a, &l.shards[maphash.Comparable(l.seed, a)%shards]
}
