package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// A storeFunc is a store that behaves as the function says.
type storeFunc func(ctx context.Context, e event.Event) (queue.Receipt, error)

func (f storeFunc) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	return f(ctx, e)
}

// direct sends a signed event to a receiver without a network, as synctest needs it.
func direct(t *testing.T, o webhook.Options, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	o.SlackSecrets = []string{secret}
	rc, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, webhook.SlackPath, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	signed(secret, time.Now(), body)(req)
	w := httptest.NewRecorder()
	rc.ServeHTTP(w, req)
	return w
}

// A trouble is a store that fails, and what is to come of it.
type trouble struct {
	name   string
	errs   []error // one a try; the last one stays
	tries  int     // the option
	status int
	out    webhook.Outcome
	reason string
	asked  [2]int           // at least, at most
	waited [2]time.Duration // at least, at most
}

func TestPublishTrouble(t *testing.T) {
	broken := fmt.Errorf("disk: %w", queue.ErrUnavailable)
	for _, tt := range []trouble{
		{"works at once", []error{nil}, 3, 200, webhook.Accepted, "", [2]int{1, 1}, [2]time.Duration{0, 0}},
		{"works the second time", []error{broken, nil}, 3, 200, webhook.Accepted, "", [2]int{2, 2}, [2]time.Duration{25 * time.Millisecond, 50 * time.Millisecond}},
		{"works the third time", []error{broken, broken, nil}, 3, 200, webhook.Accepted, "", [2]int{3, 3}, [2]time.Duration{75 * time.Millisecond, 150 * time.Millisecond}},
		{"stays broken", []error{broken}, 3, 503, webhook.Unavailable, "store", [2]int{3, 3}, [2]time.Duration{75 * time.Millisecond, 150 * time.Millisecond}},
		{"one try only", []error{broken, nil}, 1, 503, webhook.Unavailable, "store", [2]int{1, 1}, [2]time.Duration{0, 0}},
		{"many tries end with the budget", []error{broken}, 100, 503, webhook.Unavailable, "store", [2]int{6, 8}, [2]time.Duration{2 * time.Second, 2 * time.Second}},
		{"full does not pass", []error{queue.ErrFull}, 3, 503, webhook.Full, "", [2]int{1, 1}, [2]time.Duration{0, 0}},
		{"too long does not pass", []error{fmt.Errorf("memory: %w", queue.ErrTooLong)}, 3, 413, webhook.TooLarge, "store", [2]int{1, 1}, [2]time.Duration{0, 0}},
		{"closed does not pass", []error{queue.ErrClosed}, 3, 503, webhook.Unavailable, "closed", [2]int{1, 1}, [2]time.Duration{0, 0}},
		{"an unknown error", []error{errors.New("what"), nil}, 3, 200, webhook.Accepted, "", [2]int{2, 2}, [2]time.Duration{25 * time.Millisecond, 50 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.check) })
	}
}

func (tt trouble) check(t *testing.T) {
	asked := 0
	store := storeFunc(func(context.Context, event.Event) (queue.Receipt, error) {
		asked++
		return queue.Receipt{}, tt.errs[min(asked, len(tt.errs))-1]
	})
	var ob webhook.Observation
	start := time.Now()
	w := direct(t, webhook.Options{
		Publisher: store, PublishTries: tt.tries, OnObserve: func(o *webhook.Observation) { ob = *o },
	}, []byte(`{"type":"x"}`))
	took := time.Since(start)
	if w.Code != tt.status || ob.Outcome != tt.out || ob.Reason != tt.reason {
		t.Errorf("answered %d, observed %s %q, want %d %s %q", w.Code, ob.Outcome, ob.Reason, tt.status, tt.out, tt.reason)
	}
	if got := w.Header().Get("Retry-After"); (got != "") != (tt.status == 503) {
		t.Errorf("Retry-After is %q with %d", got, w.Code)
	}
	if asked < tt.asked[0] || asked > tt.asked[1] || ob.Tries != asked {
		t.Errorf("published %d times, observed %d, want %v", asked, ob.Tries, tt.asked)
	}
	if took < tt.waited[0] || took > tt.waited[1] {
		t.Errorf("took %v, want %v", took, tt.waited)
	}
}

func TestPublishHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := storeFunc(func(ctx context.Context, _ event.Event) (queue.Receipt, error) {
			<-ctx.Done()
			return queue.Receipt{}, ctx.Err()
		})
		start := time.Now()
		w := direct(t, webhook.Options{Publisher: stuck}, []byte(`{}`))
		if took := time.Since(start); w.Code != 503 || took != webhook.DefaultPublishTimeout {
			t.Errorf("answered %d after %v, want 503 after %v: Slack gives up after three seconds", w.Code, took, webhook.DefaultPublishTimeout)
		}
	})
}

func TestAnEventIsStoredThoughItsSenderWentAway(t *testing.T) {
	var stored []event.Event
	store := storeFunc(func(ctx context.Context, e event.Event) (queue.Receipt, error) {
		if err := ctx.Err(); err != nil {
			return queue.Receipt{}, err
		}
		stored = append(stored, e)
		return queue.Receipt{}, nil
	})
	rc, err := webhook.New(webhook.Options{Publisher: store, SlackSecrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	body := []byte(`{"type":"x"}`)
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, webhook.SlackPath, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	signed(secret, time.Now(), body)(req)
	rc.ServeHTTP(httptest.NewRecorder(), req)
	if len(stored) != 1 {
		t.Errorf("stored %d events, want 1", len(stored))
	}
}

func TestSecretsRotate(t *testing.T) {
	r := newRig(t, func(o *webhook.Options) { o.SlackSecrets = []string{"new", "old"} })
	for i, s := range []string{"new", "old"} {
		body := fmt.Appendf(nil, `{"event_id":"Ev%d"}`, i)
		r.slack(body, signed(s, time.Now(), body)).want(t, 200, `{"status":"ok"}`)
		if ob := r.observed(i + 1); ob.Secret != i+1 {
			t.Errorf("observed secret %d, want %d", ob.Secret, i+1)
		}
	}
	if got := r.slack([]byte(`{}`)); got.status != 401 {
		t.Errorf("a third secret was answered %d, want 401", got.status)
	}
}
