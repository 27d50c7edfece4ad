package nats

import (
	"regexp"
	"strings"
	"testing"
)

var (
	refusedInNames   = regexp.MustCompile(`[^a-zA-Z0-9_-]`)
	refusedInSubject = regexp.MustCompile(`[\s*>]|[^!-~]|\.\.|^\.|\.$|^[$_]`)
)

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[names]string{}
	for _, topic := range []string{
		"slack.events", "slack_events", "slack_2eevents", "slack-events", "slack events", "slack%20events", "slack%events",
		"a", "A", ".", "..", ".a", "a.", "a..b", "a.b", "a*", "a.>", ">", "*", "$JS", "_INBOX", "é", "/", "a/b", "a\\b", "a\tb", strings.Repeat("é.", 21),
	} {
		n := namesOf(topic)
		if other, twice := seen[n]; twice {
			t.Errorf("topics %q and %q have the same names", topic, other)
		}
		seen[n] = topic
		for _, name := range []string{n.stream, n.bucket} {
			if refusedInNames.MatchString(name) || len(name) > 250 {
				t.Errorf("topic %q: NATS does not take the name %q", topic, name)
			}
		}
		if refusedInSubject.MatchString(n.subject) {
			t.Errorf("topic %q: NATS does not take the subject %q", topic, n.subject)
		}
	}
	if n := namesOf("slack.events"); n.subject != "slack.events" {
		t.Errorf("a topic that is a subject is not used as it is but as %q", n.subject)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("slack.events", "slack_events")
	f.Add("a.b", "a%2eb")
	f.Add("_", "_5f")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" || a == b {
			return
		}
		if escape(a) == escape(b) || subjectOf(a) == subjectOf(b) {
			t.Errorf("%q and %q become the same name: %q, %q", a, b, escape(a), subjectOf(a))
		}
		for _, s := range []string{a, b} {
			if refusedInNames.MatchString(escape(s)) || refusedInSubject.MatchString(subjectOf(s)) {
				t.Errorf("%q: NATS does not take %q or %q", s, escape(s), subjectOf(s))
			}
		}
	})
}

func TestWorkKeys(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"a", "a.b", "..", "-", "aZ0._-xx"} {
		key := workKey(group, 0x1f)
		name, seq, ok := parseWorkKey(key)
		if !ok || name != escape(group) || seq != 0x1f {
			t.Errorf("parseWorkKey(%q) = %q, %d, %v", key, name, seq, ok)
		}
	}
}
