package webhook

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLongBodiesShareAPace: each waits for those before it, and one that comes when nobody
// reads waits for nobody.
func TestLongBodiesShareAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace{began: time.Now()}
		begin := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 8 {
					p.wait(longRate / 16) // a sixteenth of a second
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
		p.wait(longRate)
		if took := time.Since(begin); took != 0 {
			t.Errorf("alone after a pause: waited %v, want not at all", took)
		}
	})
}

// TestShelves: a buffer is as large as asked for, and lent to one at a time.
func TestShelves(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, firstShelf, firstShelf + 1, 1<<20 + 1} {
		b := &bodies{shelves: makeShelves(most)}
		if last := b.shelves[len(b.shelves)-1].size; last < most || last > max(most, firstShelf) {
			t.Errorf("most %d: the last shelf has %d", most, last)
		}
		for _, need := range []int{1, most / 2, most} {
			one, two := b.borrow(need), b.borrow(need)
			if cap(one.bytes) < need || &one.bytes[:1][0] == &two.bytes[:1][0] {
				t.Errorf("most %d, need %d: capacity %d, or lent twice", most, need, cap(one.bytes))
			}
			b.giveBack(one)
			b.giveBack(two)
		}
	}
}
