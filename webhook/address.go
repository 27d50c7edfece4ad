package webhook

import (
	"net/http"
	"net/netip"
	"time"

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
