package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
	mcpclients "slackmcp/test/mcp-clients"
)

// TestAuthorization runs the suite's scenarios for authorization servers against the shipped binary,
// in whose sandbox a browser of the tests signs somebody in. The suite's 33 scenarios named auth/ are for
// clients: in them the suite is the server. It has none for a protected resource.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	mcpclients.Install(t, here)
	issuer := serve(ctx, t)
	callback := freePort(t)
	node := "node"
	if own, err := filepath.Glob("node_modules/node-*/bin/node"); err == nil && len(own) > 0 {
		node = filepath.Join(here, own[0])
	}
	suite := exec.CommandContext(ctx, node, "node_modules/conformance-next/dist/index.js", "authorization", "--url", issuer,
		"--client-id", register(ctx, t, issuer), "--resource", issuer+"/mcp", "--port", callback, "--output-dir", t.TempDir())
	said, err := suite.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	suite.Stderr = suite.Stdout
	if err := suite.Start(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	var browser sync.WaitGroup
	defer browser.Wait()
	address := ""
	for lines := bufio.NewScanner(said); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), issuer+"/authorize?") {
			address = lines.Text()
		}
		if page := address; page != "" && strings.HasPrefix(lines.Text(), "Callback server started") {
			browser.Go(func() { mcpclients.Run(t, nil, "browser.mjs", page) })
			address = ""
		}
	}
	if err := suite.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	if m := regexp.MustCompile(`Total: (\d+) passed, (\d+) failed`).FindStringSubmatch(all.String()); m == nil || m[1] != "3" || m[2] != "0" {
		t.Errorf("want three checks passed:\n%s", all.String())
	}
}

// serve starts the binary with a sandbox whose people sign in, and returns its origin.
func serve(ctx context.Context, t *testing.T) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	binary, issuer := filepath.Join(dir, "server"), "http://127.0.0.1:"+port
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "slackmcp/cmd/slack-webhook-server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, binary, "--sandbox", "--no-env-file", "--host", "127.0.0.1", "--port", port, "--data-dir", dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "SIGN_IN_TEAMS=" + sandbox.Team}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	for ready := time.Now().Add(20 * time.Second); ; {
		if res, err := http.Get(issuer + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return issuer
			}
		}
		if time.Now().After(ready) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("not ready:\n%s", text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// register registers the suite, which does not do so itself, and returns its id.
func register(ctx context.Context, t *testing.T, issuer string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, issuer+"/register", strings.NewReader(`{"redirect_uris":["http://127.0.0.1/callback"]}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&client); err != nil || client.ID == "" {
		t.Fatal(res.Status, err)
	}
	return client.ID
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
