package toolset_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

type inner struct {
	Name string `json:"name" doc:"d"`
	Size int    `json:"size,omitempty" doc:"d" min:"1"`
}

type arguments struct {
	Channel string          `json:"channel" alias:"channel_id" doc:"d"`
	TS      string          `json:"ts,omitempty" doc:"d"`
	Limit   int             `json:"limit,omitempty" doc:"d" min:"1" max:"10" default:"5"`
	Ratio   float64         `json:"ratio,omitempty" doc:"d"`
	Deep    bool            `json:"deep,omitempty" doc:"d"`
	Order   string          `json:"order,omitempty" doc:"d" enum:"up,down" default:"up"`
	Names   []string        `json:"names,omitempty" doc:"d" split:"," max:"3"`
	Texts   []string        `json:"texts,omitempty" doc:"d"`
	Kinds   []string        `json:"kinds,omitempty" doc:"d" enum:"a,b" default:"a"`
	Topic   *string         `json:"topic,omitempty" doc:"d" max:"4"`
	Blocks  json.RawMessage `json:"blocks,omitempty" as:"string" doc:"d"`
	Inner   *inner          `json:"inner,omitempty" doc:"d"`
}

// defaults are what the absent members of arguments become.
func defaults(change func(*arguments)) arguments {
	a := arguments{Channel: "C1", Limit: 5, Order: "up", Kinds: []string{"a"}}
	change(&a)
	return a
}

// bound runs a tool that returns its arguments.
func bound(t *testing.T, raw string) (arguments, error) {
	t.Helper()
	var got arguments
	tool := toolset.Define(valid("probe"), func(_ context.Context, _ *toolset.Call, in arguments) (struct {
		OK bool `json:"ok"`
	}, error,
	) {
		got = in
		return struct {
			OK bool `json:"ok"`
		}{true}, nil
	})
	_, err := tool.Run(t.Context(), &toolset.Call{}, json.RawMessage(raw))
	return got, err
}

func valid(name string) toolset.Tool {
	return toolset.Tool{Name: name, Title: "t", Description: "d", Set: "s", Scope: access.Read, For: toolset.AsPerson}
}

func TestArgumentsAreReadAsModelsWriteThem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		raw  string
		want func(*arguments)
	}{
		"flat":                         {`{"channel":"C1"}`, func(*arguments) {}},
		"inside input_params":          {`{"input_params":{"channel":"C1","limit":2}}`, func(a *arguments) { a.Limit = 2 }},
		"by an alias":                  {`{"channel_id":"C1"}`, func(*arguments) {}},
		"a number as text":             {`{"channel":"C1","limit":"7","ratio":"0.5"}`, func(a *arguments) { a.Limit, a.Ratio = 7, 0.5 }},
		"a whole number with a point":  {`{"channel":"C1","limit":7.0}`, func(a *arguments) { a.Limit = 7 }},
		"a ts as a number":             {`{"channel":"C1","ts":1700000000.123450}`, func(a *arguments) { a.TS = "1700000000.123450" }},
		"a truth value as text":        {`{"channel":"C1","deep":"True"}`, func(a *arguments) { a.Deep = true }},
		"null for absent":              {`{"channel":"C1","limit":null,"topic":null,"names":null}`, func(*arguments) {}},
		"an empty text for absent":     {`{"channel":"C1","order":""}`, func(*arguments) {}},
		"an empty text where it means": {`{"channel":"C1","topic":""}`, func(a *arguments) { a.Topic = new("") }},
		"one text for a list":          {`{"channel":"C1","texts":"a, b"}`, func(a *arguments) { a.Texts = []string{"a, b"} }},
		"names in one text":            {`{"channel":"C1","names":"a, b,"}`, func(a *arguments) { a.Names = []string{"a", "b"} }},
		"an object":                    {`{"channel":"C1","inner":{"name":"n","size":"3"}}`, func(a *arguments) { a.Inner = &inner{"n", 3} }},
		"any JSON":                     {`{"channel":"C1","blocks":[{"a":1}]}`, func(a *arguments) { a.Blocks = json.RawMessage(`[{"a":1}]`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := bound(t, tc.raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(defaults(tc.want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.raw, diff)
			}
		})
	}
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		``:                                    "invalid argument channel: it is required",
		`{}`:                                  "invalid argument channel: it is required",
		`[]`:                                  "invalid arguments: they must be one JSON object",
		`{"channel":""}`:                      "invalid argument channel: it is required and may not be empty",
		`{"channel":"C1","channel_id":"C2"}`:  "invalid argument channel: it is given twice, as channel_id too",
		`{"channel":"C1","limit":11}`:         "invalid argument limit: must be at most 10",
		`{"channel":"C1","limit":0}`:          "invalid argument limit: must be at least 1",
		`{"channel":"C1","limit":"many"}`:     "invalid argument limit: must be a whole number",
		`{"channel":"C1","limit":1.5}`:        "invalid argument limit: must be a whole number",
		`{"channel":"C1","order":"sideways"}`: "invalid argument order: must be one of up, down",
		`{"channel":"C1","kinds":["c"]}`:      "invalid argument kinds: each must be one of a, b",
		`{"channel":"C1","names":"a,b,c,d"}`:  "invalid argument names: must be at most 3 items",
		`{"channel":"C1","topic":"lömps"}`:    "invalid argument topic: must be at most 4 characters",
		`{"channel":"C1","deep":"perhaps"}`:   "invalid argument deep: must be true or false",
		`{"channel":"C1","chanel":1}`:         "invalid argument chanel: there is no such argument; did you mean channel?",
		`{"channel":"C1","inner":{"nam":1}}`:  "invalid argument inner.name: it is required\ninvalid argument inner.nam: there is no such argument; did you mean name?",
		`{"channel":"C1","inner":[1]}`:        "invalid argument inner: must be an object",
		`{"channel":{"a":1}}`:                 "invalid argument channel: must be a text",
		`{"input_params":{},"channel":"C1"}`:  "invalid argument input_params: put all arguments inside it, or none and leave it out",
		`{"input_params":7}`:                  "invalid argument input_params: must be an object",
		"{\"channel\":\"C1\",\"\u202ex y\":1}": "invalid argument this: there is no such argument; " +
			"there are channel, ts, limit, ratio, deep, order, names, texts, kinds, topic, blocks, inner",
	} {
		_, err := bound(t, raw)
		var wrong *toolset.ArgumentError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	type shared struct {
		ID string `json:"id"`
	}
	type out struct {
		Untrusted bool           `json:"untrusted"`
		One       shared         `json:"one"`
		Many      []shared       `json:"many,omitempty" doc:"m"`
		Map       map[string]int `json:"map,omitempty"`
		Opaque    []shared       `json:"opaque,omitempty" opaque:"1"`
		hidden    int            //nolint:unused // an unexported member has no place in a schema
	}
	tool := toolset.Define(valid("probe"), func(context.Context, *toolset.Call, arguments) (out, error) { return out{}, nil })
	want := `{"type":"object","properties":{"channel":{"type":"string","description":"d"},"ts":{"type":"string","description":"d"},` +
		`"limit":{"type":"integer","description":"d (default 5, 1 to 10)"},"ratio":{"type":"number","description":"d"},` +
		`"deep":{"type":"boolean","description":"d"},"order":{"type":"string","enum":["up","down"],"description":"d"},` +
		`"names":{"type":"array","items":{"type":"string"},"description":"d (at most 3)"},"texts":{"type":"array","items":{"type":"string"},"description":"d"},` +
		`"kinds":{"type":"array","items":{"type":"string","enum":["a","b"]},"description":"d (default a)"},` +
		`"topic":{"type":"string","description":"d"},"blocks":{"type":"string","description":"d"},` +
		`"inner":{"type":"object","properties":{"name":{"type":"string","description":"d"},"size":{"type":"integer","description":"d (at least 1)"}},"required":["name"],"description":"d"}},` +
		`"required":["channel"]}`
	if diff := cmp.Diff(want, string(tool.InputSchema)); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	want = `{"type":"object","properties":{"untrusted":{"type":"boolean"},` +
		`"one":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},` +
		`"many":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},"description":"m"},` +
		`"map":{"type":"object"},"opaque":{"type":"array","items":{"type":"object"}}},"required":["untrusted","one"]}`
	if diff := cmp.Diff(want, string(tool.OutputSchema)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// TestArgumentsNeedATypeOfTheirOwn refuses an argument that any JSON fits, because clients do.
func TestArgumentsNeedATypeOfTheirOwn(t *testing.T) {
	t.Parallel()
	type in struct {
		Any json.RawMessage `json:"any" doc:"d"`
	}
	tool := toolset.Define(valid("probe"), func(context.Context, *toolset.Call, in) (struct{}, error) { return struct{}{}, nil })
	if _, err := toolset.NewCatalog(tool); err == nil || !strings.Contains(err.Error(), "any: json.RawMessage needs the tag as") {
		t.Errorf("the catalog says %v", err)
	}
}

// FuzzArguments holds the reader to end every input with a struct or an error that
// says which argument is wrong.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{`{}`, `{"channel":"C1"}`, `{"input_params":{"channel":1}}`, `{"channel":"C1","names":"a,b","inner":{"name":"x"}}`, `[1]`, `{"limit":1e99,"channel":"-"}`} {
		f.Add(s)
	}
	tool := toolset.Define(valid("probe"), func(context.Context, *toolset.Call, arguments) (struct{}, error) { return struct{}{}, nil })
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := tool.Run(t.Context(), &toolset.Call{}, json.RawMessage(raw))
		var wrong *toolset.ArgumentError
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%q: %v", raw, err)
		}
		if err != nil && strings.Contains(err.Error(), "\u202e") {
			t.Errorf("%q: the error repeats what was sent", raw)
		}
	})
}
