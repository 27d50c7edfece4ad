package embed_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compiled compiles the example in a copy of its module, so that nothing is written here.
func compiled(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		b, err := os.ReadFile(filepath.Join(root, "examples", "embed", name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(b), "slackmcp => ../..", "slackmcp => "+root, 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "embed")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-mod=mod", "-o", binary, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// TestTheExample compiles the program that embeds the server, runs it, posts to it, and
// waits for what its handlers print.
func TestTheExample(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, compiled(t))
	dir, addr := t.TempDir(), freeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	cmd.Dir = dir
	cmd.Env = []string{
		"HOME=" + dir, "DATA_DIR=" + dir, "HOST=" + host, "PORT=" + port,
		"SLACK_SIGNING_SECRET=signing-secret", "STRIPE_WEBHOOK_SECRET=payment-secret",
	}
	end, await := running(t, cmd)
	await("receives")

	now := time.Now().Unix()
	message := `{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev1","event":{"type":"message","channel_type":"channel","channel":"C1","user":"U1","text":"hello","ts":"1.2"}}`
	post(t, addr, "/slack/events", message, map[string]string{
		"Content-Type": "application/json", "X-Slack-Request-Timestamp": fmt.Sprint(now),
		"X-Slack-Signature": "v0=" + sum("signing-secret", fmt.Sprintf("v0:%d:%s", now, message)),
	})
	await(`U1 said "hello" in C1`)
	payment := "amount=42&invoice_id=in_1"
	post(t, addr, "/events/payment_succeeded", payment, map[string]string{"X-Signature": sum("payment-secret", payment)})
	await("invoice in_1 was paid: 42")

	end()
}

// running starts a program, and returns what ends it, and what waits for words that it prints.
func running(t *testing.T, cmd *exec.Cmd) (end func(), await func(string)) {
	t.Helper()
	cmd.Stderr = io.Discard
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	end = func() {
		t.Helper()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		for range lines { // until it ends
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the program ended with %v", err)
		}
	}
	await = func(part string) {
		t.Helper()
		var before []string
		for line := range lines {
			if strings.Contains(line, part) {
				return
			}
			before = append(before, line)
		}
		t.Fatalf("the program ended without saying %q:\n%s", part, strings.Join(before, "\n"))
	}
	return end, await
}

func post(t *testing.T, addr, path, body string, header map[string]string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range header {
		req.Header.Set(name, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %d", path, res.StatusCode)
	}
}

func sum(secret, text string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
