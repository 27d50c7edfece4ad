package transport_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"slackmcp/mcp/transport"
)

// FuzzMessage holds that what routing sees of a message is what JSON says, whatever
// the bytes are.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"\u0069o.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`,
		`{"jsonrpc":"2.0","id":-3,"result":{}}`, `[]`, ` {`, "", `{"jsonrpc":"2.0","id":{},"method":"x"}`, "\xff", `null`, `"x"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		method, id, version, err := transport.ParseMessage(raw)
		if err != nil {
			return
		}
		var want struct {
			Method string          `json:"method"`
			ID     json.RawMessage `json:"id"`
			Params struct {
				Meta map[string]any `json:"_meta"`
			} `json:"params"`
		}
		if uerr := json.Unmarshal(raw, &want); uerr == nil {
			if v, _ := want.Params.Meta["io.modelcontextprotocol/protocolVersion"].(string); v != version {
				t.Errorf("version %q, want %q", version, v)
			}
		}
		if !json.Valid(raw) || method != want.Method && want.Method != "" {
			t.Errorf("accepted %q as %q", raw, method)
		}
		if id != nil && (!json.Valid(id) || bytes.ContainsAny(id[:1], "{[tfn")) {
			t.Errorf("id %s", id)
		}
	})
}
