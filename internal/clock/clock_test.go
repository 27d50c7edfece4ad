package clock

import (
	"testing"
	"time"
)

// TestGuard doubts a clock that differs from its witness by more than an hour, for seven days.
func TestGuard(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	start := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var passed time.Duration
	g := newGuard(start, false, func() time.Duration { return passed })
	aging := g.Watch("this machine")
	check := func(what string, now time.Time, want bool) {
		t.Helper()
		got := aging(now)
		if old := got.Equal(now); old != want || !old && !got.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: things grow old by %s, want by the clock: %v", what, got, want)
		}
		if doubts := g.Doubts(); (len(doubts) == 0) != want {
			t.Errorf("%s: the doubts are %+v", what, doubts)
		}
	}
	check("at the start", start, true)
	passed = 40 * day
	check("after 40 days", start.Add(40*day), true)
	check("a jump of 31 days", start.Add(71*day), false)
	if got := g.Believed(start.Add(71 * day)); !got.Equal(start.Add(40 * day)) {
		t.Errorf("believed is %s, want what the witness says", got)
	}
	check("a jump back of a day", start.Add(39*day), false)
	check("mended", start.Add(40*day+time.Minute), true)
	if now := start.Add(40*day + time.Minute); !g.Believed(now).Equal(now) {
		t.Errorf("a clock that is right is not believed")
	}
	g.Witness(start.Add(71 * day))
	check("Slack says so too", start.Add(71*day), true)
	check("Slack says something else", start.Add(40*day), false)
	passed += 8 * day
	if got := aging(start.Add(48 * day)); !got.Equal(start.Add(48 * day)) {
		t.Errorf("after eight days of doubt things grow old by %s", got)
	}
	if d := g.Doubts(); len(d) != 1 || d[0].Left != 0 || !d[0].Slack {
		t.Errorf("the doubts are %+v, want one that has ended", d)
	}

	passed = 0
	g = newGuard(start.Add(31*day), true, func() time.Duration { return passed })
	aging = g.Watch("this machine")
	if got := aging(start.Add(31 * day)); !got.Equal(time.Unix(0, 0)) {
		t.Errorf("before the witness has spoken things grow old by %s", got)
	}
	if g.Settled() {
		t.Error("before the witness has spoken the time is settled")
	}
	passed = Await
	if !g.Settled() {
		t.Error("the witness is waited for without end")
	}
	passed = 0
	g.Witness(start)
	if !g.Settled() {
		t.Error("after the witness has spoken the time is not settled")
	}
	check("a start on a clock that is ahead", start.Add(31*day), false)
}
