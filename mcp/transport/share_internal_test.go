package transport

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnreadAnswersOfOnePrincipal has several clients of one account that do not read: what
// waits for all of them together is bounded, until it was written.
func TestUnreadAnswersOfOnePrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(ofQueues, 4000, 25)
		box := func(account string) *outbox {
			b := newOutbox(10_000, make(chan struct{}, 1))
			b.account, b.quota = account, q
			return b
		}
		first, second, other := box("alice"), box("alice"), box("bob")
		push := func(b *outbox, within time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			return b.push(ctx, make([]byte, 600))
		}
		if err := push(first, time.Second); err != nil {
			t.Fatal(err)
		}
		if err := push(second, time.Second); err == nil {
			t.Error("an account's clients have more unread than its share")
		}
		if err := push(other, time.Second); err != nil {
			t.Errorf("another account waits for it: %v", err)
		}
		first.take(nil, events)
		if err := push(second, time.Second); err == nil {
			t.Error("what is being written does not count")
		}
		go func() {
			time.Sleep(time.Second)
			first.written()
		}()
		if err := push(second, 2*time.Second); err != nil {
			t.Errorf("what was written is not given back: %v", err)
		}
		second.close()
		other.close()
		if n := q.all(); n != 0 {
			t.Errorf("%d bytes are counted after the end", n)
		}
	})
}
