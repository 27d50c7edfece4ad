package event_test

import (
	"os"
	"testing"

	"slackmcp/webhook/event"
)

func BenchmarkDecodeSlack(b *testing.B) {
	benchmark(b, func(body []byte) error {
		_, err := event.DecodeSlack(body, event.JSON)
		return err
	})
}

func BenchmarkSanitize(b *testing.B) {
	benchmark(b, func(body []byte) error {
		_, err := event.Sanitize(body, event.JSON)
		return err
	})
}

func BenchmarkPathFind(b *testing.B) {
	path, err := event.ParsePath("event.item.ts")
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, func(body []byte) error {
		path.Find(body)
		return nil
	})
}

// benchmark calls fn with one message of 800 bytes.
func benchmark(b *testing.B, fn func([]byte) error) {
	body, err := os.ReadFile("../testdata/slack/message.channels.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := fn(body); err != nil {
			b.Fatal(err)
		}
	}
}
