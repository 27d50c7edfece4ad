package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Write prints the result for people.
func (r Result) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "disk        %s\n", r.Dir)
	fmt.Fprintf(&b, "one sync    p50 %s, p99 %s: what an answer waits for at least\n\n", round(r.Sync.P50), round(r.Sync.P99))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "connections\tevents\tevents/s\tCPU per event\tp50\tp90\tp99\tmax\tover 3 s") // a Builder never fails
	for _, l := range r.Loads {
		cpu := "unknown"
		if l.CPU > 0 {
			cpu = round(l.CPU).String()
		}
		_, _ = fmt.Fprintf(t, "%d\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t%.2f %%\n", l.Connections, l.Events, l.PerSecond, cpu,
			round(l.Ack.P50), round(l.Ack.P90), round(l.Ack.P99), round(l.Ack.Max), 100*l.Ack.Late)
	}
	_ = t.Flush()
	for _, l := range r.Loads {
		fmt.Fprintf(&b, "\nanswers with %d connections\n%s", l.Connections, l.Ack.histogram())
	}
	if k := r.Kills; k != nil {
		fmt.Fprintf(&b, "\nkilled %d times: %d acknowledged, %d lost, %d stored twice, %d cut off; ready again within %s\n",
			k.Kills, k.Acknowledged, k.Lost, k.Twice, k.Unanswered, round(k.Restart))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON prints one object.
func (r Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// histogram draws a bar for each bucket.
func (l Latency) histogram() string {
	const width = 50
	most := 0
	for _, b := range l.Buckets {
		most = max(most, b.Count)
	}
	var s strings.Builder
	for _, b := range l.Buckets {
		bar := strings.Repeat("#", (b.Count*width+most-1)/most)
		fmt.Fprintf(&s, "  below %8s  %-*s %d\n", round(b.Below), width, bar, b.Count)
	}
	return s.String()
}

// round keeps as many digits as a person reads.
func round(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond)
	case d < time.Second:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}
