// Package apidoc describes the server's own routes: as an OpenAPI 3.1 document, from
// openapi.json beside this file, and as a page made from the document, without scripts
// and without anything from elsewhere. Both name only what a server answers.
package apidoc

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the document
	_ "embed" // the style of the page
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

//go:embed openapi.json
var source []byte

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

// html is the page. All that it shows of the document is escaped.
func (d document) html() g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.TitleEl(g.Text(d.Info.Title)),
			h.StyleEl(g.Raw(style)), // our own file, named by its hash in the policy
		),
		h.Body(
			d.header(),
			h.Main(g.Map(d.Tags, d.section), d.shapes()),
		),
	))
}

func (d document) header() g.Node {
	var served []g.Node
	for _, s := range d.Servers {
		if s.URL != "/" {
			served = append(served, g.Text("Served at "), h.Code(g.Text(s.URL)), g.Text(". "))
		}
	}
	return h.Header(
		h.H1(g.Text(d.Info.Title+" "), h.Small(g.Text(d.Info.Version))),
		h.P(g.Text(d.Info.Summary+".")),
		quiet(d.Info.Description),
		h.P(g.Group(served), g.Text("For programs: "), h.A(h.Href("openapi.json"), g.Text("openapi.json")), g.Text(", OpenAPI 3.1.")),
	)
}

func quiet(text string) g.Node { return h.P(h.Class("quiet"), g.Text(text)) }

// section shows the operations of a tag, if it has any.
func (d document) section(t tag) g.Node {
	operations := d.operations(t.Name)
	if len(operations) == 0 {
		return nil
	}
	return h.Section(h.H2(g.Text(t.Name)), quiet(t.Description+"."), g.Map(operations, d.operation))
}

func (d document) operation(o operation) g.Node {
	parts := []g.Node{
		h.ID(o.ID),
		h.Summary(h.B(h.Class(o.Method), g.Text(o.Method)), g.Text(" "), h.Code(g.Text(o.Path)), g.Text(" "), h.Span(g.Text(o.Summary))),
	}
	if o.Description != "" {
		parts = append(parts, h.P(g.Text(o.Description)))
	}
	if used := d.used(o); len(used) > 0 {
		parts = append(parts, h.H3(g.Text("Opened by")), h.Ul(g.Map(used, func(text string) g.Node { return h.Li(g.Text(text)) })))
	}
	if o.RequestBody != nil {
		parts = append(parts, h.H3(g.Text("Body")), o.RequestBody.html())
	}
	parts = append(parts, h.H3(g.Text("Answers")), h.Table(g.Map(o.Answers, func(a answer) g.Node {
		return h.Tr(h.Th(g.Text(a.Status)), h.Td(g.Text(a.Description), a.html()))
	})))
	return h.Details(parts...)
}

// html shows each media type with the shape it has, by name where it has one.
func (c content) html() g.Node {
	var all g.Group
	for _, media := range slices.Sorted(maps.Keys(c.Content)) {
		shape := c.Content[media].Schema
		var shown g.Node
		if name := anchor(shape); name != "" {
			shown = g.Group{g.Text(" "), h.A(h.Href("#"+name), g.Text(name))}
		} else if text := schema(shape); text != "" {
			shown = h.Pre(g.Text(text))
		}
		all = append(all, h.Div(h.Class("media"), h.Code(g.Text(media)), shown))
	}
	return all
}

// shapes shows the schemas that have names.
func (d document) shapes() g.Node {
	names := slices.Sorted(maps.Keys(d.Components.Schemas))
	return h.Section(h.H2(g.Text("Shapes")), quiet("The JSON objects that the answers above name."),
		g.Map(names, func(name string) g.Node { return d.shape(name, d.Components.Schemas[name]) }))
}

func (document) shape(name string, s json.RawMessage) g.Node {
	return h.Details(h.ID(name), h.Summary(h.Code(g.Text(name))), h.Pre(g.Text(schema(s))))
}
