package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/webhook/signature"
)

// TestSourcesChangeWhileTheServerRuns adds a source, changes another and takes it out by SIGHUP.
func TestSourcesChangeWhileTheServerRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sources.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte("sources:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("  - {name: shop, secret_env: SHOP_SECRET}\n")
	r := reloadingServer(t, map[string]string{"SOURCES_FILE": file, "SHOP_SECRET": "the-shops-secret", "TILL_SECRET": "the-tills-secret"})
	post := func(name, header, secret string) int {
		body := `{"to":"` + name + `"}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/events/"+name, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(header, signature.SignHex(secret, []byte(body)))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	wants := func(when string, shop, mine, till int) {
		t.Helper()
		got := [3]int{post("shop", "X-Signature", "the-shops-secret"), post("shop", "X-Mine", "the-shops-secret"), post("till", "X-Signature", "the-tills-secret")}
		if got != [3]int{shop, mine, till} {
			t.Errorf("%s the answers are %v, want %v", when, got, [3]int{shop, mine, till})
		}
	}
	wants("at first", 200, 401, 404)
	write("  - {name: shop, header: X-Mine, secret_env: SHOP_SECRET}\n  - {name: till, secret_env: TILL_SECRET}\n")
	r.wants(r.change(nil), "secrets reloaded", "sources=2", "added=[till]", "removed=[]")
	wants("with another header and a new source", 401, 200, 200)
	if _, shown := get(t, r.url+"/metrics", ""); !strings.Contains(shown, `deliveries_total{outcome="accepted",source="till"} 1`) {
		t.Error("a new source is not counted for itself")
	}
	if post("till", "X-Other", "x") != 401 {
		t.Error("an unsigned request of the new source is not refused")
	}
	write("  - {name: till, scheme: sha1, secret_env: TILL_SECRET}\n")
	r.wants(r.change(nil), "the settings cannot be used")
	wants("after a file with a problem", 401, 200, 200)
	write("  - {name: till, secret_env: TILL_SECRET}\n")
	r.wants(r.change(nil), "removed=[shop]")
	wants("with one taken out", 404, 404, 200)
	if _, shown := get(t, r.url+"/metrics", ""); strings.Contains(shown, `source="shop"`) {
		t.Error("a source that is gone is counted")
	}
}
