package main

import (
	"strings"
	"testing"
)

func TestParseBenchmarks(t *testing.T) {
	t.Parallel()
	list, err := parseBenchmarks(strings.NewReader(`goos: linux
BenchmarkPublish/everysec/callers=64-2   20000   45123 events/s   0.8123 of-XADD   0.9512 of-the-script
BenchmarkPoison/sqlite                   10000   7850 events/s    6163 healthy-events/s   1.274 of-healthy
PASS
`))
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if m := list[0]; m.name != "everysec/callers=64" || m.metrics["events/s"] != 45123 || m.metrics["of-the-script"] != 0.9512 {
		t.Errorf("%+v", m)
	}
	if m := list[1]; m.name != "sqlite" || m.metrics["of-healthy"] != 1.274 {
		t.Errorf("%+v", m)
	}
	if _, err := parseBenchmarks(strings.NewReader("BenchmarkPublish/x-2 1 what events/s\n")); err == nil {
		t.Error("a metric that is no number was taken")
	}
}
