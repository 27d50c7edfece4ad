package slackapi_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slackmcp/slackapi"
)

// TestEveryCodeOfTheSandboxHasAKind reads the sandbox's source for the codes that it
// answers with, so that none of them is a surprise to the tools.
func TestEveryCodeOfTheSandboxHasAKind(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("sandbox/*.go")
	succeed(t, err)
	code := regexp.MustCompile(`(?:fail\(|failWith\(|code = |own\()"([a-z_]+)"`)
	codes := map[string]bool{}
	for _, path := range files {
		src, err := os.ReadFile(path)
		succeed(t, err)
		for _, m := range code.FindAllSubmatch(src, -1) {
			codes[string(m[1])] = true
		}
	}
	if len(codes) < 80 {
		t.Fatalf("found only %d codes", len(codes))
	}
	for c := range codes {
		if slackapi.KindOf(c) == slackapi.Internal {
			t.Errorf("%s has no kind", c)
		}
	}
}

// TestEveryCodeOfSlacksPagesHasAKind holds the table to the error codes that the pages of the
// methods of this package listed on docs.slack.dev in August 2026.
func TestEveryCodeOfSlacksPagesHasAKind(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("testdata/codes.txt")
	succeed(t, err)
	for c := range strings.FieldsSeq(string(list)) {
		if slackapi.KindOf(c) == slackapi.Internal {
			t.Errorf("%s has no kind", c)
		}
	}
}

func TestAnUnknownCodeIsInternal(t *testing.T) {
	t.Parallel()
	if k := slackapi.KindOf("brand_new"); k != slackapi.Internal {
		t.Errorf("kind %s", k)
	}
}
