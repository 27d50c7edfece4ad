package webhook

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLongBodiesShareAPace shows that each body waits for those before it, and that one
// which comes alone does not wait.
func TestLongBodiesShareAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace{began: time.Now()}
		begin := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 8 {
					p.wait(t.Context(), longRate/16) // a sixteenth of a second
				}
			})
		}
		wg.Wait()
		// The last of 32 waits for the 31 before.
		if took, want := time.Since(begin), 31*time.Second/16; took != want {
			t.Errorf("32 sixteenths of a second's bytes took %v, want %v", took, want)
		}
		time.Sleep(time.Minute)
		begin = time.Now()
		p.wait(t.Context(), longRate)
		if took := time.Since(begin); took != 0 {
			t.Errorf("alone after a pause: waited %v, want not at all", took)
		}
	})
}
