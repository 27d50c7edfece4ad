package consume_test

import (
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

func TestStalledSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w consume.Watchdog
		begun := time.Now()
		leave := w.Attend(queue.Group{Name: "g", Deadline: time.Minute})
		limit := time.Minute + 10*time.Second
		for name, tc := range map[string]struct {
			group    string
			due, now time.Time
			want     time.Time
		}{
			"nothing is due":                         {"g", time.Time{}, begun.Add(time.Hour), time.Time{}},
			"an attempt may still be running":        {"g", begun, begun.Add(limit - 1), time.Time{}},
			"no attempt takes so long":               {"g", begun, begun.Add(limit), begun.Add(limit)},
			"the last delivery was later":            {"g", begun.Add(time.Minute), begun.Add(limit), time.Time{}},
			"it was due before a consumer came":      {"g", begun.Add(-time.Hour), begun.Add(time.Second), time.Time{}},
			"it is another process that consumes it": {"other", begun, begun.Add(time.Hour), time.Time{}},
		} {
			if got := w.StalledSince(tc.group, tc.due, tc.now); !got.Equal(tc.want) {
				t.Errorf("%s: StalledSince = %v, want %v", name, got, tc.want)
			}
		}
		leave()
		if got := w.StalledSince("g", begun, begun.Add(time.Hour)); !got.IsZero() {
			t.Errorf("after the last consumer left: StalledSince = %v, want zero", got)
		}
	})
}
