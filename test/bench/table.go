package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A result is what one run of one variant came to.
type result struct {
	cpu      time.Duration // of the server process, per event
	rate     float64       // events per second
	p50, p99 time.Duration
	rssMiB   float64
}

// String is the line for the progress output.
func (r result) String() string {
	return fmt.Sprintf("%6.1f µs CPU  %7.0f events/s  p99 %s  %4.0f MiB", float64(r.cpu.Nanoseconds())/1e3, r.rate, r.p99.Round(10*time.Microsecond), r.rssMiB)
}

type row struct {
	conns  int
	name   string
	median result
}

// median takes the median of each figure by itself.
func median(rs []result) result {
	return result{
		cpu:    mid(rs, func(r result) time.Duration { return r.cpu }),
		rate:   mid(rs, func(r result) float64 { return r.rate }),
		p50:    mid(rs, func(r result) time.Duration { return r.p50 }),
		p99:    mid(rs, func(r result) time.Duration { return r.p99 }),
		rssMiB: mid(rs, func(r result) float64 { return r.rssMiB }),
	}
}

func mid[T cmp.Ordered](rs []result, get func(result) T) T {
	var vs []T
	for _, r := range rs {
		vs = append(vs, get(r))
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

// markdown writes the table; ratios are to the bare handler at the same connections.
func markdown(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, %s\n\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	b.WriteString("| connections | server | CPU per event | ratio | events/s | ratio | p50 | p99 | peak memory |\n")
	b.WriteString("|---:|---|---:|---:|---:|---:|---:|---:|---:|\n")
	var base result
	for _, r := range rows {
		if strings.HasPrefix(r.name, "bare") {
			base = r.median
		}
		m := r.median
		fmt.Fprintf(&b, "| %d | %s | %.1f µs | %.2f | %.0f | %.2f | %s | %s | %.0f MiB |\n",
			r.conns, r.name, float64(m.cpu.Nanoseconds())/1e3, float64(m.cpu)/float64(base.cpu),
			m.rate, m.rate/base.rate, m.p50.Round(10*time.Microsecond), m.p99.Round(10*time.Microsecond), m.rssMiB)
	}
	return b.String()
}

const beginMark, endMark = "<!-- bench:begin -->", "<!-- bench:end -->"

// replaceBetween puts the table between the markers of a document.
func replaceBetween(path, table string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s … %s", path, beginMark, endMark)
	}
	return os.WriteFile(path, []byte(head+beginMark+"\n"+table+endMark+tail), 0o644)
}

func parsePositive(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a positive number", s)
	}
	return n, nil
}
