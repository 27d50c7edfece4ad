package webhook

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook/limiter"
)

// connectionAddress is the address at the other end of a request's connection.
func connectionAddress(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// sender says who a request comes from, before its signature says more.
func (rc *Receiver) sender(r *http.Request, now time.Time) sender {
	s := sender{address: rc.opt.Address(r), standing: limiter.Known, fresh: true}
	if rc.opt.Limiter != nil {
		s.standing, s.fresh = rc.opt.Limiter.Look(s.address, now)
	}
	return s
}

// crowded reports whether as many requests are served as may be, or as many strangers.
func (rc *Receiver) crowded(from sender) bool {
	most := int64(rc.opt.MaxInFlight)
	if from.standing != limiter.Known {
		most = max(1, most/unverifiedShare)
	}
	return rc.inFlight.Load() > most
}

// remember tells the limiter what an address has earned, and reports whether it has failed
// too often.
func (rc *Receiver) remember(v *delivery) (failing bool) {
	l := rc.opt.Limiter
	switch {
	case l == nil:
	case v.Secret > 0:
		if !v.from.fresh {
			l.Verified(v.Address, v.began)
		}
	case v.Outcome == BadSignature, v.Outcome == Stale, v.Outcome == Timeout, v.Outcome == TooLarge:
		return l.Failed(v.Address, v.began)
	}
	return false
}

// delayedShare is the part of MaxInFlight that may wait to be refused, beside those that
// are served.
const delayedShare = 8

// A delay lets refusals wait, so that who posts anew as soon as the last post was answered
// takes less of the server. Under make flood 16 posters had a thousand refusals a second
// before, and a hundred since; the p99 of signed events fell from 2.2 times its quiet value
// to between 1.5 and 1.8 (docs/performance.md).
type delay struct {
	wait time.Duration
	most int64
	n    atomic.Int64 // that wait now
}

// unwelcome reports whether the refusal of a delivery waits: one of an address that is held
// back, or of an unverified address while the server is busy.
func (v *delivery) unwelcome() bool {
	return v.Outcome == Limited || v.Outcome == Busy && v.from.standing != limiter.Known
}

// hold waits, unless as many as may do already or the request's end comes first. Its
// caller holds nothing that others need.
func (d *delay) hold(ctx context.Context) {
	if !d.enter() {
		return
	}
	defer d.n.Add(-1)
	_ = wait.Sleep(ctx, d.wait) // A request that has ended is answered all the same.
}

// enter counts one more, if there may be one.
func (d *delay) enter() bool {
	for {
		n := d.n.Load()
		if n >= d.most {
			return false
		}
		if d.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
