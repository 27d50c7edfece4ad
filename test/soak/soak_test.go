package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSoak runs both soaks briefly: with a binary built with -race, in which no race may
// be seen, and with the release build, in which nothing may fail. What grows in minutes
// is judged by `make soak`.
func TestSoak(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"race": {"-race"}, "release": {"-trimpath"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := filepath.Join(t.TempDir(), "server")
			build := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, flags...), "-o", server, "slackmcp/cmd/slack-webhook-server")...)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, out)
			}
			s := settings{server: server, rate: 50, duration: 4 * time.Second, sessions: 10, race: true}
			var row strings.Builder
			if err := s.run(t.Context(), &row, name, mostIntegrated, "--integrated", "--mcp-transport", "streamable-http"); err != nil {
				t.Error(err)
			}
			t.Log(row.String())
		})
	}
}

func TestHalves(t *testing.T) {
	t.Parallel()
	var all []sample
	for i := range 8 {
		all = append(all, sample{float64(i), 10 * i, 100 * i})
	}
	second, last := halves(all)
	if second != (sample{3, 30, 300}) || last != (sample{7, 70, 700}) {
		t.Errorf("got %v and %v", second, last)
	}
	if a, b := halves(all[:3]); a != b {
		t.Errorf("of three samples: %v and %v", a, b)
	}
}
