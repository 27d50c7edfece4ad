package cursor_test

import (
	"bytes"
	"testing"

	"slackmcp/mcp/cursor"
	"slackmcp/signin/seal"
	"slackmcp/webhook/event"
)

func sealer(t *testing.T, key byte) *seal.Sealer {
	t.Helper()
	ring, err := seal.NewKeyring(bytes.Repeat([]byte{key}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ring.For("cursors")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACursorIsOfOneSignInAndOneQuestion(t *testing.T) {
	t.Parallel()
	s, at := sealer(t, 1), event.NewPosition("0123456789abcdef", 1<<60)
	c := cursor.For(s, "signin1", "slack_list_events", `{"channel":"C1"}`)
	w := c.Write(at)
	if p, ok := c.Read(w); !ok || p != at {
		t.Errorf("%q, %v", p, ok)
	}
	for name, other := range map[string]cursor.Codec{
		"another sign-in":                    cursor.For(s, "signin2", "slack_list_events", `{"channel":"C1"}`),
		"another question":                   cursor.For(s, "signin1", "slack_list_events", `{"channel":"C2"}`),
		"another tool":                       cursor.For(s, "signin1", "slack_wait_for_event", `{"channel":"C1"}`),
		"parts that begin elsewhere":         cursor.For(s, "signin1", "slack_list_events{", `"channel":"C1"}`),
		"a sign-in that the question begins": cursor.For(s, "signin1slack_list_events", `{"channel":"C1"}`),
		"another key":                        cursor.For(sealer(t, 2), "signin1", "slack_list_events", `{"channel":"C1"}`),
	} {
		if _, ok := other.Read(w); ok {
			t.Errorf("%s opens it", name)
		}
	}
	for _, wrong := range []string{"", "start", string(at), w[:len(w)-2], w + "AA", "é"} {
		if _, ok := c.Read(wrong); ok {
			t.Errorf("%q opens", wrong)
		}
	}
}

// A cursor tells neither where it stands nor whether it stands where another one does.
func TestACursorTellsNothing(t *testing.T) {
	t.Parallel()
	c := cursor.For(sealer(t, 1), "signin1", "x")
	seen, length := map[string]bool{}, len(c.Write(""))
	for i := range 50 {
		for _, at := range []event.Position{"", event.NewPosition("01234567", 1), event.NewPosition("0123456789abcdef", uint64(i))} {
			w := c.Write(at)
			if len(w) != length || seen[w] {
				t.Errorf("%q: %d bytes, want %d; known: %v", w, len(w), length, seen[w])
			}
			seen[w] = true
			if p, ok := c.Read(w); !ok || p != at {
				t.Errorf("%q is read as %q, %v", at, p, ok)
			}
		}
	}
}

func TestServicesGetPositions(t *testing.T) {
	t.Parallel()
	if w := (cursor.Codec{}).Write("e-0000000000000001"); w != "e-0000000000000001" {
		t.Error(w)
	}
	if p, ok := (cursor.Codec{}).Read("start"); p != "start" || !ok {
		t.Error(p, ok)
	}
}
