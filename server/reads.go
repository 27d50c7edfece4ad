package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/webhook/event"
)

const (
	// readMemory is how many bytes of bodies readers hold together. What becomes of a body on
	// its way to an answer takes a few times as much.
	readMemory = 6 << 20
	// slackReads is how many readers hold large replies or files of Slack at a time, each of
	// up to 8 MiB.
	slackReads = 2
	// readPatience is how long a reader waits for its share.
	readPatience = 10 * time.Second
)

// reads is the memory that all readers of this process hold of events' bodies at a time:
// those of the assistant's side, and those of operators. Receiving and handling events take
// nothing of it. Readers that wait take turns by their principals, and one principal never
// has the last share, so that one that reads much, or takes its answers slowly, holds up
// itself. It is safe for concurrent use.
type reads struct {
	mu      sync.Mutex
	all     int                        // shares that there are; guarded by mu, as is the rest
	free    int                        // shares; guarded by mu, as is the rest
	held    map[string]int             // shares by principal
	waiting map[string][]chan struct{} // by principal; closed when the reader has its share
	turns   []string                   // the principals that wait, in turn

	// onBusy is told of each reader that got no share; nil is not called. It is set before the first
	// reader comes.
	onBusy func(context.Context, access.Bound)
}

// newReads returns the budget where a body has at most maxBody bytes.
func newReads(maxBody int64) *reads { return newShares(sharesFor(maxBody)) }

func sharesFor(maxBody int64) int { return int(max(1, readMemory/(event.MaxPageBytes+maxBody))) }

// newShares returns a budget of so many shares.
func newShares(n int) *reads {
	return &reads{all: n, free: n, held: map[string]int{}, waiting: map[string][]chan struct{}{}}
}

// fit changes the budget to that of bodies of at most maxBody bytes, because a source came or went that takes longer
// ones. Shares that are held are counted as they are; where there are too many, they are not given out again.
func (r *reads) fit(maxBody int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := sharesFor(maxBody)
	r.free += n - r.all
	for r.all = n; r.free > 0 && r.next(); {
	}
}

// Hold calls use while it holds a share, which is enough for a page and one body. It
// returns event.ErrBusy, or the cause of ctx, when it did not get one.
func (r *reads) Hold(ctx context.Context, use func() error) error {
	leave, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return use()
}

// take waits for a share, which leave gives back. It returns event.ErrBusy, or the cause of
// ctx, when it did not get one.
func (r *reads) take(ctx context.Context) (leave func(), err error) {
	who := access.From(ctx).Account()
	if granted := r.enter(who); granted != nil {
		patience := time.NewTimer(readPatience)
		defer patience.Stop()
		select {
		case <-granted:
		case <-patience.C:
			err = event.ErrBusy
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil && r.giveUp(who, granted) {
			if r.onBusy != nil && errors.Is(err, event.ErrBusy) {
				r.onBusy(ctx, access.Bound{Of: "reads"})
			}
			return nil, err
		}
	}
	return func() { r.leave(who) }, nil
}

// enter takes a share, or returns what is closed when the reader gets one.
func (r *reads) enter(who string) (granted chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free > 0 && r.mayHave(who) {
		r.free--
		r.held[who]++
		return nil
	}
	granted = make(chan struct{})
	if len(r.waiting[who]) == 0 {
		r.turns = append(r.turns, who)
	}
	r.waiting[who] = append(r.waiting[who], granted)
	return granted
}

// giveUp ends the wait of a reader, and reports false when it has just got its share.
func (r *reads) giveUp(who string, granted chan struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting[who], granted)
	if i < 0 {
		return false
	}
	r.remove(who, i)
	return true
}

// mayHave reports whether a principal may have one more share. One that is "" stands for
// everybody, where nobody has to authenticate. It requires r.mu.
func (r *reads) mayHave(who string) bool { return who == "" || r.held[who] < max(1, r.all-1) }

// leave hands a share to the next reader that may have it, or keeps it for one that comes.
func (r *reads) leave(from string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free++
	if r.held[from]--; r.held[from] == 0 {
		delete(r.held, from)
	}
	if r.free > 0 {
		r.next()
	}
}

// next hands a share to the next reader that may have it, and reports false when there is none. It requires r.mu
// and a free share.
func (r *reads) next() bool {
	i := slices.IndexFunc(r.turns, r.mayHave)
	if i < 0 {
		return false
	}
	who := r.turns[i]
	r.free--
	r.held[who]++
	close(r.waiting[who][0])
	r.remove(who, 0)
	if len(r.waiting[who]) > 0 {
		r.turns = append(slices.Delete(r.turns, i, i+1), who)
	}
	return true
}

// remove takes a reader from those that wait. It requires r.mu.
func (r *reads) remove(who string, i int) {
	r.waiting[who] = slices.Delete(r.waiting[who], i, i+1)
	if len(r.waiting[who]) == 0 {
		delete(r.waiting, who)
		r.turns = slices.DeleteFunc(r.turns, func(t string) bool { return t == who })
	}
}
