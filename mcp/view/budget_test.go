package view_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"slackmcp/mcp/view"
)

func TestBudget(t *testing.T) {
	t.Parallel()
	item := map[string]string{"text": strings.Repeat("ü", 980)} // 993 characters
	r, n := view.NewBudget(), 0
	for r.Takes(item) {
		n++
	}
	if size := n * (view.Size(item) + 1); size > view.MaxResult || size < view.MaxResult*8/10 {
		t.Errorf("%d items of %d characters fit", n, view.Size(item))
	}
	if r := view.NewBudget(); !r.Takes(strings.Repeat("x", 2*view.MaxResult)) || r.Takes("y") {
		t.Error("the first item has to fit, whatever its length, and nothing after a long one")
	}
	for _, text := range []string{"", "short", strings.Repeat("日本", view.MaxResult), strings.Repeat("\n\"\u0001", view.MaxResult), strings.Repeat("😀", view.MaxResult)} {
		got := view.NewBudget().Fitting(text)
		if !strings.HasPrefix(text, got) || !utf8.ValidString(got) || view.Size(got) > view.MaxResult || view.Size(text) < view.MaxResult/2 && got != text {
			t.Errorf("of a text of %d characters %d are shown", view.Size(text), view.Size(got))
		}
		if view.Size(text) > view.MaxResult && view.Size(got) < view.MaxResult*8/10 {
			t.Errorf("of %d characters only %d are shown", view.Size(text), view.Size(got))
		}
	}
}
