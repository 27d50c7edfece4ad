package metrics

import (
	"sync"
	"testing"
	"time"
)

func TestHourForgetsWhatIsOlder(t *testing.T) {
	var h hour
	start := time.Unix(1_790_000_000, 0)
	for i := range 90 { // one delivery a minute, every other one failed
		h.add(start.Add(time.Duration(i)*time.Minute), i%2 == 0)
	}
	if total, failed := h.sum(start.Add(89 * time.Minute)); total != 60 || failed != 30 {
		t.Errorf("%d of %d failed, want 30 of 60", failed, total)
	}
	if total, _ := h.sum(start.Add(89*time.Minute + 30*time.Minute)); total != 30 {
		t.Errorf("half an hour later %d are left, want 30", total)
	}
	if total, _ := h.sum(start.Add(24 * time.Hour)); total != 0 {
		t.Errorf("a day later %d are left, want 0", total)
	}
}

func TestHourCountsAllAtOnce(t *testing.T) {
	var h hour
	now := time.Unix(1_790_000_000, 0)
	h.add(now, false)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				h.add(now, true)
			}
		})
	}
	wg.Wait()
	if total, failed := h.sum(now); total != 8001 || failed != 8000 {
		t.Errorf("%d of %d failed, want 8000 of 8001", failed, total)
	}
}
