package main

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"
)

// window is the server's: updates within it are joined.
const window = 50 * time.Millisecond

// A verdict is what came of a scenario.
type verdict struct {
	notifications int64
	missed        int
	latencies     []time.Duration // sorted
}

func (v verdict) at(percent int) time.Duration {
	if len(v.latencies) == 0 {
		return 0
	}
	return v.latencies[(len(v.latencies)-1)*percent/100]
}

// judge looks, for every session and every window that had events for it, for the
// notification that covers the last of them: the first since that event was sent. Its
// latency counts from the answer to the event; one that came before the answer has
// none.
func judge(followers []*follower, shares [][]posted) verdict {
	var v verdict
	for i, f := range followers {
		told := f.told()
		v.notifications += int64(len(told))
		for _, e := range lastOfWindows(shares[i]) {
			at := sort.Search(len(told), func(k int) bool { return !told[k].Before(e.sentAt) })
			if at == len(told) {
				v.missed++
				continue
			}
			v.latencies = append(v.latencies, max(0, told[at].Sub(e.ackedAt)))
		}
	}
	slices.Sort(v.latencies)
	return v
}

// shares are the events that each session is told of, in the order of their answers.
func shares(sent []posted, sessions int, sc scenario) [][]posted {
	sort := func(events []posted) []posted {
		slices.SortFunc(events, func(a, b posted) int { return a.ackedAt.Compare(b.ackedAt) })
		return events
	}
	own := make([][]posted, sessions)
	if sc.all {
		everything := sort(slices.Clone(sent))
		for i := range own {
			own[i] = everything
		}
		return own
	}
	for e, p := range sent {
		own[e%sessions] = append(own[e%sessions], p)
	}
	for i := range own {
		own[i] = sort(own[i])
	}
	return own
}

// lastOfWindows keeps the last event of each window.
func lastOfWindows(events []posted) []posted {
	var last []posted
	for i, e := range events {
		if i+1 == len(events) || events[i+1].ackedAt.Sub(e.ackedAt) >= window ||
			events[i+1].ackedAt.Truncate(window) != e.ackedAt.Truncate(window) {
			last = append(last, e)
		}
	}
	return last
}

var errWaiting = errors.New("a session still waits for its last notification")

// settle waits until every session was told of its last event, at most the patience:
// what is missing then is missed.
func settle(ctx context.Context, followers []*follower, shares [][]posted) {
	for i, f := range followers {
		if len(shares[i]) == 0 {
			continue
		}
		last := shares[i][len(shares[i])-1].sentAt
		_ = poll(ctx, func() error {
			if told := f.told(); len(told) == 0 || told[len(told)-1].Before(last) {
				return errWaiting
			}
			return nil
		})
	}
}
