package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// What the functions of this package refuse to read. The errors hold no part of the body.
var (
	// ErrEmpty says that the body has no bytes but white space.
	ErrEmpty = errors.New("body is empty")
	// ErrNotUTF8 says that the body is not UTF-8, which RFC 8259 asks for.
	ErrNotUTF8 = errors.New("body is not UTF-8")
	// ErrNotJSON says that the body is not one JSON value.
	ErrNotJSON = errors.New("body is not JSON")
	// ErrNotObject says that the body is JSON, but no object.
	ErrNotObject = errors.New("body is not a JSON object")
	// ErrTooDeep says that arrays and objects are nested more than 10,000 deep, which is
	// also the most that encoding/json reads.
	ErrTooDeep = errors.New("body is nested too deep")
)

// newDecoder returns a decoder that reads a text where it lies and never writes to it. Two
// members may have the same name, and a string may have half of a surrogate pair: both are
// valid in RFC 8259.
func newDecoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// readable returns ErrEmpty or ErrNotUTF8 for a body that is neither JSON nor a form.
func readable(body []byte) error {
	if len(body) > 0 && !utf8.Valid(body) {
		return ErrNotUTF8
	}
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return ErrEmpty
	}
	return nil
}

// read opens a body in one pass. Errors: ErrEmpty, ErrNotUTF8, ErrNotJSON, ErrTooDeep.
func read(body []byte, want wanted) (value, error) {
	if err := readable(body); err != nil {
		return value{}, err
	}
	d := newDecoder(body)
	v, err := open(d, body, want)
	if err != nil {
		if strings.Contains(err.Error(), "exceeded max depth") { // jsontext exports no error for it
			return value{}, ErrTooDeep
		}
		return value{}, ErrNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return value{}, ErrNotJSON
	}
	return v, nil
}

// EncodingOf returns how the body of a source other than Slack is written: JSON when it is
// any JSON value, and otherwise Form, whatever its media type says. Errors: ErrEmpty,
// ErrNotUTF8, ErrTooDeep.
func EncodingOf(body []byte) (Encoding, error) {
	_, err := read(body, nothing)
	if errors.Is(err, ErrNotJSON) {
		return Form, nil
	}
	return JSON, err
}

// A value is a part of a text that was read without an error, and shares its bytes.
type value struct {
	jsontext.Value
	// members are the wanted ones of an object, in their order, and the wanted elements of
	// an array under their indices.
	members object
}

type object []member

type member struct {
	name []byte // without quotes and escapes
	value
}

// wanted says which members and elements are kept, by their names and indices.
type wanted func(name []byte) bool

func nothing([]byte) bool { return false }

// parse returns the wanted members of a valid JSON object, and none of any other value.
func parse(v jsontext.Value, want wanted) object {
	if v.Kind() != '{' {
		return nil
	}
	o, _ := open(newDecoder(v), v, want) // v was read without an error.
	return o.members
}

// open reads the next value of a text. What is wanted of an object or an array is opened in
// turn; the rest is only checked.
func open(d *jsontext.Decoder, text []byte, want wanted) (value, error) {
	kind := d.PeekKind()
	if kind != '{' && kind != '[' {
		v, err := readValue(d, text)
		return value{Value: v}, err
	}
	if _, err := d.ReadToken(); err != nil {
		return value{}, err
	}
	begin := d.InputOffset() - 1
	var kept object
	if kind == '{' {
		kept = make(object, 0, 8) // An envelope has about as many that are wanted.
	}
	for i := 0; more(d); i++ {
		name, err := nameOf(d, text, kind, i)
		if err != nil {
			return value{}, err
		}
		if !want(name) {
			_, err = d.ReadValue()
		} else {
			kept = append(kept, member{name: name})
			kept[len(kept)-1].value, err = open(d, text, want)
		}
		if err != nil {
			return value{}, err
		}
	}
	_, err := d.ReadToken()
	return value{text[begin:d.InputOffset()], kept}, err
}

// nameOf reads the name of the next member of an object; that of an array's element is its
// index.
func nameOf(d *jsontext.Decoder, text []byte, kind jsontext.Kind, i int) ([]byte, error) {
	if kind == '[' {
		return strconv.AppendInt(nil, int64(i), 10), nil
	}
	quoted, err := readValue(d, text)
	if err != nil {
		return nil, err
	}
	return unquote(quoted), nil
}

// more reports whether an object or an array has another member or element.
func more(d *jsontext.Decoder) bool {
	k := d.PeekKind()
	return k != '}' && k != ']' && k != jsontext.KindInvalid
}

// readValue reads the next value of a text and returns it as a part of the text, which
// stays valid when the decoder goes on.
func readValue(d *jsontext.Decoder, text []byte) (jsontext.Value, error) {
	v, err := d.ReadValue()
	end := int(d.InputOffset())
	return text[end-len(v) : end], err
}

// get returns the value of the last member with a name, or the zero value when there is none.
func (o object) get(name string) (last value) {
	for i := range o {
		if string(o[i].name) == name {
			last = o[i].value
		}
	}
	return last
}

// object returns the members of the object that a member is.
func (o object) object(name string) object {
	if v := o.get(name); v.Kind() == '{' {
		return v.members
	}
	return nil
}

// maxField is the length in bytes of the longest field that is taken from an envelope.
// Slack's ids have a dozen characters. A longer field counts as absent, so that the keys of
// a store stay small.
const maxField = 512

// text returns the text of a member that is a string, or a number as it is written. It returns
// nil for any other value and for a text that is longer than maxField.
func (o object) text(name string) []byte {
	v := o.get(name)
	text := []byte(v.Value)
	if v.Kind() == '"' {
		text = unquote(v.Value)
	} else if v.Kind() != '0' {
		return nil
	}
	if len(text) > maxField {
		return nil
	}
	return text
}

// unquote returns the text of a valid JSON string. It shares the bytes of the string when
// that has no escapes.
func unquote(s jsontext.Value) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, s) // The error only says that half a surrogate pair became U+FFFD.
	return text
}

// A Path names a place in a JSON value by the members and the places in arrays that
// lead there, "data.object.id" or "items.0.id"; a dot within a name is written "\.".
// The zero Path names nothing.
type Path struct {
	steps []string
}

// maxSteps is how many steps a path may have.
const maxSteps = 32

// ParsePath reads a path; a leading "$." is allowed.
func ParsePath(s string) (Path, error) {
	var p Path
	step := strings.Builder{}
	rest := strings.TrimPrefix(s, "$.")
	for i := 0; i <= len(rest); i++ {
		switch {
		case i == len(rest) || rest[i] == '.':
			if step.Len() == 0 {
				return Path{}, fmt.Errorf("path %q: write the names of members, split by dots, such as data.object.id", s)
			}
			p.steps = append(p.steps, step.String())
			step.Reset()
		case rest[i] == '\\' && i+1 < len(rest):
			i++
			step.WriteByte(rest[i])
		default:
			step.WriteByte(rest[i])
		}
	}
	if len(p.steps) > maxSteps {
		return Path{}, fmt.Errorf("path %q: more than %d steps", s, maxSteps)
	}
	return p, nil
}

// String returns the path as ParsePath reads it.
func (p Path) String() string {
	var quoted []string
	for _, s := range p.steps {
		quoted = append(quoted, strings.NewReplacer(`\`, `\\`, `.`, `\.`).Replace(s))
	}
	return strings.Join(quoted, ".")
}

// Find returns the text of the string, number or bool at the path. ok is false when there
// is none, or when the value is not valid JSON. Of members with the same name the last
// one counts.
func (p Path) Find(json []byte) (found string, ok bool) {
	if len(p.steps) == 0 {
		return "", false
	}
	v, err := read(json, p.has)
	if err != nil {
		return "", false
	}
	for _, step := range p.steps {
		v = v.members.get(step)
	}
	kind := v.Kind()
	if kind == '"' {
		return string(unquote(v.Value)), true
	}
	if kind == '0' || kind == 't' || kind == 'f' {
		return string(v.Value), true
	}
	return "", false
}

// has reports whether a name is one of the path's steps.
func (p Path) has(name []byte) bool { return slices.Contains(p.steps, string(name)) }
