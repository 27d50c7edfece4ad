package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

type acceptAll struct{}

func (acceptAll) Publish(context.Context, event.Event) (queue.Receipt, error) {
	return queue.Receipt{}, nil
}

// TestLongerBodiesTakeTurns takes all turns of bodies above shortBody: one more waits for its
// own, and shorter ones are judged meanwhile.
func TestLongerBodiesTakeTurns(t *testing.T) {
	t.Parallel()
	rc, err := New(Options{Publisher: acceptAll{}, SlackSecrets: []string{"secret"}, RefusalDelay: time.Nanosecond, Now: func() time.Time { return time.Unix(1, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	for range cap(rc.hashing) {
		rc.hashing <- struct{}{}
	}
	post := func(size int) (status int) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, SlackPath, strings.NewReader(strings.Repeat("x", size)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Slack-Request-Timestamp", "1")
		r.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64))
		w := httptest.NewRecorder()
		rc.ServeHTTP(w, r)
		return w.Code
	}
	longer := make(chan int, 1)
	go func() { longer <- post(shortBody + 1) }()
	for range 100 {
		if got := post(shortBody); got != http.StatusUnauthorized {
			t.Fatalf("a short body was answered %d, want 401", got)
		}
	}
	select {
	case <-longer:
		t.Error("a longer body was judged without a turn")
	default:
	}
	<-rc.hashing
	if got := <-longer; got != http.StatusUnauthorized {
		t.Errorf("a longer body was answered %d in its turn, want 401", got)
	}
}
