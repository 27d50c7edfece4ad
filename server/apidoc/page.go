package apidoc

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the style of the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed style.css
var style string

// methods are the order of a path's operations on the page.
var methods = []string{"get", "post", "delete"}

// An operation is one row of the page.
type operation struct {
	Method, Path string

	ID          string            `json:"operationId"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	Tags        []string          `json:"tags"`
	Security    []map[string]any  `json:"security"`
	RequestBody *content          `json:"requestBody"`
	Raw         map[string]answer `json:"responses"`
	Answers     []answer          `json:"-"`
}

type content struct {
	Content map[string]struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"content"`
}

// An answer is one status of an operation.
type answer struct {
	content
	Ref         string `json:"$ref"`
	Status      string `json:"-"`
	Description string `json:"description"`
}

// A tag gathers operations.
type tag struct{ Name, Description string }

// A document is what the page needs of one.
type document struct {
	Info struct {
		Title, Version, Summary, Description string
	}
	Servers []struct{ URL string }
	Tags    []tag
	Paths   map[string]map[string]operation

	Components struct {
		Responses       map[string]answer
		Schemas         map[string]json.RawMessage
		SecuritySchemes map[string]struct{ Type, Scheme, Name, Description string }
	}
}

// render makes the page and the policy that goes with it.
func render(openapi []byte) (page []byte, policy string, err error) {
	var d document
	if err := json.Unmarshal(openapi, &d); err != nil {
		return nil, "", fmt.Errorf("openapi.json: %w", err)
	}
	var b bytes.Buffer
	if err := d.html().Render(&b); err != nil {
		return nil, "", fmt.Errorf("the page of openapi.json: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	return b.Bytes(), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nil
}

// operations lists those of a tag, by path.
func (d document) operations(tag string) []operation {
	var list []operation
	for path, item := range d.Paths {
		for method, o := range item {
			if !slices.Contains(o.Tags, tag) {
				continue
			}
			o.Method, o.Path = strings.ToUpper(method), path
			for _, status := range slices.Sorted(maps.Keys(o.Raw)) {
				a := o.Raw[status]
				if name, ok := strings.CutPrefix(a.Ref, "#/components/responses/"); ok {
					a = d.Components.Responses[name]
				}
				a.Status = status
				o.Answers = append(o.Answers, a)
			}
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b operation) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), slices.Index(methods, strings.ToLower(a.Method))-slices.Index(methods, strings.ToLower(b.Method)))
	})
	return list
}

// used says by what an operation is signed or opened.
func (d document) used(o operation) []string {
	var list []string
	for _, one := range o.Security {
		for _, name := range slices.Sorted(maps.Keys(one)) {
			s := d.Components.SecuritySchemes[name]
			header := s.Name
			if s.Type == "http" {
				header = "Authorization: Bearer"
			}
			text := header + " — " + s.Description
			if len(o.Security) > 1 {
				text += " (not required)"
			}
			list = append(list, text)
		}
	}
	return list
}

// schema is a schema as a person reads it, or "" for one that says nothing.
func schema(v json.RawMessage) string {
	var b bytes.Buffer
	if len(v) == 0 || string(v) == "{}" || json.Indent(&b, v, "", "  ") != nil {
		return ""
	}
	return b.String()
}

// anchor is the name of a schema that another refers to.
func anchor(v json.RawMessage) string {
	var ref struct {
		Ref string `json:"$ref"`
	}
	if json.Unmarshal(v, &ref) != nil {
		return ""
	}
	name, _ := strings.CutPrefix(ref.Ref, "#/components/schemas/")
	return name
}
