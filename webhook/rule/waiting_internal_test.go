package rule

import (
	"testing"

	"slackmcp/store/queue"
)

// TestATenthOfTheBytesMayWait: it is counted in the events that there are, none of which is longer than a sender may send.
func TestATenthOfTheBytesMayWait(t *testing.T) {
	t.Parallel()
	r := &Runner{opt: Options{Backlog: 1000, Longest: func() int64 { return 4 << 20 }}}
	for name, c := range map[string]struct {
		stats queue.Stats
		want  int64
	}{
		"usual events":                       {queue.Stats{Events: 1000, Bytes: 1 << 20, MostBytes: 8 << 20}, 800},
		"long events in a small store":       {queue.Stats{Events: 3, Bytes: 7 << 20, MostBytes: 8 << 20}, 0},
		"long events behind the log's end":   {queue.Stats{Bytes: 7 << 20, MostBytes: 8 << 20, Groups: []queue.GroupStats{{Waiting: 3}}}, 0},
		"a store that others have filled":    {queue.Stats{Events: 4, Bytes: 5 << 30, MostBytes: 10 << 30}, 256},
		"a store of which nothing is known":  {queue.Stats{Events: 4}, 1000},
		"more of them than the count allows": {queue.Stats{Events: 1000, Bytes: 1 << 20, MostBytes: 1 << 40}, 1000},
	} {
		if n := r.mayWait(&c.stats); n < c.want*9/10 || n > c.want*11/10 {
			t.Errorf("%s: %d may wait, want about %d", name, n, c.want)
		}
	}
}
