// Package apidoc describes the server's own routes: as an OpenAPI 3.1 document, from
// openapi.json beside this file, and as a page made from the document, without scripts
// and without anything from elsewhere. Both name only what a server answers.
package apidoc

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"slackmcp/internal/page"
)

//go:embed openapi.json
var source []byte

//go:embed docs.html docs.css
var files embed.FS

// The paths at which New's handlers are to be served.
const (
	DocumentPath = "/openapi.json"
	PagePath     = "/docs"
)

// templateMount is where the document has the MCP endpoint.
const templateMount = "/mcp"

// Options say what is described.
type Options struct {
	// Version is this build's.
	Version string
	// PublicURL is how the world reaches the server; "" means where the document was
	// asked for.
	PublicURL string
	// Paths are what the server answers; a path of the document that is not among them is
	// left out. "/events/{type}" stands for every sender's.
	Paths []string
	// Mount is the MCP endpoint; "" when there is none.
	Mount string
}

// An API is a description, ready to be served. It is safe for concurrent use.
type API struct {
	document, page []byte
	policy         string
}

// New makes the description. Its error is a defect of the document.
func New(o Options) (*API, error) {
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("openapi.json: %w", err)
	}
	paths, ok := doc["paths"].(map[string]any)
	info, okInfo := doc["info"].(map[string]any)
	if !ok || !okInfo {
		return nil, errors.New("openapi.json has no paths or no info")
	}
	info["version"] = o.Version
	if o.PublicURL != "" {
		doc["servers"] = []any{map[string]any{"url": strings.TrimRight(o.PublicURL, "/")}}
	}
	served := map[string]bool{}
	for _, p := range o.Paths {
		served[p] = true
	}
	mcp := paths[templateMount]
	for path := range paths {
		if !served[path] || path == templateMount {
			delete(paths, path)
		}
	}
	if o.Mount != "" {
		paths[o.Mount] = mcp
	}
	document, err := encode(doc)
	if err != nil {
		return nil, err
	}
	a := &API{document: document}
	a.page, a.policy, err = render(document)
	return a, err
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the document: %w", err)
	}
	return b.Bytes(), nil
}

// Document serves the OpenAPI document.
func (a *API) Document(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(a.document) // a peer that left needs no answer
}

// Page serves the page. Its policy lets a browser load nothing and run nothing: the
// page's style is the only one that counts.
func (a *API) Page(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", a.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(a.page) // a peer that left needs no answer
}

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
func render(openapi []byte) (html []byte, policy string, err error) {
	var d document
	if err := json.Unmarshal(openapi, &d); err != nil {
		return nil, "", fmt.Errorf("openapi.json: %w", err)
	}
	site, err := page.New(page.Options{Name: "Documentation", Files: files, Templates: files, Styles: []string{"docs.css"}})
	if err != nil {
		return nil, "", err
	}
	html, policy, err = site.Alone(d.Info.Title, "docs", d)
	if err != nil {
		return nil, "", fmt.Errorf("the page of openapi.json: %w", err)
	}
	return html, policy, nil
}

// Operations lists those of a tag, by path.
func (d document) Operations(tag string) []operation {
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

// Used says by what an operation is signed or opened.
func (d document) Used(o operation) []string {
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

// A shape is a media type with the shape it has, by name where it has one.
type shape struct{ Media, Name, Text string }

// Shapes are those of what is sent.
func (c content) Shapes() (all []shape) {
	for _, media := range slices.Sorted(maps.Keys(c.Content)) {
		v := c.Content[media].Schema
		one := shape{Media: media, Name: anchor(v)}
		if one.Name == "" {
			one.Text = schema(v)
		}
		all = append(all, one)
	}
	return all
}

// Schemas are the shapes that have names.
func (d document) Schemas() (all []shape) {
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		all = append(all, shape{Name: name, Text: schema(d.Components.Schemas[name])})
	}
	return all
}
