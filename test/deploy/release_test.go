package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestRelease makes the archive of this machine as `make release` makes all of them: what is in it runs and
// says its version, the checksums are right, and the list of modules names what the binary is made of.
func TestRelease(t *testing.T) {
	out := t.TempDir()
	make := exec.Command(filepath.Join(root, "scripts/release.sh"), "v0.0.7", "lambda.norpc", "-s -w -X main.version=v0.0.7", out)
	make.Dir, make.Env = root, append(os.Environ(), "RELEASE_PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH)
	if text, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	name := "slack-webhook-server_v0.0.7_" + runtime.GOOS + "_" + runtime.GOARCH
	for _, step := range [][]string{{"sha256sum", "--strict", "-c", "SHA256SUMS"}, {"tar", "-xzf", name + ".tar.gz"}} {
		cmd := exec.Command(step[0], step[1:]...)
		cmd.Dir = out
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", step, err, text)
		}
	}
	for _, file := range []string{"README.md", "LICENSE", ".env.example"} {
		if _, err := os.Stat(filepath.Join(out, name, file)); err != nil {
			t.Error(err)
		}
	}
	said, err := exec.Command(filepath.Join(out, name, "slack-webhook-server"), "--version").Output()
	if err != nil || !bytes.Contains(said, []byte("v0.0.7")) {
		t.Errorf("--version: %v %s", err, said)
	}
	text, err := os.ReadFile(filepath.Join(out, "slack-webhook-server_v0.0.7.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Components []struct{ Name, PackageURL string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"github.com/labstack/echo", "github.com/mark3labs/mcp-go"} {
		if !slices.ContainsFunc(list.Components, func(c struct{ Name, PackageURL string }) bool { return strings.HasPrefix(c.Name, module) }) {
			t.Errorf("the list of modules lacks %s", module)
		}
	}
}
