package rule_test

import (
	"testing"

	"slackmcp/webhook/rule"
)

// TestTruncate: a text ends between characters, not within an entity, and an ampersand
// that begins none cuts nothing off.
func TestTruncate(t *testing.T) {
	for _, tc := range []struct {
		n          int
		text, want string
	}{
		{5, "hello", "hello"},
		{4, "hello", "hell…"},
		{2, "aéb", "a…"},
		{0, "ab", "…"},
		{-1, "ab", "ab"},
		{3, "a&amp;b", "a…"},
		{6, "a&amp;b", "a&amp;…"},
		{4, "a&lt;b", "a…"},
		{6, "R&D plan", "R&D pl…"},
		{3, "&&&&&", "&&&…"},
	} {
		if got := rule.Truncate(tc.n, tc.text); got != tc.want {
			t.Errorf("truncate %d %q: %q, want %q", tc.n, tc.text, got, tc.want)
		}
	}
}
