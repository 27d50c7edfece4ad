package node_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/requires"
	"slackmcp/slackapi/sandbox"
	mcpclients "slackmcp/test/mcp-clients"
)

// floor is how many methods' answers are checked against the official types. It may
// only grow.
const floor = 60

// A line is what the script says of one call, or of one check.
type line struct {
	Method, Check, Failed string
	Schema, Passed        bool
	Errors                []string
}

// TestOfficialClient uses the sandbox through @slack/web-api, unchanged, and checks
// what it answers against JSON Schemas made of that package's response types.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	sb, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)

	dir := mcpclients.Install(t, "testdata")
	covered := map[string]bool{}
	checks := 0
	for out := bufio.NewScanner(strings.NewReader(node(t, dir, "drive.mjs", server.URL, schemas(t, dir)))); out.Scan(); {
		var l line
		if err := json.Unmarshal(out.Bytes(), &l); err != nil {
			t.Errorf("the script said %q", out.Text())
			continue
		}
		switch {
		case l.Check != "":
			checks++
			if !l.Passed {
				t.Errorf("%s: no %s", l.Check, l.Failed)
			}
		case l.Failed != "":
			t.Errorf("%s failed: %s", l.Method, l.Failed)
		case len(l.Errors) > 0:
			t.Errorf("%s answers what the official types do not: %v", l.Method, l.Errors)
		case l.Schema:
			covered[l.Method] = true
		}
	}
	t.Logf("answers of %d methods fit the official response types, %d further checks", len(covered), checks)
	if len(covered) < floor || checks != 5 {
		t.Errorf("%d methods and %d checks, want at least %d and 5", len(covered), checks, floor)
	}
}

// schemas makes the schemas, once for each list of types and version of the packages,
// and returns their file.
func schemas(t *testing.T, dir string) string {
	t.Helper()
	types := strings.Fields(node(t, dir, "drive.mjs", "--types"))
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(strings.Join(types, " ") + string(lock)))
	out := filepath.Join("node_modules", ".schemas-"+hex.EncodeToString(sum[:8])+".json")
	if _, err := os.Stat(filepath.Join(dir, out)); err != nil {
		made := out + "." + t.Name()
		node(t, dir, "schemas.mjs", append([]string{made}, types...)...)
		if err := os.Rename(filepath.Join(dir, made), filepath.Join(dir, out)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// node runs a script and returns what it printed.
func node(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	program := requires.Program(t, "node", "install Node 20 or newer")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{script}, args...)...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", script, err, stderr.String())
	}
	return string(out)
}
