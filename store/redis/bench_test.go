//go:build unix

package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/backendtest"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/store/storetest"
	"slackmcp/webhook/event"
)

// BenchmarkPublish measures Publish beside what Redis itself takes in the same run: the
// same dedupe-and-append script and a bare XADD, each sent by as many callers, whose
// commands the client library joins to pipelines. The ratios are what counts:
//
//	go test -run - -bench Publish -benchtime 2s ./store/redis
func BenchmarkPublish(b *testing.B) {
	for _, sync := range [][]string{everysec, always} {
		for _, callers := range []int{1, 32, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", sync[3], callers), func(b *testing.B) { benchPublish(b, sync, callers) })
		}
	}
}

func benchPublish(b *testing.B, sync []string, callers int) {
	s := newServer(b, sync...)
	q := s.open(redis.Options{RetentionCount: 1 << 30})
	raw := bytes.Repeat([]byte("x"), 1024)
	ours := func(n int64) error {
		_, err := q.Publish(context.Background(), bench(n, raw))
		return err
	}
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Protocol: 2, PoolSize: 50})
	defer c.Close()
	auto, err := c.AutoPipeline()
	if err != nil {
		b.Fatal(err)
	}
	defer auto.Close()
	script, keys := redis.PublishScript(), redis.PublishKeys("ceiling")
	if err := script.Load(context.Background(), c).Err(); err != nil {
		b.Fatal(err)
	}
	ceiling := func(n int64) error {
		e := bench(n, raw)
		digest := eventlog.KeyOf(e.Source, e.ID)
		return auto.EvalSha(context.Background(), script.Hash(), keys, "e", 172800000000, 604800000000, 1<<30, 0, "e",
			digest[:], e.ReceivedAt.UnixMicro(), remote.AppendRecord(nil, &e)).Err()
	}
	bare := func(n int64) error {
		e := bench(n, raw)
		return auto.XAdd(context.Background(), &goredis.XAddArgs{Stream: "bare", Values: []any{"e", remote.AppendRecord(nil, &e)}}).Err()
	}
	took := backendtest.TakeTurns(b, callers, ours, ceiling, bare)
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "events/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "of-the-script")
	b.ReportMetric(took[2].Seconds()/took[0].Seconds(), "of-XADD")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPoison holds a poisoned event against the others of its group:
//
//	go test -run - -bench Poison -benchtime 10000x ./store/redis
func BenchmarkPoison(b *testing.B) {
	b.Run("redis", func(b *testing.B) {
		s, topics := newServer(b, everysec...), 0
		storetest.BenchmarkPoison(b, func(b *testing.B) queue.Queue {
			b.Helper()
			topics++
			return s.open(redis.Options{Topic: fmt.Sprint("poison", topics), RetentionCount: 1 << 20})
		})
	})
}

func bench(n int64, raw []byte) event.Event {
	return event.Event{
		Source: "slack", ID: "Ev" + strconv.FormatInt(n, 10), Kind: event.Kind{Type: "message"}, Team: "T0001",
		Channel: "C0001", User: "U0001", ReceivedAt: time.Now(), Raw: raw,
	}
}
