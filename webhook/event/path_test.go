package event_test

import (
	"errors"
	"strings"
	"testing"

	"slackmcp/webhook/event"
)

func TestPath(t *testing.T) {
	const doc = ` {"id":"e1","n":1.50,"ok":true,"none":null,"data":{"object":{"id":"o1"},"a.b":"dot"},"list":[{"id":"l0"},{"id":"l1"},["x"]],"dup":1,"dup":{"x":2},"\u0069t":"esc\u0061ped"} `
	tests := []struct {
		path, want string
		ok         bool
	}{
		{"id", "e1", true},
		{"$.id", "e1", true},
		{"n", "1.50", true},
		{"ok", "true", true},
		{"none", "", false},
		{"data", "", false},
		{"list", "", false},
		{"missing", "", false},
		{"data.object.id", "o1", true},
		{`data.a\.b`, "dot", true},
		{"data.object.id.x", "", false},
		{"list.0.id", "l0", true},
		{"list.1.id", "l1", true},
		{"list.2.0", "x", true},
		{"list.9.id", "", false},
		{"list.-1.id", "", false},
		{"list.x", "", false},
		{"dup", "", false},
		{"dup.x", "2", true},
		{"it", "escaped", true},
	}
	for _, tt := range tests {
		p, err := event.ParsePath(tt.path)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", tt.path, err)
			continue
		}
		if got, ok := p.Find([]byte(doc)); got != tt.want || ok != tt.ok {
			t.Errorf("%s finds %q, %v, want %q, %v", tt.path, got, ok, tt.want, tt.ok)
		}
		if again, err := event.ParsePath(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%s is written %q, which reads as %q, %v", tt.path, p, again, err)
		}
	}
	for _, bad := range []string{"", ".", "a..b", "a.", "$.", strings.Repeat("a.", 40) + "a"} {
		if p, err := event.ParsePath(bad); err == nil {
			t.Errorf("ParsePath(%q) = %v, want an error", bad, p)
		}
	}
	id, err := event.ParsePath("id")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", `{"id":"x"`, `{"id":"x"}x`, "{\"id\":\"\xff\"}", `{"id":"x",}`, `["id"`} {
		if got, ok := id.Find([]byte(bad)); ok {
			t.Errorf("found %q in %q, which is not JSON", got, bad)
		}
	}
	if _, ok := (event.Path{}).Find([]byte(doc)); ok {
		t.Error("the zero Path finds something")
	}
}

func TestEncodingOf(t *testing.T) {
	tests := []struct {
		body string
		enc  event.Encoding
		err  error
	}{
		{`{"a":1}`, event.JSON, nil},
		{` [1,2] `, event.JSON, nil},
		{`"x"`, event.JSON, nil},
		{`12`, event.JSON, nil},
		{`a=1&b=2`, event.Form, nil},
		{`{"a":1`, event.Form, nil},
		{`hello`, event.Form, nil},
		{"\x00", event.Form, nil},
		{"", event.JSON, event.ErrEmpty},
		{" \n", event.JSON, event.ErrEmpty},
		{"\xff", event.JSON, event.ErrNotUTF8},
		{strings.Repeat("[", 10_001), event.JSON, event.ErrTooDeep},
	}
	for _, tt := range tests {
		if enc, err := event.EncodingOf([]byte(tt.body)); !errors.Is(err, tt.err) || (err == nil && enc != tt.enc) {
			t.Errorf("EncodingOf(%.20q) = %v, %v, want %v, %v", tt.body, enc, err, tt.enc, tt.err)
		}
	}
}
