//go:build unix

package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/search"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// spoken makes texts of 5 to 40 words, of which some are in most texts and most are rare, as in a language.
type spoken struct {
	r    *rand.Rand
	zipf *rand.Zipf
}

func newSpoken() spoken {
	r := rand.New(rand.NewPCG(22, 2))
	return spoken{r, rand.NewZipf(r, 1.1, 4, 50_000)}
}

func (s spoken) event(i int) event.Event {
	var text strings.Builder
	for range 5 + s.r.IntN(36) {
		n := s.zipf.Uint64()
		for more := true; more; more = n > 0 {
			text.WriteString([]string{"ka", "re", "to", "mi", "su", "no", "la", "ve", "di", "go", "pe", "lu", "ra", "ti", "bo", "ne"}[n%16])
			n /= 16
		}
		text.WriteByte(' ')
	}
	const body = `{"token":"xxxxxxxxxxxxxxxxxxxxxxxx","team_id":"T0123456789","api_app_id":"A0123456789","event":{"user":"U%07d","type":"message","ts":"%d.000100","client_msg_id":"%08x-0b1a-4c3d-8e4f-%012x","text":%q,"team":"T0123456789","blocks":[{"type":"rich_text","block_id":"%04x","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":%q}]}]}],"channel":"C%07d","event_ts":"%d.000100","channel_type":"channel"},"type":"event_callback","event_id":"Ev%010d","event_time":%d,"authorizations":[{"enterprise_id":null,"team_id":"T0123456789","user_id":"U9999999999","is_bot":true,"is_enterprise_install":false}],"is_ext_shared_channel":false,"event_context":"4-eyJldCI6Im1lc3NhZ2UiLCJ0aWQiOiJUMDEyMzQ1Njc4OSJ9"}`
	at := 1_700_000_000 + i
	channel, user := s.r.IntN(300), s.r.IntN(5000)
	return event.Event{
		Source: "slack", ID: fmt.Sprintf("Ev%010d", i), Kind: event.Kind{Type: "message"}, Team: "T0123456789",
		Channel: fmt.Sprintf("C%07d", channel), User: fmt.Sprintf("U%07d", user), ChannelType: "channel", ReceivedAt: time.Unix(int64(at), 0),
		Raw: fmt.Appendf(nil, body, user, at, i, i, text.String(), i%65536, text.String(), channel, at, i, at),
	}
}

// busy is how long the process has kept a processor busy.
func busy(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWords stores messages with an index of their words and without one, 64 at once, and then looks for words
// that nobody has said.
func BenchmarkWords(b *testing.B) {
	for _, none := range []bool{true, false} {
		b.Run(map[bool]string{true: "without", false: "indexed"}[none], func(b *testing.B) {
			dir := b.TempDir()
			q, err := sqlite.Open(b.Context(), sqlite.Options{Dir: dir, NoWords: none, RetentionAge: -1, Synchronous: sqlite.Normal})
			if err != nil {
				b.Fatal(err)
			}
			s, list := newSpoken(), make([]event.Event, b.N)
			for i := range list {
				list[i] = s.event(i)
			}
			before := busy(b)
			b.ResetTimer()
			const together = 64
			for i := 0; i < len(list); i += together {
				var all sync.WaitGroup
				for _, e := range list[i:min(i+together, len(list))] {
					all.Go(func() {
						if _, err := q.Publish(context.WithoutCancel(b.Context()), e); err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
			b.StopTimer()
			n := float64(b.N)
			b.ReportMetric(float64((busy(b)-before).Nanoseconds())/1000/n, "cpu-µs/event")
			if !none {
				looked := busy(b)
				text, err := search.Filter("kare nowhere")
				if err != nil {
					b.Fatal(err)
				}
				if p, err := q.History(b.Context(), event.Query{Filter: event.Filter{Text: text}}); err != nil || p.More {
					b.Errorf("History = more %v, %v", p.More, err)
				}
				b.ReportMetric(float64((busy(b) - looked).Microseconds()), "cpu-µs/search")
			}
			if err := q.Close(); err != nil {
				b.Fatal(err)
			}
			var size int64
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				b.Fatal(err)
			}
			for _, f := range files {
				if i, err := os.Stat(f); err == nil {
					size += i.Size()
				}
			}
			b.ReportMetric(float64(size)/n, "bytes/event")
		})
	}
}
