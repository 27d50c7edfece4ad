package webhook

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"os"
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

// read reads the body of a request whose signature headers are well-formed and fresh. A small
// one is read whatever its address did before. The others cost more, so that of them nothing is
// read from an address that keeps failing. release gives their memory back; it is never nil.
func (rc *Receiver) read(v *delivery, w http.ResponseWriter, r *http.Request) (bytes []byte, release func(), err error) {
	if isSmall(r, v.limit) {
		b, err := rc.bodies.small.read(w, r, v.began)
		return b.bytes, b.release, err
	}
	from := sender{address: v.Address, route: v.Source, standing: limiter.Known}
	if rc.opt.Limiter != nil {
		from.standing = rc.opt.Limiter.Look(v.Address, v.Source, v.began)
	}
	if from.standing == limiter.HeldBack {
		return nil, func() {}, errHeldBack
	}
	b, err := rc.bodies.readLong(w, r, from, v.limit)
	return b.bytes, b.release, err
}

// errHeldBack ends a request of which nothing was read.
var errHeldBack = errors.New("the address keeps failing verification")

// outcomeOf returns how a request ends whose body could not be read.
func outcomeOf(err error) (o Outcome, reason string) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge, "" // An http.Handler in front of the Receiver has a smaller limit.
	}
	switch {
	case errors.Is(err, errHeldBack):
		return Limited, ""
	case errors.Is(err, errTooLarge):
		return TooLarge, ""
	case errors.Is(err, errBusy):
		return Busy, "bytes"
	case errors.Is(err, errGaveWay):
		return Timeout, "gave_way"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout, ""
	}
	return Aborted, ""
}

// remember notifies the limiter of how a delivery ended. Only what no sender with the secret
// can send counts as a failure: a slow network, a clock that is off or a body that is too long are
// an honest sender's troubles too.
func (rc *Receiver) remember(v *delivery) {
	switch l := rc.opt.Limiter; {
	case l == nil:
	case v.Secret > 0:
		l.Verified(v.Address, v.Source, v.began)
	case v.Outcome == BadSignature:
		l.Failed(v.Address, v.Source, v.began)
	}
}

// refused reports whether a delivery is answered as a failure: late, and on a connection that
// is closed then.
func (v *delivery) refused() bool {
	return v.Secret == 0 && v.Outcome != SSLCheck && v.Outcome != Challenge && v.Outcome != Aborted
}

// maxDelayed is how many refusals wait at once. It bounds what a flood makes the server keep;
// whoever gets further ones has to connect anew for each.
const maxDelayed = 256

// afterRefusal is how long a connection may take to send the rest of a body that is not read.
const afterRefusal = 500 * time.Millisecond

// A delay makes refusals wait, so that a sender which posts again as soon as its last post
// was answered uses less of the server.
type delay struct {
	wait time.Duration
	n    atomic.Int64 // refusals that wait now
}

// hold waits until the delay is over or ctx is done. It does not wait when as many refusals
// as may wait already do. The caller must hold nothing that other requests need.
func (d *delay) hold(ctx context.Context) {
	if d.n.Add(1) <= maxDelayed {
		_ = wait.Sleep(ctx, d.wait) // A request that has ended is answered all the same.
	}
	d.n.Add(-1)
}
