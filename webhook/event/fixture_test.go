package event_test

import (
	"os"
	"path/filepath"
	"testing"
)

type fixture struct {
	name string
	body []byte
}

// fixtures reads the committed examples of what Slack posts.
func fixtures(t testing.TB) []fixture {
	t.Helper()
	files, err := filepath.Glob("../testdata/slack/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var all []fixture
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fixture{filepath.Base(file), body})
	}
	return all
}
