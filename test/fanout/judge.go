package main

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"slackmcp/test/internal/driver"
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
func judge(told [][]time.Time, shares [][]driver.Posted) verdict {
	var v verdict
	for i, told := range told {
		v.notifications += int64(len(told))
		for _, e := range lastOfWindows(shares[i]) {
			at := sort.Search(len(told), func(k int) bool { return !told[k].Before(e.SentAt) })
			if at == len(told) {
				v.missed++
				continue
			}
			v.latencies = append(v.latencies, max(0, told[at].Sub(e.AckedAt)))
		}
	}
	slices.Sort(v.latencies)
	return v
}

// shares are the events that each session is told of, in the order of their answers.
func shares(sent []driver.Posted, sessions int, sc scenario) [][]driver.Posted {
	sort := func(events []driver.Posted) []driver.Posted {
		slices.SortFunc(events, func(a, b driver.Posted) int { return a.AckedAt.Compare(b.AckedAt) })
		return events
	}
	own := make([][]driver.Posted, sessions)
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
func lastOfWindows(events []driver.Posted) []driver.Posted {
	var last []driver.Posted
	for i, e := range events {
		if i+1 == len(events) || events[i+1].AckedAt.Sub(e.AckedAt) >= window ||
			events[i+1].AckedAt.Truncate(window) != e.AckedAt.Truncate(window) {
			last = append(last, e)
		}
	}
	return last
}

var errWaiting = errors.New("a session still waits for its last notification")

// settle waits until every session was told of its last event, at most the patience:
// what is missing then is missed.
func settle(ctx context.Context, followers []*driver.Follower, shares [][]driver.Posted) {
	for i, f := range followers {
		if len(shares[i]) == 0 {
			continue
		}
		last := shares[i][len(shares[i])-1].SentAt
		_ = driver.Poll(ctx, func() error {
			if told := f.Told(); len(told) == 0 || told[len(told)-1].Before(last) {
				return errWaiting
			}
			return nil
		})
	}
}
