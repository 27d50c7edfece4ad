package words

import (
	"bytes"
	"encoding/json"
	"errors"
)

// maxDecoded bounds how many values are read of one JSON text: each takes up to half a kilobyte, so that
// a megabyte of the smallest would take fifty megabytes. Slack's own blocks, at most fifty of them with three
// thousand characters in each text, have far fewer.
const maxDecoded = 16_384

// errFull ends the reading of a text: what follows is left out, and not looked at.
var errFull = errors.New("full")

// decode reads any JSON, with numbers as json.Number, up to a number of values. What is not valid before
// that is nil.
func decode(raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	d := decoder{json.NewDecoder(bytes.NewReader(raw)), maxDecoded}
	d.in.UseNumber()
	v, err := d.value()
	if err != nil && !errors.Is(err, errFull) {
		return nil
	}
	return v
}

type decoder struct {
	in   *json.Decoder
	left int // values
}

// value reads the next value. With errFull it returns what was read of it.
func (d *decoder) value() (any, error) {
	if d.left--; d.left < 0 {
		return nil, errFull
	}
	t, err := d.in.Token()
	if err != nil {
		return nil, err //nolint:wrapcheck // decode tells no error
	}
	switch t {
	case json.Delim('{'):
		return d.object()
	case json.Delim('['):
		return d.array()
	}
	return t, nil
}

func (d *decoder) object() (object, error) {
	o := object{}
	for d.in.More() {
		name, err := d.in.Token()
		if err != nil {
			return nil, err //nolint:wrapcheck // decode tells no error
		}
		key, _ := name.(string) // nothing else is valid there
		v, err := d.value()
		if err == nil || v != nil {
			o[key] = v
		}
		if err != nil {
			return o, err
		}
	}
	_, err := d.in.Token()
	return o, err //nolint:wrapcheck // decode tells no error
}

func (d *decoder) array() ([]any, error) {
	list := []any{}
	for d.in.More() {
		v, err := d.value()
		if err == nil || v != nil {
			list = append(list, v)
		}
		if err != nil {
			return list, err
		}
	}
	_, err := d.in.Token()
	return list, err //nolint:wrapcheck // decode tells no error
}
