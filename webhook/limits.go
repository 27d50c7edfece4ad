package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook/limiter"
)

// A body of at most shortBody bytes is read in one piece. A longer one, or one of unknown
// length, is read piece by piece, so that a sender has to send bytes before more memory is
// allocated for it.
const (
	shortBody  = 8 << 10
	firstPiece = 8 << 10
	stretch    = 64 << 10 // the most that is read of a long body at a time
)

// The parts of the budget. All unverified addresses together may use half of it, and one of
// them an eighth. The rest is for addresses from which a verified request came. Such an
// address may be that of a proxy with unverified senders behind it, so an eighth of the
// budget is kept for short bodies, as most events have: long ones cannot use it up.
const (
	unverifiedShare = 2
	addressShare    = 4 // of the part of the unverified addresses
	shortShare      = 8
)

var (
	errTooLarge = errors.New("body is above the limit")
	errBusy     = errors.New("body budget is used up")
)

// bodies reads request bodies within a limit for each and a budget for all.
type bodies struct {
	limit   int64
	budget  int64
	limiter *limiter.Limiter // nil takes every address for a known one
	grace   time.Duration
	rate    int64 // bytes a second
	used    atomic.Int64
	pace    pace
}

// A body is the bytes of one request with their part of the budget, which its owner gives
// back by release.
type body struct {
	of     *bodies
	bytes  []byte
	from   sender
	taken  int64         // bytes of the budget
	share  int64         // bytes that the limiter granted to the sender's address
	waited time.Duration // how long the pace held the body back
}

// A sender is what is known of a request's origin before its signature is checked.
type sender struct {
	address  netip.Addr
	standing limiter.Standing
	fresh    bool // the limiter need not be notified of a verified request
}

func newBodies(o Options) *bodies {
	return &bodies{
		limit: o.MaxBodyBytes, budget: o.BodyBudget, limiter: o.Limiter,
		grace: o.BodyGrace, rate: o.MinBodyRate, pace: pace{began: time.Now()},
	}
}

// read reads the whole body of r. The caller releases what it returns, also with an
// error. Errors: errTooLarge, errBusy, and those of the connection.
func (b *bodies) read(w http.ResponseWriter, r *http.Request, from sender) (*body, error) {
	d := &body{of: b, from: from}
	n := r.ContentLength
	if n > b.limit {
		return d, errTooLarge
	}
	if n < 0 || n > shortBody {
		return d, d.readPieces(w, r)
	}
	if err := d.grow(int(n)); err != nil {
		return d, err
	}
	m, err := io.ReadFull(r.Body, d.bytes[:n])
	d.bytes = d.bytes[:m]
	return d, err
}

// readPieces reads a body that is long or of unknown length, and gives it up when it
// comes too slowly. It reads one byte above the limit, to see that there is one.
func (d *body) readPieces(w http.ResponseWriter, r *http.Request) error {
	began, control := time.Now(), http.NewResponseController(w)
	whole := d.of.limit
	if r.ContentLength >= 0 {
		whole = r.ContentLength
	}
	for {
		// The sender is not charged for the time that the pace held its body back.
		due := began.Add(d.waited + d.of.grace + time.Duration(int64(len(d.bytes))*int64(time.Second)/d.of.rate))
		_ = control.SetReadDeadline(due) // Only a test's ResponseWriter has no deadlines.
		// Memory is allocated for three times as much as the sender has sent.
		piece := min(max(3*len(d.bytes), firstPiece), int(whole)+1-len(d.bytes))
		if err := d.grow(piece); err != nil {
			return err
		}
		switch err := d.fill(r, len(d.bytes)+piece); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// fill reads until the body has full bytes, for which there is space, or until io.EOF or
// another error.
func (d *body) fill(r *http.Request, full int) error {
	for len(d.bytes) < full {
		n, err := r.Body.Read(d.bytes[len(d.bytes):min(full, len(d.bytes)+stretch)])
		d.bytes = d.bytes[:len(d.bytes)+n]
		switch {
		case int64(len(d.bytes)) > d.of.limit:
			return errTooLarge
		case err != nil:
			return err
		case len(d.bytes) > stretch:
			d.waited += d.of.pace.wait(r.Context(), n)
		}
	}
	return nil
}

// grow takes n more bytes from the budget and makes space for them.
func (d *body) grow(n int) error {
	budget := d.of.budget
	long := n > shortBody || len(d.bytes) > 0
	if long {
		budget = max(budget-budget/shortShare, d.of.limit+1)
	}
	if d.from.standing != limiter.Known {
		budget = max(d.of.budget/unverifiedShare, d.of.limit+1)
		if long {
			if !d.of.limiter.Reserve(d.from.address, int64(n), max(budget/addressShare, d.of.limit+1), time.Now()) {
				return errBusy
			}
			d.share += int64(n)
		}
	}
	if d.of.used.Add(int64(n)) > budget {
		d.of.used.Add(int64(-n))
		return errBusy
	}
	d.taken += int64(n)
	if need := len(d.bytes) + n; need > cap(d.bytes) {
		d.bytes = append(make([]byte, 0, need), d.bytes...)
	}
	return nil
}

// release gives the body's part of the budget back.
func (d *body) release() {
	d.of.used.Add(-d.taken)
	if d.share > 0 {
		d.of.limiter.Release(d.from.address, d.share)
	}
}

// outcomeOf returns how a request ends whose body could not be read.
func outcomeOf(err error) (o Outcome, reason string) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge, "" // An http.Handler in front of the Receiver has a smaller limit.
	}
	switch {
	case errors.Is(err, errTooLarge):
		return TooLarge, ""
	case errors.Is(err, errBusy):
		return Busy, "bytes"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout, ""
	}
	return Aborted, ""
}

// longRate is how many bytes a second are read of all bodies together that are longer than
// a stretch. Without a pace, reading and hashing bodies of a MiB took more than a third of
// a processor under make flood, and none of them was signed. A MiB alone takes 60 ms, and
// Slack waits for 3 s.
const longRate = 16 << 20

// A pace gives out time at longRate. It is safe for concurrent use.
type pace struct {
	began time.Time
	next  atomic.Int64 // when the next caller has its turn, in nanoseconds after began
}

// wait takes the time of n bytes, waits until the callers before have had theirs or ctx is
// done, and returns how long it waited.
func (p *pace) wait(ctx context.Context, n int) time.Duration {
	cost := int64(n) * int64(time.Second) / longRate
	now := int64(time.Since(p.began))
	for {
		next := p.next.Load()
		at := max(next, now)
		if p.next.CompareAndSwap(next, at+cost) {
			_ = wait.Sleep(ctx, time.Duration(at-now)) // When ctx is done, the next read fails.
			return time.Duration(at - now)
		}
	}
}

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
