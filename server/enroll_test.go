package server_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/server"
	"slackmcp/server/operate"
)

// TestASecretIsEnrolled waits for a secret over the operator's socket; the log and the trail do not hold it.
func TestASecretIsEnrolled(t *testing.T) {
	r := reloadingServer(t, map[string]string{"AUDIT_LOG": filepath.Join(t.TempDir(), "audit.jsonl")})
	client, err := operate.Dial(t.Context(), operate.Path(r.vars["DATA_DIR"]))
	if err != nil {
		t.Fatal(err)
	}
	const secret = "the-enrolled-secret-0123"
	got := make(chan string, 2)
	go func() {
		if err := operate.Follow(t.Context(), client, server.EnrollRoute, server.Enroll{Name: "tasks", Provider: "asana"}, func(e server.Enrolled) error {
			got <- e.Secret
			return nil
		}); err != nil {
			got <- err.Error()
		}
	}()
	answered := 0
	for end := time.Now().Add(20 * time.Second); answered != http.StatusNoContent && time.Now().Before(end); {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/events/tasks", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Hook-Secret", secret)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answered = res.StatusCode
		_ = res.Body.Close()
	}
	if s := <-got; s != secret || answered != http.StatusNoContent {
		t.Errorf("enrolled %q, answered %d", s, answered)
	}
	if log := r.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "source=tasks") {
		t.Errorf("the log is\n%s", log)
	}
}
