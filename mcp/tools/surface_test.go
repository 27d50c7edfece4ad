package tools_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a committed file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run go test ./mcp/tools -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s changed: if that is meant, run go test ./mcp/tools -update (-want +got):\n%s", name, diff)
	}
}

func indent(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tool := range r.tools {
		compile(t, tool.InputSchema)
		compile(t, tool.OutputSchema)
		for what, raw := range map[string]json.RawMessage{"input": tool.InputSchema, "output": tool.OutputSchema} {
			var s struct {
				Type       string         `json:"type"`
				Properties map[string]any `json:"properties"`
			}
			if err := json.Unmarshal(raw, &s); err != nil || s.Type != "object" {
				t.Errorf("%s: the %s schema is %s", name, what, raw)
			}
			if what == "output" && len(s.Properties) == 0 {
				t.Errorf("%s: the output schema describes nothing", name)
			}
		}
		golden(t, filepath.Join("schemas", name+".json"), indent(t, map[string]any{
			"name": tool.Name, "title": tool.Title, "description": tool.Description, "toolset": tool.Set, "default": tool.Default,
			"scopes": slices.DeleteFunc([]access.Scope{tool.Scope, tool.And}, func(s access.Scope) bool { return s == "" }),
			"needs":  tool.Needs, "user_needs": tool.UserNeeds,
			"annotations": map[string]bool{
				"readOnlyHint": tool.Effect.ReadOnly(), "destructiveHint": tool.Effect.Destructive(), "idempotentHint": tool.Effect.Idempotent(),
			},
			"inputSchema": tool.InputSchema, "outputSchema": tool.OutputSchema,
		}))
	}
	files, err := os.ReadDir(filepath.Join("testdata", "schemas"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := r.tools[strings.TrimSuffix(f.Name(), ".json")]; !ok {
			t.Errorf("testdata/schemas/%s belongs to no tool", f.Name())
		}
	}
}

// TestDescriptions holds what a model reads to a form, because a reviewer may not.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tool := range r.tools {
		if n := len(tool.Description); n < 40 || n > 480 {
			t.Errorf("%s: the description has %d characters", name, n)
		}
		if !strings.HasSuffix(tool.Description, ".") {
			t.Errorf("%s: the description does not end with a full stop", name)
		}
		for _, word := range strings.FieldsFunc(tool.Description, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			if strings.HasPrefix(word, "slack_") {
				if _, ok := r.tools[word]; !ok {
					t.Errorf("%s: the description names %s, which is no tool", name, word)
				}
			}
		}
		if !strings.HasPrefix(name, "slack_") && !strings.HasPrefix(name, "webhook_") {
			t.Errorf("%s begins neither with slack_ nor with webhook_", name)
		}
	}
}

// TestWritersAreGuarded calls every writing tool as a rehearsal: it must say what it
// would send, and send nothing.
func TestWritersAreGuarded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tool := range r.tools {
		hasDryRun := strings.Contains(string(tool.InputSchema), `"dry_run"`)
		if tool.Scope != access.Admin { // which sends nothing to Slack
			hasDryRun = hasDryRun && strings.Contains(string(tool.InputSchema), `"idempotency_key"`)
		}
		if tool.Effect.ReadOnly() == hasDryRun {
			t.Errorf("%s: read-only is %v, and dry_run and idempotency_key are there: %v", name, tool.Effect.ReadOnly(), hasDryRun)
		}
	}
}

func TestDefaultsAreFew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	all := []toolset.Tool{}
	for _, tool := range r.tools {
		all = append(all, tool)
	}
	catalog, err := toolset.NewCatalog(all...)
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := catalog.Choose(toolset.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	if len(chosen) > 20 {
		t.Errorf("%d tools are offered by default, at most 20 may be", len(chosen))
	}
	for _, name := range []string{
		"slack_post_message", "slack_read_channel_messages", "slack_read_thread_messages", "slack_thread_reply",
		"slack_read_emojis", "slack_add_reactions", "slack_list_events", "slack_get_event", "slack_wait_for_event",
	} {
		if !slices.ContainsFunc(chosen, func(t toolset.Tool) bool { return t.Name == name }) {
			t.Errorf("%s is not among the default tools", name)
		}
	}
}

// TestSchemasSuitStrictClients holds every schema to what both Gemini's function declarations
// and OpenAI's strict mode take. One keyword that a service does not know, and it refuses the
// whole list of tools.
func TestSchemasSuitStrictClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tool := range r.tools {
		if len(name) > 64 || len(tool.Description) > 1024 {
			t.Errorf("%s: names have at most 64 characters, descriptions 1024", name)
		}
		for what, raw := range map[string]json.RawMessage{"input": tool.InputSchema, "output": tool.OutputSchema} {
			var s map[string]any
			if err := json.Unmarshal(raw, &s); err != nil {
				t.Fatal(err)
			}
			if _, ok := s["properties"].(map[string]any); !ok || s["type"] != "object" {
				t.Errorf("%s: the %s schema is no object with properties", name, what)
			}
			strict{t, name + " " + what, what == "input"}.check("", s, 1)
		}
	}
}

// A strict checks one schema; arguments have further rules.
type strict struct {
	*testing.T
	name  string
	input bool
}

// commonKeywords are those that both services take, for a type or for every one.
var commonKeywords = map[string]string{"type": "", "description": "", "properties": "object", "required": "object", "items": "array", "enum": "string"}

func (s strict) check(at string, schema map[string]any, depth int) {
	s.Helper()
	kind, typed := schema["type"].(string)
	if !typed && (s.input || len(schema) > 0 && schema["description"] == nil) {
		s.Errorf("%s%s has no type, or several: %v", s.name, at, schema)
	}
	if depth > 5 && s.input {
		s.Errorf("%s%s is nested deeper than 5", s.name, at)
	}
	for key := range schema {
		if only, known := commonKeywords[key]; !known || only != "" && only != kind {
			s.Errorf("%s%s: %s is refused for type %q", s.name, at, key, kind)
		}
	}
	switch kind {
	case "array":
		items, ok := schema["items"].(map[string]any)
		if !ok {
			s.Errorf("%s%s has no items", s.name, at)
		}
		s.check(at+"/items", items, depth+1)
	case "object":
		s.object(at, schema, depth)
	case "string":
		s.enum(at, schema)
	case "boolean", "integer", "number", "":
	default:
		s.Errorf("%s%s has the type %q", s.name, at, kind)
	}
}

func (s strict) object(at string, schema map[string]any, depth int) {
	s.Helper()
	properties, _ := schema["properties"].(map[string]any)
	if s.input && len(properties) == 0 && at != "" {
		s.Errorf("%s%s is an object without properties", s.name, at)
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if properties[name.(string)] == nil {
			s.Errorf("%s%s requires %v, which it has not", s.name, at, name)
		}
	}
	for name, p := range properties {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(name) > 64 {
			s.Errorf("%s%s: %q is no name", s.name, at, name)
		}
		s.check(at+"/"+name, p.(map[string]any), depth+1)
	}
}

func (s strict) enum(at string, schema map[string]any) {
	s.Helper()
	values, _ := schema["enum"].([]any)
	for _, v := range values {
		if text, ok := v.(string); !ok || text == "" {
			s.Errorf("%s%s: the enum has %v, which is no text or empty", s.name, at, v)
		}
	}
	if schema["enum"] != nil && len(values) == 0 {
		s.Errorf("%s%s: the enum is empty", s.name, at)
	}
}
