package receipts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/receipts"
	"slackmcp/webhook/event"
)

// pages hands out stored events, newest first, two at a time.
type pages []event.Event

func (p pages) Query(_ context.Context, q event.Query) (event.Page, error) {
	at := 0
	if q.After != "" {
		if _, err := fmt.Sscan(string(q.After), &at); err != nil {
			return event.Page{}, err
		}
	}
	var page event.Page
	for ; at < len(p) && len(page.Events) < 2; at++ {
		if e := p[len(p)-1-at]; q.Filter.Match(&e) {
			page.Events = append(page.Events, e)
		}
	}
	page.Next, page.More = event.Position(fmt.Sprint(at)), at < len(p)
	return page, nil
}

// stored makes receipts of "id status" lines, a second apart, oldest first.
func stored(lines ...string) pages {
	var list pages
	for i, line := range lines {
		id, status, _ := strings.Cut(line, " ")
		list = append(list, event.Event{
			Source: "receipts", ID: fmt.Sprintf("r%d", i), Kind: event.Kind{Type: "delivery_receipt", Subtype: status},
			ReceivedAt: time.Unix(int64(1_700_000_000+i), 0), Raw: fmt.Appendf(nil, `{"id":%q,"status":%q}`, id, status),
		})
	}
	return list
}

func TestFind(t *testing.T) {
	log := stored("m1 queued", "m2 queued", "m1 delivered", "m3 queued", "m1 failed", "m1 queued", "m4 queued")
	for id, want := range map[string]string{
		"m1": "failed queued,failed,delivered,queued",
		"m2": "queued queued",
	} {
		s, err := receipts.Find(t.Context(), log, id)
		var history []string
		for _, r := range s.Receipts {
			history = append(history, r.Status)
			if r.URI == "" || r.EventID == "" || r.ReceivedAt == "" {
				t.Errorf("%s: receipt %+v", id, r)
			}
		}
		if got := s.Status + " " + strings.Join(history, ","); err != nil || got != want || !s.Complete || !s.Untrusted {
			t.Errorf("Find(%s) = %q, %+v, %v; want %q", id, got, s, err, want)
		}
	}
	if _, err := receipts.Find(t.Context(), log, "m9"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("Find of an unknown message: %v", err)
	}
}

func TestFindIsBounded(t *testing.T) {
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("m%d queued", i))
	}
	log := stored(append([]string{"old delivered"}, lines...)...)
	if _, err := receipts.Find(t.Context(), log, "old"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("a receipt beyond the bound: %v", err)
	}
	s, err := receipts.Find(t.Context(), log, "m199")
	if err != nil || s.Complete {
		t.Errorf("Find = %+v, %v; want it to say that it has not looked at all", s, err)
	}
}
