package arch_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "slackmcp"

const jsontext = "github.com/go-json-experiment/json/jsontext"

// A rule forbids the packages under one folder to import others.
type rule struct {
	in      string   // folder, "" is all
	except  []string // folders inside it that may
	forbids []string // import path prefixes
	but     []string // import paths among them that are allowed
	because string
}

var rules = []rule{
	{in: "", except: []string{"server/web"}, forbids: []string{"github.com/labstack/echo"}, because: "only server/web uses Echo"},
	{in: "", except: []string{"mcp"}, forbids: []string{"github.com/mark3labs/mcp-go"}, because: "only mcp uses mcp-go"},
	{in: "", except: []string{"slackapi"}, forbids: []string{"github.com/slack-go/slack"}, because: "only slackapi uses slack-go"},
	{in: "", except: []string{"slackapi/socketmode", "slackapi/sandbox"}, forbids: []string{"github.com/coder/websocket"}, because: "only the two ends of Socket Mode use WebSocket"},
	{in: "", except: []string{"cmd"}, forbids: []string{"github.com/spf13/cobra"}, because: "only cmd uses cobra"},
	{in: "", except: []string{"cmd/slack-webhook-server/internal/function"}, forbids: []string{"github.com/aws/aws-lambda-go"}, because: "only function uses the client of Lambda"},
	{in: "", except: []string{"server/metrics"}, forbids: []string{"github.com/prometheus"}, because: "only server/metrics uses Prometheus; the packages below call a hook"},
	{in: "", except: []string{"server/traces"}, forbids: []string{"go.opentelemetry.io"}, because: "only server/traces uses OpenTelemetry; the packages below call a hook"},
	{in: "", except: []string{"webhook/event", "slackapi/sandbox"}, forbids: []string{"github.com/go-json-experiment"}, because: "webhook/event reads JSON by jsontext, the sandbox its files; others use encoding/json"},
	{in: "config", forbids: []string{module + "/"}, but: []string{module + "/internal/logging"}, because: "config is below every other package: it imports only the logger"},
	{in: "slackapi", forbids: []string{module + "/config", module + "/webhook", module + "/mcp", module + "/server", module + "/cmd"}, because: "slackapi is the way to Slack and knows none of its callers"},
	{in: "slackapi/sandbox", forbids: []string{module + "/webhook"}, because: "the sandbox signs with its own lines, to judge our verifier"},
	{in: "webhook", forbids: []string{module + "/config", module + "/slackapi", module + "/mcp", module + "/server", module + "/cmd"}, because: "receiving knows neither its readers nor Slack's API"},
	{in: "store", forbids: []string{module + "/config", module + "/slackapi", module + "/mcp", module + "/server", module + "/cmd"}, because: "the store knows the event and nothing above it"},
	{in: "webhook/event", forbids: []string{module + "/", "github.com/", "golang.org/x/"}, but: []string{jsontext}, because: "the event imports the standard library only, and jsontext, which is part of it since Go 1.27"},
	{in: "mcp", forbids: []string{module + "/config", module + "/server", module + "/cmd"}, because: "server composes mcp, never the reverse"},
	{in: "signin", forbids: []string{module + "/config", module + "/webhook", module + "/store", module + "/server", module + "/cmd"}, but: []string{module + "/store/state"}, because: "signing in knows who calls, small values and Slack's API, and nothing of the rest"},
	{in: "mcp", forbids: []string{module + "/signin"}, because: "mcp knows an authenticated caller, not how one signs in"},
	{in: "server", forbids: []string{module + "/cmd"}, because: "cmd imports server, never the reverse"},
}

// seenByMCP are the packages of webhook and store that the assistants' side may import:
// what an event is, where small values are kept, what an operator does, how one signs.
var seenByMCP = []string{
	module + "/webhook/event", module + "/store/state", module + "/webhook/operator", module + "/webhook/signature",
}

// below reports whether an import is one of our folders, or lies in one.
func below(imp string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return imp == module+"/"+folder || strings.HasPrefix(imp, module+"/"+folder+"/")
	})
}

func TestImportMap(t *testing.T) {
	for file, imports := range sources(t) {
		for _, r := range rules {
			if !inside(file, r.in) || r.allows(file) {
				continue
			}
			for _, imp := range imports {
				for _, bad := range r.forbids {
					if strings.HasPrefix(imp+"/", strings.TrimSuffix(bad, "/")+"/") && !slices.Contains(r.but, imp) {
						t.Errorf("%s imports %s: %s", file, imp, r.because)
					}
				}
			}
		}
		if inside(file, "mcp") {
			for _, imp := range imports {
				if below(imp, "webhook", "store") && !slices.Contains(seenByMCP, imp) {
					t.Errorf("%s imports %s: mcp sees of webhook and store only %v", file, imp, seenByMCP)
				}
			}
		}
	}
}

// wholeLog is the type by which every received event can be read, whoever asks.
const wholeLog = "Log"

// mayReadAll are the files below mcp that may hold the whole log: the one that hands it out to viewers, the
// server's own reader, which announces what came, and the judge of what people see, for whom it has read it.
var mayReadAll = []string{"mcp/sight", "mcp/server.go", "mcp/visibility"}

// Nothing that reads for an assistant can read without a viewer: it holds no log that is not bound to one.
func TestNoReaderWithoutAViewer(t *testing.T) {
	exempt := map[string]bool{}
	for file, imports := range sources(t) {
		if !inside(file, "mcp") || inside(file, "mcp/internal") || !slices.Contains(imports, module+"/webhook/event") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		name := "event"
		for _, imp := range f.Imports {
			if imp.Path.Value == strconv.Quote(module+"/webhook/event") && imp.Name != nil {
				name = imp.Name.Name
			}
		}
		if name == "." {
			t.Errorf("%s imports webhook/event without a name", file)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != wholeLog {
				return true
			}
			if x, ok := s.X.(*ast.Ident); !ok || x.Name != name {
				return true
			}
			i := slices.IndexFunc(mayReadAll, func(may string) bool { return file == may || inside(file, may) })
			if i < 0 {
				t.Errorf("%s names event.Log, the whole log: take a sight.Log, which is bound to a viewer", file)
				return true
			}
			exempt[mayReadAll[i]] = true
			return true
		})
	}
	if !exempt["mcp/sight"] || !exempt["mcp/server.go"] {
		t.Error("the test does not see those who hold the whole log, so it would see nobody else")
	}
}

func (r rule) allows(file string) bool {
	for _, dir := range r.except {
		if inside(file, dir) {
			return true
		}
	}
	return false
}

func TestEveryPackageHasOneDocComment(t *testing.T) {
	docs := map[string][]string{}
	for file := range sources(t) {
		dir := filepath.Dir(file)
		docs[dir] = append(docs[dir], nil...)
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil && !onlyDirectives(f.Doc) {
			docs[dir] = append(docs[dir], file)
			want := "Package " + f.Name.Name + " "
			if f.Name.Name == "main" {
				want = "Command "
			}
			if !strings.HasPrefix(f.Doc.Text(), want) {
				t.Errorf("%s: the package comment does not begin with %q", file, want)
			}
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments %v, want one", dir, len(files), files)
		}
	}
}

func onlyDirectives(g *ast.CommentGroup) bool { return strings.TrimSpace(g.Text()) == "" }

// maxLines is the length after which a file holds more than one idea.
const maxLines = 700

func TestNoFileIsLong(t *testing.T) {
	for file := range sources(t) {
		if n := lines(t, filepath.Join(root(t), file)); n > maxLines {
			t.Errorf("%s has %d lines, the most is %d: is it still one idea?", file, n, maxLines)
		}
	}
}

// sources returns the imports of each non-test Go file, by its path from the root.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	top := root(t)
	found := map[string][]string{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != top && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || nested(path, top)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		found[rel] = nil
		for _, s := range f.Imports {
			p, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			found[rel] = append(found[rel], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("found only %d Go files under %s", len(found), top)
	}
	return found
}

// nested reports whether dir is another module, such as an example.
func nested(dir, top string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil && dir != top
}

func inside(file, dir string) bool {
	return dir == "" || strings.HasPrefix(file, filepath.FromSlash(dir)+string(filepath.Separator))
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func lines(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n
}
