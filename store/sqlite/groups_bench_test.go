//go:build linux

package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// written is how many bytes this process has handed to the system so far.
func written(b *testing.B) (n int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	for line := range bytes.Lines(text) {
		if count, ok := strings.CutPrefix(string(line), "wchar: "); ok {
			n, err = strconv.ParseInt(strings.TrimSpace(count), 10, 64)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cpu is the processor time of this process.
func cpu(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkGroups is what an event costs that so many groups handle, while 32 senders publish: in
// processor time and in what is written.
func BenchmarkGroups(b *testing.B) {
	for _, n := range []int{0, 1, 50} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			q, err := Open(b.Context(), Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()
			ctx, cancel := context.WithCancel(b.Context())
			var handled sync.WaitGroup
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					_ = q.Consume(ctx, queue.Group{Name: fmt.Sprint("g", i)}, func(context.Context, queue.Delivery) error {
						handled.Done()
						return nil
					})
				})
			}
			raw := bytes.Repeat([]byte("x"), 1000)
			handled.Add(n * b.N)
			before, spent := written(b), cpu(b)
			b.ResetTimer()
			var senders sync.WaitGroup
			var next atomic.Int64
			for range 32 {
				senders.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if _, err := q.Publish(ctx, event.Event{Source: "slack", ID: fmt.Sprint(i), Raw: raw}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			senders.Wait()
			handled.Wait()
			b.StopTimer()
			b.ReportMetric(float64(written(b)-before)/float64(b.N)/1e3, "kB/event")
			b.ReportMetric(float64(cpu(b)-spent)/float64(b.N)/1e3, "µsCPU/event")
			cancel()
			all.Wait()
		})
	}
}
