package console_test

import (
	"bytes"
	"testing"

	"slackmcp/cmd/slack-webhook-server/internal/console"
)

// TestAStreamWritesWhatAListWrites compares both, in every format.
func TestAStreamWritesWhatAListWrites(t *testing.T) {
	type item struct {
		Name string `json:"name"`
		Tags []int  `json:"tags"`
	}
	type end struct {
		Next string `json:"next,omitempty"`
		More *bool  `json:"more,omitempty"`
	}
	type whole struct {
		Items []item `json:"items"`
		end
	}
	columns := []console.Column[item]{{Name: "name", Cell: func(i item) string { return i.Name }}}
	for _, items := range [][]item{{}, {{"a <b>", nil}}, {{"a", []int{1, 2}}, {"b\u202e", []int{}}, {"c", nil}}} {
		for _, rest := range []end{{}, {Next: "x", More: new(bool)}} {
			for _, format := range []console.Format{console.Table, console.JSON, console.JSONL} {
				var want, got bytes.Buffer
				if err := console.List(&console.Printer{Out: &want, Format: format}, columns, items, whole{items, rest}, "none"); err != nil {
					t.Fatal(err)
				}
				s := console.Stream[item]{Printer: &console.Printer{Out: &got, Format: format}, Columns: columns, Member: "items", None: "none"}
				for _, i := range items {
					if err := s.Add(i); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.End(rest); err != nil {
					t.Fatal(err)
				}
				if got.String() != want.String() {
					t.Errorf("%s of %d items:\n%s\nwant\n%s", format, len(items), &got, &want)
				}
			}
		}
	}
}
