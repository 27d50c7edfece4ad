package mcp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/client"
	clienttransport "github.com/mark3labs/mcp-go/client/transport"
	protocol "github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
)

// A fixture is a whole assistant's side behind an HTTP server.
type fixture struct {
	t      *testing.T
	events *eventtest.Log
	slack  *sandbox.Sandbox
	server *mcp.Server
	url    string
	stop   context.CancelFunc
	scopes []access.Scope
}

func newFixture(t *testing.T, change ...func(*mcp.Options)) *fixture {
	t.Helper()
	h := &fixture{t: t, events: &eventtest.Log{}, scopes: []access.Scope{access.Read, access.Events, access.Write}}
	var err error
	if h.slack, err = sandbox.New(sandbox.Options{}); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(h.slack.Handler())
	t.Cleanup(api.Close)
	slack, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, UserToken: sandbox.DefaultUserToken, URL: api.URL + "/api/", Pace: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	values, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = values.Close() })
	o := mcp.Options{Events: h.events, Slack: slack, Questions: values.State()}
	o.Transport.Authenticate = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := &access.Principal{Name: "tester", Scopes: h.scopes}
			next.ServeHTTP(w, r.WithContext(access.With(r.Context(), p)))
		})
	}
	for _, c := range change {
		c(&o)
	}
	if h.server, err = mcp.New(o); err != nil {
		t.Fatal(err)
	}
	h.server.SetGrant(toolset.Grant{HasUser: true})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.server.Run(ctx) }()
	// It tells of what comes once it follows the log.
	for began := time.Now(); o.Events != nil && h.events.Watchers() == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the server does not follow the events")
		}
	}
	srv := httptest.NewServer(h.server.Handler())
	h.url, h.stop = srv.URL+"/mcp", cancel
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
		srv.Close()
	})
	return h
}

// connect returns an initialized client of a session.
func (h *fixture) connect() *client.Client {
	h.t.Helper()
	c, err := client.NewStreamableHttpClient(h.url, clienttransport.WithContinuousListening()) //nolint:staticcheck // sessions are what is tested here
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	if err := c.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	req := protocol.InitializeRequest{}
	req.Params.ProtocolVersion = protocol.LATEST_LEGACY_PROTOCOL_VERSION
	req.Params.ClientInfo = protocol.Implementation{Name: "test", Version: "1"}
	res, err := c.Initialize(h.t.Context(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.Contains(res.Instructions, "untrusted") {
		h.t.Error("the instructions do not speak of untrusted text")
	}
	return c
}

func (h *fixture) toolNames(c *client.Client) []string {
	h.t.Helper()
	res, err := c.ListTools(h.t.Context(), protocol.ListToolsRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	names := []string{}
	for _, tool := range res.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func (h *fixture) read(c *client.Client, uri string) (string, error) {
	req := protocol.ReadResourceRequest{}
	req.Params.URI = uri
	res, err := c.ReadResource(h.t.Context(), req)
	if err != nil {
		return "", err
	}
	text, ok := res.Contents[0].(protocol.TextResourceContents)
	if !ok || len(res.Contents) != 1 {
		h.t.Fatalf("read %s: %v", uri, res.Contents)
	}
	return text.Text, nil
}

func (h *fixture) call(c *client.Client, tool string, args map[string]any) *protocol.CallToolResult {
	h.t.Helper()
	req := protocol.CallToolRequest{}
	req.Params.Name, req.Params.Arguments = tool, args
	res, err := c.CallTool(h.t.Context(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

func said(id, channel, thread, text string) map[string]any {
	return map[string]any{"type": "message", "channel": channel, "channel_type": "channel", "user": "U0ALICE0001", "ts": thread, "text": text, "client_msg_id": id}
}

func TestAnEventIsAnnouncedAndRead(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	c := h.connect()
	updates := make(chan string, 10)
	c.OnNotification(func(n protocol.JSONRPCNotification) {
		if n.Method == string(protocol.MethodNotificationResourceUpdated) {
			uri, _ := n.Params.AdditionalFields["uri"].(string)
			updates <- uri
		}
	})
	const followed = "slack://channels/C0GENERAL01/events"
	sub := protocol.SubscribeRequest{}
	sub.Params.URI = followed
	if err := c.Subscribe(t.Context(), sub); err != nil { //nolint:staticcheck // likewise
		t.Fatal(err)
	}
	h.events.Append(eventtest.Envelope("EvOther", said("1", "C0RANDOM001", "1700000000.000100", "elsewhere")))
	h.events.Append(eventtest.Envelope("EvHere", said("2", "C0GENERAL01", "1700000000.000200", "here")))
	select {
	case uri := <-updates:
		if uri != followed {
			t.Errorf("told of %s, follow %s", uri, followed)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody told of the event")
	}

	var list struct {
		Events []struct {
			EventID string `json:"event_id"`
		} `json:"events"`
		Untrusted bool `json:"untrusted"`
	}
	text, err := h.read(c, followed)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Events) != 1 || list.Events[0].EventID != "EvHere" || !list.Untrusted {
		t.Fatalf("%s holds %s", followed, text)
	}
	text, err = h.read(c, "slack://events/"+list.Events[0].EventID)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, `"payload":{`) || strings.Contains(text, "verification-secret") {
		t.Errorf("the event's resource is %s", text)
	}
	if _, err := h.read(c, "slack://events/EvNone"); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("reading an unknown event: %v", err)
	}
}

func TestScopesHideToolsAndResources(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scopes            []access.Scope
		sees, sees2, hide string
		resources         int
	}{
		"events only": {[]access.Scope{access.Events}, "slack_list_events", "slack_get_event", "slack_post_message", 1},
		"read only":   {[]access.Scope{access.Read}, "slack_read_channel_messages", "slack_read_emojis", "slack_list_events", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			h.scopes = tc.scopes
			c := h.connect()
			names := strings.Join(h.toolNames(c), " ")
			if !strings.Contains(names, tc.sees) || !strings.Contains(names, tc.sees2) || strings.Contains(names, tc.hide) {
				t.Errorf("lists %s", names)
			}
			req := protocol.CallToolRequest{}
			req.Params.Name = tc.hide
			if _, err := c.CallTool(t.Context(), req); err == nil {
				t.Errorf("%s can be called", tc.hide)
			}
			all, err := c.ListResources(t.Context(), protocol.ListResourcesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			events := 0
			for _, r := range all.Resources {
				if r.URI == "slack://events" {
					events++
				}
			}
			if events != tc.resources {
				t.Errorf("slack://events is listed %d times, want %d", events, tc.resources)
			}
			_, err = h.read(c, "slack://events")
			if (err == nil) != (tc.resources > 0) {
				t.Errorf("reading slack://events: %v", err)
			}
			sub := protocol.SubscribeRequest{}
			sub.Params.URI = "slack://events"
			err = c.Subscribe(t.Context(), sub) //nolint:staticcheck // sessions are what is tested here
			if (err == nil) != (tc.resources > 0) {
				t.Errorf("following slack://events: %v", err)
			}
		})
	}
}

func TestAFailureIsAResultWithARemedy(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	c := h.connect()
	res := h.call(c, "slack_post_message", map[string]any{"channel": "C0NOWHERE01", "text": "x"})
	text, ok := res.Content[0].(protocol.TextContent)
	if !res.IsError || !ok || !strings.HasPrefix(text.Text, "channel_not_found: There is no such channel") {
		t.Errorf("an unknown channel answers %+v", res)
	}
	res = h.call(c, "slack_post_message", map[string]any{"channel": sandbox.General, "text": "it works"})
	if res.IsError {
		t.Fatalf("posting failed: %+v", res.Content)
	}
	text, ok = res.Content[0].(protocol.TextContent)
	if !ok {
		t.Fatalf("content is %+v", res.Content)
	}
	var fromText, structured any
	if err := json.Unmarshal([]byte(text.Text), &fromText); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(res.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &structured); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(structured, fromText); diff != "" {
		t.Errorf("text and structured content differ (-structured +text):\n%s", diff)
	}
}

func TestAGrantHidesTools(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	c := h.connect()
	changed := make(chan struct{}, 1)
	c.OnNotification(func(n protocol.JSONRPCNotification) {
		if n.Method == string(protocol.MethodNotificationToolsListChanged) {
			changed <- struct{}{}
		}
	})
	h.server.SetGrant(toolset.Grant{Known: true, Bot: []string{"chat:write"}})
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody told that the tools changed")
	}
	names := strings.Join(h.toolNames(c), " ")
	if !strings.Contains(names, "slack_post_message") || strings.Contains(names, "slack_read_channel_messages") {
		t.Errorf("with chat:write alone it lists %s", names)
	}
	all, err := c.ListResources(t.Context(), protocol.ListResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all.Resources {
		if r.URI == "slack://emojis" {
			t.Error("slack://emojis is listed without emoji:read")
		}
	}
	if _, err := h.read(c, "slack://emojis"); err == nil {
		t.Error("slack://emojis can be read without emoji:read")
	}
	for _, hidden := range h.server.Hidden() {
		if hidden.Tool == "slack_read_emojis" && !cmp.Equal(hidden.Missing, []string{"emoji:read"}) {
			t.Errorf("slack_read_emojis lacks %v", hidden.Missing)
		}
	}
}

func (h *fixture) tryCall(c *client.Client, tool string) error {
	req := protocol.CallToolRequest{}
	req.Params.Name = tool
	_, err := c.CallTool(h.t.Context(), req)
	return err
}
