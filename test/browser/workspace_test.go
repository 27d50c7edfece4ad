package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"slackmcp/slackapi/sandbox"
)

// TestAliceWritesAndAnAssistantAnswers is the two minutes in which somebody sees what the product is.
func TestAliceWritesAndAnAssistantAnswers(t *testing.T) {
	s := start(t, nil, "--sandbox")
	b := open(t, s.workspace)
	b.sees(".try", s.Base+"/mcp")
	b.sees("#log", "Alice Nguyen")

	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "What is *due* today?\r"))
	b.sees("#log", "What is due today?")
	b.sees("#sent", "stored")
	if left := evaluate[string](b, `document.querySelector("#text").value`); left != "" {
		t.Errorf("the field still has %q", left)
	}
	s.call(t, "slack_post_message", map[string]any{"channel": "#general", "text": "The report, and *nothing* else."})
	b.sees("#log", "The report, and nothing else.")
	b.sees("#log .badge.app", "app")
	b.sees("#calls", "chat.postMessage")
	b.picture("workspace")
	b.everywhere("the workspace")
	b.visit(evaluate[string](b, `document.querySelector("#log article:last-of-type .tools a").href`))
	b.sees("#thread", "The report")
	b.everywhere("a thread")
	b.visit(s.Base + "/docs")
	b.sees("summary", "/slack/events")
	b.everywhere("the documentation")
}

// TestApproveIsClicked answers a question that an assistant waits for.
func TestApproveIsClicked(t *testing.T) {
	s := start(t, []string{"TOOLSETS=default,ask"}, "--sandbox")
	b := open(t, s.workspace)
	answer := make(chan string, 1)
	go func() {
		answer <- s.call(t, "slack_ask", map[string]any{"channel": "#general", "question": "May we deploy?", "choices": []string{"Approve", "Deny"}})
	}()
	b.sees("#log", "May we deploy?")
	b.presses(`@id="log"`, "Approve")
	b.sees("#sent", "block_actions")
	if got := next(t, answer, "the answer to slack_ask"); !strings.Contains(got, "Approve") || !strings.Contains(got, "U0ALICE0001") {
		t.Errorf("the assistant was told %s", got)
	}
}

// opensMenu opens the menu of the newest message. The log moves to its end when something comes, so that a click may miss.
func (b *tab) opensMenu() {
	b.Helper()
	const is = `!!document.querySelector("#log article:last-of-type details[open]")`
	for end := time.Now().Add(patience); !evaluate[bool](b, is); {
		if time.Now().After(end) {
			b.Fatalf("the menu does not open; the page says:\n%.4000s", b.says())
		}
		b.do(chromedp.Click(chromedp.CSS("#log article:last-of-type summary")))
		for range 20 {
			if evaluate[bool](b, is) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// TestActsOfAPerson are the things that somebody does in a workspace, each of which the server hears of.
func TestActsOfAPerson(t *testing.T) {
	heard := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body) // a body that cannot be read is none
		form, _ := url.ParseQuery(string(raw))
		var said struct {
			Type, Challenge string
			Trigger         string `json:"trigger_id"`
		}
		_ = json.Unmarshal([]byte(form.Get("payload")+string(raw)), &said) // one of both is JSON
		if said.Challenge != "" {
			_, _ = w.Write([]byte(said.Challenge))
			return
		}
		if form.Has("command") {
			_, _ = w.Write([]byte("on it"))
			heard <- "trigger:" + form.Get("trigger_id")
			return
		}
		heard <- string(raw)
	}))
	defer app.Close()
	box, base := serveWorkspace(t, sandbox.Options{})
	if err := box.SetRequestURL(t.Context(), app.URL); err != nil {
		t.Fatal(err)
	}
	hears := func(part string) string {
		t.Helper()
		for end := time.After(patience); ; {
			select {
			case got := <-heard:
				if plain, _ := url.QueryUnescape(got); strings.Contains(plain, part) {
					return plain
				}
			case <-end:
				t.Fatalf("the server did not hear of %s", part)
			}
		}
	}
	b := open(t, base)
	b.phone()
	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "a typo\r"))
	b.sees("#log", "a typo")
	b.opensMenu()
	evaluate[bool](b, `(() => { const t = document.querySelector("#log details[open] textarea"); t.setSelectionRange(t.value.length, t.value.length); return true })()`)
	b.do(chromedp.SendKeys(chromedp.CSS("#log details[open] textarea"), ", mended"), chromedp.Click(chromedp.CSS(`#log details[open] button[name="edit"]`)))
	b.sees("#log", "(edited)")
	hears("message_changed")
	b.do(chromedp.Click(chromedp.CSS(`#log details[open] button[value="tada"]`)))
	b.sees("#log .reaction", "🎉")
	hears("reaction_added")
	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "/deploy production\r"))
	b.sees("#log .only", "on it")
	trigger := strings.TrimPrefix(hears("trigger:"), "trigger:")

	view := `{"type":"modal","callback_id":"deploy","title":{"type":"plain_text","text":"Deploy"},"blocks":[{"type":"input","block_id":"why",
		"label":{"type":"plain_text","text":"Why?"},"element":{"type":"plain_text_input","action_id":"reason"}}]}`
	exchange(t, base+"/api/views.open", "application/x-www-form-urlencoded",
		url.Values{"token": {sandbox.DefaultBotToken}, "trigger_id": {trigger}, "view": {view}}.Encode(), &struct{}{})
	b.sees("dialog[open]", "Why?")
	b.focused("dialog input[type=text]")
	b.axe("a modal, on a phone")
	b.picture("workspace-phone")
	b.do(chromedp.SendKeys(chromedp.CSS("dialog input[type=text]"), "because"), chromedp.Click(chromedp.CSS(`dialog button[name="submit"]:not(.unseen)`)))
	if got := hears("view_submission"); !strings.Contains(got, `"reason":{"type":"plain_text_input","value":"because"}`) {
		t.Errorf("the submission is %s", got)
	}
	b.do(chromedp.WaitNotPresent(chromedp.CSS("dialog")))
}

// TestWhatIsOpenStaysOpen: a menu that a person has opened stays open and where it is, and what has the focus keeps it,
// whatever comes meanwhile.
func TestWhatIsOpenStaysOpen(t *testing.T) {
	box, base := serveWorkspace(t, sandbox.Options{})
	for i := range 30 {
		if _, err := box.PostAs(sandbox.Bob, sandbox.General, fmt.Sprintf("said before, %d", i), sandbox.Saying{}); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, base)
	b.sees("#log", "said before, 29")
	b.opensMenu()
	b.do(chromedp.Focus(chromedp.CSS(`#log details[open] button[value="tada"]`)))
	const place = `(() => { const e = document.querySelector('#log details[open] button[value="tada"]');
		return e ? [Math.round(e.getBoundingClientRect().top), e === document.activeElement].join() : "closed" })()`
	before := evaluate[string](b, place)
	if !strings.HasSuffix(before, ",true") {
		t.Fatalf("the button is at %s", before)
	}
	for i := range 3 {
		if _, err := box.PostAs(sandbox.Bob, sandbox.General, fmt.Sprintf("came meanwhile, %d", i), sandbox.Saying{}); err != nil {
			t.Fatal(err)
		}
		b.sees("#log", fmt.Sprintf("came meanwhile, %d", i))
	}
	evaluate[bool](b, `new Promise(is => requestAnimationFrame(() => setTimeout(() => is(true))))`) // observers and scrolling are done
	if after := evaluate[string](b, place); after != before {
		t.Errorf("the button was at %s and is now at %s", before, after)
	}
	b.do(chromedp.KeyEvent("\r"))
	b.sees("#log .reaction", "🎉")
}

// TestActsBeforeTheScripts: what a person does before the page's scripts are there is done as they would do it, and a page
// without scripts does it too, with the menu open as it was.
func TestActsBeforeTheScripts(t *testing.T) {
	_, base := serveWorkspace(t, sandbox.Options{})
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	come, asked := make(chan struct{}), make(chan struct{}, 100)
	answer := make(chan struct{})
	var refused, slowly atomic.Bool                                           // the first stream, and what is said from then on
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { // it adds no header by which the page would know a proxy
		r.SetURL(to)
		r.Out.Header.Del("Origin")
		r.Out.Header.Del("Sec-Fetch-Site")
	}}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/htmx.js"):
			asked <- struct{}{}
			select {
			case <-come:
			case <-r.Context().Done():
			}
		case strings.HasSuffix(r.URL.Path, "/hx-sse.js"): // long after htmx.js
			<-come
			time.Sleep(time.Second)
		case r.URL.Path == "/act/say" && slowly.Load():
			asked <- struct{}{}
			<-answer
		case r.URL.Path == "/live" && !refused.Swap(true):
			http.Error(w, "not yet", http.StatusTooManyRequests)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close) // registered before the tab is: the page that a failed step leaves has a stream open, for which Close would wait
	b := open(t, "about:blank")
	go func() { _ = chromedp.Do(b.ctx, chromedp.Navigate(slow.URL)) }() // it ends when the page is loaded
	next(t, asked, "the request for htmx.js")
	b.sees(".try", "What to try")
	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "too early\r\r"), chromedp.Click(chromedp.CSS("form:has(#text) button"))) // nothing shows that it was taken
	close(come)
	b.sees("#log", "too early")
	if at := evaluate[string](b, `location.search`); at != "" {
		t.Errorf("the page was loaded anew, as %s", at)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "and then\r"))
	b.sees("#log", "and then")
	// What is typed before the last message was taken stays.
	slowly.Store(true)
	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "a slow one\r"))
	next(t, asked, "the slow message")
	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "typed on"))
	close(answer)
	b.sees("#log", "a slow one")
	evaluate[bool](b, `new Promise(is => {
		const look = () => document.querySelector("#text").value === "typed on" ? is(true) : setTimeout(look, 20);
		look();
	})`)
	if times := evaluate[int](b, `[...document.querySelectorAll("#log article")].filter(a => a.textContent.includes("too early")).length`); times != 1 {
		t.Errorf("what was sent three times before the scripts came is there %d times", times)
	}

	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.visit(base)
	b.opensMenu()
	b.do(chromedp.SendKeys(chromedp.CSS("#log details[open] textarea"), ", mended"),
		chromedp.Click(chromedp.CSS(`#log details[open] button[name="edit"]`)))
	b.sees("#log", "(edited)")
	b.do(chromedp.Click(chromedp.CSS(`#log details[open] button[value="tada"]`)))
	b.sees("#log .reaction", "🎉")
}
