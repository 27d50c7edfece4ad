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

// TestPiecesOfALongBody has bodies grow to their whole length: no piece is longer than what may still come or, beyond the
// first, than three times what has come, and about a quarter of the body at most is copied.
func TestPiecesOfALongBody(t *testing.T) {
	t.Parallel()
	for _, whole := range []int{1, longPiece, longPiece + 1, 1<<20 + 1, 25<<20 + 1, 33<<20 + 1, 64<<20 + 1} {
		pieces := 0
		for has := 0; has < whole; pieces++ {
			piece := nextPiece(has, whole)
			if piece < 1 || piece > whole-has || piece > max(3*has, longPiece) {
				t.Fatalf("of %d bytes %d are there, and the next piece is %d", whole, has, piece)
			}
			if has > whole/4+longPiece {
				t.Errorf("of %d bytes %d are copied for the last piece of %d", whole, has, piece)
			}
			has += piece
		}
		if pieces > 9 {
			t.Errorf("%d bytes come in %d pieces", whole, pieces)
		}
	}
}
