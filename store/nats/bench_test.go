//go:build unix

package nats_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/backendtest"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/store/storetest"
	"slackmcp/webhook/event"
)

// BenchmarkPublish measures Publish beside what JetStream itself takes in the same run:
// messages with the same condition on their subject, published by as many callers, each
// waiting for its acknowledgement. The ratio is what counts:
//
//	go test -run - -bench Publish -benchtime 10000x ./store/nats
func BenchmarkPublish(b *testing.B) {
	for _, sync := range []string{"default", "always"} {
		for _, callers := range []int{1, 32, 64} {
			b.Run(fmt.Sprintf("sync-%s/callers=%d", sync, callers), func(b *testing.B) { benchPublish(b, sync, callers) })
		}
	}
}

// newSyncing starts a server whose files are synced after its default interval, or always.
func newSyncing(b *testing.B, sync string) *server {
	b.Helper()
	if sync == "default" {
		return newServer(b)
	}
	path := filepath.Join(b.TempDir(), "sync.conf")
	if err := os.WriteFile(path, []byte("jetstream { sync_interval: always }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return newServer(b, "-c", path)
}

func benchPublish(b *testing.B, sync string, callers int) {
	b.Helper()
	s := newSyncing(b, sync)
	q, err := nats.Open(b.Context(), nats.Options{URL: s.url(), RetentionCount: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	raw := bytes.Repeat([]byte("x"), 1024)
	ours := func(n int64) error {
		_, err := q.Publish(context.Background(), bench(n, raw))
		return err
	}
	nc, err := natsgo.Connect(s.url())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "ceiling", Subjects: []string{"ceiling.*"}, AllowDirect: true}); err != nil {
		b.Fatal(err)
	}
	ceiling := func(n int64) error {
		e := bench(n, raw)
		key := eventlog.KeyOf(e.Source, e.ID)
		_, err := js.PublishMsg(context.Background(), &natsgo.Msg{Subject: "ceiling." + hex.EncodeToString(key[:]), Data: remote.AppendRecord(nil, &e)},
			jetstream.WithExpectLastSequencePerSubject(0))
		return err
	}
	took := backendtest.TakeTurns(b, callers, ours, ceiling)
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "events/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "of-JetStream")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPoison holds a poisoned event against the others of its group:
//
//	go test -run - -bench Poison -benchtime 10000x ./store/nats
func BenchmarkPoison(b *testing.B) {
	b.Run("nats", func(b *testing.B) {
		s, topics := newServer(b), 0
		storetest.BenchmarkPoison(b, func(b *testing.B) queue.Queue {
			b.Helper()
			topics++
			q, err := nats.Open(b.Context(), nats.Options{URL: s.url(), Topic: fmt.Sprint("poison", topics), RetentionCount: 1 << 20})
			if err != nil {
				b.Fatal(err)
			}
			return q
		})
	})
}

func bench(n int64, raw []byte) event.Event {
	return event.Event{
		Source: "slack", ID: "Ev" + strconv.FormatInt(n, 10), Kind: event.Kind{Type: "message"}, Team: "T0001",
		Channel: "C0001", User: "U0001", ReceivedAt: time.Now(), Raw: raw,
	}
}
