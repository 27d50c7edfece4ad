package main

import (
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	t.Parallel()
	c, err := newCounter()
	if err != nil {
		t.Fatal(err)
	}
	// The example of OpenAI's cookbook, which has eight tokens in o200k.
	if n, err := c.count("お誕生日おめでとう"); err != nil || n != 8 {
		t.Errorf("%d tokens, %v", n, err)
	}
}

func TestResultsAreRead(t *testing.T) {
	t.Parallel()
	result := `{"messages":[{"ts":"1.0","text":"a <b>"},{"ts":"2.0","text":"c"}],"next_cursor":"n"}`
	if w := words(result); w != "a <b>\nc" {
		t.Errorf("words are %q", w)
	}
	if n := items(result, "messages"); n != 2 {
		t.Errorf("%d messages", n)
	}
	if c := nextCursor(result); c != "n" {
		t.Errorf("the cursor is %q", c)
	}
	if !same(`{"a":"<","b":1}`, []byte(`{"b":1,"a":"\u003c"}`)) || same(`{"a":1}`, []byte(`{"a":2}`)) {
		t.Error("results are compared wrongly")
	}
	if text, err := minified([]string{"a <b> & c"}); err != nil || text != `["a <b> & c"]` {
		t.Errorf("minified is %s, %v", text, err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := markdown(map[string]int{"tools_default": 4000}, map[string]int{"tools_default": 3400, "events_50": 9000})
	for _, want := range []string{"| 4000 | 3400 | 3500 | met |", "| 50 events |  | 9000 | 3700 | missed |"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}
