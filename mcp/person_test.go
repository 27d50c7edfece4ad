package mcp_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/webhook/event"
)

// A holding keeper is that of a sign-in which holds.
type holding struct{}

func (holding) During(ctx context.Context, _ access.SignIn) (context.Context, func()) {
	return ctx, func() {}
}
func (holding) Check(context.Context, string) error { return nil }

// asPerson makes every caller a person who has signed in and gave all that they can.
func asPerson(o *mcp.Options) {
	o.Transport.Authenticate = access.As(access.SignedIn(access.SignIn{
		ID: "s1", Person: access.Person{Host: "slack.com", Team: "T1", User: "U1"}, Keeper: holding{},
	}, access.Read, access.Write, access.Events, access.Admin))
}

func heard(t *testing.T, channel, text string) event.Event {
	t.Helper()
	env, err := event.DecodeSlack(fmt.Appendf(nil,
		`{"type":"event_callback","team_id":"T1","event_id":"EvCanary","event":{"type":"message","channel":%q,"user":"U2","ts":"1.1","text":%q}}`, channel, text), event.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return env.Event
}

// A person gets no events, and nothing that acts with the bot's rights: by whichever way, in
// whichever era.
func TestAPersonHasNothingOfTheBots(t *testing.T) {
	t.Parallel()
	h := newFixture(t, asPerson, func(o *mcp.Options) { o.Choice.Toolsets = []string{toolset.All} })
	const canary = "the canary of a private channel"
	h.events.Append(heard(t, "C0PRIVATE", canary))
	c := h.connect()
	if names := h.toolNames(c); len(names) != 0 {
		t.Errorf("tools %v", names)
	}
	catalog, err := mcp.Offer(toolset.Choice{Toolsets: []string{toolset.All}}, true, true, toolset.Grant{HasUser: true})
	if err != nil || len(catalog) < 60 {
		t.Fatalf("%d tools, %v", len(catalog), err)
	}
	for _, offered := range catalog {
		name := offered.Tool
		req := protocol.CallToolRequest{}
		req.Params.Name = name
		if res, err := c.CallTool(t.Context(), req); err == nil && !res.IsError {
			t.Errorf("%s: %+v", name, res)
		}
		if x := h.ask("tools/call", map[string]any{"name": name, "arguments": map[string]any{}}); x.Error == nil && !strings.Contains(string(x.Result), `"isError":true`) {
			t.Errorf("%s by a modern client: %s", name, x.Result)
		}
	}
	list, err := c.ListResources(t.Context(), protocol.ListResourcesRequest{})
	if err != nil || len(list.Resources) != 0 {
		t.Errorf("resources %v, %v", list, err)
	}
	templates, err := c.ListResourceTemplates(t.Context(), protocol.ListResourceTemplatesRequest{})
	if err != nil || len(templates.ResourceTemplates) != 0 {
		t.Errorf("templates %v, %v", templates, err)
	}
	for _, uri := range []string{
		"slack://events", "slack://events/EvCanary", "slack://channels/C0PRIVATE/events", "slack://threads/C0PRIVATE/1.1/events", "slack://channels",
		"slack://users", "slack://emojis", "slack://gaps", "slack://channels/C0PRIVATE", "slack://workspace", "webhooks://stripe/events",
	} {
		read := protocol.ReadResourceRequest{}
		read.Params.URI = uri
		if res, err := c.ReadResource(t.Context(), read); err == nil {
			t.Errorf("%s: %+v", uri, res)
		}
		follow := protocol.SubscribeRequest{}
		follow.Params.URI = uri
		if err := c.Subscribe(t.Context(), follow); err == nil { //nolint:staticcheck // clients of sessions do
			t.Errorf("%s is followed", uri)
		}
	}
	if starters, err := c.ListPrompts(t.Context(), protocol.ListPromptsRequest{}); err != nil || len(starters.Prompts) != 0 {
		t.Errorf("prompts %v, %v", starters, err)
	}
	for method, params := range map[string]map[string]any{
		"events/list": {}, "events/poll": {"name": "slack.message", "arguments": map[string]any{}},
		"events/subscribe": {"id": "x", "name": "slack.message", "delivery": map[string]any{"url": "https://example.com/"}},
		"events/stream":    {"name": "slack.message", "arguments": map[string]any{}},
	} {
		if x := h.ask(method, params); x.Error == nil || strings.Contains(x.Error.Message, canary) {
			t.Errorf("%s: %s", method, x.Result)
		}
	}
	complete := h.ask("completion/complete", map[string]any{
		"ref": map[string]any{"type": "ref/resource", "uri": "slack://channels/{channel}/events"}, "argument": map[string]any{"name": "channel", "value": ""},
	})
	if !strings.Contains(string(complete.Result), `"values":[]`) {
		t.Errorf("completion %s", complete.Result)
	}
}

// A person who follows resources by a listening stream hears nothing of events.
func TestAPersonHearsNothing(t *testing.T) {
	t.Parallel()
	h := newFixture(t, asPerson)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	res := h.send(ctx, "subscriptions/listen", map[string]any{"notifications": map[string]any{
		"resourceSubscriptions": []string{"slack://events", "slack://channels/C1/events"}, "resourcesListChanged": true,
	}})
	defer res.Body.Close()
	h.events.Append(heard(t, "C1", "hello"))
	h.stop() // the stream ends when the server does
	body, err := io.ReadAll(res.Body)
	if err != nil || strings.Contains(string(body), "resources/updated") {
		t.Errorf("%v, %s", err, body)
	}
}
