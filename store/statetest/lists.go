package statetest

import (
	"fmt"
	"slices"
	"time"

	"slackmcp/store/state"
)

func lists() []test {
	return []test{
		{name: "List has what begins with the prefix, in order", run: listsPrefix},
		{name: "pages of List have every entry once", run: pages},
	}
}

func keys(e *env, s state.Store, prefix, after string, limit int) []string {
	e.Helper()
	list, err := s.List(e.Context(), prefix, after, limit)
	if err != nil {
		e.Fatalf("List(%q, %q): %v", prefix, after, err)
	}
	var got []string
	for _, one := range list {
		got = append(got, one.Key)
	}
	return got
}

func listsPrefix(e *env) {
	s := e.open()
	if got := keys(e, s, "", "", 0); got != nil {
		e.Errorf("List of nothing = %v", got)
	}
	all := []string{"a", "a-b", "a/1", "a/10", "a/2", "a/2/x", "a0", "aB", "a_", "ab", "b", "b/1"}
	for i, key := range all {
		e.put(s, all[(i*7)%len(all)], key, state.Put{TTL: time.Duration(i%2) * time.Hour})
	}
	slices.Sort(all)
	for prefix, want := range map[string][]string{
		"": all, "a/": {"a/1", "a/10", "a/2", "a/2/x"}, "a/1": {"a/1", "a/10"}, "a/2/": {"a/2/x"}, "b": {"b", "b/1"}, "c": nil, "a/3": nil, "/": nil,
	} {
		if got := keys(e, s, prefix, "", 0); !slices.Equal(got, want) {
			e.Errorf("List(%q) = %v, want %v", prefix, got, want)
		}
	}
	if err := s.Delete(e.Context(), "a/10", ""); err != nil {
		e.Fatal(err)
	}
	if got, want := keys(e, s, "a/", "a/1", 2), []string{"a/2", "a/2/x"}; !slices.Equal(got, want) {
		e.Errorf("List(a/, a/1, 2) = %v, want %v", got, want)
	}
	if got, want := keys(e, s, "b", "a", 0), []string{"b", "b/1"}; !slices.Equal(got, want) {
		e.Errorf("List(b, a) = %v, want %v", got, want)
	}
}

func pages(e *env) {
	s := e.open()
	const n = 250
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("p/%03d", i))
		e.put(s, want[i], fmt.Sprint(i), state.Put{})
	}
	if got := keys(e, s, "p/", "", 0); len(got) != 100 {
		e.Errorf("a page without a limit has %d entries, want 100", len(got))
	}
	if got := keys(e, s, "p/", "", 5000); len(got) != n {
		e.Errorf("a page of too many has %d entries, want all %d", len(got), n)
	}
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		page := keys(e, s, "p/", after, 60)
		got = append(got, page...)
		if len(page) < 60 {
			break
		}
	}
	if !slices.Equal(got, want) {
		e.Errorf("the pages have %d entries, want each of %d once, in order", len(got), n)
	}
}
