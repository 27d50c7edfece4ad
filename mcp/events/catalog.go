package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// A Type is one kind of event that can be asked for. It is immutable.
type Type struct {
	Name        string
	Description string
	// InputSchema describes the arguments, PayloadSchema the data of each event. Schemas
	// grow; what they have is neither removed nor changed under the same name.
	InputSchema, PayloadSchema json.RawMessage

	choose func(raw json.RawMessage) (event.Filter, builder, error)
}

// A builder makes the data of an event, or reports that it is none of the type.
type builder func(s *seen) (data any, ok bool)

// A Catalog is the types that a server has.
type Catalog struct {
	types    []Type
	lockdown bool
}

// NewCatalog returns all types. Under lockdown the words of authors who are not known to
// be of the workspace are left out of payloads.
func NewCatalog(lockdown bool) (*Catalog, error) {
	c := &Catalog{lockdown: lockdown}
	for _, group := range [][]definition{messageTypes(), channelTypes(), peopleTypes(), otherTypes()} {
		for _, d := range group {
			t, err := d()
			if err != nil {
				return nil, err
			}
			c.types = append(c.types, t)
		}
	}
	return c, nil
}

// Types lists the types, in the order in which they are shown.
func (c *Catalog) Types() []Type { return slices.Clone(c.types) }

func (c *Catalog) find(name string) (*Type, bool) {
	i := slices.IndexFunc(c.types, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.types[i], true
}

// A Selection is a type with its arguments: what one subscription asks for.
type Selection struct {
	Name string
	// Arguments is their canonical JSON: members sorted, no space. Two selections are the
	// same when names and arguments are.
	Arguments json.RawMessage

	filter   event.Filter
	build    builder
	lockdown bool
}

// Select finds a type and checks the arguments against its schema. ok is false when
// there is no such type; a wrong argument is a [toolset.ArgumentError].
func (c *Catalog) Select(name string, arguments json.RawMessage) (s *Selection, ok bool, err error) {
	t, ok := c.find(name)
	if !ok {
		return nil, false, nil
	}
	s = &Selection{Name: name, lockdown: c.lockdown}
	if s.Arguments, err = canonical(arguments); err != nil {
		return nil, true, err
	}
	s.filter, s.build, err = t.choose(s.Arguments)
	return s, true, err
}

// canonical writes a JSON object in one way. Absent arguments are none.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}"), nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var members map[string]any
	if err := d.Decode(&members); err != nil {
		return nil, &toolset.ArgumentError{Problem: "they must be one JSON object"}
	}
	return json.Marshal(members) // the names of a map are written in order
}

// arguments are a type's arguments: they say what to read of the log.
type arguments interface {
	filter() (event.Filter, error)
}

// A definition makes a type.
type definition func() (Type, error)

// define describes a type by its arguments A and its data D. Patterns name the kinds of
// events that come into question; build has the last word.
func define[A arguments, D any](name, description string, patterns []string, build func(in *A, s *seen) (D, bool)) definition {
	return func() (Type, error) {
		t := Type{Name: name, Description: description}
		parsed, err := event.ParsePatterns(patterns...)
		if err != nil {
			return t, fmt.Errorf("events: %s: %w", name, err)
		}
		if t.InputSchema, err = toolset.SchemaOf[A](true); err != nil {
			return t, fmt.Errorf("events: %s: arguments: %w", name, err)
		}
		if t.PayloadSchema, err = toolset.SchemaOf[D](false); err != nil {
			return t, fmt.Errorf("events: %s: data: %w", name, err)
		}
		t.choose = func(raw json.RawMessage) (event.Filter, builder, error) {
			var in A
			if err := toolset.Bind(raw, &in); err != nil {
				return event.Filter{}, nil, err
			}
			f, err := in.filter()
			if err != nil {
				return f, nil, err
			}
			f.Patterns = parsed
			return f, func(s *seen) (any, bool) { return build(&in, s) }, nil
		}
		return t, nil
	}
}

// A seen is one event on its way to becoming data.
type seen struct {
	*event.Event
	view  view.Event
	quiet bool // lockdown: no words of this author
}

// excerpt is how many characters of a text an event carries; the resource has the rest.
const excerpt = 1000

func look(e *event.Event, lockdown bool) *seen {
	v := view.NewEvent(e, view.EventOptions{Lockdown: lockdown, MaxText: excerpt})
	return &seen{Event: e, view: v, quiet: lockdown && !v.Provenance.Inside()}
}

// inner decodes what happened; what is not there stays zero.
func inner[T any](s *seen) T {
	v, err := event.Inner[T](s.Event)
	if err != nil {
		var none T
		return none
	}
	return v
}

// words cleans a short text that somebody wrote, and withholds it where lockdown does.
func (s *seen) words(text string) string {
	if s.quiet {
		if text != "" {
			s.view.Flags.Add(view.FlagWithheld)
		}
		return ""
	}
	return s.view.Flags.Text(text, excerpt)
}

// id cleans what a sender uses as an identifier.
func (s *seen) id(text string) string { return s.view.Flags.Name(text) }
