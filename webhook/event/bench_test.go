package event_test

import (
	"encoding/json"
	"os"
	"testing"

	"slackmcp/webhook/event"
)

func BenchmarkDecodeSlack(b *testing.B) {
	body, err := os.ReadFile("../testdata/slack/message.channels.json")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("scanner", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := event.DecodeSlack(body, event.JSON); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var env struct {
				Type   string `json:"type"`
				ID     string `json:"event_id"`
				Time   int64  `json:"event_time"`
				Team   string `json:"team_id"`
				App    string `json:"api_app_id"`
				Inner  struct{ Type, Subtype, Channel, User, TS string }
				Author []struct {
					User string `json:"user_id"`
				} `json:"authorizations"`
			}
			if err := json.Unmarshal(body, &env); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSanitize(b *testing.B) {
	body, err := os.ReadFile("../testdata/slack/message.channels.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Sanitize(body, event.JSON); err != nil {
			b.Fatal(err)
		}
	}
}
