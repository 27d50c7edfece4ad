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

// read returns the members of a body that is a JSON object, and none of any other JSON
// value. Errors: ErrEmpty, ErrNotUTF8, ErrNotJSON, ErrTooDeep.
func read(body []byte) (object, error) {
	if err := readable(body); err != nil {
		return nil, err
	}
	d := newDecoder(body)
	root, err := members(d, body)
	if err != nil {
		if strings.Contains(err.Error(), "exceeded max depth") { // jsontext exports no error for it
			return nil, ErrTooDeep
		}
		return nil, ErrNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, ErrNotJSON
	}
	return root, nil
}

// EncodingOf returns how the body of a source other than Slack is written: JSON when it is
// any JSON value, and otherwise Form, whatever its media type says. Errors: ErrEmpty,
// ErrNotUTF8, ErrTooDeep.
func EncodingOf(body []byte) (Encoding, error) {
	_, err := read(body)
	if errors.Is(err, ErrNotJSON) {
		return Form, nil
	}
	return JSON, err
}

// An object holds the members of a JSON object in their order. The values share the bytes
// of the text.
type object []member

type member struct {
	name  []byte // without quotes and escapes
	value jsontext.Value
}

// parse returns the members of a valid JSON object, and none of any other value. It does
// not look into the values.
func parse(v jsontext.Value) object {
	if v.Kind() != '{' {
		return nil
	}
	o, _ := members(newDecoder(v), v) // v is a part of a text that was read without an error.
	return o
}

// members reads the next value of a text and returns its members when it is an object.
func members(d *jsontext.Decoder, text []byte) (object, error) {
	if d.PeekKind() != '{' {
		return nil, d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	o := make(object, 0, 16)
	for d.PeekKind() == '"' {
		name, err := readValue(d, text)
		if err != nil {
			return nil, err
		}
		value, err := readValue(d, text)
		if err != nil {
			return nil, err
		}
		o = append(o, member{unquote(name), value})
	}
	_, err := d.ReadToken()
	return o, err
}

// readValue reads the next value of a text and returns it as a part of the text, which
// stays valid when the decoder goes on.
func readValue(d *jsontext.Decoder, text []byte) (jsontext.Value, error) {
	v, err := d.ReadValue()
	end := int(d.InputOffset())
	return text[end-len(v) : end], err
}

// get returns the value of the last member with a name, or nil when there is none.
func (o object) get(name string) jsontext.Value {
	for _, m := range slices.Backward(o) {
		if string(m.name) == name {
			return m.value
		}
	}
	return nil
}

// object returns the members of the object that a member is.
func (o object) object(name string) object { return parse(o.get(name)) }

// maxField is the length in bytes of the longest field that is taken from an envelope.
// Slack's ids have a dozen characters. A longer field counts as absent, so that the keys of
// a store stay small.
const maxField = 512

// text returns the text of a member that is a string, or a number as it is written. It returns
// "" for any other value and for a text that is longer than maxField.
func (o object) text(name string) string {
	v := o.get(name)
	if v.Kind() == '"' {
		v = unquote(v)
	} else if v.Kind() != '0' {
		return ""
	}
	if len(v) > maxField {
		return ""
	}
	return string(v)
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
	if _, err := read(json); err != nil {
		return "", false
	}
	v := jsontext.Value(json)
	for _, step := range p.steps {
		if v.Kind() == '[' {
			v = element(v, step)
		} else {
			v = parse(v).get(step)
		}
	}
	kind := v.Kind()
	if kind == '"' {
		v = unquote(v)
	}
	if kind == '"' || kind == '0' || kind == 't' || kind == 'f' {
		return string(v), true
	}
	return "", false
}

// element returns the element of an array at an index, or nil when there is none.
func element(array jsontext.Value, index string) jsontext.Value {
	i, err := strconv.Atoi(index)
	d := newDecoder(array)
	if _, openErr := d.ReadToken(); err != nil || openErr != nil || i < 0 {
		return nil
	}
	for ; d.PeekKind() != ']'; i-- {
		v, err := readValue(d, array)
		if err != nil {
			return nil
		}
		if i == 0 {
			return v
		}
	}
	return nil
}
