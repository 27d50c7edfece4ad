package event_test

import (
	"testing"
	"time"

	"slackmcp/webhook/event"
)

func TestPattern(t *testing.T) {
	message := event.Event{Kind: event.Kind{Type: "message"}, ChannelType: "channel"}
	join := event.Event{Kind: event.Kind{Type: "message", Subtype: "channel_join"}, ChannelType: "group"}
	mention := event.Event{Kind: event.Kind{Type: "app_mention"}}
	tests := []struct {
		pattern string
		matches []bool // message, join, mention
		typ     string
	}{
		{"*", []bool{true, true, true}, ""},
		{"message", []bool{true, true, false}, "message"},
		{"message/", []bool{true, false, false}, "message"},
		{"message/channel_join", []bool{false, true, false}, "message"},
		{"message.channels", []bool{true, false, false}, "message"},
		{"message.groups", []bool{false, true, false}, "message"},
		{"message.im", []bool{false, false, false}, "message"},
		{"app_mention", []bool{false, false, true}, "app_mention"},
		{"app", []bool{false, false, false}, "app"},
	}
	for _, tt := range tests {
		p, err := event.ParsePattern(" " + tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range []*event.Event{&message, &join, &mention} {
			if got := p.Match(e); got != tt.matches[i] {
				t.Errorf("%s matches %s: %v, want %v", tt.pattern, e.Kind, got, tt.matches[i])
			}
		}
		if p.String() != tt.pattern || p.Type() != tt.typ {
			t.Errorf("%s: String() = %q, Type() = %q, want %q and %q", tt.pattern, p, p.Type(), tt.pattern, tt.typ)
		}
	}
	for _, bad := range []string{"", " ", "/x", "message.channel", "message."} {
		if p, err := event.ParsePattern(bad); err == nil {
			t.Errorf("ParsePattern(%q) = %v, want an error", bad, p)
		}
	}
	if (event.Pattern{}).Match(&message) {
		t.Error("the zero Pattern matches")
	}
}

func TestFilter(t *testing.T) {
	at := time.Unix(1763791200, 0)
	e := event.Event{
		Source: "slack", Kind: event.Kind{Type: "message"}, Team: "T1", Channel: "C1", User: "U1", Thread: "1.1", ReceivedAt: at, FromSelf: true,
	}
	patterns, err := event.ParsePatterns("reaction_added", "message")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		f    event.Filter
		want bool
	}{
		{"empty", event.Filter{}, true},
		{"all right", event.Filter{Source: "slack", Team: "T1", Channel: "C1", User: "U1", Thread: "1.1", Since: at, Until: at.Add(1), Patterns: patterns}, true},
		{"source", event.Filter{Source: "x"}, false},
		{"team", event.Filter{Team: "T2"}, false},
		{"channel", event.Filter{Channel: "C2"}, false},
		{"user", event.Filter{User: "U2"}, false},
		{"thread", event.Filter{Thread: "2.2"}, false},
		{"too old", event.Filter{Since: at.Add(1)}, false},
		{"too new", event.Filter{Until: at}, false},
		{"our own", event.Filter{ExcludeSelf: true}, false},
		{"no pattern of one", event.Filter{Patterns: patterns[:1]}, false},
	}
	for _, tt := range tests {
		if got := tt.f.Match(&e); got != tt.want {
			t.Errorf("%s: Match = %v, want %v", tt.name, got, tt.want)
		}
	}
}
