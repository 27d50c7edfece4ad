package conformance_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"slackmcp/internal/requires"
	mcpclients "slackmcp/test/mcp-clients"
)

// limit bounds the three suites together; they take about ten seconds.
const limit = 5 * time.Minute

// TestConformance runs the public suites. The least counts of passed checks make sure
// that they ran: they are what the pinned versions have.
func TestConformance(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	mcpclients.Install(t, here)
	bash := requires.Program(t, "bash", "install bash")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bash, "../conformance.sh", t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("conformance.sh: %v\n%s", err, out)
	}
	for suite, least := range map[string]int{"0.1.16": 43, "2025-11-25": 80, "2026-07-28": 164} {
		m := regexp.MustCompile(regexp.QuoteMeta("conformance "+suite+": Total: ") + `(\d+) passed`).FindSubmatch(out)
		if m == nil {
			t.Errorf("suite %s says nothing:\n%s", suite, out)
			continue
		}
		if passed, err := strconv.Atoi(string(m[1])); err != nil || passed < least {
			t.Errorf("suite %s: %s checks passed, want at least %d", suite, m[1], least)
		}
	}
}
