package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/names"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
)

// A rig is every tool, with a Slack workspace and a log of events behind it.
type rig struct {
	t       testing.TB
	slack   *sandbox.Sandbox
	client  *slackapi.Client
	names   *names.Resolver
	events  *eventtest.Log
	state   *memory.Store
	asks    *ask.Questions
	judge   *view.Judge
	tools   map[string]toolset.Tool
	schemas map[string]*jsonschema.Schema
	audit   *bytes.Buffer
	// called is the names of the tools that succeeded.
	called map[string]bool
}

type rigOptions struct {
	sandbox sandbox.Options
	guard   guard.Options
	tools   tools.Options
	client  slackapi.Options
	botOnly bool // no user token
	person  bool // everything is done with the user token
	alone   bool // no bot token
	judge   view.JudgeOptions
}

func newRig(t testing.TB, change ...func(*rigOptions)) *rig {
	t.Helper()
	var o rigOptions
	for _, c := range change {
		c(&o)
	}
	r := &rig{t: t, events: &eventtest.Log{}, tools: map[string]toolset.Tool{}, schemas: map[string]*jsonschema.Schema{}, audit: &bytes.Buffer{}, called: map[string]bool{}}
	var err error
	if r.slack, err = sandbox.New(o.sandbox); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(r.slack.Handler())
	t.Cleanup(srv.Close)
	if err := r.slack.SetBaseURL(srv.URL); err != nil {
		t.Fatal(err)
	}
	if !o.alone {
		o.client.BotToken = sandbox.DefaultBotToken
	}
	if o.client.URL == "" {
		o.client.URL = r.slack.APIURL()
	}
	if o.client.UserToken == "" && !o.botOnly {
		o.client.UserToken = sandbox.DefaultUserToken
	}
	if o.client.Pace == 0 {
		o.client.Pace = 10_000
	}
	if r.client, err = slackapi.New(o.client); err != nil {
		t.Fatal(err)
	}
	if o.person {
		r.client = r.client.AsUser()
	}
	if r.names, err = names.New(r.client); err != nil {
		t.Fatal(err)
	}
	o.guard.Logger = slog.New(slog.NewJSONHandler(r.audit, nil))
	o.guard.Directory = r.names
	g, err := guard.New(o.guard)
	if err != nil {
		t.Fatal(err)
	}
	if r.state, err = memory.New(memory.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.state.Close() })
	if r.asks, err = ask.New(ask.Options{State: r.state.State(), Slack: r.client, Self: r.names.Self}); err != nil {
		t.Fatal(err)
	}
	if o.tools.Asks = r.asks; o.alone {
		o.tools.Asks = nil // no buttons without the bot
	}
	o.tools.Operator = &deadStore{Log: r.events, reason: "handler refused: " + strings.Join(corpus, "; ")}
	o.tools.Events, o.tools.Slack, o.tools.Names, o.tools.Guard = r.events.Events(), r.client, r.names, g
	o.tools.Posts = view.NewPosts(r.state.State(), view.OfBot|view.OfPeople)
	o.judge.People, o.judge.Posts = r.names, o.tools.Posts
	r.judge = view.NewJudge(o.judge)
	o.tools.Judge = r.judge
	catalog, err := tools.Catalog(o.tools)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range catalog.Tools() {
		r.tools[tool.Name] = tool
	}
	return r
}

var tester = &access.Principal{Name: "tester", Scopes: []access.Scope{access.Read, access.Events, access.Write}}

// try calls a tool and returns its structured result or its error. The result is held
// against the tool's output schema.
func (r *rig) try(name string, args any) (json.RawMessage, error) {
	r.t.Helper()
	return r.tryWith(r.t.Context(), &toolset.Call{Progress: func(float64, float64, string) {}}, name, args)
}

func (r *rig) tryWith(ctx context.Context, c *toolset.Call, name string, args any) (json.RawMessage, error) {
	r.t.Helper()
	tool, ok := r.tools[name]
	if !ok {
		r.t.Fatalf("there is no tool %s", name)
	}
	raw, err := json.Marshal(args)
	if err != nil {
		r.t.Fatal(err)
	}
	c.Tool = name
	if c.Principal == nil {
		c.Principal = tester
	}
	res, err := tool.Run(access.With(ctx, c.Principal), c, raw)
	if err != nil {
		return nil, err
	}
	r.called[name] = true
	r.validate(&tool, res.Structured)
	return res.Structured, nil
}

// call is try for calls that must succeed; the result is decoded into out.
func (r *rig) call(name string, args, out any) {
	r.t.Helper()
	res, err := r.try(name, args)
	if err != nil {
		r.t.Fatalf("%s: %v", name, tools.Fault(err))
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(res, out); err != nil {
		r.t.Fatalf("%s: %v in %s", name, err, res)
	}
}

// fails calls a tool that must fail, and returns the words for the model.
func (r *rig) fails(name string, args any) string {
	r.t.Helper()
	res, err := r.try(name, args)
	if err == nil {
		r.t.Fatalf("%s: succeeded with %s", name, res)
	}
	return tools.Fault(err)
}

// refuses is fails with a beginning that the words must have.
func (r *rig) refuses(name string, args any, code string) {
	r.t.Helper()
	if got := r.fails(name, args); !strings.HasPrefix(got, code) {
		r.t.Errorf("%s: refused with %q, want it to begin with %q", name, got, code)
	}
}

func (r *rig) validate(tool *toolset.Tool, structured json.RawMessage) {
	r.t.Helper()
	s := r.schemas[tool.Name]
	if s == nil {
		s = compile(r.t, tool.OutputSchema)
		r.schemas[tool.Name] = s
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(structured))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		r.t.Errorf("%s: the result breaks its schema: %v\n%s", tool.Name, err, structured)
	}
}

func compile(t testing.TB, raw json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type a = map[string]any

func toolsFault(err error) string { return tools.Fault(err) }
