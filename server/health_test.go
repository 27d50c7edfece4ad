package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/memory"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

// TestRefusedDeliveriesAreAProblem answers what is Slack's, or may be, with 429 or 503 for
// longer than GAP_AFTER.
func TestRefusedDeliveriesAreAProblem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o    webhook.Observation
		want bool
	}{
		"the store took nothing":        {webhook.Observation{Outcome: webhook.Unavailable, Status: http.StatusServiceUnavailable, Secret: 1, Tries: 3}, true},
		"over Socket Mode":              {webhook.Observation{Outcome: webhook.Full, Status: http.StatusServiceUnavailable, Tries: 1}, true},
		"verified, and then busy":       {webhook.Observation{Outcome: webhook.Busy, Status: http.StatusServiceUnavailable, Secret: 1}, true},
		"held back, and may be Slack's": {webhook.Observation{Outcome: webhook.Limited, Status: http.StatusTooManyRequests, Claimed: true}, true},
		"busy, and may be Slack's":      {webhook.Observation{Outcome: webhook.Busy, Status: http.StatusServiceUnavailable, Claimed: true}, true},
		"held back, and unsigned":       {webhook.Observation{Outcome: webhook.Limited, Status: http.StatusTooManyRequests}, false},
		"with a wrong signature":        {webhook.Observation{Outcome: webhook.BadSignature, Status: http.StatusUnauthorized}, false},
		"stored, after it was slowed":   {webhook.Observation{Outcome: webhook.Accepted, Status: http.StatusOK, Secret: 1, Tries: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, err := memory.New(memory.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				l, err := gaps.New(gaps.Options{State: store.State()})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- l.Run(ctx) }()
				k := &gapKeeper{ledger: l}
				for range 7 {
					o := tc.o
					o.Source = event.SourceSlack
					noteDelivery(l, &o)
					<-time.After(time.Minute)
				}
				p := k.refusing()
				if got := p.What != ""; got != tc.want || got != (p.Remedy != "") || got && !strings.Contains(p.What, "7m0s") {
					t.Errorf("health says %+v", p)
				}
				if n, err := l.OpenGaps(ctx); err != nil || (n == 1) != tc.want {
					t.Errorf("%d gaps are open, %v", n, err)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
