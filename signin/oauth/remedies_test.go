package oauth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachRefusalHasARemedy wants the words with which people are turned away in docs/sign-in.md, where their
// remedies are, and no words there that nobody is told.
func TestEachRefusalHasARemedy(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sign-in.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## When it fails\n")
	if !found {
		t.Fatal("the page has no table of failures")
	}
	var files []string
	for _, pattern := range []string{"*.go", "../slack/*.go"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	source := ""
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source += string(b)
	}
	source = regexp.MustCompile(`" \+\s*"`).ReplaceAllString(source, "")
	told := regexp.MustCompile(`(?:pageError\{(?:Text: )?|refused\(signin\.\w+, |Text: )"([^".:]+)`).FindAllStringSubmatch(source, -1)
	if len(told) < 15 {
		t.Fatalf("%d refusals: the test looks at nothing", len(told))
	}
	for _, m := range told {
		if !strings.Contains(table, "*"+m[1]) {
			t.Errorf("docs/sign-in.md has no remedy for %q", m[1])
		}
	}
	lower := strings.ToLower(source)
	for _, m := range regexp.MustCompile(`[|,] \*([^*;…]+)`).FindAllStringSubmatch(table, -1) {
		if !strings.Contains(lower, strings.ToLower(m[1])) {
			t.Errorf("nobody is told %q", m[1])
		}
	}
}
