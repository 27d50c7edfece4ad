package e2e_test

import (
	"io"
	"net/http"
	"testing"
)

// TestStopEndsOpenStreams: SIGTERM ends the process with code 0 although assistants hold
// streams open, and the streams end instead of hanging.
func TestStopEndsOpenStreams(t *testing.T) {
	p := integrated(t, options{})
	s := connect(t, p)
	var bodies []io.ReadCloser
	for _, path := range []string{"/mcp", "/mcp/sse"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Authorization", "Bearer "+authToken)
		if path == "/mcp" {
			req.Header.Set("Mcp-Session-Id", s.id)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s", path, res.Status)
		}
		bodies = append(bodies, res.Body)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, p.logs)
	}
	for _, b := range bodies {
		_, _ = io.Copy(io.Discard, b) // returns: the stream has ended
	}
}
