package remote_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/internal/remote"
)

var errClosed = errors.New("closed")

// record returns a Do that takes a second and notes its batches.
func record(batches *[][]int) func([]int) ([]int, error) {
	var mu sync.Mutex
	return func(reqs []int) ([]int, error) {
		mu.Lock()
		*batches = append(*batches, reqs)
		mu.Unlock()
		<-time.After(time.Second)
		out := make([]int, len(reqs))
		for i, r := range reqs {
			out[i] = r * 10
		}
		return out, nil
	}
}

func sizes(batches [][]int) (n []int) {
	for _, reqs := range batches {
		n = append(n, len(reqs))
	}
	return n
}

// TestGather: what comes while a batch is under way goes together.
func TestGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := remote.NewBatcher(remote.BatchOptions[int, int]{Do: record(&batches)})
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				<-time.After(time.Duration(i) * time.Millisecond)
				got, err := b.Do(t.Context(), i, errClosed)
				if err != nil || got != i*10 {
					t.Errorf("Do(%d) = %d, %v, want %d", i, got, err, i*10)
				}
			})
		}
		wg.Wait()
		if got := sizes(batches); !slices.Equal(got, []int{1, 9}) {
			t.Errorf("batches = %v, want the first alone and the other nine together", batches)
		}
	})
}

// TestBounds: a batch is bounded by count and size.
func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := remote.NewBatcher(remote.BatchOptions[int, int]{
			Do: record(&batches), Size: func(n int) int { return n }, MaxCount: 3, MaxSize: 10,
		})
		var wg sync.WaitGroup
		for _, n := range []int{1, 1, 1, 1, 1, 8, 8, 99} {
			wg.Go(func() { _, _ = b.Do(t.Context(), n, errClosed) })
			synctest.Wait()
		}
		wg.Wait()
		if got, want := sizes(batches), []int{1, 3, 2, 1, 1}; !slices.Equal(got, want) {
			t.Errorf("batch sizes = %v of %v, want %v", got, batches, want)
		}
	})
}

// TestParallel: batches run side by side up to the bound.
func TestParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := remote.NewBatcher(remote.BatchOptions[int, int]{Do: record(&batches), Parallel: 2})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { _, _ = b.Do(t.Context(), i, errClosed) })
			synctest.Wait()
		}
		wg.Wait()
		if d := time.Since(began); d != 2*time.Second || len(batches) != 3 {
			t.Errorf("%d batches took %v, want 3 in 2s", len(batches), d)
		}
	})
}

// TestError: an error goes to all of its batch.
func TestError(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	b := remote.NewBatcher(remote.BatchOptions[int, int]{Do: func([]int) ([]int, error) { return nil, boom }})
	if _, err := b.Do(t.Context(), 1, errClosed); !errors.Is(err, boom) {
		t.Errorf("Do = %v, want boom", err)
	}
}

// TestContextEnds: a caller whose context ends does not wait.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := remote.NewBatcher(remote.BatchOptions[int, int]{Do: record(&batches)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Do(ctx, 1, errClosed); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v, want the deadline", err)
		}
		b.Close()
		if len(batches) != 1 {
			t.Errorf("Close returned before the batch was sent: %v", batches)
		}
	})
}

// TestClose: after Close requests are refused.
func TestClose(t *testing.T) {
	t.Parallel()
	b := remote.NewBatcher(remote.BatchOptions[int, int]{Do: func(r []int) ([]int, error) { return r, nil }})
	b.Close()
	if _, err := b.Do(t.Context(), 1, errClosed); !errors.Is(err, errClosed) {
		t.Errorf("Do after Close = %v, want errClosed", err)
	}
}
