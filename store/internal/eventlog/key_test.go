package eventlog_test

import (
	"strings"
	"testing"

	"slackmcp/store/internal/eventlog"
)

func TestKeyOf(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	seen := map[eventlog.Key][2]string{}
	for _, p := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"slack", "Ev1"}, {"slack", "ev1"}, {long, "y"}, {long + "y", ""}, {"\x01", "a"}, {"", "\x01a"}} {
		k := eventlog.KeyOf(p[0], p[1])
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q share a key", p, other)
		}
		seen[k] = p
		if eventlog.KeyOf(p[0], p[1]) != k {
			t.Errorf("the key of %q changes", p)
		}
	}
}
