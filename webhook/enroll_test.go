package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"slackmcp/webhook"
)

// TestASecretIsTakenOnceWhileSomebodyWaits has handshakes before, while and after a secret is waited for.
func TestASecretIsTakenOnceWhileSomebodyWaits(t *testing.T) {
	const first, second = "first-secret-0123456789", "second-secret-0123456789"
	for from, ask := range map[string]func(r *rig, secret string) answer{
		"asana": func(r *rig, secret string) answer {
			return r.post("/events/tasks", []byte("{}"), with("X-Hook-Secret", secret))
		},
		"notion": func(r *rig, secret string) answer {
			return r.post("/events/tasks", []byte(`{"verification_token":"`+secret+`"}`))
		},
	} {
		t.Run(from, func(t *testing.T) {
			r := newRig(t, func(o *webhook.Options) {
				o.Sources = []webhook.Source{{Name: "served", Provider: from, Secrets: []string{"the-secret-that-is-there"}}}
			})
			if got := ask(r, first); got.status != http.StatusNotFound {
				t.Errorf("before it is waited for: %+v", got)
			}
			type result struct {
				secret string
				err    error
			}
			done := make(chan result, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				secret, err := r.rc.Enroll(ctx, "tasks", from)
				done <- result{secret, err}
			}()
			awaitPath(t, r, "/events/tasks")
			if _, err := r.rc.Enroll(ctx, "tasks", from); !errors.Is(err, webhook.ErrServed) {
				t.Errorf("a second one who waits: %v", err)
			}
			for _, bad := range []string{"short", strings.Repeat("x", 300), "with spaces and <html> 0123456789"} {
				if got := ask(r, bad); got.status != http.StatusNotFound {
					t.Errorf("%q: %+v", bad, got)
				}
			}
			got := ask(r, first)
			if got.status != http.StatusNoContent || from == "asana" && got.header.Get("X-Hook-Secret") != first {
				t.Errorf("the handshake: %+v", got)
			}
			if got := <-done; got.secret != first || got.err != nil {
				t.Errorf("Enroll = %+v", got)
			}
			if got := ask(r, second); got.status != http.StatusNotFound {
				t.Errorf("a second handshake: %+v", got)
			}
			if _, err := r.rc.Enroll(ctx, "served", from); !errors.Is(err, webhook.ErrServed) {
				t.Errorf("of a source that is served: %v", err)
			}
			if _, err := r.rc.Enroll(ctx, "tasks", "github"); err == nil || !strings.Contains(err.Error(), "says no secret in a handshake") {
				t.Errorf("of another provider: %v", err)
			}
			ended, end := context.WithCancel(t.Context())
			end()
			if _, err := r.rc.Enroll(ended, "tasks", from); !errors.Is(err, context.Canceled) {
				t.Errorf("that ends: %v", err)
			}
			if got := ask(r, second); got.status != http.StatusNotFound || len(r.stored()) > 0 {
				t.Errorf("after it ended: %+v, stored %d events", got, len(r.stored()))
			}
		})
	}
}

// awaitPath waits until a route is served.
func awaitPath(t *testing.T, r *rig, path string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(strings.Join(r.rc.Paths(), " ")+" ", path+" ") {
			return
		}
		r.post("/nowhere", nil) // A round trip.
	}
	t.Fatalf("%s is not served", path)
}
