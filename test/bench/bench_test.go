//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func TestReadOfABenchmark(t *testing.T) {
	t.Parallel()
	var calls toolCalls
	err := calls.read(`goos: linux
BenchmarkCall/mcp-go-2         	   10000	     82000 ns/op	     60000 cpu-ns/op	    9000 B/op	     120 allocs/op
BenchmarkCall/transport-2      	   10000	     90000 ns/op	     72000 cpu-ns/op	    9500 B/op	     131 allocs/op
PASS
`)
	if err != nil || calls.ratio() != 1.2 {
		t.Errorf("%+v, %v: want a ratio of 1.2", calls, err)
	}
	if err := calls.read("BenchmarkCall/mcp-go-2 1 5 ns/op 5 cpu-ns/op\n"); err == nil {
		t.Error("one figure was taken for two")
	}
}

func TestJudgeOfAims(t *testing.T) {
	t.Parallel()
	made := func(cpu, p50 time.Duration) []result { return []result{{cpu: cpu, p50: p50, peak: 50}} }
	c := func(sqlite time.Duration) comparison {
		return comparison{
			results: map[string][]result{
				"bare": made(10, 90), "memory": made(20, 100), "sqlite": made(sqlite, 400), "Bolt": made(90, 900),
			},
			appends: []time.Duration{100},
		}
	}
	calls := toolCalls{ours: []float64{12}, plain: []float64{10}}
	if table, missed := judge(c(30), c(30), calls); missed != 0 {
		t.Errorf("%d aims missed, want none:\n%s", missed, table)
	}
	// Slower by half, it is over the bare handler's bound and under three times Bolt.
	if table, missed := judge(c(45), c(45), calls); missed != 2 {
		t.Errorf("%d aims missed, want two:\n%s", missed, table)
	}
	without := c(30)
	delete(without.results, "Bolt")
	if table, missed := judge(without, without, calls); missed != 0 || !strings.Contains(table, "not measured") {
		t.Errorf("%d aims missed without Bolt, want one that is not measured:\n%s", missed, table)
	}
}
