package view

import (
	"strings"

	"slackmcp/internal/search"
	"slackmcp/webhook/event"
)

// Search returns the part of a filter that takes the events which say what is asked for, by what passes of their
// words. The error says what is wrong with the query; see search.Parse.
func (r *Reading) Search(query string) (*event.Text, error) {
	if !r.Lockdown() {
		text, err := search.Filter(query)
		return text, err //nolint:wrapcheck // for the one who asks
	}
	q, err := search.Parse(query)
	if err != nil {
		return nil, err //nolint:wrapcheck // for the one who asks
	}
	return &event.Text{Query: query, Says: func(e *event.Event) bool { return q.May(e) && q.Match(r.passing(e)) }}, nil
}

// passing is what lockdown lets through of the words of an event that are searched; see search.TextOf.
func (r *Reading) passing(e *event.Event) string {
	if e.Source != event.SourceSlack {
		return ""
	}
	h := open(e)
	subject, a, s := h.subject(e)
	_, passes := r.author(a, &s)
	var f Flags
	switch {
	case h.Command != "" && passes:
		return h.Command + " " + h.Words
	case h.Command != "" || !isMessage(e):
		return ""
	}
	said, _ := r.words(subject, &a, passes, &s, &f)
	lines := []string{search.Unmarked(said)}
	for _, file := range r.fileRefs(subject.Files, &f) {
		lines = append(lines, file.Name)
	}
	return strings.Join(lines, "\n")
}
