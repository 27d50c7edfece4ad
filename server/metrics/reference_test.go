package metrics_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/server/metrics"
)

//go:generate go test -run ^TestReference$ . -update

var update = flag.Bool("update", false, "write the generated documents anew")

func TestReference(t *testing.T) {
	const path = "../../docs/metrics.md"
	want := metrics.Reference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with `go generate ./...`", err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale; renew it with `go generate ./...` (-file +registry):\n%s", path, diff)
	}
}
