package view

import (
	"bytes"
	"encoding/json"
	"fmt"

	"slackmcp/webhook/event"
)

// Payload returns an event's whole body as JSON that may be shown: without its
// secrets, and every text and name in it cleaned. Of a form that is
// the object in its payload field or, for a slash command, an object of its fields.
func (f *Flags) Payload(e *event.Event) (json.RawMessage, error) {
	raw, err := event.Sanitize(e.Raw, e.Encoding)
	if err != nil {
		return nil, fmt.Errorf("sanitize event: %w", err)
	}
	if e.Encoding == event.Form {
		if raw, err = event.InnerJSON(&event.Event{Encoding: event.Form, Raw: raw}); err != nil {
			return nil, fmt.Errorf("read form: %w", err)
		}
	}
	v, err := decodeJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return encodeJSON(f.value(v))
}

// JSON cleans the texts and names of any JSON, such as a message's blocks. What is not
// JSON is left out.
func (f *Flags) JSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	v, err := decodeJSON(raw)
	if err != nil {
		return nil
	}
	out, err := encodeJSON(f.value(v))
	if err != nil {
		return nil
	}
	return out
}

func (f *Flags) value(v any) any {
	switch v := v.(type) {
	case string:
		return f.Text(v, MaxText)
	case []any:
		for i := range v {
			v[i] = f.value(v[i])
		}
	case map[string]any:
		for k, item := range v {
			item = f.value(item)
			if clean := f.Name(k); clean != k {
				delete(v, k)
				k = clean
			}
			v[k] = item
		}
	}
	return v
}

func decodeJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func encodeJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
