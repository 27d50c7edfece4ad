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

// connectionAddress returns the address at the other end of a request's connection.
func connectionAddress(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// admit looks up what is known of the sender, and refuses the request of an address that keeps
// failing, and of any address when more requests are served than it may find.
func (rc *Receiver) admit(v *delivery, r *http.Request) (o Outcome, reason string) {
	v.Address = rc.opt.Address(r)
	v.from = sender{address: v.Address, standing: limiter.Known, fresh: true}
	if rc.opt.Limiter != nil {
		v.from.standing, v.from.fresh = rc.opt.Limiter.Look(v.Address, v.began)
	}
	most := int64(rc.opt.MaxInFlight)
	if v.from.standing != limiter.Known {
		most = max(1, most/unverifiedShare)
	}
	switch {
	case v.from.standing == limiter.HeldBack:
		return Limited, ""
	case rc.inFlight.Load() > most:
		return Busy, "requests"
	}
	return "", ""
}

// remember notifies the limiter of how a delivery ended, and reports whether its answer has to
// wait: that to an address that is held back or has failed too often, and that to an
// unverified address while the server is busy.
func (rc *Receiver) remember(v *delivery) (delayed bool) {
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
	return v.Outcome == Limited || v.Outcome == Busy && v.from.standing != limiter.Known
}

// delayedShare is the part of MaxInFlight that may wait to be refused, in addition to the
// requests that are served.
const delayedShare = 8

// A delay makes refusals wait, so that a sender which posts again as soon as its last post
// was answered uses less of the server. Under make flood 16 senders got a thousand refusals
// a second without a delay and get a hundred with it; the p99 of signed events fell from
// 2.2 times its quiet value to between 1.5 and 1.8 (docs/performance.md).
type delay struct {
	wait time.Duration
	most int64
	n    atomic.Int64 // refusals that wait now
}

// hold waits until the delay is over or ctx is done. It does not wait when as many refusals
// as may wait already do. The caller must hold nothing that other requests need.
func (d *delay) hold(ctx context.Context) {
	if !d.enter() {
		return
	}
	defer d.n.Add(-1)
	_ = wait.Sleep(ctx, d.wait) // A request that has ended is answered all the same.
}

// enter counts one more refusal that waits, and reports whether it may wait.
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
