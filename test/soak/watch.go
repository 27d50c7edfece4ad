package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"slackmcp/test/internal/driver"
)

// A sample is what a server had at one moment.
type sample struct {
	rss                     float64 // MiB
	goroutines, descriptors int
}

// A watcher samples a server until it is told to end.
type watcher struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	samples []sample
}

// watch samples a hundred times in the time given.
func watch(ctx context.Context, p *driver.Process, d time.Duration) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{stop: cancel}
	w.done.Go(func() {
		tick := time.NewTicker(max(d/100, 50*time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			n, err := p.Goroutines(ctx)
			if err != nil {
				continue // too busy to say
			}
			_, rss := p.Memory()
			w.samples = append(w.samples, sample{rss, n, p.Descriptors()})
		}
	})
	return w
}

func (w *watcher) end() []sample {
	w.stop()
	w.done.Wait()
	return w.samples
}

// halves are the medians of the second and of the last quarter: the first one fills the
// window on the newest events.
func halves(all []sample) (second, last sample) {
	n := len(all) / 4
	if n == 0 {
		return sample{}, sample{}
	}
	return median(all[n : 2*n]), median(all[len(all)-n:])
}

func median(list []sample) sample {
	rss, goroutines, descriptors := make([]float64, len(list)), make([]int, len(list)), make([]int, len(list))
	for i, s := range list {
		rss[i], goroutines[i], descriptors[i] = s.rss, s.goroutines, s.descriptors
	}
	slices.Sort(rss)
	slices.Sort(goroutines)
	slices.Sort(descriptors)
	m := len(list) / 2
	return sample{rss[m], goroutines[m], descriptors[m]}
}
