package selftest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/selftest"
	"slackmcp/config"
	"slackmcp/server"
)

const secret = "the-signing-secret"

// serve runs the real server on a free port.
func serve(t *testing.T, vars ...string) string {
	t.Helper()
	all := map[string]string{
		"SLACK_SIGNING_SECRET": secret, "HOST": "127.0.0.1", "PORT": "0", "DATA_DIR": t.TempDir(), "QUEUE_BACKEND_TYPE": "memory",
		"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-selftest", "SLACK_API_URL": "http://127.0.0.1:1/api/", "MCP_AUTH_TOKEN": "a-token-of-the-selftest-0123",
	}
	for i := 0; i < len(vars); i += 2 {
		all[vars[i]] = vars[i+1]
	}
	c, err := config.Load(config.Sources{LookupEnv: func(k string) (string, bool) { v, ok := all[k]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return "http://" + s.Addr()
}

func try(t *testing.T, o selftest.Options) ([]selftest.Result, error) {
	t.Helper()
	if o.Secret == "" {
		o.Secret = secret
	}
	o.MaxBody, o.Tolerance, o.Timeout = 1<<20, 5*time.Minute, time.Minute
	tester, err := selftest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tester.Run(t.Context())
}

// TestOurServerPasses makes every trial at the product; one it does not pass is a defect
// of one of the two.
func TestOurServerPasses(t *testing.T) {
	t.Parallel()
	results, err := try(t, selftest.Options{URL: serve(t), Slow: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var card bytes.Buffer
	if err := selftest.WriteCard(&card, results); err != nil {
		t.Fatal(err)
	}
	t.Log(card.String())
	for _, r := range results {
		if r.Verdict != selftest.Pass {
			t.Errorf("%s: %s, want %s, got %s", r.Name, r.Verdict, r.Want, r.Got)
		}
	}
	if len(results) < 30 {
		t.Errorf("only %d trials were made", len(results))
	}
}

func TestWithoutAnMCPSide(t *testing.T) {
	t.Parallel()
	results, err := try(t, selftest.Options{URL: serve(t, "INTEGRATED", "false"), Slow: -1, NoEvents: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		want := selftest.Pass
		if strings.HasPrefix(r.Name, "mcp") {
			want = selftest.Skip
		}
		if r.Verdict != want {
			t.Errorf("%s: %s, got %s", r.Name, r.Verdict, r.Got)
		}
	}
}

// TestACarelessServerFails tries a receiver that answers every challenge and checks
// nothing, which must not pass for a good one.
func TestACarelessServerFails(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // with the challenge in it
	}))
	t.Cleanup(s.Close)
	results, err := try(t, selftest.Options{URL: s.URL, Slow: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		switch {
		case strings.HasPrefix(r.Name, "good"), r.Name == "event, then the same again", r.Name == "Slack's ssl_check", r.Name == "health", r.Name == "body that breaks off":
		case r.Verdict != selftest.Fail || r.Remedy == "":
			t.Errorf("%s: %s, got %s, remedy %q", r.Name, r.Verdict, r.Got, r.Remedy)
		}
	}
	if n := selftest.Failures(results); n < 25 {
		t.Errorf("%d trials failed", n)
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]selftest.Options{
		"nobody listens": {URL: "http://127.0.0.1:1"},
		"another secret": {URL: serve(t), Secret: "another"},
	} {
		results, err := try(t, o)
		if err == nil || len(results) != 1 || results[0].Verdict != selftest.Fail {
			t.Errorf("%s: %v, %+v", name, err, results)
		}
	}
	for _, url := range []string{"", "events.example.com", "ftp://x", "://"} {
		if _, err := selftest.New(selftest.Options{URL: url, Secret: "s"}); err == nil {
			t.Errorf("%q is taken for an address", url)
		}
	}
}
