package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteCard prints the results for people.
func WriteCard(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	counts := map[Verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		mark := map[Verdict]string{Pass: "pass", Fail: "FAIL", Skip: "skip"}[r.Verdict]
		_, _ = fmt.Fprintf(t, "%s\t%s\twant %s\tgot %s\t%s\n", mark, r.Name, r.Want, r.Got, r.Took.Round(time.Millisecond))
		if r.Remedy != "" {
			_, _ = fmt.Fprintf(t, "\t\t%s\n", r.Remedy)
		}
	}
	if err := t.Flush(); err != nil { // reports the first error of all lines
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", counts[Pass], counts[Fail], counts[Skip])
	return err
}

// WriteJSON prints one object.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Failed int      `json:"failed"`
		Trials []Result `json:"trials"`
	}{Failures(results), results})
}
