package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	architecture   = "docs/ARCHITECTURE.md"
	foldersHeading = "\n## Folders\n"
)

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	named    = regexp.MustCompile("`([^`]+)`|\\b((?:Test|Fuzz)[A-Z]\\w*)")
	alert    = regexp.MustCompile(`(?m)^ *- alert: (\w+)$`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestNamedTestsExist looks for each test that a page names in the folder that stands
// before it on its line: a promise whose test was renamed away is not guarded.
func TestNamedTestsExist(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, filepath.Join(root(t), "CONTRIBUTING.md")) {
		for i, line := range strings.Split(read(t, page), "\n") {
			folder := ""
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				switch {
				case m[2] == "":
					if isFolder(t, m[1]) {
						folder = m[1]
					}
				case folder == "":
					t.Errorf("%s:%d: %s stands behind no folder", filepath.Base(page), i+1, m[2])
				case !slices.Contains(testsOf(t, folder), m[2]):
					t.Errorf("%s:%d: there is no %s in %s: name the test that guards this now", filepath.Base(page), i+1, m[2], folder)
				default:
					found++
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("the pages name only %d tests: is their form another one?", found)
	}
}

// TestEveryFolderIsNamed holds the table of folders to the folders that there are.
func TestEveryFolderIsNamed(t *testing.T) {
	_, text, ok := strings.Cut(read(t, filepath.Join(root(t), architecture)), foldersHeading)
	if !ok {
		t.Fatalf("%s has no heading %q", architecture, strings.TrimSpace(foldersHeading))
	}
	text, _, _ = strings.Cut(text, "\n## ")
	folders := map[string]bool{}
	for row := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, m := range quoted.FindAllStringSubmatch(first, -1) {
			folders[m[1]] = true
			if !isFolder(t, m[1]) {
				t.Errorf("%s names the folder %s, which is not there", architecture, m[1])
			}
		}
	}
	for file := range sources(t) {
		folder := filepath.ToSlash(filepath.Dir(file))
		inner := strings.Contains(folder, "/internal/") || inside(file, "test") || folder == "slackapi/sandbox/node"
		if !inner && !folders[folder] {
			t.Errorf("%s is in no row of %s's table of folders: add one", folder, architecture)
			folders[folder] = true
		}
	}
}

// TestNamedFilesExist looks for each file and folder that the pages for developers name: a
// recipe with a file that was renamed helps no newcomer.
func TestNamedFilesExist(t *testing.T) {
	path := regexp.MustCompile("`([a-z][\\w-]*(?:/[\\w-]+)*/[\\w-]+(?:\\.\\w+)*)`")
	for _, page := range []string{"CONTRIBUTING.md", architecture} {
		found := 0
		for i, line := range strings.Split(read(t, filepath.Join(root(t), page)), "\n") {
			for _, m := range path.FindAllStringSubmatch(line, -1) {
				if _, err := os.Stat(filepath.Join(root(t), m[1])); err != nil {
					t.Errorf("%s:%d names %s, which is not there: name what has its place", page, i+1, m[1])
				}
				found++
			}
		}
		if found < 20 {
			t.Errorf("%s names only %d files: is its form another one?", page, found)
		}
	}
}

// TestLinksOfThePagesLead follows each link between the pages, with the heading that it names.
func TestLinksOfThePagesLead(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(filepath.Join(root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	link := regexp.MustCompile(`\]\(([\w./-]*)(?:#([\w-]+))?\)`)
	found := 0
	for _, page := range pages {
		for i, line := range strings.Split(quoted.ReplaceAllString(read(t, page), ""), "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				to := page
				if m[1] != "" {
					to = filepath.Join(filepath.Dir(page), m[1])
				}
				found++
				if _, err := os.Stat(to); err != nil {
					t.Errorf("%s:%d leads to %s, which is not there", filepath.Base(page), i+1, m[1])
				} else if m[2] != "" && !slices.Contains(headings(read(t, to)), m[2]) {
					t.Errorf("%s:%d leads to the heading #%s, which %s does not have", filepath.Base(page), i+1, m[2], filepath.Base(to))
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("there are only %d links between the pages: is their form another one?", found)
	}
}

// headings are the names by which links lead to the headings of a page.
func headings(text string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(plain, " ", "-"))
	}
	return names
}

// TestFuzzTargetsOfCIExist looks for each target that .ci/run fuzzes.
func TestFuzzTargetsOfCIExist(t *testing.T) {
	targets := regexp.MustCompile(`([\w/]+):(Fuzz\w+)`).FindAllStringSubmatch(read(t, filepath.Join(root(t), ".ci", "run")), -1)
	if len(targets) == 0 {
		t.Error(".ci/run fuzzes nothing: is its form another one?")
	}
	for _, m := range targets {
		if !slices.Contains(testsOf(t, m[1]), m[2]) {
			t.Errorf(".ci/run fuzzes %s of %s, which is not there: name the target that has its place", m[2], m[1])
		}
	}
}

// TestEveryAlertHasARunbook wants to find the alert by its name when it has fired.
func TestEveryAlertHasARunbook(t *testing.T) {
	page, rules := read(t, filepath.Join(root(t), "docs", "operations.md")), read(t, filepath.Join(root(t), "deploy", "prometheus", "alerts.yaml"))
	alerts := alert.FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Error("alerts.yaml has no alert: is its form another one?")
	}
	for _, a := range alerts {
		if !strings.Contains(page, "\n### "+a[1]+"\n") {
			t.Errorf("docs/operations.md has no section ### %s: say what to do when it fires", a[1])
		}
		if !strings.Contains(rules, "runbook_url: \"operations.md#"+strings.ToLower(a[1])+"\"") {
			t.Errorf("alerts.yaml has no runbook_url that leads to the section of %s", a[1])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func isFolder(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Stat(filepath.Join(root(t), filepath.FromSlash(path)))
	return err == nil && info.IsDir()
}

func testsOf(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	for _, file := range files {
		for _, m := range testFunc.FindAllStringSubmatch(read(t, file), -1) {
			tests = append(tests, m[1])
		}
	}
	return tests
}
