package apidoc

import (
	"encoding/json"
	"maps"
	"slices"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

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
