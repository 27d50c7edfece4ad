package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"slackmcp/slackapi/sandbox"
)

// keys presses keys of the keyboard, one after the other, wherever the focus is.
func (b *tab) keys(text string) {
	b.Helper()
	b.do(chromedp.KeyEvent(text))
}

const escape = "\u001b"

// tabTo presses Tab until an element has the focus, which it must show.
func (b *tab) tabTo(selector string) {
	b.Helper()
	is := fmt.Sprintf(`document.activeElement.matches(%q)`, selector)
	for range 250 {
		if evaluate[bool](b, is) {
			b.focused(selector)
			return
		}
		b.keys("\t")
	}
	b.Fatalf("no key leads to %s; the focus is at %s", selector, evaluate[string](b, `document.activeElement.outerHTML.slice(0, 300)`))
}

// focused fails the test unless an element has the focus, and shows it as soon as the page has its styles.
func (b *tab) focused(selector string) {
	b.Helper()
	const at = `(() => { const e = document.activeElement, s = getComputedStyle(e);
		return [document.readyState, e.matches(%q) && document.hasFocus(), s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0].join() + " " + e.outerHTML.slice(0, 200) })()`
	for end := time.Now().Add(patience); ; {
		got := evaluate[string](b, fmt.Sprintf(at, selector))
		if strings.HasPrefix(got, "complete,true,true ") {
			return
		}
		if strings.HasPrefix(got, "complete,") || time.Now().After(end) {
			b.Errorf("%s has not the focus, or does not show it: %s", selector, got)
			return
		}
	}
}

// TestAWorkspaceByKeyboard does what a person does in the workspace by the keyboard alone, while others write.
func TestAWorkspaceByKeyboard(t *testing.T) {
	triggers := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body) // a body that cannot be read is none
		if form, err := url.ParseQuery(string(raw)); err == nil && form.Has("command") {
			triggers <- form.Get("trigger_id")
		}
		_, challenge, _ := strings.Cut(string(raw), `"challenge":"`)
		challenge, _, _ = strings.Cut(challenge, `"`)
		_, _ = io.WriteString(w, challenge)
	}))
	defer app.Close()
	box, base := serveWorkspace(t, sandbox.Options{})
	if err := box.SetRequestURL(t.Context(), app.URL); err != nil {
		t.Fatal(err)
	}
	others := 0
	another := func(b *tab) {
		t.Helper()
		others++
		text := fmt.Sprintf("another writes, %d", others)
		if _, err := box.PostAs(sandbox.Carla, sandbox.General, text, sandbox.Saying{}); err != nil {
			t.Fatal(err)
		}
		b.sees("#log", text)
	}
	b := open(t, base)
	b.tabTo(".skip")
	b.tabTo("#as")
	b.keys("Bob")
	b.sees("h1", "as Bob Okafor")
	b.focused("#as")
	b.tabTo("#text")
	b.keys("by keys alone\r")
	b.sees("#log", "by keys alone")
	another(b)
	b.focused("#text")
	b.visit(base + "/?as=" + sandbox.Alice + "&in=" + sandbox.General)
	b.tabTo("#text")
	b.keys("mine\r")
	b.sees("#log .own, #log", "mine")
	b.visit(base + "/?as=" + sandbox.Alice + "&in=" + sandbox.General)

	const last = "#log article:last-of-type "
	b.tabTo(last + "summary")
	b.keys("\r")
	b.tabTo(`#log details[open] button[value="tada"]`)
	another(b)
	b.focused(`#log details[open] button[value="tada"]`)
	b.keys(" ")
	b.sees("#log .reaction", "🎉")
	b.focused(`#log details[open] button[value="tada"]`)
	b.tabTo(`#log details[open] textarea`)
	b.keys(" and changed")
	b.tabTo(`#log details[open] button[name="edit"]`)
	b.keys("\r")
	b.sees("#log", "(edited)")
	b.focused(`#log details[open] button[name="edit"]`)

	b.tabTo("#text")
	b.keys("/deploy\r")
	view := `{"type":"modal","title":{"type":"plain_text","text":"Deploy"},"notify_on_close":true,"blocks":[{"type":"input","block_id":"why",
		"label":{"type":"plain_text","text":"Why?"},"element":{"type":"plain_text_input","action_id":"reason"}}]}`
	exchange(t, base+"/api/views.open", "application/x-www-form-urlencoded",
		url.Values{"token": {sandbox.DefaultBotToken}, "trigger_id": {next(t, triggers, "the command")}, "view": {view}}.Encode(), &struct{}{})
	b.sees("dialog[open]", "Why?")
	b.tabTo(`dialog input[type="text"]`)
	b.keys("be")
	another(b)
	b.focused(`dialog input[type="text"]`)
	b.keys("cause")
	if got := evaluate[string](b, `document.activeElement.value`); got != "because" {
		t.Errorf("the field has %q", got)
	}
	b.keys(escape)
	b.do(chromedp.WaitNotPresent(chromedp.CSS("dialog")))
	b.sees("#sent", "view_closed")
	another(b)
	if evaluate[bool](b, `!!document.querySelector("dialog")`) {
		t.Error("the modal that was closed is there again")
	}
	b.visit(base + "/?as=" + sandbox.Alice + "&in=" + sandbox.General)
	b.tabTo(".tools a")
	b.keys("\r")
	b.sees("#thread", "")
	b.tabTo("#reply")
	b.keys("in the thread\r")
	b.sees("#thread", "in the thread")
}

// TestTheConsoleByKeyboard redrives a dead letter by the keyboard alone, while the page comes anew.
func TestTheConsoleByKeyboard(t *testing.T) {
	file, broken := aRule(t)
	s := start(t, []string{"ADMIN_TOKEN=" + adminToken}, "--sandbox", "--max-attempts", "1", "--target-patience", "1s", "--rules", file)
	s.signed(t, message("EvKeys", "by keys alone"))
	b := open(t, s.Base+"/console")
	b.focused("#token")
	b.keys(adminToken + "\r")
	b.sees("h1", "Health")
	b.tabTo(`nav a[href$="/groups"]`)
	b.keys("\r")
	b.sees("h1", "Groups")
	b.sees("#part td", "rule.import")
	b.sees("#part td a.bad", "1")
	b.tabTo("#part td a.bad")
	const marked = `document.querySelector("#part table").dataset.old = "1"`
	evaluate[string](b, marked)
	s.signed(t, message("EvKeys2", "it comes meanwhile"))
	b.sees("#part td a.bad", "2") // the part was read again
	b.focused("#part td a.bad")
	b.keys("\r")
	b.sees("h1", "Dead letters")
	b.tabTo(`#part input[name="ref"]`)
	b.keys(" ")
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	b.visit(evaluate[string](b, `location.href`))
	b.tabTo(`input[name="which"]`)
	b.keys("\t")
	b.tabTo(`#part input[name="ref"]`)
	b.keys(" ")
	evaluate[bool](b, `(document.querySelector("#part h3").tabIndex = -1, document.querySelector("#part h3").focus(), true)`) // Shift+Tab from the end of a long table is no test of the page
	b.tabTo("#part button:not(.danger)")
	b.keys("\r")
	b.sees("#jobs", "1 changed")
	b.tabTo(`form[action$="/sign-out"] button`)
	b.keys("\r")
	b.sees("h1", "Sign in")
}
