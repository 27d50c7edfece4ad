package config

import (
	"testing"
	"time"
)

// TestBackups reads the setting in each form, and refuses what could mean something else.
func TestBackups(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Backups{
		"/b":                      {"/b", 24 * time.Hour, 7},
		"/b every 1h":             {"/b", time.Hour, 7},
		"/b keep 3":               {"/b", 24 * time.Hour, 3},
		"/a b/c every 2d keep 30": {"/a b/c", 48 * time.Hour, 30},
		"/b keep 3 every 90":      {"/b", 90 * time.Second, 3},
	} {
		got, err := parseBackups(raw)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", raw, got, err, want)
		}
		if again, err := parseBackups(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which is %+v, %v", raw, got, again, err)
		}
	}
	for _, raw := range []string{"", "every 1h", "keep 3", "/b keep 0", "/b keep many", "/b every never", "/b every 1s"} {
		if got, err := parseBackups(raw); err == nil {
			t.Errorf("%q is %+v, want an error", raw, got)
		}
	}
}
