package access_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	m, err := access.NewMetadata(access.MetadataOptions{
		Resource: "https://slack.example/api/mcp", Issuers: []string{issuerURL},
		Scopes: []access.Scope{access.Read, access.Write}, ScopePrefix: "slack:", Name: "Slack",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.URL(), "https://slack.example/.well-known/oauth-protected-resource/api/mcp"; got != want {
		t.Errorf("URL %s, want %s", got, want)
	}
	want := []string{"/.well-known/oauth-protected-resource/api/mcp", "/.well-known/oauth-protected-resource"}
	if diff := cmp.Diff(want, m.Paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	const body = `{"resource":"https://slack.example/api/mcp","authorization_servers":["https://login.example/tenant"],` +
		`"scopes_supported":["slack:read","slack:write"],"bearer_methods_supported":["header"],"resource_name":"Slack"}`
	if diff := cmp.Diff(body, w.Body.String()); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a page cannot read it")
	}
	w = httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestNewMetadata(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]access.MetadataOptions{
		"relative resource": {Resource: "/mcp", Issuers: []string{issuerURL}},
		"no issuer":         {Resource: resource},
	} {
		if _, err := access.NewMetadata(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
