//go:build linux

package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/storetest"
	"slackmcp/webhook/event"
)

// BenchmarkPublish measures one Publish of a 1 KB event, beside the least that a
// durable store can do: append to a file and fdatasync, with the same group commit.
// cpu-µs/op is the process's CPU time by the operating system's accounting. With a
// follower, as a server has one, each event is also handed to a Tail.
//
//	go test -run '^$' -bench Publish -benchmem ./store/queue
func BenchmarkPublish(b *testing.B) {
	for _, publishers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("floor/%d", publishers), func(b *testing.B) {
			f := newFloor(b)
			benchmark(b, publishers, func(e event.Event) error { return f.publish(e.Raw) })
		})
		b.Run(fmt.Sprintf("memory/%d", publishers), func(b *testing.B) {
			q, err := memory.New(memory.Options{})
			benchmarkQueue(b, publishers, q, err)
		})
		b.Run(fmt.Sprintf("sqlite/%d", publishers), func(b *testing.B) {
			q, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir()})
			benchmarkQueue(b, publishers, q, err)
		})
	}
}

// BenchmarkPoison holds a poisoned event against the others of its group:
//
//	go test -run - -bench Poison -benchtime 10000x ./store/queue/...
func BenchmarkPoison(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		storetest.BenchmarkPoison(b, func(b *testing.B) queue.Queue {
			b.Helper()
			q, err := memory.New(memory.Options{MaxBytes: 64 << 20})
			if err != nil {
				b.Fatal(err)
			}
			return q
		})
	})
	b.Run("sqlite", func(b *testing.B) {
		storetest.BenchmarkPoison(b, func(b *testing.B) queue.Queue {
			b.Helper()
			q, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			return q
		})
	})
}

func benchmarkQueue(b *testing.B, publishers int, q queue.Queue, err error) {
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go q.Tail(ctx, queue.Start{}, func(event.Event) error { return nil }) //nolint:errcheck // ends with ctx
	benchmark(b, publishers, func(e event.Event) error {
		_, err := q.Publish(ctx, e)
		return err
	})
}

func benchmark(b *testing.B, publishers int, publish func(event.Event) error) {
	raw := bytes.Repeat([]byte("x"), 1000)
	var left, id atomic.Int64
	var all sync.WaitGroup
	b.ReportAllocs()
	begun := cpu()
	// A fixed number of publishers shares b.N events, which b.Loop cannot express.
	left.Store(int64(b.N))
	for range publishers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				e := event.Event{
					Source: "slack", ID: "Ev" + strconv.FormatInt(id.Add(1), 36), Kind: event.Kind{Type: "message"},
					Team: "T0123456789", Channel: "C0123456789", ChannelType: "channel", User: "U0123456789",
					Thread: "1700000000.000100", At: time.Unix(1_700_000_000, 0), ReceivedAt: time.Now(), Raw: raw,
				}
				if err := publish(e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64((cpu()-begun).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

// cpu is the process's user and system time.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A floor is an append-only file with group commit and nothing else.
type floor struct {
	mu   sync.Mutex
	next *floorBatch
	wake chan struct{}
}

type floorBatch struct {
	b    []byte
	n    int
	done chan struct{}
}

func newFloor(b *testing.B) *floor {
	file, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	f := &floor{next: &floorBatch{done: make(chan struct{})}, wake: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		last := 0
		for range f.wake {
			if last >= 4 {
				<-time.After(300 * time.Microsecond)
			}
			f.mu.Lock()
			batch := f.next
			f.next = &floorBatch{done: make(chan struct{})}
			f.mu.Unlock()
			last = batch.n
			if _, err := file.Write(batch.b); err != nil {
				b.Error(err)
			}
			if err := syscall.Fdatasync(int(file.Fd())); err != nil {
				b.Error(err)
			}
			close(batch.done)
		}
	}()
	b.Cleanup(func() {
		close(f.wake)
		<-ended
		_ = file.Close()
	})
	return f
}

func (f *floor) publish(raw []byte) error {
	f.mu.Lock()
	batch := f.next
	batch.b = append(batch.b, raw...)
	batch.n++
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	<-batch.done
	return nil
}
