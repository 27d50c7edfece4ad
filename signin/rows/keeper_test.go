package rows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin/rows"
)

// open is a request of a sign-in that is open on a replica.
func (r *rig) open(s *rows.SignIns, token string) (context.Context, func()) {
	r.t.Helper()
	p := r.good(s, token)
	who, _ := p.SignIn()
	return who.Keeper.During(r.t.Context(), who)
}

// What a sign-in has open ends with it, on the replica where it ended and on the others.
func TestWhatIsOpenEnds(t *testing.T) {
	t.Parallel()
	for _, watched := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.clock.goes = true
			here, there := r.replica(), r.replica()
			anns, bens := r.signIn(here, ann), r.signIn(here, ben)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			r.store.deaf.Store(!watched)
			go func() { done <- there.Run(ctx) }()
			one, release := r.open(here, anns.Access)
			defer release()
			far, release := r.open(there, anns.Access)
			defer release()
			second, release := r.open(there, anns.Access)
			defer release()
			other, release := r.open(there, bens.Access)
			defer release()
			closed, release := r.open(there, anns.Access)
			release()
			release()
			if closed.Err() == nil || errors.Is(context.Cause(closed), access.ErrRevoked) {
				t.Errorf("what was closed: %v", context.Cause(closed))
			}
			synctest.Wait()
			if _, err := here.End(t.Context(), anns.SignIn); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if !errors.Is(context.Cause(one), access.ErrRevoked) {
				t.Errorf("here: %v", context.Cause(one))
			}
			if !watched {
				time.Sleep(30 * time.Second)
			}
			synctest.Wait()
			for _, c := range []context.Context{far, second} {
				if !errors.Is(context.Cause(c), access.ErrRevoked) {
					t.Errorf("watched %v: there it goes on: %v", watched, context.Cause(c))
				}
			}
			if other.Err() != nil {
				t.Error("another person's request has ended")
			}
			if _, ok := r.ended.Load("person:T1/U1#" + anns.SignIn); !ok {
				t.Error("nobody was told")
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// While the store cannot be read, what is open stays for a minute and no longer.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.clock.goes = true
		s := r.replica()
		given := r.signIn(s, ann)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		open, release := r.open(s, given.Access)
		defer release()
		time.Sleep(10 * time.Minute)
		r.store.off.Store(true)
		time.Sleep(22 * time.Second)
		synctest.Wait()
		if open.Err() != nil {
			t.Error("a short outage ends what is open")
		}
		r.store.off.Store(false)
		time.Sleep(20 * time.Second)
		r.store.off.Store(true)
		time.Sleep(22 * time.Second)
		synctest.Wait()
		if open.Err() != nil {
			t.Error("two short outages end what is open")
		}
		time.Sleep(38 * time.Second)
		synctest.Wait()
		if !errors.Is(context.Cause(open), access.ErrRevoked) {
			t.Error("what is open outlives an outage of a minute")
		}
		who := access.SignIn{ID: given.SignIn, Person: ann, Keeper: s}
		if err := access.SignedIn(who).Holds(t.Context()); !errors.Is(err, access.ErrUnavailable) {
			t.Errorf("it holds: %v", err)
		}
		r.store.off.Store(false)
		if err := access.SignedIn(who).Holds(t.Context()); err != nil {
			t.Errorf("it does not hold: %v", err)
		}
		if _, err := s.End(t.Context(), given.SignIn); err != nil {
			t.Fatal(err)
		}
		if err := access.SignedIn(who).Holds(t.Context()); !errors.Is(err, access.ErrRevoked) {
			t.Errorf("it holds: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A store that hangs keeps nothing open for longer than one that fails, however much is open.
func TestHangingStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.clock.goes = true
		s := r.replica()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		var open []context.Context
		for i := range 300 {
			p := ann
			p.User = fmt.Sprint("U", i)
			one, release := r.open(s, r.signIn(s, p).Access)
			defer release()
			open = append(open, one)
		}
		time.Sleep(10 * time.Minute)
		r.store.hangs.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, one := range open {
			if !errors.Is(context.Cause(one), access.ErrRevoked) {
				t.Fatalf("request %d of a person is open", i)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
