package webhook

import (
	"context"
	"net/netip"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
)

type noStore struct{}

func (noStore) Publish(context.Context, event.Event) (queue.Receipt, error) {
	return queue.Receipt{}, nil
}

// TestALongBodyLeavesTheOthersTheirPart has the longest body of an unverified address under way: another address
// sends a usual one, and no second one of that length is let in.
func TestALongBodyLeavesTheOthersTheirPart(t *testing.T) {
	rc, err := New(Options{
		Publisher: noStore{}, SlackSecrets: []string{"secret"}, Limiter: limiter.New(limiter.Options{PerMinute: 60}),
		Sources: []Source{{Name: "repo", Provider: "github", Secrets: []string{"secret"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	of := func(address, route string, limit int64) *body {
		b := &body{of: rc.bodies, limit: limit}
		b.from = sender{netip.MustParseAddr(address), route, limiter.HeldBack} // which is not Known
		t.Cleanup(b.release)
		return b
	}
	if err := of("192.0.2.1", "repo", 25<<20).grow(25<<20 + 1); err != nil {
		t.Fatalf("the longest body: %v", err)
	}
	for _, a := range []string{"192.0.2.2", "192.0.2.3"} {
		if err := of(a, "slack", 1<<20).grow(500 << 10); err != nil {
			t.Errorf("a usual body of %s: %v", a, err)
		}
	}
	if err := of("192.0.2.4", "repo", 25<<20).grow(2 << 20); err == nil {
		t.Error("a second long body was let in")
	}
}
