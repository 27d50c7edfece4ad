package gaps_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/state"
	"slackmcp/webhook/gaps"
)

func TestRefusalsThatGoOnAreAGap(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		refuse  func(p process)
		refused bool
	}{
		"verified and not stored": {func(p process) { p.Refused(time.Now(), 0) }, true},
		"turned away unread":      {func(p process) { p.TurnedAway() }, true},
		"among others that are stored": {func(p process) {
			p.TurnedAway()
			p.Delivered(time.Now(), false)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				announced := 0
				p := beginWith(t, gaps.Options{State: newState(t), OnRecorded: func(gaps.Gap) { announced++ }})
				for range 4 {
					tc.refuse(p)
					pass(time.Minute)
				}
				if d := p.Refusing(); d != 0 {
					t.Errorf("after four minutes they are refused for %s", d)
				}
				for range 6 {
					tc.refuse(p)
					pass(time.Minute)
				}
				if !tc.refused {
					if all := list(t, p.Ledger); len(all) != 0 || p.Refusing() != 0 {
						t.Errorf("recorded %+v, refusing for %s", all, p.Refusing())
					}
					p.stop()
					return
				}
				wantOne(t, list(t, p.Ledger), gaps.Unavailable, 9*time.Minute, 10*time.Minute)
				if d := p.Refusing(); d < 9*time.Minute || announced != 1 {
					t.Errorf("refusing for %s, announced %d times while it goes on", d, announced)
				}
				p.Delivered(time.Now(), true)
				wantOne(t, list(t, p.Ledger), gaps.Unavailable, 9*time.Minute, 10*time.Minute)
				if d := p.Refusing(); d != 0 {
					t.Errorf("after a delivery they are refused for %s", d)
				}
				p.stop()
			})
		})
	}
}

// TestARequestTurnedAwayNowAndThenIsNoGap: every client can send what looks like Slack's.
func TestARequestTurnedAwayNowAndThenIsNoGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := begin(t, newState(t))
		for range 5 {
			p.TurnedAway()
			pass(time.Hour)
		}
		if all := list(t, p.Ledger); len(all) != 0 || p.Refusing() != 0 {
			t.Errorf("recorded %+v, refusing for %s", all, p.Refusing())
		}
		p.stop()
	})
}

func TestTheLastRepetitionThatFailsIsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := begin(t, newState(t))
		happened := time.Now()
		for number := range 4 {
			pass(time.Minute)
			p.Refused(happened, number)
			p.Delivered(time.Now(), false) // others are stored
		}
		all := list(t, p.Ledger)
		wantOne(t, all, gaps.Unavailable, time.Minute, time.Minute)
		if len(all) == 1 && (all[0].From.After(happened) || !all[0].To.After(happened)) {
			t.Errorf("the gap is %s to %s, and the event that was given up happened at %s", all[0].From, all[0].To, happened)
		}
		p.stop()
	})
}

func TestNoSocketIsAGap(t *testing.T) {
	t.Parallel()
	t.Run("none of the processes has one, across restarts", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var up, otherUp atomic.Bool
			announced := 0
			o := gaps.Options{State: newState(t), Connected: up.Load, OnRecorded: func(gaps.Gap) { announced++ }}
			second := gaps.Options{State: o.State, Connected: otherUp.Load, OnRecorded: o.OnRecorded} // either of them records it
			up.Store(true)
			p, other := beginWith(t, o), beginWith(t, second)
			pass(time.Hour)
			up.Store(false)
			pass(4 * time.Minute)
			otherUp.Store(true)
			pass(time.Hour)
			if all := list(t, p.Ledger); len(all) != 0 {
				t.Errorf("one process is connected, and recorded is %+v", all)
			}
			otherUp.Store(false)
			pass(4 * time.Minute)
			p.stop()
			pass(time.Minute)
			p = beginWith(t, o)
			pass(3 * time.Minute)
			wantOne(t, list(t, p.Ledger), gaps.Disconnected, 7*time.Minute, 8*time.Minute+30*time.Second)
			pass(10 * time.Minute)
			up.Store(true)
			pass(time.Minute)
			wantOne(t, list(t, p.Ledger), gaps.Disconnected, 17*time.Minute, 18*time.Minute+30*time.Second)
			pass(time.Hour)
			wantOne(t, list(t, p.Ledger), gaps.Disconnected, 17*time.Minute, 18*time.Minute+30*time.Second)
			if announced == 0 || announced > 2 {
				t.Errorf("announced %d times, want when it is recorded and when it ends", announced)
			}
			p.stop()
			other.stop()
		})
	})
	t.Run("never one since the first start", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := beginWith(t, gaps.Options{State: newState(t), Connected: func() bool { return false }})
			pass(6 * time.Minute)
			wantOne(t, list(t, p.Ledger), gaps.Disconnected, 5*time.Minute, 6*time.Minute)
			p.stop()
		})
	})
	t.Run("what comes by another way shows that Slack reaches us", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := beginWith(t, gaps.Options{State: newState(t), Connected: func() bool { return false }})
			for range 10 {
				pass(2 * time.Minute)
				p.Delivered(time.Now(), false)
			}
			if all := list(t, p.Ledger); len(all) != 0 {
				t.Errorf("recorded %+v", all)
			}
			p.stop()
		})
	})
	t.Run("a downtime is not counted twice", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var up atomic.Bool
			up.Store(true)
			o := gaps.Options{State: newState(t), Connected: up.Load}
			p := beginWith(t, o)
			pass(time.Minute)
			p.stop()
			pass(time.Hour)
			up.Store(false) // it takes a moment
			p = beginWith(t, o)
			pass(time.Minute)
			up.Store(true)
			pass(time.Minute)
			wantOne(t, list(t, p.Ledger), gaps.Downtime, time.Hour, time.Hour+time.Minute)
			p.stop()
		})
	})
}

// TestGapsWaitForAStoreThatFails: what was noted while the store failed is recorded when it
// does not, and the log has a line a beat at most.
func TestGapsWaitForAStoreThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &failing{Store: newState(t)}
		p := begin(t, s)
		minute := time.Now().Truncate(time.Minute)
		s.down.Store(true)
		for i := range 10 {
			p.Limited("T1", minute.Add(time.Duration(2*i)*time.Minute))
			pass(time.Second)
		}
		pass(time.Minute)
		s.down.Store(false)
		pass(time.Minute)
		if all := list(t, p.Ledger); len(all) != 10 {
			t.Errorf("%d gaps are recorded, want those that waited", len(all))
		}
		p.stop()
	})
}

type failing struct {
	state.Store
	down atomic.Bool
}

func (f *failing) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if f.down.Load() {
		return "", errors.New("the store is away")
	}
	return f.Store.Put(ctx, key, value, p)
}
