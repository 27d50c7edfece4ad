package view_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// stored makes receipts of "id status" lines, a second apart, oldest first. A
// page of the log looks at two of them.
func stored(lines ...string) *eventtest.Log {
	log := &eventtest.Log{Scan: 2}
	for i, line := range lines {
		id, status, _ := strings.Cut(line, " ")
		log.Append(event.Event{
			Source: "receipts", ID: fmt.Sprintf("r%d", i), Kind: event.Kind{Type: "delivery_receipt", Subtype: status},
			ReceivedAt: time.Unix(int64(1_700_000_000+i), 0), Raw: fmt.Appendf(nil, `{"id":%q,"status":%q}`, id, status),
		})
	}
	return log
}

func TestFindMessageStatus(t *testing.T) {
	log := stored("m1 queued", "m2 queued", "m1 delivered", "m3 queued", "m1 failed", "m1 queued", "m4 queued")
	for id, want := range map[string]string{
		"m1": "failed queued,failed,delivered,queued",
		"m2": "queued queued",
	} {
		s, err := view.FindMessageStatus(t.Context(), log.Whole(), id)
		var history []string
		for _, r := range s.Receipts {
			history = append(history, r.Status)
			if r.URI == "" || r.EventID == "" || r.ReceivedAt == "" {
				t.Errorf("%s: receipt %+v", id, r)
			}
		}
		if got := s.Status + " " + strings.Join(history, ","); err != nil || got != want || !s.Complete {
			t.Errorf("Find(%s) = %q, %+v, %v; want %q", id, got, s, err, want)
		}
	}
	if _, err := view.FindMessageStatus(t.Context(), log.Whole(), "m9"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("Find of an unknown message: %v", err)
	}
}

func TestFindMessageStatusIsBounded(t *testing.T) {
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("m%d queued", i))
	}
	log := stored(append([]string{"old delivered"}, lines...)...)
	if _, err := view.FindMessageStatus(t.Context(), log.Whole(), "old"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("a receipt beyond the bound: %v", err)
	}
	s, err := view.FindMessageStatus(t.Context(), log.Whole(), "m199")
	if err != nil || s.Complete {
		t.Errorf("Find = %+v, %v; want it to say that it has not looked at all", s, err)
	}
}
