package mcp_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// modern posts a request of the stateless 2026-07-28 revision and returns its result.
func (h *fixture) modern(method string, params map[string]any) map[string]any {
	h.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "test", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", method)
	if uri, ok := params["uri"].(string); ok {
		req.Header.Set("Mcp-Name", uri)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var reply struct {
		Result map[string]any `json:"result"`
		Error  any            `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || reply.Error != nil {
		h.t.Fatalf("%s: %v %v", method, err, reply.Error)
	}
	return reply.Result
}

func TestTheServerIntroducesItself(t *testing.T) {
	h := newFixture(t)
	b, err := json.Marshal(h.modern("server/discover", nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"title":"Slack events and tools"`, `"src":"data:image/svg+xml;base64,`, `"instructions":`, "You: in Slack this server is the bot @wick"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("server/discover lacks %s: %s", want, b)
		}
	}
}

func TestListsSayHowLongTheyHold(t *testing.T) {
	h := newFixture(t)
	for _, tc := range []struct {
		method string
		params map[string]any
		ttl    float64
	}{
		{"tools/list", nil, 60_000},
		{"resources/list", nil, 60_000},
		{"resources/read", map[string]any{"uri": "slack://events"}, 0},
	} {
		got := h.modern(tc.method, tc.params)
		if got["ttlMs"] != tc.ttl || got["cacheScope"] != "private" {
			t.Errorf("%s: ttlMs %v, cacheScope %v; want %v, private", tc.method, got["ttlMs"], got["cacheScope"], tc.ttl)
		}
	}
}
