package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"slackmcp/mcp/transport"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	old := f.peer()
	old.version = "2025-03-26"
	old.initialize()
	answers := func(x exchange, body string) []rpc {
		t.Helper()
		var all []rpc
		if err := json.Unmarshal([]byte(body), &all); err != nil {
			t.Fatalf("%d %s: %v", x.status, body, err)
		}
		return all
	}
	x := old.post(`[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}},{"no":1},{"jsonrpc":"2.0","id":3,"method":"initialize"}]`)
	got := answers(x, x.body)
	if len(got) != 4 || string(got[0].ID) != `"a"` || !strings.Contains(string(got[1].Result), "hello") || got[2].Error == nil || got[3].Error == nil {
		t.Errorf("a mixed batch: %s", x.body)
	}
	if x := old.post(`[{"jsonrpc":"2.0","method":"notifications/initialized"}]`); x.status != http.StatusAccepted || x.body != "" {
		t.Errorf("only notifications: %d %s", x.status, x.body)
	}
	x = old.post(fmt.Sprintf(`[%s,%s]`, encodeRequest(t, 1, "tools/call", tool("notify", map[string]any{"n": 3})), encodeRequest(t, 2, "ping", nil)))
	if n := strings.Count(x.body, "notifications/progress"); n != 3 || !strings.Contains(x.body, `data: [{"jsonrpc":"2.0","id":1,`) {
		t.Errorf("a batch that speaks: %s", x.body)
	}
	for name, body := range map[string]string{
		"an empty batch": "[]", "not JSON": "[", "too many": "[" + strings.TrimSuffix(strings.Repeat(`{"jsonrpc":"2.0","method":"x"},`, 33), ",") + "]",
	} {
		if x := old.post(body); x.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, x.status)
		}
	}
	if x := f.peer().initialize().post(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`); x.status != http.StatusBadRequest {
		t.Errorf("a session of 2025-11-25: %d", x.status)
	}
}
