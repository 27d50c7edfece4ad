package gaps_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/state"
	"slackmcp/webhook/gaps"
)

// A process is one that keeps the account, within synctest.
type process struct {
	*gaps.Ledger
	stop func()
}

func begin(t *testing.T, s state.Store) process { return beginWith(t, gaps.Options{State: s}) }

func beginWith(t *testing.T, o gaps.Options) process {
	t.Helper()
	l, err := gaps.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	synctest.Wait()
	return process{l, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// list returns the gaps as "kind seconds".
func list(t *testing.T, l *gaps.Ledger) []gaps.Gap {
	t.Helper()
	synctest.Wait()
	all, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantOne(t *testing.T, all []gaps.Gap, kind gaps.Kind, atLeast, atMost time.Duration) {
	t.Helper()
	if len(all) != 1 || all[0].Kind != kind || all[0].To.Sub(all[0].From) < atLeast || all[0].To.Sub(all[0].From) > atMost {
		t.Errorf("recorded %+v, want one %s of %s to %s", all, kind, atLeast, atMost)
	}
}

func TestDowntimeIsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newState(t)
		p := begin(t, s)
		pass(time.Hour)
		p.stop()
		pass(2 * time.Minute) // a deployment
		p = begin(t, s)
		if all := list(t, p.Ledger); len(all) != 0 {
			t.Errorf("a short downtime is recorded: %+v", all)
		}
		other := begin(t, s)
		pass(time.Minute)
		p.stop()
		pass(time.Hour) // the other goes on
		p = begin(t, s)
		if all := list(t, p.Ledger); len(all) != 0 {
			t.Errorf("a downtime is recorded while another process was there: %+v", all)
		}
		p.stop()
		other.stop()
		pass(7 * time.Minute)
		p, other = begin(t, s), begin(t, s)
		wantOne(t, list(t, p.Ledger), gaps.Downtime, 7*time.Minute, 8*time.Minute)
		p.stop()
		other.stop()
	})
}

func TestRefusedAndLateDeliveriesAreGaps(t *testing.T) {
	t.Parallel()
	t.Run("the store took nothing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newState(t)
			p := begin(t, s)
			p.Refused(time.Now(), 0)
			pass(time.Minute)
			p.Delivered(time.Now(), true)
			if all := list(t, p.Ledger); len(all) != 0 {
				t.Errorf("what repetitions bridge is recorded: %+v", all)
			}
			p.Refused(time.Now(), 0)
			pass(8 * time.Minute)
			p.Refused(time.Now(), 0)
			p.Delivered(time.Now(), true)
			wantOne(t, list(t, p.Ledger), gaps.Unavailable, 8*time.Minute, 8*time.Minute)
			p.stop()
		})
	})
	t.Run("something stood before the process", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newState(t)
			p := begin(t, s)
			pass(time.Hour)
			p.Delivered(time.Now(), false)
			pass(20 * time.Minute)
			p.Delivered(time.Now().Add(-6*time.Minute), true)
			p.Delivered(time.Now().Add(-5*time.Minute-time.Second), true)
			wantOne(t, list(t, p.Ledger), gaps.Unreachable, 14*time.Minute, 15*time.Minute)
			p.stop()
		})
	})
	t.Run("late, and sent before the process began: that is a downtime's", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newState(t)
			p := begin(t, s)
			p.Delivered(time.Now().Add(-6*time.Minute), true)
			p.Delivered(time.Time{}, true)
			if all := list(t, p.Ledger); len(all) != 0 {
				t.Errorf("recorded %+v", all)
			}
			p.stop()
		})
	})
}

func TestLimitedMinutesGrowTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newState(t)
		p := begin(t, s)
		minute := time.Now().Truncate(time.Minute)
		for _, i := range []int{0, 1, 1, 0, 2} {
			p.Limited("T1", minute.Add(time.Duration(i)*time.Minute))
		}
		p.Limited("T1", time.Time{})
		wantOne(t, list(t, p.Ledger), gaps.RateLimited, 3*time.Minute, 3*time.Minute)
		p.Limited("T2", minute)
		synctest.Wait()
		if n, err := p.OpenGaps(t.Context()); err != nil || n != 2 {
			t.Errorf("%d gaps are open, %v; want one for each team", n, err)
		}
		p.stop()
	})
}

func TestFillOfAnUnknownGapFails(t *testing.T) {
	t.Parallel()
	s := newState(t)
	l, err := gaps.New(gaps.Options{State: s})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "../beat", "none", "\x00"} {
		if _, err := (&gaps.Filler{Ledger: l}).Fill(t.Context(), id, func(gaps.Gap) {}); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("Fill(%q) = %v", id, err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []gaps.Options{{}, {State: newState(t), After: -1}, {State: newState(t), Beat: -1}, {State: newState(t), Keep: -1}} {
		if _, err := gaps.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// newState returns small values in memory, until the test ends.
func newState(t testing.TB) state.Store {
	t.Helper()
	s, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.State()
}
