package yamldoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"slackmcp/internal/yamldoc"
)

type pet struct {
	Name  string
	Kinds []string
	Fed   bool
	Legs  int
	Naps  time.Duration
	Size  string
	Home  *home
	Tags  []yamldoc.Entry[string]
}

type home struct{ Street string }

type zoo struct{ Pets []pet }

func zooObject() yamldoc.Object[zoo] {
	short := func(s string) error {
		if len(s) > 8 {
			return errors.New("write at most 8 letters")
		}
		return nil
	}
	one := yamldoc.Object[pet]{Fields: []yamldoc.Field[pet]{
		yamldoc.Text("name", "give it a name", func(p *pet) *string { return &p.Name }, short).Required(),
		yamldoc.Texts("kind", "its kinds", func(p *pet) *[]string { return &p.Kinds }, nil),
		yamldoc.Bool("fed", "whether it was fed", func(p *pet) *bool { return &p.Fed }),
		yamldoc.Number("legs", "how many", func(p *pet) *int { return &p.Legs }, 0, 100),
		yamldoc.Duration("naps", "how long", func(p *pet) *time.Duration { return &p.Naps }, time.Second, time.Hour),
		yamldoc.Choice("size", "how large", func(p *pet) *string { return &p.Size }, "small", "large"),
		yamldoc.Sub("home", "where", func(p *pet) **home { return &p.Home }, yamldoc.Object[home]{Fields: []yamldoc.Field[home]{
			yamldoc.Text("street", "the street", func(h *home) *string { return &h.Street }, nil).Required(),
		}}),
		yamldoc.TextMap("tags", "whatever", func(p *pet) *[]yamldoc.Entry[string] { return &p.Tags }, nil, nil),
	}}
	return yamldoc.Object[zoo]{Fields: []yamldoc.Field[zoo]{
		yamldoc.List("pets", "the pets", "pet", func(z *zoo) *[]pet { return &z.Pets }, one).Required(),
	}}
}

const good = `# a comment
pets:
  - name: Rex
    kind: [dog, guard]
    fed: true
    legs: 4
    naps: 1h
    size: large
    home: {street: Elm}
    tags: {a: 1, b: "two"}
  - {name: "007", kind: agent}
`

func TestRead(t *testing.T) {
	got, err := yamldoc.Read("zoo.yaml", []byte(good), zooObject())
	if err != nil {
		t.Fatal(err)
	}
	want := zoo{Pets: []pet{
		{
			Name: "Rex", Kinds: []string{"dog", "guard"}, Fed: true, Legs: 4, Naps: time.Hour, Size: "large", Home: &home{"Elm"},
			Tags: []yamldoc.Entry[string]{{Name: "a", Value: "1"}, {Name: "b", Value: "two"}},
		},
		{Name: "007", Kinds: []string{"agent"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

func TestEveryProblemHasItsLine(t *testing.T) {
	_, err := yamldoc.Read("zoo.yaml", []byte(`pets:
  - nam: Rex
    legs: many
  - name: much too long
    name: twice
    naps: 2h
    size: huge
    fed: maybe
    kind: []
    home: {stret: Elm}
    tags: [a]
  - name:
  - just a text
extra: 1
`), zooObject())
	doc, ok := errors.AsType[*yamldoc.Error](err)
	if !ok {
		t.Fatalf("Read: %v", err)
	}
	var got []string
	for _, p := range doc.Problems {
		got = append(got, p.String())
	}
	want := []string{
		"line 2: unknown field \"nam\": did you mean name?",
		"line 2: pet 1 has no name: give it a name",
		"line 3: legs does not fit: write a whole number from 0 to 100",
		"line 4: name \"much too long\" does not fit: write at most 8 letters",
		"line 5: name is there twice: remove one; the first is in line 4",
		"line 6: naps does not fit: write a time span from 1s to 1h, such as 30s or 5m",
		"line 7: size \"huge\" does not fit: write one of small, large",
		"line 8: fed is a text: write true or false",
		"line 9: kind is an empty list: name at least one, or remove the field",
		"line 10: unknown field \"stret\": did you mean street?",
		"line 10: home has no street: the street",
		"line 11: tags is a list: write a mapping",
		"line 12: name has no value: give it one or remove the line",
		"line 13: pet 4 is a text: write a mapping with the fields name, kind, fed, legs, naps, size, home, tags",
		"line 14: unknown field \"extra\": the fields of the file are pets",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if text := err.Error(); !strings.HasPrefix(text, "zoo.yaml cannot be used:\n  - line 2: ") {
		t.Errorf("Error() = %s", text)
	}
}

func TestFilesThatAreNoDocument(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":        {"", "empty"},
		"no YAML":        {"pets: [1, 2\nb: 3", "line 2: this is no YAML"},
		"a tab":          {"pets:\n\t- x", "line 2: this is no YAML"},
		"an anchor":      {"pets: &a []\n", "line 1: pets uses an anchor"},
		"an alias":       {"x: &a 1\npets: *a\n", "line 2: pets uses an anchor"},
		"a list":         {"- a", "line 1: the file is a list"},
		"too much":       {strings.Repeat("#\n", 1<<20), "larger than 1 MiB"},
		"a missing list": {"{}", "line 1: the file has no pets"},
	} {
		_, err := yamldoc.Read("f", []byte(tc.text), zooObject())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// TestTheSchemaSaysTheSame holds the schema against what is read, both ways.
func TestSchemaAgreesWithTheReader(t *testing.T) {
	text, err := zooObject().Schema("https://example.invalid/zoo.json", "Zoo")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("zoo.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("zoo.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"good":            {`{"pets":[{"name":"Rex","kind":["dog"],"fed":true,"legs":4,"naps":"1h","size":"large","home":{"street":"Elm"},"tags":{"a":"1"}}]}`, true},
		"one kind":        {`{"pets":[{"name":"Rex","kind":"dog"}]}`, true},
		"no name":         {`{"pets":[{"kind":"dog"}]}`, false},
		"unknown":         {`{"pets":[{"name":"Rex","nam":"x"}]}`, false},
		"a huge size":     {`{"pets":[{"name":"Rex","size":"huge"}]}`, false},
		"too many legs":   {`{"pets":[{"name":"Rex","legs":101}]}`, false},
		"an empty kind":   {`{"pets":[{"name":"Rex","kind":[]}]}`, false},
		"no pets":         {`{}`, false},
		"a home too deep": {`{"pets":[{"name":"Rex","home":{"street":"Elm","x":"y"}}]}`, false},
	} {
		_, readErr := yamldoc.Read("f", []byte(tc.text), zooObject()) // JSON is YAML
		var v any
		if err := json.Unmarshal([]byte(tc.text), &v); err != nil {
			t.Fatal(err)
		}
		schemaErr := schema.Validate(v)
		if (readErr == nil) != tc.ok || (schemaErr == nil) != tc.ok {
			t.Errorf("%s: Read says %v, the schema says %v", name, readErr, schemaErr)
		}
	}
}

func TestSecrets(t *testing.T) {
	var learned []string
	env := yamldoc.Env{
		OnSecret: func(values ...string) { learned = append(learned, values...) },
		Lookup: func(name string) (string, bool) {
			return map[string]string{"A": "one", "B": "two", "E": " "}[name], true
		},
		ReadFile: func(name string) ([]byte, error) {
			if name == "/run/a" {
				return []byte("three\n"), nil
			}
			return nil, errors.New("no such file")
		},
	}
	for _, tc := range []struct {
		variables, files []string
		want             []string
		err              string
	}{
		{[]string{"A", "B"}, nil, []string{"one", "two"}, ""},
		{nil, []string{"/run/a"}, []string{"three"}, ""},
		{[]string{"A"}, []string{"/run/a"}, nil, "not both"},
		{nil, nil, nil, "secret_env"},
		{[]string{"E"}, nil, nil, "set it in the environment"},
		{nil, []string{"/run/b"}, nil, "/run/b cannot be read"},
	} {
		got, err := env.Secrets(tc.variables, tc.files)
		if !cmp.Equal(got, tc.want) || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("Secrets(%v, %v) = %v, %v", tc.variables, tc.files, got, err)
		}
	}
	if want := []string{"one", "two", "three", " "}; !cmp.Equal(learned, want) {
		t.Errorf("OnSecret was called with %q, want %q", learned, want)
	}
}
