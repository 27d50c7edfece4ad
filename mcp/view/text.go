package view

import "slices"

// MaxText is how many characters of one text are shown: Slack's own limit of a
// message (docs.slack.dev/reference/methods/chat.postMessage).
const MaxText = 40_000

// Flags collects what was done to the texts of one view. The zero value is ready.
type Flags []string

// Text cleans a text, bounds it to limit characters, and notes what it did.
func (f *Flags) Text(s string, limit int) string {
	s, cleaned := Clean(s)
	if cleaned {
		f.Add(FlagCleaned)
	}
	s, truncated := cut(s, limit)
	if truncated {
		f.Add(FlagTruncated)
	}
	return s
}

// Name cleans a short text: a name, a title, a topic.
func (f *Flags) Name(s string) string { return f.Text(s, 1000) }

// Names cleans each of several.
func (f *Flags) Names(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = f.Name(out[i])
	}
	return out
}

// Add notes a flag once.
func (f *Flags) Add(flag string) {
	if !slices.Contains(*f, flag) {
		*f = append(*f, flag)
	}
}
