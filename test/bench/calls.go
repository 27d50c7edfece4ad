//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// toolCalls is the CPU of a tools/call in nanoseconds, by the round: ours, with the access
// checks and sessions in front, and that of plain mcp-go.
type toolCalls struct{ ours, plain []float64 }

// callLine is a line of the benchmark's output.
var callLine = regexp.MustCompile(`(?m)^BenchmarkCall/(transport|mcp-go)(?:-\d+)?\s.*?([\d.]+) cpu-ns/op`)

// measureCalls runs the benchmark of mcp/transport, one half after the other in each round.
func measureCalls(ctx context.Context, rounds int, log io.Writer) (toolCalls, error) {
	dir, err := os.MkdirTemp("", "bench-calls")
	if err != nil {
		return toolCalls{}, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "calls.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./mcp/transport").CombinedOutput(); err != nil {
		return toolCalls{}, fmt.Errorf("build the benchmark: %w\n%s", err, out)
	}
	var t toolCalls
	for range rounds {
		out, err := exec.CommandContext(ctx, program, "-test.run", "-", "-test.bench", "^BenchmarkCall$", "-test.benchtime", "10000x").CombinedOutput()
		if err != nil {
			return toolCalls{}, fmt.Errorf("run the benchmark: %w\n%s", err, out)
		}
		_, _ = log.Write(out)
		if err := t.read(string(out)); err != nil {
			return toolCalls{}, err
		}
	}
	return t, nil
}

// read adds the figures of one round.
func (t *toolCalls) read(out string) error {
	lines := callLine.FindAllStringSubmatch(out, -1)
	if len(lines) != 2 || lines[0][1] == lines[1][1] {
		return fmt.Errorf("the benchmark of tools/call printed no two figures:\n%s", out)
	}
	for _, m := range lines {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		if m[1] == "mcp-go" {
			t.plain = append(t.plain, ns)
		} else {
			t.ours = append(t.ours, ns)
		}
	}
	return nil
}

// ratio is ours in that of plain mcp-go in the same round, as a median.
func (t toolCalls) ratio() float64 {
	var list []float64
	for i, ns := range t.ours {
		list = append(list, ns/t.plain[i])
	}
	return median(list)
}

func (t toolCalls) table() string {
	return fmt.Sprintf("| tools/call | CPU of a call | to plain mcp-go |\n|---|---:|---:|\n| plain mcp-go | %.1f µs | 1.00 |\n| with tokens, origin checks and our sessions | %.1f µs | %.2f |\n",
		median(t.plain)/1e3, median(t.ours)/1e3, t.ratio())
}
