package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A result is what one run of one variant came to.
type result struct {
	cpu      time.Duration // of the server process, per event
	engine   time.Duration // of the engine beside it, per event
	rate     float64       // events per second
	p50, p99 time.Duration
	rssMiB   float64
	// toBase is cpu and rate as parts of those of the base that ran just before.
	toBase struct{ cpu, rate float64 }
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

// against says what a result is beside the base's.
func (r result) against(base result) result {
	r.toBase.cpu, r.toBase.rate = float64(r.cpu)/float64(base.cpu), r.rate/base.rate
	return r
}

// median takes the median of each figure by itself, ratios too.
func median(rs []result) result {
	m := result{
		cpu:    mid(rs, func(r result) time.Duration { return r.cpu }),
		engine: mid(rs, func(r result) time.Duration { return r.engine }),
		rate:   mid(rs, func(r result) float64 { return r.rate }),
		p50:    mid(rs, func(r result) time.Duration { return r.p50 }),
		p99:    mid(rs, func(r result) time.Duration { return r.p99 }),
		rssMiB: mid(rs, func(r result) float64 { return r.rssMiB }),
	}
	m.toBase.cpu = mid(rs, func(r result) float64 { return r.toBase.cpu })
	m.toBase.rate = mid(rs, func(r result) float64 { return r.toBase.rate })
	return m
}

func mid[T cmp.Ordered](rs []result, get func(result) T) T {
	var vs []T
	for _, r := range rs {
		vs = append(vs, get(r))
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

// markdown writes the table; ratios are to the bare handler that ran just before.
func markdown(rows []row) string {
	var b strings.Builder
	b.WriteString(heading())
	b.WriteString("| connections | server | CPU per event | ratio | engine's CPU | events/s | ratio | p50 | p99 | peak memory |\n")
	b.WriteString("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range rows {
		m := r.median
		beside := ""
		if m.engine > 0 {
			beside = micros(m.engine)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %.2f | %s | %.0f | %.2f | %s | %s | %.0f MiB |\n",
			r.conns, r.name, micros(m.cpu), m.toBase.cpu, beside,
			m.rate, m.toBase.rate, m.p50.Round(10*time.Microsecond), m.p99.Round(10*time.Microsecond), m.rssMiB)
	}
	return b.String()
}

// heading says where and when a table was made.
func heading() string {
	return fmt.Sprintf("%s, %d cores, %s\n\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1e3) }

func parsePositive(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a positive number", s)
	}
	return n, nil
}
