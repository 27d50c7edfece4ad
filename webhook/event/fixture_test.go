package event_test

import (
	"io/fs"
	"os"
	"testing"
)

type fixture struct {
	name string
	body []byte
}

// fixtures reads the committed examples of what Slack posts.
func fixtures(t testing.TB) []fixture {
	t.Helper()
	dir := os.DirFS("../testdata/slack")
	files, err := fs.Glob(dir, "*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var all []fixture
	for _, file := range files {
		body, err := fs.ReadFile(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fixture{file, body})
	}
	return all
}
