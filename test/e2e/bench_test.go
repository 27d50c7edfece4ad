package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// TestBenchCommand lets the shipped binary measure a disk briefly: it must say something
// of each load, lose nothing of what it acknowledged, and leave nothing behind.
func TestBenchCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), binary, "bench", "--dir", dir, "--duration", "300ms", "--kills", "2", "--json").Output()
	if err != nil {
		t.Fatalf("bench: %v\n%s", err, out)
	}
	var got struct {
		Loads []struct {
			Events int
			Ack    struct{ Buckets []struct{ Count int } }
		}
		Kills struct{ Kills, Acknowledged, Lost int }
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Loads) != 2 || got.Kills.Kills != 2 || got.Kills.Acknowledged == 0 || got.Kills.Lost != 0 {
		t.Errorf("bench says %s", out)
	}
	for _, l := range got.Loads {
		sum := 0
		for _, b := range l.Ack.Buckets {
			sum += b.Count
		}
		if l.Events == 0 || sum != l.Events {
			t.Errorf("%d events, %d in the histogram", l.Events, sum)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
