package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// dockerfile is deploy/Dockerfile as BuildKit reads it; what its linter says fails the
// test.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "deploy/Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("%s %v", w.Short, w.Location)
	}
	rules := linter.New(&linter.Config{Warn: func(rule, description, url, message string, at []parser.Range) {
		t.Errorf("%s: %s (%v)", rule, message, at)
	}})
	stages, _, err := instructions.Parse(parsed.AST, rules)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// of returns the instructions of one kind.
func of[T instructions.Command](s instructions.Stage) []T {
	var found []T
	for _, c := range s.Commands {
		if x, ok := c.(T); ok {
			found = append(found, x)
		}
	}
	return found
}

func TestDockerfile(t *testing.T) {
	stages := dockerfile(t)
	image := stages[len(stages)-1]
	if image.BaseName != "scratch" {
		t.Errorf("the image is made from %s: what is in it has to be kept up to date", image.BaseName)
	}
	users := of[*instructions.UserCommand](image)
	if len(users) != 1 || users[0].User != "65532:65532" {
		t.Errorf("the image's user is %v", users)
	}
	for _, e := range of[*instructions.EnvCommand](image) {
		for _, pair := range e.Env {
			knowsVariable(t, "the image", pair.Key)
		}
	}
	entry, command := of[*instructions.EntrypointCommand](image)[0], of[*instructions.CmdCommand](image)[0]
	if !slices.Equal(entry.CmdLine, []string{"slack-webhook-server"}) || entry.PrependShell || command.PrependShell {
		t.Errorf("the image runs %v %v", entry.CmdLine, command.CmdLine)
	}
	knowsFlags(t, "the image", command.CmdLine)
	health := of[*instructions.HealthCheckCommand](image)[0].Health
	if health.Test[0] != "CMD" || health.Test[1] != "slack-webhook-server" {
		t.Fatalf("the health check runs %v", health.Test)
	}
	knowsFlags(t, "the health check", health.Test[2:])
	goVersion := strings.TrimPrefix(strings.Split(stages[0].BaseName, "-")[0], "golang:")
	if !strings.Contains(string(read(t, "go.mod")), "\ngo "+goVersion) {
		t.Errorf("the image is built with %s, which is not go.mod's Go", stages[0].BaseName)
	}
}

// TestDockerignore: the build sees what it needs, and no secret.
func TestDockerignore(t *testing.T) {
	ignored := ignorer(t)
	for path, want := range map[string]bool{
		"go.mod": false, "cmd/slack-webhook-server/main.go": false, "config/table.go": false, "store/sqlite/doc.go": false,
		".env": true, ".env.local": true, "cmd/.env": true, ".git/config": true, "bin/slack-webhook-server": true, "deploy/Dockerfile": true,
		"config/load_test.go": true, "webhook/testdata/slack/a.json": true, "data/queue.db": true, "id_rsa": true,
	} {
		if got := ignored(path); got != want {
			t.Errorf("%s: ignored %v, want %v", path, got, want)
		}
	}
}

// ignorer tells what .dockerignore keeps from the build.
func ignorer(t *testing.T) func(path string) bool {
	t.Helper()
	patterns, err := ignorefile.ReadAll(bytes.NewReader(read(t, ".dockerignore")))
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) bool {
		matches, err := matcher.MatchesOrParentMatches(path)
		if err != nil {
			t.Fatal(err)
		}
		return matches
	}
}

// buildContext copies what the build sees.
func buildContext(t *testing.T) string {
	t.Helper()
	to, ignored := t.TempDir(), ignorer(t)
	all, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range all {
		if ignored(top.Name()) {
			continue
		}
		err := filepath.WalkDir(filepath.Join(root, top.Name()), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			relative, err := filepath.Rel(root, path)
			if err != nil || ignored(relative) || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, relative)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}
