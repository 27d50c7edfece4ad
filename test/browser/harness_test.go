package browser

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"slackmcp/config"
	"slackmcp/internal/requires"
	"slackmcp/test/internal/driver"
	mcpclients "slackmcp/test/mcp-clients"
)

var pictures = flag.Bool("pictures", false, "write the pictures in docs/pictures")

// patience is how long a page may take to show what it should, on a busy machine.
const patience = time.Minute

const root = "../.."

// next is what comes next, for which a test does not wait for ever.
func next[T any](t *testing.T, from <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		t.Fatalf("%s does not come within %s", what, patience)
	}
	return got
}

// binary builds the server once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "slack-webhook-server")
	cmd := exec.Command("go", "build", "-o", to, "./cmd/slack-webhook-server")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return to, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if to, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(to))
	}
	os.Exit(code)
}

// A server is the shipped binary, running.
type server struct {
	*driver.Process

	data      string
	workspace string // the address of the sandbox's workspace; empty without one
}

// start runs the binary with --integrated until the test ends.
func start(t *testing.T, env []string, args ...string) *server {
	t.Helper()
	to, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{data: t.TempDir()}
	s.Process, err = driver.Launch(t.Context(), driver.Command{
		Args: append([]string{to, "--no-env-file", "--integrated", "--host", "127.0.0.1", "--port", "{port}", "--data-dir", s.data, "--log-level", "error"}, args...),
		Env:  append([]string{"MCP_AUTH_TOKEN=" + driver.Token}, env...), Ready: "/readyz",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if logs := s.Stop(); t.Failed() {
			t.Log(logs)
		}
	})
	if b, err := os.ReadFile(config.WorkspaceFile(s.data)); err == nil {
		s.workspace = strings.TrimSpace(string(b))
	}
	return s
}

// call calls a tool over MCP and returns its result.
func (s *server) call(t *testing.T, tool string, args map[string]any) string {
	t.Helper()
	return s.callAs(t, driver.Token, tool, args)
}

func (s *server) callAs(t *testing.T, token, tool string, args map[string]any) string {
	t.Helper()
	said := s.ask(t, token, "tools/call", tool, map[string]any{"name": tool, "arguments": args})
	if strings.Contains(said, `"isError":true`) {
		t.Errorf("%s: %s", tool, said)
	}
	return said
}

// ask sends a request of MCP, and returns its answer.
func (s *server) ask(t *testing.T, token, method, name string, params map[string]any) string {
	t.Helper()
	all := map[string]any{"_meta": map[string]any{"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": map[string]any{}}}
	maps.Copy(all, params)
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": all})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Base+"/mcp", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name,
	} {
		req.Header.Set(name, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s %s: %d %s (%v)", method, name, res.StatusCode, said, err)
	}
	return string(said)
}

// A tab is a page of Chromium.
type tab struct {
	*testing.T

	ctx      context.Context
	mu       sync.Mutex
	faults   []string // guarded by mu
	expected []string // guarded by mu: parts of what a test means to bring about
}

// open starts a browser and opens an address. Whatever a page does wrong fails the test.
func open(t *testing.T, address string) *tab {
	t.Helper()
	chromium := requires.Program(t, "chromium", "apt-get install chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox,
		chromedp.WindowSize(1400, 900), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	b := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.watch); err != nil { // it starts the browser, which lives as long as its context
		t.Fatal(err)
	}
	for _, domain := range []cdp.Command[cdp.Empty, cdp.Empty]{log.Enable, runtime.Enable} {
		if _, err := chromedp.Call(ctx, domain, cdp.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	// The window of a browser that nobody looks at has no focus by itself.
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, f := range b.faults {
			t.Errorf("the page: %s", f)
		}
	})
	b.visit(address)
	return b
}

// watch notes what a page must not do.
func (b *tab) watch(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "script error: " + e.ExceptionDetails.Text
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "Failed to load resource: the server responded with a status of 4") {
			fault = "console: " + e.Entry.Text + " " + e.Entry.URL
		}
	case *page.EventJavascriptDialogOpening:
		fault = "dialog: " + e.Message
		go func() {
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) // the page may be gone
		}()
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme == "http" && u.Hostname() != "127.0.0.1" || u.Scheme == "https" {
			fault = "request to " + e.Request.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if fault != "" && !slices.ContainsFunc(b.expected, func(part string) bool { return strings.Contains(fault, part) }) {
		b.faults = append(b.faults, fault)
	}
}

// do runs actions within the patience.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.Fatalf("%v; the page says:\n%.4000s", err, b.says())
	}
}

// says is all that the page shows.
func (b *tab) says() string {
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	body, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return body
}

func (b *tab) visit(address string) {
	b.Helper()
	b.do(chromedp.Navigate(address), chromedp.WaitReady(chromedp.CSS("body")))
}

// sees waits until an element shows a text.
func (b *tab) sees(selector, text string) {
	b.Helper()
	want, err := json.Marshal(text)
	if err != nil {
		b.Fatal(err)
	}
	at, err := json.Marshal(selector)
	if err != nil {
		b.Fatal(err)
	}
	expression := fmt.Sprintf(`[...document.querySelectorAll(%s)].some(e => e.textContent.includes(%s))`, at, want)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		// A page that is being left has no answer yet.
		shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if shown && err == nil {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("%q does not show %q (%v); the page says:\n%.4000s", selector, text, err, b.says())
		}
	}
}

// presses clicks the first button or link of an element with a label.
func (b *tab) presses(within, label string) {
	b.Helper()
	xpath := fmt.Sprintf(`//*[%s]//*[self::button or self::a or self::summary][contains(normalize-space(.), %q)]`, within, label)
	b.do(chromedp.Click(chromedp.Search(xpath)))
}

// evaluate is the value of an expression in the page.
func evaluate[T any](b *tab, expression string) T {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression[:min(len(expression), 200)], err)
	}
	return v
}

// axe fails the test for every serious fault that axe-core finds in the page.
func (b *tab) axe(what string) {
	b.Helper()
	source, err := os.ReadFile(filepath.Join(mcpclients.Install(b, "."), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		b.Fatal(err)
	}
	type fault struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML, FailureSummary string }
	}
	evaluate[bool](b, string(source)+"\n;true")
	found := evaluate[[]fault](b, `axe.run().then(r => r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help,
		Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))})))`)
	for _, f := range found {
		if f.Impact == "serious" || f.Impact == "critical" {
			for _, n := range f.Nodes[:min(3, len(f.Nodes))] {
				b.Errorf("%s: axe: %s (%s): %s\n%.300s\n%s", what, f.ID, f.Impact, f.Help, n.HTML, n.FailureSummary)
			}
		}
	}
}

// dark makes the page dark or light, as the system may wish.
func (b *tab) dark(is bool) {
	b.Helper()
	scheme := "light"
	if is {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.Fatal(err)
	}
}

// phone makes the window that of a small phone.
func (b *tab) phone() {
	b.Helper()
	b.do(chromedp.EmulateViewport(375, 812))
	const wide = `document.documentElement.scrollWidth > innerWidth ? [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200)).concat("the page itself") : []`
	for _, one := range evaluate[[]string](b, wide) {
		b.Errorf("the page is wider than a phone, for %s", one)
	}
}

// everywhere looks at a page in a wide window and light, and on a phone and dark: axe finds no fault, nothing is wider than the
// phone, and what can be pressed is within it, or within what scrolls.
func (b *tab) everywhere(what string) {
	b.Helper()
	b.axe(what + ", light")
	b.dark(true)
	b.phone()
	b.axe(what + ", on a phone, dark")
	const outside = `[...document.querySelectorAll("main :is(a, button, input, select, textarea, summary)")].filter(e => {
		const r = e.getBoundingClientRect();
		return r.width && (r.left < 0 || r.right > innerWidth + 1) && !e.closest("table, .scroll, pre, .skip, .unseen") && e.type !== "hidden";
	}).map(e => e.outerHTML.slice(0, 200))`
	for _, one := range evaluate[[]string](b, outside) {
		b.Errorf("%s, on a phone: out of reach is %s", what, one)
	}
	b.dark(false)
	b.do(chromedp.EmulateViewport(1400, 900))
}

// picture writes docs/pictures/<name>.webp with -pictures.
func (b *tab) picture(name string) {
	b.Helper()
	if !*pictures {
		return
	}
	taken, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: new(int64(80))})
	if err != nil {
		b.Fatal(err)
	}
	image, to := taken.Data, filepath.Join(root, "docs", "pictures", name+".webp")
	if len(image) > 150_000 {
		b.Errorf("%s has %d bytes, more than 150,000", to, len(image))
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(to, image, 0o644); err != nil {
		b.Fatal(err)
	}
}
