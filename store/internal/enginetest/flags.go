package enginetest

import (
	"flag"
	"time"
)

// What the tests do to an engine is short, unless scripts/chaos.sh asks for more.
var (
	kills = flag.Int("kills", 4, "how often a test kills its engine")
	pause = flag.Duration("pause", 5*time.Second, "how long a test stops its engine")
)

// KillCount is how often a test kills its engine.
func KillCount() int { return *kills }

// PauseTime is how long a test stops its engine.
func PauseTime() time.Duration { return *pause }
