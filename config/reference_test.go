package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/config"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestGeneratedDocuments$ . -update

var update = flag.Bool("update", false, "write the generated documents anew")

func TestGeneratedDocuments(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"../docs/configuration.md": config.Reference(),
		"../.env.example":          config.EnvExample(),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: write it with `go generate ./...`", err)
		}
		if diff := cmp.Diff(string(got), want); diff != "" {
			t.Errorf("%s is stale; renew it with `go generate ./...` (-file +table):\n%s", path, diff)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	reference, example := config.Reference(), config.EnvExample()
	for _, s := range config.Settings() {
		if !strings.Contains(reference, "| `"+s.Key+"` |") {
			t.Errorf("the reference lacks %s", s.Key)
		}
		if !strings.Contains(example, "\n"+s.Key+"=") && !strings.Contains(example, "\n#"+s.Key+"=") {
			t.Errorf("the example lacks %s", s.Key)
		}
	}
}

// TestEnvExampleLoads loads the example as it is, and with every comment sign of a
// setting removed.
func TestEnvExampleLoads(t *testing.T) {
	t.Parallel()
	asItIs := config.EnvExample()
	lines := strings.Split(asItIs, "\n")
	for i, line := range lines {
		key, _, isAssignment := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		if s, ok := config.Lookup(key); ok && isAssignment && s.Key != "NATS_URL" {
			lines[i] = strings.TrimPrefix(line, "#")
		}
	}
	allSet := strings.NewReplacer("xoxp-...", "xoxp-1", "xapp-...", "xapp-1").Replace(strings.Join(lines, "\n"))
	for name, content := range map[string]string{"as it is": asItIs, "all set": allSet} {
		c, err := config.Load(config.Sources{LookupEnv: env(enough(nil)), EnvFile: ".env", ReadFile: files(map[string]string{".env": content})})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(c.Warnings) > 0 && name == "as it is" {
			t.Errorf("%s: warnings %q", name, c.Warnings)
		}
	}
}
