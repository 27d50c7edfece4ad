package transport

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
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

// TestClaim counts answers: a long one waits while its caller has its share, for as long as a write
// may take, and a short one does not.
func TestClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(ofQueues, 4<<20, 25)
		tr := &Transport{
			opt:    Options{WriteTimeout: 10 * time.Second},
			quotas: quotas{queues: q, waiting: newQuota(ofQueues, 4<<20, 25)},
		}
		alice := access.With(t.Context(), &access.Principal{Name: "alice"})
		first, err := tr.claim(alice, 900<<10)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.claim(alice, 200<<10); err == nil {
			t.Error("a caller has more unread than its share")
		}
		short, err := tr.claim(alice, pieceSize)
		if err != nil {
			t.Errorf("a short answer is dropped: %v", err)
		}
		time.AfterFunc(time.Second, first)
		_, err = tr.claim(alice, 8<<20) // more than the share, which waits for all of it
		if err == nil {
			t.Error("an answer of more than the share does not wait for what is unread")
		}
		short()
		busy, err := tr.claim(alice, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		slow := make(chan error, 1)
		go func() {
			_, err := tr.claim(alice, 1<<20)
			slow <- err
		}()
		synctest.Wait()
		began := time.Now()
		if _, err := tr.claim(alice, 1<<20); err == nil || time.Since(began) != 0 {
			t.Errorf("a second answer of the whole share waits too: %v after %v", err, time.Since(began))
		}
		if err := <-slow; err == nil {
			t.Error("an answer is sent while its caller has its share unread")
		}
		busy()
		whole, err := tr.claim(alice, 8<<20)
		if err != nil {
			t.Fatalf("an answer of more than the share is never sent: %v", err)
		}
		whole()
		if n := q.all(); n != 0 {
			t.Errorf("%d bytes are counted after the end", n)
		}
	})
}
