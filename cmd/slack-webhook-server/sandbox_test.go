package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSandboxSignsIn starts the command and opens the page that it prints.
func TestSandboxSignsIn(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, world{
			program: "slack-webhook-server", stdin: strings.NewReader(""), stdout: in, stderr: io.Discard, screen: io.Discard,
			lookupEnv: func(string) (string, bool) { return "", false },
			args:      []string{"sandbox", "--no-env-file", "--port", "0", "--redirect-url", "https://app.example/back"},
		})
		_ = in.Close()
	}()
	said, page := map[string]string{}, ""
	for lines := bufio.NewScanner(out); page == "" && lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), "="); found {
			said[name] = value
		}
		page = strings.TrimPrefix(lines.Text(), "People sign in at ")
		if page == lines.Text() {
			page = ""
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	address := page + "?user_scope=users:read&redirect_uri=https://app.example/back/here&client_id=" + said["SLACK_CLIENT_ID"]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || said["SLACK_CLIENT_SECRET"] == "" {
		t.Errorf("the page answered %d; printed %v", resp.StatusCode, said)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d", code)
	}
}
