package server

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"

	"slackmcp/config"
	"slackmcp/store/memory"
	"slackmcp/webhook/event"
)

// TestAnEventThatIsTooLongIsNoTroubleOfTheStore publishes one: the process stays healthy.
func TestAnEventThatIsTooLongIsNoTroubleOfTheStore(t *testing.T) {
	t.Parallel()
	q, err := memory.New(memory.Options{MaxBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	w := &watchedStore{Queue: q, log: slog.New(slog.DiscardHandler)}
	if _, err := w.Publish(t.Context(), event.Event{Source: "slack", ID: "1", Raw: make([]byte, 1000)}); err == nil || w.troubled() {
		t.Errorf("Publish: %v, troubled %v, want an error and no trouble", err, w.troubled())
	}
}

// TestTheStartWarnsOfLongBodies has sources whose bodies the store in memory keeps, and others.
func TestTheStartWarnsOfLongBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		backend config.Backend
		longest int64
		memory  int64
		want    string
	}{
		"in memory":           {config.Memory, 25 << 20, math.MaxInt64, "QUEUE_BACKEND_TYPE"},
		"in memory, and fits": {config.Memory, 1 << 20, math.MaxInt64, ""},
		"on disk":             {config.SQLite, 25 << 20, math.MaxInt64, ""},
		"little memory":       {config.SQLite, 25 << 20, 200<<20 - 1, "memory for 8 of them"},
		"enough memory":       {config.SQLite, 25 << 20, 200 << 20, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			cfg := config.Config{}
			cfg.Queue.Backend = c.backend
			warnLong(slog.New(slog.NewTextHandler(&log, nil)), cfg, c.longest, c.memory)
			if got := log.String(); (got != "") != (c.want != "") || !strings.Contains(got, c.want) {
				t.Errorf("logged %q, want %q", got, c.want)
			}
		})
	}
}
