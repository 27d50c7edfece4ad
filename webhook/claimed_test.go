package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// TestWhatIsRefusedForLoadMayBeTheSenders refuses requests while the store takes none: only
// one with a signature of the right form and a fresh time may be the sender's own.
func TestWhatIsRefusedForLoadMayBeTheSenders(t *testing.T) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	store := storeFunc(func(context.Context, event.Event) (queue.Receipt, error) {
		entered <- struct{}{}
		<-leave
		return queue.Receipt{}, nil
	})
	r := newRig(t, func(o *webhook.Options) { o.Publisher, o.MaxInFlight = store, 2 })
	done := make(chan answer, 2)
	for i := range 2 {
		go func() { done <- r.slack(fmt.Appendf(nil, `{"event_id":"Ev%d"}`, i)) }()
		<-entered
	}
	for i, tc := range []struct {
		name   string
		change func(*http.Request)
		may    bool
	}{
		{"signed", func(*http.Request) {}, true},
		{"without a signature", without("X-Slack-Signature"), false},
		{"with an ill-formed signature", with("X-Slack-Signature", "v0=nonsense"), false},
		{"stale", with("X-Slack-Request-Timestamp", "1"), false},
		{"forged", with("X-Slack-Signature", "v0="+strings.Repeat("0", 64)), true},
	} {
		got := r.slack([]byte(`{"event_id":"Ev9"}`), tc.change)
		ob := r.observed(i + 1)
		refusedUnread := got.status == http.StatusServiceUnavailable && ob.Secret == 0
		if ob.Claimed != (tc.may && refusedUnread) {
			t.Errorf("%s: answered %d, verified by secret %d, claimed %v", tc.name, got.status, ob.Secret, ob.Claimed)
		}
		if tc.name == "signed" && got.status != http.StatusServiceUnavailable {
			t.Errorf("signed: answered %d, want 503", got.status)
		}
	}
	close(leave)
	for range 2 {
		(<-done).want(t, 200, `{"status":"ok"}`)
	}
}
