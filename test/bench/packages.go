package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// A measurement is one line of a Go benchmark: its name without the benchmark's and the
// processors, and its metrics by unit.
type measurement struct {
	name    string
	metrics map[string]float64
}

// benchmarks runs the Go benchmarks of packages, and passes over what they lack.
func benchmarks(ctx context.Context, pattern, times string, packages []string, log io.Writer) ([]measurement, error) {
	args := append([]string{"test", "-run", "-", "-bench", pattern, "-benchtime", times, "-timeout", "30m"}, packages...)
	fmt.Fprintln(log, "go", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, log), log
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return parseBenchmarks(&out)
}

var benchmarkLine = regexp.MustCompile(`^Benchmark\w+/(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// parseBenchmarks reads what `go test -bench` prints.
func parseBenchmarks(r io.Reader) ([]measurement, error) {
	var list []measurement
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := benchmarkLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		one := measurement{name: m[1], metrics: map[string]float64{}}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("benchmark %s: %w", one.name, err)
			}
			one.metrics[fields[i+1]] = v
		}
		list = append(list, one)
	}
	return list, lines.Err()
}

// engines measures Publish beside what each engine takes by itself.
func engines(ctx context.Context, log io.Writer) (string, error) {
	var b strings.Builder
	b.WriteString(heading())
	b.WriteString("| engine | callers | events/s | to the engine's own ceiling | to a bare XADD |\n|---|---:|---:|---:|---:|\n")
	for _, engine := range []struct{ name, times string }{{"redis", "20000x"}, {"nats", "10000x"}} {
		list, err := benchmarks(ctx, "Publish", engine.times, []string{"./store/queue/" + engine.name}, log)
		if err != nil {
			return "", err
		}
		for _, m := range list {
			sync, callers, _ := strings.Cut(m.name, "/callers=")
			ceiling, xadd := m.metrics["of-JetStream"], ""
			if engine.name == "redis" {
				ceiling, xadd = m.metrics["of-the-script"], fmt.Sprintf("%.2f", m.metrics["of-XADD"])
			}
			fmt.Fprintf(&b, "| %s, %s | %s | %.0f | %.2f | %s |\n", engine.name, strings.ReplaceAll(sync, "-", " "), callers, m.metrics["events/s"], ceiling, xadd)
		}
	}
	return b.String(), nil
}

// poison measures what one poisoned event costs the others.
func poison(ctx context.Context, log io.Writer) (string, error) {
	list, err := benchmarks(ctx, "Poison", "10000x", []string{"./store/queue", "./store/redis", "./store/nats"}, log)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(heading())
	b.WriteString("| backend | events/s without | events/s with | ratio |\n|---|---:|---:|---:|\n")
	for _, m := range list {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.2f |\n", m.name, m.metrics["healthy-events/s"], m.metrics["events/s"], m.metrics["of-healthy"])
	}
	return b.String(), nil
}

// A part is one table of docs/performance.md.
type part struct {
	name    string // on the command line, and in the document's markers
	measure func(ctx context.Context, o options, log io.Writer) (string, error)
}

func parts() []part {
	return []part{
		{"bench", measure},
		{"bench-bolt", bolt},
		{"bench-engines", func(ctx context.Context, _ options, log io.Writer) (string, error) { return engines(ctx, log) }},
		{"bench-poison", func(ctx context.Context, _ options, log io.Writer) (string, error) { return poison(ctx, log) }},
	}
}

// replaceBetween puts a part's table between its markers in a document.
func replaceBetween(path, name, table string) error {
	begin, end := "<!-- "+name+":begin -->", "<!-- "+name+":end -->"
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s … %s", path, begin, end)
	}
	return os.WriteFile(path, []byte(head+begin+"\n"+table+end+tail), 0o644)
}
