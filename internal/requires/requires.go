// Package requires lets a test say which program of the machine it needs. Where the
// program is missing the test skips and says how to get it; with REQUIRE_ALL=1, as
// in CI, it fails instead. It is imported by tests only.
package requires

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program, or ends the test: remedy is the command
// that installs it.
func Program(t testing.TB, name, remedy string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name+" is not installed: "+remedy)
	}
	return path
}

// Missing ends a test that cannot run here, with the reason and the remedy.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatalf("REQUIRE_ALL=1 and a requirement is missing: %s", why)
	}
	t.Skip(why)
}
