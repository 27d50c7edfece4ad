package event

import (
	"encoding/json"
	"fmt"
)

// Inner parses what happened into a T: of an event_callback the object "event", of an
// interaction the payload, of anything else the whole body. A slash command's fields
// are given as an object of strings. It parses anew with each call; an unknown field
// is no error.
func Inner[T any](e *Event) (T, error) {
	var v T
	raw, err := InnerJSON(e)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("parse %s: %w", e.Kind, err)
	}
	return v, nil
}

// InnerJSON returns the JSON that Inner parses. Like Raw it may hold secrets, and may
// share Raw's bytes.
func InnerJSON(e *Event) ([]byte, error) {
	if e.Encoding == Form {
		if payload, ok := FormValue(e.Raw, "payload"); ok {
			return payload, nil
		}
		fields := map[string]string{}
		for name, value := range pairs(e.Raw) {
			fields[string(name)] = string(value)
		}
		return json.Marshal(fields)
	}
	outer := parse(e.Raw)
	if inner := outer.get("event"); inner != nil && outer.text("type") == "event_callback" {
		return inner, nil
	}
	return e.Raw, nil
}
