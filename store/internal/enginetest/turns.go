package enginetest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// turns is into how many rounds TakeTurns divides what it measures.
const turns = 5

// TakeTurns has callers make b.N calls of each function, in rounds that take turns, so
// that a noisy moment of the machine falls on all of them, and returns how long b.N calls
// take of each, by the median of its rounds. Functions are given numbers that they were
// not given before.
func TakeTurns(b *testing.B, callers int, fns ...func(n int64) error) []time.Duration {
	b.Helper()
	each := int64(max(b.N/turns, 1))
	rounds := make([][]time.Duration, len(fns))
	for turn := range int64(turns) {
		for i, fn := range fns {
			rounds[i] = append(rounds[i], share(b, callers, turn*each, each, fn))
		}
	}
	took := make([]time.Duration, len(fns))
	for i := range rounds {
		slices.Sort(rounds[i])
		took[i] = rounds[i][turns/2] * time.Duration(b.N) / time.Duration(each)
	}
	return took
}

// share divides the calls with the numbers behind first among callers.
func share(b *testing.B, callers int, first, count int64, fn func(n int64) error) time.Duration {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range callers {
		all.Go(func() {
			for n := next.Add(1); n <= count; n = next.Add(1) {
				if err := fn(first + n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}
