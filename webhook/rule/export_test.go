package rule

import "slackmcp/webhook/event"

// What makes a message harmless.
var (
	Escape              = escape
	WithoutMassMentions = withoutMassMentions
	Truncate            = truncate
)

// Fill parses a template as that of a message and fills it for an event.
func Fill(text string, e *event.Event) (result string, loads bool, err error) {
	t, err := newTemplate(text, escape)
	if err != nil {
		return "", false, err
	}
	result, err = t.execute(e)
	return result, true, err
}

// FillWords is Fill, and says whose words the result holds.
func FillWords(text string, e *event.Event) (string, Words, error) {
	t, err := newTemplate(text, escape)
	if err != nil {
		return "", 0, err
	}
	return t.fill(e)
}

// Same reports whether two rules are the same rule, with the same secrets.
func (r *Rule) Same(other *Rule) bool { return r.fingerprint == other.fingerprint }
