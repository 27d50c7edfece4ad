package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A session is an MCP client of the 2025-11-25 era, small enough to see every byte;
// the official clients have tests of their own.
type session struct {
	t     testing.TB
	url   string
	token string
	id    string
	n     int
}

// connect initializes a session at the server's mount.
func connect(t testing.TB, p *process) *session {
	t.Helper()
	return connectAs(t, p, authToken)
}

// connectAs is connect with a token of its own.
func connectAs(t testing.TB, p *process, token string) *session {
	t.Helper()
	s := &session{t: t, url: p.url + "/mcp", token: token}
	s.call("initialize", map[string]any{
		"protocolVersion": "2025-11-25", "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "e2e", "version": "1"},
	})
	s.notify("notifications/initialized")
	return s
}

func (s *session) post(body any) *http.Response {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+s.token)
	if s.id != "" {
		req.Header.Set("Mcp-Session-Id", s.id)
		req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

func (s *session) notify(method string) {
	s.t.Helper()
	res := s.post(map[string]any{"jsonrpc": "2.0", "method": method})
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		s.t.Fatalf("%s: answer %s", method, res.Status)
	}
}

// call sends a request and returns its result; a JSON-RPC error ends the test.
func (s *session) call(method string, params any) json.RawMessage {
	s.t.Helper()
	result, rpcErr := s.try(method, params)
	if rpcErr != nil {
		s.t.Fatalf("%s: %d %s", method, rpcErr.Code, rpcErr.Message)
	}
	return result
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *session) try(method string, params any) (json.RawMessage, *rpcError) {
	s.t.Helper()
	s.n++
	res := s.post(map[string]any{"jsonrpc": "2.0", "id": s.n, "method": method, "params": params})
	defer res.Body.Close()
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		s.id = id
	}
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		s.t.Fatalf("%s: answer %s: %s", method, res.Status, b)
	}
	var reply struct {
		ID     int             `json:"id"`
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		scan := bufio.NewScanner(res.Body)
		scan.Buffer(nil, 16<<20)
		for scan.Scan() {
			data, ok := strings.CutPrefix(scan.Text(), "data:")
			if !ok {
				continue
			}
			if err := json.Unmarshal([]byte(data), &reply); err != nil {
				s.t.Fatalf("%s: %v in %q", method, err, data)
			}
			if reply.ID == s.n {
				return reply.Result, reply.Error
			}
		}
		s.t.Fatalf("%s: the stream ended without the answer: %v", method, scan.Err())
	}
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
		s.t.Fatalf("%s: %v", method, err)
	}
	return reply.Result, reply.Error
}

// tool calls a tool and decodes its structured content; isError ends the test.
func (s *session) tool(name string, args any, into any) {
	s.t.Helper()
	var result struct {
		IsError           bool            `json:"isError"`
		StructuredContent json.RawMessage `json:"structuredContent"`
		Content           []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(s.call("tools/call", map[string]any{"name": name, "arguments": args}), &result); err != nil {
		s.t.Fatal(err)
	}
	if result.IsError {
		s.t.Fatalf("%s: isError: %v", name, result.Content)
	}
	if err := json.Unmarshal(result.StructuredContent, into); err != nil {
		s.t.Fatalf("%s: %v in %s", name, err, result.StructuredContent)
	}
}

// An eventRow is what slack_list_events says of one event.
type eventRow struct {
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	Channel string `json:"channel"`
}

type eventPage struct {
	Events     []eventRow `json:"events"`
	NextCursor string     `json:"next_cursor"`
}

// listEventIDs pages through the whole store, oldest first, as an assistant would.
func listEventIDs(t testing.TB, p *process) []string {
	t.Helper()
	s := connect(t, p)
	var ids []string
	args := map[string]any{"limit": 200, "order": "oldest_first"}
	for {
		var page eventPage
		s.tool("slack_list_events", args, &page)
		for _, e := range page.Events {
			ids = append(ids, e.EventID)
		}
		if page.NextCursor == "" || len(page.Events) == 0 {
			return ids
		}
		args["cursor"] = page.NextCursor
	}
}

// read fetches a resource's text.
func (s *session) read(uri string) string {
	s.t.Helper()
	var result struct {
		Contents []struct {
			Text string `json:"text"`
		} `json:"contents"`
	}
	if err := json.Unmarshal(s.call("resources/read", map[string]any{"uri": uri}), &result); err != nil {
		s.t.Fatal(err)
	}
	if len(result.Contents) != 1 {
		s.t.Fatalf("read %s: %d contents, want 1", uri, len(result.Contents))
	}
	return result.Contents[0].Text
}
