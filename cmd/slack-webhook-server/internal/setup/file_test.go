package setup_test

import (
	"os"
	"path/filepath"
	"testing"

	"slackmcp/cmd/slack-webhook-server/internal/setup"
)

// TestEdit: a value takes the place of the line that has set it, and every other line stays.
func TestEdit(t *testing.T) {
	t.Parallel()
	before := "# mine\nPORT=4000\nexport A = one\nA=two\nAB=three"
	for name, tc := range map[string]struct {
		before string
		values []setup.Value
		want   string
	}{
		"a new file":   {"", []setup.Value{{Key: "A", Text: "1"}, {Key: "B", Text: "2"}}, "A=1\nB=2\n"},
		"in its place": {before, []setup.Value{{Key: "A", Text: "1"}}, "# mine\nPORT=4000\nA=1\nAB=three\n"},
		"taken out":    {before, []setup.Value{{Key: "A"}, {Key: "PORT"}}, "# mine\nAB=three\n"},
		"nothing":      {"", []setup.Value{{Key: "A"}}, ""},
	} {
		if got := setup.Edit(tc.before, tc.values); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestWrite: the file is its owner's alone, also where it was everybody's.
func TestWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte("OLD=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := setup.Write(path, "NEW=1\n"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if b, _ := os.ReadFile(path); err != nil || info.Mode().Perm() != 0o600 || string(b) != "NEW=1\n" {
		t.Errorf("%v %q %v", info, b, err)
	}
}
