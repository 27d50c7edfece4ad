package transport_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/transport"
)

// TestStatelessHeaders holds what 2026-07-28 wants the headers of a request to repeat.
func TestStatelessHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	call := stateless(t, 1, "tools/call", tool("echo", nil))
	bare := encodeRequest(t, 1, "tools/call", tool("echo", nil))
	for _, tc := range []struct {
		name   string
		body   string
		header map[string]string
		status int
		code   int
	}{
		{"all in order", call, nil, http.StatusOK, 0},
		{"an older version in the header", call, map[string]string{"Mcp-Protocol-Version": "2025-11-25"}, http.StatusBadRequest, mcp.HEADER_MISMATCH},
		{"no version in the header", call, map[string]string{"Mcp-Protocol-Version": ""}, http.StatusBadRequest, mcp.HEADER_MISMATCH},
		{"no version in the message", bare, nil, http.StatusBadRequest, mcp.INVALID_PARAMS},
		{"a version to come, in both", strings.ReplaceAll(call, "2026-07-28", "2099-01-01"), map[string]string{"Mcp-Protocol-Version": "2099-01-01"}, http.StatusBadRequest, mcp.UNSUPPORTED_PROTOCOL_VERSION},
		{"another method", call, map[string]string{"Mcp-Method": "tools/list"}, http.StatusBadRequest, mcp.HEADER_MISMATCH},
		{"no method", call, map[string]string{"Mcp-Method": ""}, http.StatusBadRequest, mcp.HEADER_MISMATCH},
		{"another name", call, map[string]string{"Mcp-Name": "fail"}, http.StatusBadRequest, mcp.HEADER_MISMATCH},
		{"an unknown method", strings.Replace(call, "tools/call", "tools/else", 1), map[string]string{"Mcp-Method": "tools/else", "Mcp-Name": ""}, http.StatusNotFound, mcp.METHOD_NOT_FOUND},
		{"a session id, which means nothing", call, map[string]string{"Mcp-Session-Id": "whatever"}, http.StatusOK, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := f.peerOf(t).stateless("tools/call", "echo")
			for k, v := range tc.header {
				if p.header.Set(k, v); v == "" {
					p.header.Del(k)
				}
			}
			x := p.post(tc.body)
			r := x.last(t)
			code := 0
			if r.Error != nil {
				code = r.Error.Code
			}
			if x.status != tc.status || code != tc.code || string(r.ID) != "1" || x.header.Get("Mcp-Session-Id") != "" {
				t.Errorf("got %d %s", x.status, x.body)
			}
		})
	}
}
