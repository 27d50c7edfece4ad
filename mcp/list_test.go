package mcp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rpc asks the way a client does, and returns the raw result.
func (h *fixture) rpc(method string, params any) json.RawMessage {
	h.t.Helper()
	post := func(session string, body any) (opened string, answer []byte) {
		b, err := json.Marshal(body)
		if err != nil {
			h.t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url, bytes.NewReader(b))
		if err != nil {
			h.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			h.t.Fatal(err)
		}
		defer res.Body.Close()
		if answer, err = io.ReadAll(res.Body); err != nil {
			h.t.Fatal(err)
		}
		return res.Header.Get("Mcp-Session-Id"), answer
	}
	opened, _ := post("", map[string]any{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": map[string]any{
		"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "t", "version": "1"},
	}})
	_, answer := post(opened, map[string]any{"jsonrpc": "2.0", "id": 2, "method": method, "params": params})
	var reply struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil || reply.Result == nil {
		h.t.Fatalf("%s: %v in %s", method, err, answer)
	}
	return reply.Result
}

type listedTool struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Annotations map[string]any  `json:"annotations"`
	Input       json.RawMessage `json:"inputSchema"`
	Output      json.RawMessage `json:"outputSchema"`
}

func (h *fixture) list() (all []listedTool, raw []json.RawMessage, size int) {
	h.t.Helper()
	result := h.rpc("tools/list", map[string]any{})
	var list struct {
		Tools []json.RawMessage `json:"tools"`
	}
	if err := json.Unmarshal(result, &list); err != nil {
		h.t.Fatal(err)
	}
	for _, r := range list.Tools {
		var tool listedTool
		if err := json.Unmarshal(r, &tool); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, tool)
	}
	return all, list.Tools, len(result)
}

func TestToolsList(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		choice  toolset.Choice
		tools   int // the most
		bytes   int // the most
		writers bool
	}{
		"default":   {toolset.Choice{}, 20, 44 << 10, true},
		"read-only": {toolset.Choice{ReadOnly: true}, 20, 40 << 10, false},
		"full":      {toolset.Choice{Toolsets: []string{"all"}}, 60, 120 << 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t, func(o *mcp.Options) { o.Choice = tc.choice })
			tools, raw, size := h.list()
			if len(tools) > tc.tools || size > tc.bytes {
				t.Errorf("tools/list has %d tools and %d bytes, want at most %d and %d", len(tools), size, tc.tools, tc.bytes)
			}
			t.Logf("%d tools, %d bytes", len(tools), size)
			writers := 0
			for _, tool := range tools {
				if tool.Annotations["readOnlyHint"] == false {
					writers++
				}
			}
			if (writers > 0) != tc.writers {
				t.Errorf("%d of the tools write", writers)
			}
			goldenList(t, name+".jsonl", raw)
		})
	}
}

// goldenList keeps one tool a line, so that a change shows as one.
func goldenList(t *testing.T, name string, tools []json.RawMessage) {
	t.Helper()
	got := string(bytes.Join(slices.Collect(func(yield func([]byte) bool) {
		for _, r := range tools {
			if !yield(r) {
				return
			}
		}
	}), []byte("\n"))) + "\n"
	path := filepath.Join("testdata", "tools-list", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run go test ./mcp -update", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s changed: if that is meant, run go test ./mcp -update (-want +got):\n%s", name, diff)
	}
}

func TestEveryToolIsWhole(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(o *mcp.Options) { o.Choice.Toolsets = []string{"all"} })
	tools, _, _ := h.list()
	seen := map[string]bool{}
	for _, tool := range tools {
		if seen[tool.Name] {
			t.Errorf("%s is listed twice", tool.Name)
		}
		seen[tool.Name] = true
		if tool.Title == "" || tool.Description == "" || len(tool.Input) == 0 || len(tool.Output) == 0 {
			t.Errorf("%s lacks a title, a description or a schema", tool.Name)
		}
		for _, hint := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
			if _, ok := tool.Annotations[hint].(bool); !ok {
				t.Errorf("%s has no %s", tool.Name, hint)
			}
		}
	}
	if len(tools) < 50 {
		t.Errorf("only %d tools are listed", len(tools))
	}
}

// TestAbsentTools calls tools that are not offered, and wants to be told why and what helps.
func TestAbsentTools(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tool   string
		choice toolset.Choice
		scopes []access.Scope
		grant  toolset.Grant
		want   string
	}{
		"of another toolset": {tool: "slack_ask", want: "slack_ask is of the toolset ask, which this server does not offer: tell the user to add ask to the server's TOOLSETS"},
		"on a server that only reads": {
			tool: "slack_post_message", choice: toolset.Choice{ReadOnly: true},
			want: "slack_post_message changes something, and this server only reads (READ_ONLY): tell the user",
		},
		"beyond the caller's scope": {
			tool: "slack_post_message", scopes: []access.Scope{access.Read},
			want: "slack_post_message needs the scope write, which your token for this server does not have: tell the user",
		},
		"without Slack's scope": {
			tool: "slack_read_emojis", grant: toolset.Grant{Known: true, Bot: []string{"chat:write"}},
			want: "slack_read_emojis is hidden, because the Slack app lacks emoji:read: tell the user to add it to the app and to install the app again",
		},
		"misspelt":          {tool: "slack_post_mesage", want: "there is no such tool: did you mean slack_post_message?"},
		"of another server": {tool: strings.Repeat("create_pull_request", 1000), want: "there is no such tool: take one of tools/list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t, func(o *mcp.Options) { o.Choice = tc.choice })
			if tc.scopes != nil {
				h.scopes = tc.scopes
			}
			if tc.grant.Known {
				h.server.SetGrant(tc.grant)
			}
			if err := h.tryCall(h.connect(), tc.tool); err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("the call says %v, want %s", err, tc.want)
			}
		})
	}
}

func TestAReadOnlyTokenCallsNoWriter(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(o *mcp.Options) { o.Choice.Toolsets = []string{"all"} })
	all, _, _ := h.list()
	h.scopes = []access.Scope{access.Read, access.Events}
	c := h.connect()
	may := h.toolNames(c)
	for _, tool := range all {
		if tool.Annotations["readOnlyHint"] == true {
			if !slices.Contains(may, tool.Name) {
				t.Errorf("%s reads, and is hidden from a read-only token", tool.Name)
			}
			continue
		}
		if slices.Contains(may, tool.Name) {
			t.Errorf("%s writes, and is listed for a read-only token", tool.Name)
		}
		if err := h.tryCall(c, tool.Name); err == nil {
			t.Errorf("%s writes, and can be called with a read-only token", tool.Name)
		}
	}
}
