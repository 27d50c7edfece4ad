package rule

import (
	"testing"

	"slackmcp/store/queue"
)

// TestAFewMayWaitInAStoreOfOthers has a store that others have nearly filled.
func TestAFewMayWaitInAStoreOfOthers(t *testing.T) {
	t.Parallel()
	r := &Runner{opt: Options{Backlog: 1000}}
	if n := r.mayWait(&queue.Stats{Events: 4, Bytes: 5e8, MostBytes: 1e9}); n < leastWaiting {
		t.Errorf("%d events may wait, want %d", n, leastWaiting)
	}
}
