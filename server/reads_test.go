package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/webhook/event"
)

func TestReadersShareTheirMemory(t *testing.T) {
	if n := newReads(1 << 20).free; n != 3 {
		t.Errorf("%d readers hold a page and a body of 1 MiB each in 6 MiB, want 3", n)
	}
	if n := newReads(1 << 30).free; n != 1 {
		t.Errorf("%d readers hold bodies of 1 GiB, want one at a time", n)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newReads(16 << 20)
		leave, left := make(chan struct{}), make(chan error, 1)
		go func() {
			left <- r.Hold(t.Context(), func() error {
				<-leave
				return errors.New("what the reader returned")
			})
		}()
		synctest.Wait()
		began := time.Now()
		var told []access.Bound
		r.onBusy = func(_ context.Context, b access.Bound) { told = append(told, b) }
		if err := r.Hold(t.Context(), func() error { return nil }); !errors.Is(err, event.ErrBusy) || time.Since(began) != readPatience {
			t.Errorf("a reader without a share is answered %v after %v, want ErrBusy after %v", err, time.Since(began), readPatience)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Hold(ctx, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader that gave up is answered %v", err)
		}
		if len(told) != 1 || told[0].Code() != "too_many_reads" {
			t.Errorf("what is told is %v, want that one reader got no share", told)
		}
		go func() {
			time.Sleep(readPatience / 2)
			close(leave)
		}()
		if err := r.Hold(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("a reader that waited for its share is answered %v", err)
		}
		if err := <-left; err == nil || err.Error() != "what the reader returned" {
			t.Errorf("Hold = %v, want the reader's error", err)
		}
	})
}

// TestReadersTakeTurnsByPrincipal has one principal wait with many reads, and another with
// one: that is served second.
func TestReadersTakeTurnsByPrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReads(16 << 20) // one reader at a time
		as := func(name string) context.Context { return access.With(t.Context(), &access.Principal{Name: name}) }
		leave := make(chan struct{})
		var order []string
		var done sync.WaitGroup
		read := func(name string) {
			done.Go(func() {
				if err := r.Hold(as(name), func() error { order = append(order, name); return nil }); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		done.Go(func() { _ = r.Hold(as("alice"), func() error { <-leave; return nil }) })
		synctest.Wait()
		for range 5 {
			read("alice")
		}
		read("bob")
		gone, cancel := context.WithCancel(as("carol"))
		done.Go(func() { _ = r.Hold(gone, func() error { t.Error("a reader that gave up reads"); return nil }) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(leave)
		done.Wait()
		if want := []string{"alice", "bob", "alice", "alice", "alice", "alice"}; !slices.Equal(order, want) {
			t.Errorf("the readers came in the order %v, want %v", order, want)
		}
		if r.free != 1 || len(r.waiting) != 0 || len(r.turns) != 0 {
			t.Errorf("%d shares are free and %d wait, want 1 and none", r.free, len(r.waiting))
		}
	})
}

// TestOnePrincipalNeverHasTheLastShare has one principal read slowly, as often as it may: another
// one's read waits for nothing. Where nobody has to authenticate, all shares are everybody's.
func TestOnePrincipalNeverHasTheLastShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		as := func(name string) context.Context { return access.With(t.Context(), &access.Principal{Name: name}) }
		r := newShares(2)
		first, err := r.take(as("alice"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := r.take(as("alice")); !errors.Is(err, event.ErrBusy) || time.Since(began) != readPatience {
			t.Errorf("the last share is answered %v after %v, want ErrBusy after %v", err, time.Since(began), readPatience)
		}
		began = time.Now()
		bob, err := r.take(as("bob"))
		if err != nil || time.Since(began) != 0 {
			t.Fatalf("another principal is answered %v after %v, want its share at once", err, time.Since(began))
		}
		second := make(chan error, 1)
		go func() {
			leave, err := r.take(as("alice"))
			if err == nil {
				leave()
			}
			second <- err
		}()
		synctest.Wait()
		bob()
		synctest.Wait()
		if len(second) != 0 {
			t.Error("what bob gave back went to alice, who has her share")
		}
		first()
		if err := <-second; err != nil {
			t.Errorf("a read that waited for the principal's own share is answered %v", err)
		}
		if r.free != 2 || len(r.held) != 0 || len(r.waiting) != 0 {
			t.Errorf("free %d, held %v, waiting %v, want all shares back", r.free, r.held, r.waiting)
		}
		for range 2 {
			if _, err := r.take(t.Context()); err != nil {
				t.Errorf("nobody in particular is answered %v", err)
			}
		}
	})
}

// TestReadersFollowTheLongestBody takes shares away when a source comes that takes longer bodies, though they are held, and
// gives them back to those that wait when it has gone.
func TestReadersFollowTheLongestBody(t *testing.T) {
	const usual, long = 1 << 20, 25 << 20
	r := newReads(usual)
	n := r.free
	if n < 2 {
		t.Fatalf("%d shares, want several", n)
	}
	var leave []func()
	for range n {
		give, err := r.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, give)
	}
	r.fit(long)
	for _, give := range leave[:n-1] {
		give()
	}
	if r.free != 0 {
		t.Errorf("%d shares are free while one is held, want none: there is one for bodies of that length", r.free)
	}
	granted := r.enter("")
	if granted == nil {
		t.Fatal("a second reader has a share")
	}
	r.fit(usual)
	<-granted
	leave[n-1]()
	r.leave("")
	if r.free != n {
		t.Errorf("%d shares are free at the end, want %d", r.free, n)
	}
}
