package server

import (
	"strings"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/internal/clock"
)

// TestAWrongClockIsSaid says by how much a clock is wrong, according to whom, and what follows; and of a right one
// nothing.
func TestAWrongClockIsSaid(t *testing.T) {
	t.Parallel()
	g := clock.New(false)
	cfg := config.Config{}
	cfg.Queue.Backend = config.SQLite
	aging := agingOf(cfg, g)
	aging(time.Now())
	if p := wrongClock(g); p.What != "" {
		t.Errorf("a clock that is right is the problem %+v", p)
	}
	g.Witness(time.Now().Add(-31 * 24 * time.Hour))
	if got := aging(time.Now()); got.Year() != 1970 {
		t.Errorf("things grow old by %s while the clock is wrong", got)
	}
	if p := wrongClock(g); !strings.Contains(p.What, "the clock of this machine is 744h0m0s ahead of Slack's: for 168h0m0s nothing is removed") || p.Remedy == "" {
		t.Errorf("the problem is %+v", p)
	}
}
