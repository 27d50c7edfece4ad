//go:build linux

package nats_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/eventlog"
)

// dedupeIDs is how many ids TestDedupeCost remembers; docs/adr/0004-nats-dedupe.md has
// the figures for 1,400,000: two days at Slack's highest rate.
var dedupeIDs = flag.Int("dedupe-ids", 5_000, "ids that TestDedupeCost remembers")

// A way is one way for JetStream to remember ids.
type way struct {
	name   string
	config jetstream.StreamConfig
	msg    func(n int, body []byte) (*natsgo.Msg, []jetstream.PublishOpt)
}

func ways() []way {
	subject := func(n int) string {
		key := eventlog.KeyOf("slack", "Ev"+strconv.Itoa(n))
		return "slack.events." + hex.EncodeToString(key[:])
	}
	return []way{
		{
			name:   "subject per id",
			config: jetstream.StreamConfig{Name: "subjects", Subjects: []string{"slack.events.*"}, Duplicates: time.Second},
			msg: func(n int, body []byte) (*natsgo.Msg, []jetstream.PublishOpt) {
				return &natsgo.Msg{Subject: subject(n), Data: body}, []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(0)}
			},
		},
		{
			name:   "Nats-Msg-Id",
			config: jetstream.StreamConfig{Name: "msgids", Subjects: []string{"slack.msgid"}, Duplicates: 48 * time.Hour},
			msg: func(n int, body []byte) (*natsgo.Msg, []jetstream.PublishOpt) {
				return &natsgo.Msg{Subject: "slack.msgid", Data: body}, []jetstream.PublishOpt{jetstream.WithMsgID(subject(n)[13:])}
			},
		},
	}
}

// TestDedupeCost fills a stream in each way with events of 1 KiB, and tells what that
// costs nats-server in memory, processor and time to start. It fails where a copy is
// stored after a crash.
func TestDedupeCost(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1024)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			s := newServer(t)
			before := usage(t, s)
			began := time.Now()
			fill(t, s, w, *dedupeIDs, body)
			took, after := time.Since(began), usage(t, s)
			t.Logf("%d ids: %.0f a second, %.1f µs of the server's processor each, RSS %d MiB", *dedupeIDs,
				float64(*dedupeIDs)/took.Seconds(), float64((after.cpu-before.cpu).Microseconds())/float64(*dedupeIDs), after.rss>>20)
			for _, how := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
				s.signal(how)
				_ = s.cmd.Wait()
				began = time.Now()
				s.Start()
				copies(t, s, w, body)
				took, after = time.Since(began), usage(t, s)
				t.Logf("after %v: a copy is refused %v after the start, %v of processor, RSS %d MiB", how,
					took.Round(time.Millisecond), after.cpu.Round(time.Millisecond), after.rss>>20)
			}
		})
	}
}

// fill publishes n events with many on their way at once.
func fill(t *testing.T, s *server, w way, n int, body []byte) {
	t.Helper()
	js, done := js(t, s)
	defer done()
	if _, err := js.CreateStream(t.Context(), w.config); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		msg, opts := w.msg(i, body)
		if _, err := js.PublishMsgAsync(msg, append(opts, jetstream.WithStallWait(time.Minute))...); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("acknowledgements are missing")
	}
}

// copies publishes the first, a middle and the last event again.
func copies(t *testing.T, s *server, w way, body []byte) {
	t.Helper()
	js, done := js(t, s)
	defer done()
	for _, n := range []int{0, *dedupeIDs / 2, *dedupeIDs - 1} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		msg, opts := w.msg(n, body)
		ack, err := js.PublishMsg(ctx, msg, opts...)
		switch {
		case err == nil && ack.Duplicate:
		case err != nil && strings.Contains(err.Error(), "wrong last sequence"):
		default:
			t.Errorf("the copy of event %d: %+v, %v, want it refused", n, ack, err)
		}
	}
}

func js(t *testing.T, s *server) (jetstream.JetStream, func()) {
	t.Helper()
	nc, err := natsgo.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(512))
	if err != nil {
		t.Fatal(err)
	}
	return js, nc.Close
}

// A use is what a process has used.
type used struct {
	cpu time.Duration
	rss int64
}

func usage(t *testing.T, s *server) used {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	pages, _ := strconv.ParseInt(f[21], 10, 64)
	return used{cpu: time.Duration(user+system) * 10 * time.Millisecond, rss: pages * int64(os.Getpagesize())}
}
