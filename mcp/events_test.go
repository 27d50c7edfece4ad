package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/webhook/event"
)

// An exchange is what a request of 2026-07-28 was answered.
type exchange struct {
	status int
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int            `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	} `json:"error"`
}

// send posts a request of 2026-07-28.
func (h *fixture) send(ctx context.Context, method string, params map[string]any) *http.Response {
	h.t.Helper()
	with := map[string]any{"_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "t", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}}
	maps.Copy(with, params)
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 7, "method": method, "params": with})
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", method)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

func (h *fixture) ask(method string, params map[string]any) exchange {
	h.t.Helper()
	res := h.send(h.t.Context(), method, params)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	x := exchange{status: res.StatusCode}
	if err := json.Unmarshal(b, &x); err != nil {
		h.t.Fatalf("%s: %v in %s", method, err, b)
	}
	return x
}

type occurrence struct {
	EventID   string         `json:"eventId"`
	Name      string         `json:"name"`
	Timestamp time.Time      `json:"timestamp"`
	Data      map[string]any `json:"data"`
	Cursor    string         `json:"cursor"`
}

type polled struct {
	ResultType string       `json:"resultType"`
	Events     []occurrence `json:"events"`
	Cursor     string       `json:"cursor"`
	Truncated  bool         `json:"truncated"`
	HasMore    bool         `json:"hasMore"`
	NextPollMs int          `json:"nextPollMs"`
}

func (h *fixture) poll(params map[string]any) polled {
	h.t.Helper()
	x := h.ask("events/poll", params)
	if x.Error != nil || x.status != http.StatusOK {
		h.t.Fatalf("events/poll %v: %d %+v", params, x.status, x.Error)
	}
	var p polled
	if err := json.Unmarshal(x.Result, &p); err != nil {
		h.t.Fatal(err)
	}
	return p
}

func texts(p []occurrence) []string {
	list := []string{}
	for _, o := range p {
		text, _ := o.Data["text"].(string)
		list = append(list, text)
	}
	return list
}

// message is a message as Slack posts it.
func message(n int, inner map[string]any) event.Event {
	m := map[string]any{
		"type": "message", "channel": "C0GENERAL01", "channel_type": "channel", "user": "U0ALICE0001", "team": "T0LANTERN01",
		"text": fmt.Sprintf("m%d", n), "ts": fmt.Sprintf("17000000%02d.000100", n),
	}
	maps.Copy(m, inner)
	return eventtest.Envelope(fmt.Sprintf("Ev%04d", n), m)
}

// TestEventsAreDeclared: clients look for the extension in two places, in every era.
func TestEventsAreDeclared(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for name, result := range map[string]json.RawMessage{
		"server/discover": h.ask("server/discover", nil).Result,
		"initialize":      h.initialize(),
	} {
		var got struct {
			Capabilities struct {
				Events     *map[string]any           `json:"events"`
				Extensions map[string]map[string]any `json:"extensions"`
				Tools      *map[string]any           `json:"tools"`
			} `json:"capabilities"`
			ServerInfo map[string]any `json:"serverInfo"`
		}
		if err := json.Unmarshal(result, &got); err != nil {
			t.Fatal(err)
		}
		if got.Capabilities.Events == nil || got.Capabilities.Extensions["io.modelcontextprotocol/events"] == nil || got.Capabilities.Tools == nil {
			t.Errorf("%s declares %s", name, result)
		}
	}
}

func (h *fixture) initialize() json.RawMessage {
	h.t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var x exchange
	if err := json.NewDecoder(res.Body).Decode(&x); err != nil {
		h.t.Fatal(err)
	}
	return x.Result
}

// TestPoll follows a cursor from now on, through filters and pages.
func TestPoll(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.events.Append(message(1, nil))
	first := h.poll(map[string]any{"name": "message.created"})
	if len(first.Events) != 0 || first.Cursor == "" || first.Truncated || first.HasMore || first.ResultType != "complete" || first.NextPollMs < 1000 {
		t.Fatalf("the first poll: %+v", first)
	}
	h.events.Append(
		message(2, nil), message(3, map[string]any{"channel": "C0OTHER0001"}), message(4, map[string]any{"subtype": "channel_join"}),
		message(5, map[string]any{"bot_id": "B0SELF00001", "app_id": "A0SANDBOX01"}), message(6, map[string]any{"text": "Deploy it"}),
	)
	for _, tc := range []struct {
		name      string
		event     string
		arguments map[string]any
		want      []string
	}{
		{"all but our own and Slack's", "message.created", nil, []string{"m2", "m3", "Deploy it"}},
		{"our own too", "message.created", map[string]any{"include_own": true}, []string{"m2", "m3", "m5", "Deploy it"}},
		{"a channel", "message.created", map[string]any{"channel": "C0GENERAL01"}, []string{"m2", "Deploy it"}},
		{"a word", "message.created", map[string]any{"keyword": "deploy"}, []string{"Deploy it"}},
		{"another type", "thread.replied", nil, []string{}},
	} {
		got := h.poll(map[string]any{"name": tc.event, "arguments": tc.arguments, "cursor": first.Cursor})
		if d := cmp.Diff(tc.want, texts(got.Events)); d != "" || got.HasMore || got.Truncated {
			t.Errorf("%s: %+v %s", tc.name, got, d)
		}
	}
	one := h.poll(map[string]any{"name": "message.created", "cursor": first.Cursor, "maxEvents": 1})
	two := h.poll(map[string]any{"name": "message.created", "cursor": one.Cursor, "maxEvents": 1})
	if !one.HasMore || one.Events[0].EventID != "Ev0002" || two.Events[0].EventID != "Ev0003" || one.Events[0].Cursor != "" {
		t.Errorf("pages: %+v, %+v", one, two)
	}
}

// TestPollSaysWhatIsLost: a cursor that no longer leads anywhere is no error, and what is
// too old for the question is said to be missing only where something is.
func TestPollSaysWhatIsLost(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	old := message(1, nil)
	old.ReceivedAt = time.Now().Add(-time.Hour)
	other := message(2, map[string]any{"channel": "C0OTHER0001"})
	other.ReceivedAt = old.ReceivedAt
	young := message(3, nil)
	young.ReceivedAt = time.Now()
	h.events.Append(old, other, young)

	lost := h.poll(map[string]any{"name": "message.created", "cursor": "gone-0000000000000001"})
	if !lost.Truncated || len(lost.Events) != 0 && lost.Cursor == "" {
		t.Errorf("another epoch's cursor: %+v", lost)
	}
	if again := h.poll(map[string]any{"name": "message.created", "cursor": lost.Cursor}); len(again.Events) != 3 || again.Truncated {
		t.Errorf("and then: %+v", again)
	}
	if odd := h.poll(map[string]any{"name": "message.created", "cursor": "what?"}); !odd.Truncated || len(odd.Events) != 0 || odd.Cursor == "" {
		t.Errorf("no cursor of ours: %+v", odd)
	}
	aged := h.poll(map[string]any{"name": "message.created", "cursor": "start", "maxAgeMs": 60_000})
	if !aged.Truncated || len(aged.Events) != 1 || aged.Events[0].EventID != "Ev0003" {
		t.Errorf("too old is left out and said: %+v", aged)
	}
	behind := h.poll(map[string]any{"name": "message.created", "arguments": map[string]any{"channel": "C0GENERAL01"}, "cursor": string(event.NewPosition("e0", 1)), "maxAgeMs": 60_000})
	if behind.Truncated || len(behind.Events) != 1 {
		t.Errorf("nothing that matches is too old: %+v", behind)
	}
}

// TestEventErrors: what is wrong with a request, by code, over HTTP 200.
func TestEventErrors(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, tc := range []struct {
		name   string
		method string
		params map[string]any
		code   int
		says   string
	}{
		{"no such type", "events/poll", map[string]any{"name": "nothing.happened"}, -32011, "events/list"},
		{"no name", "events/poll", nil, -32602, "name"},
		{"an unknown argument", "events/poll", map[string]any{"name": "message.created", "arguments": map[string]any{"chanel": "C1"}}, -32602, "did you mean channel"},
		{"a name for an id", "events/stream", map[string]any{"name": "message.created", "arguments": map[string]any{"channel": "#general"}}, -32602, "C0123456789"},
		{"arguments that are none", "events/poll", map[string]any{"name": "message.created", "arguments": "all"}, -32602, "object"},
		{"no events", "events/poll", map[string]any{"name": "message.created", "maxEvents": 0}, -32602, "maxEvents"},
		{"a cursor that is no text", "events/poll", map[string]any{"name": "message.created", "cursor": 5}, -32602, "cursor"},
		{"webhooks where there are none", "events/subscribe", map[string]any{"name": "message.created"}, -32014, "webhook"},
	} {
		x := h.ask(tc.method, tc.params)
		if x.status != http.StatusOK || x.Error == nil || x.Error.Code != tc.code || !strings.Contains(x.Error.Message+fmt.Sprint(x.Error.Data), tc.says) {
			t.Errorf("%s: got %d %+v", tc.name, x.status, x.Error)
		}
	}
	h.scopes = []access.Scope{access.Read}
	if x := h.ask("events/list", nil); x.status != http.StatusOK || x.Error == nil || x.Error.Code != -32012 {
		t.Errorf("without the scope: %d %+v", x.status, x.Error)
	}
}

// A note is one message of a stream.
type note struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		occurrence
		Truncated bool           `json:"truncated"`
		Meta      map[string]any `json:"_meta"`
	} `json:"params"`
	Result map[string]any `json:"result"`
	Error  map[string]any `json:"error"`
}

// A listening is an open events/stream.
type listening struct {
	t    *testing.T
	body io.Closer
	scan *bufio.Scanner
	stop context.CancelFunc
}

func (h *fixture) stream(params map[string]any) *listening {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	res := h.send(ctx, "events/stream", params) //nolint:bodyclose // the listening closes it
	l := &listening{t: h.t, body: res.Body, scan: bufio.NewScanner(res.Body), stop: cancel}
	l.scan.Buffer(nil, 1<<20)
	h.t.Cleanup(l.close)
	return l
}

func (l *listening) close() { l.stop(); l.body.Close() }

// next returns the next message; the zero note when the stream ended.
func (l *listening) next() note {
	for l.scan.Scan() {
		data, ok := strings.CutPrefix(l.scan.Text(), "data: ")
		if !ok {
			continue
		}
		var n note
		if err := json.Unmarshal([]byte(data), &n); err != nil {
			l.t.Errorf("%v in %s", err, data)
		}
		return n
	}
	return note{}
}

// TestStream: active first, then what happens, in order, each with its cursor; the end by
// the server's will has a result.
func TestStream(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.events.Append(message(1, nil))
	l := h.stream(map[string]any{"name": "message.created", "arguments": map[string]any{"channel": "C0GENERAL01"}})
	active := l.next()
	if active.Method != "notifications/events/active" || active.Params.Truncated || active.Params.Cursor == "" || active.Params.Meta["io.modelcontextprotocol/subscriptionId"] != 7.0 {
		t.Fatalf("first: %+v", active)
	}
	h.events.Append(message(2, nil), message(3, map[string]any{"channel": "C0OTHER0001"}), message(4, nil))
	second, third := l.next(), l.next()
	if second.Method != "notifications/events/event" || second.Params.EventID != "Ev0002" || third.Params.EventID != "Ev0004" {
		t.Fatalf("then: %+v, %+v", second, third)
	}
	l.close()
	again := h.stream(map[string]any{"name": "message.created", "cursor": second.Params.Cursor})
	if n := again.next(); n.Method != "notifications/events/active" || n.Params.Truncated {
		t.Errorf("resumed: %+v", n)
	}
	if a, b := again.next(), again.next(); a.Params.EventID != "Ev0003" || b.Params.EventID != "Ev0004" {
		t.Errorf("behind the cursor: %+v, %+v", a, b)
	}
	lost := h.stream(map[string]any{"name": "message.created", "cursor": "gone-0000000000000001"})
	if n := lost.next(); !n.Params.Truncated || n.Params.Cursor == "" {
		t.Errorf("with a cursor that is gone: %+v", n)
	}
	if n := lost.next(); n.Params.EventID != "Ev0001" {
		t.Errorf("it goes on with %+v", n)
	}
}

// TestStreamOfASession: the older eras have streams too, and a heartbeat.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(o *mcp.Options) { o.Push.Heartbeat = 20 * time.Millisecond })
	l := h.stream(map[string]any{"name": "message.created"})
	l.next()
	if n := l.next(); n.Method != "notifications/events/heartbeat" || n.Params.Cursor != "start" {
		t.Errorf("silent: %+v", n)
	}
	h.stop()
	for {
		n := l.next()
		if n.Method == "notifications/events/heartbeat" {
			continue
		}
		if string(n.ID) != "7" || n.Result["resultType"] != "complete" {
			t.Errorf("the end: %+v", n)
		}
		return
	}
}
