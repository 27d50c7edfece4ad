package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// A pagesUser is a browser without scripts in the workspace's page.
type pagesUser struct {
	*testing.T

	base string
	http http.Client
}

var formToken = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

// do sends a form of a page.
func (u *pagesUser) do(act, media string, body func(csrf string) io.Reader) {
	u.Helper()
	token := formToken.FindStringSubmatch(u.page("/"))
	if token == nil {
		u.Fatal("the page has no form")
	}
	req, err := http.NewRequestWithContext(u.Context(), http.MethodPost, u.base+act, body(token[1]))
	ok(u.T, err)
	req.Header.Set("Content-Type", media)
	req.Header.Set("Origin", u.base)
	res, err := u.http.Do(req)
	ok(u.T, err)
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		u.Fatalf("%s: %d %s", act, res.StatusCode, text)
	}
}

func (u *pagesUser) send(act string, form url.Values) {
	u.Helper()
	u.do(act, "application/x-www-form-urlencoded", func(csrf string) io.Reader {
		form.Set("csrf", csrf)
		return strings.NewReader(form.Encode())
	})
}

func (u *pagesUser) page(path string) string {
	u.Helper()
	req, err := http.NewRequestWithContext(u.Context(), http.MethodGet, u.base+path, nil)
	ok(u.T, err)
	res, err := u.http.Do(req)
	ok(u.T, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ok(u.T, err)
	return string(text)
}

// opener serves a workspace whose app offers options, and returns its page's user and what the app hears of a type.
func opener(t *testing.T) (sb *sandbox.Sandbox, u *pagesUser, heard func(what string) map[string]any) {
	t.Helper()
	rc := receive(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"options":[{"text":{"type":"plain_text","text":"Offered"},"value":"offered"}]}`)
	})
	sb = start(t, sandbox.Options{}, rc)
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	ok(t, err)
	heard = func(what string) map[string]any {
		t.Helper()
		for _, got := range rc.all() {
			form, _ := url.ParseQuery(string(got.body))
			var payload map[string]any
			if json.Unmarshal([]byte(form.Get("payload")), &payload) == nil && payload["type"] == what {
				return payload
			}
		}
		t.Fatalf("the app heard of no %s", what)
		return nil
	}
	return sb, &pagesUser{T: t, base: server.URL, http: http.Client{Jar: jar, Timeout: 20 * time.Second}}, heard
}

const twoOptions = `"options":[{"text":{"type":"plain_text","text":"A"},"value":"a"},{"text":{"type":"plain_text","text":"B"},"value":"b"}]`

// elements are those in which something can be chosen: what a person picks, and what Slack says of it.
var elements = []struct{ kind, more, pick, key, want string }{
	{"plain_text_input", "", "words", "value", `"words"`},
	{"email_text_input", "", "a@b.example", "value", `"a@b.example"`},
	{"url_text_input", "", "https://a.example/", "value", `"https://a.example/"`},
	{"number_input", "", "1.5", "value", `"1.5"`},
	{"datepicker", `"initial_date":"2026-01-02",`, "2026-12-24", "selected_date", `"2026-12-24"`},
	{"timepicker", "", "18:30", "selected_time", `"18:30"`},
	{"datetimepicker", "", "2026-12-24T18:30", "selected_date_time", fmt.Sprint(time.Date(2026, 12, 24, 18, 30, 0, 0, time.Local).Unix())},
	{"static_select", twoOptions + ",", "b", "selected_option", `{"text":{"emoji":true,"text":"B","type":"plain_text"},"value":"b"}`},
	{"radio_buttons", twoOptions + ",", "a", "selected_option", `{"text":{"emoji":true,"text":"A","type":"plain_text"},"value":"a"}`},
	{"checkboxes", twoOptions + ",", "a b", "selected_options", `[{"text":{"emoji":true,"text":"A","type":"plain_text"},"value":"a"},{"text":{"emoji":true,"text":"B","type":"plain_text"},"value":"b"}]`},
	{"multi_static_select", `"option_groups":[{"label":{"type":"plain_text","text":"G"},` + twoOptions + `}],`, "b", "selected_options", `[{"text":{"emoji":true,"text":"B","type":"plain_text"},"value":"b"}]`},
	{"users_select", "", sandbox.Bob, "selected_user", `"` + sandbox.Bob + `"`},
	{"multi_users_select", "", sandbox.Bob + " " + sandbox.Carla, "selected_users", `["` + sandbox.Bob + `","` + sandbox.Carla + `"]`},
	{"conversations_select", "", sandbox.Random, "selected_conversation", `"` + sandbox.Random + `"`},
	{"multi_channels_select", "", sandbox.General, "selected_channels", `["` + sandbox.General + `"]`},
	{"external_select", "", "offered", "selected_option", `{"text":{"text":"Offered","type":"plain_text"},"value":"offered"}`},
	{"multi_external_select", "", "offered", "selected_options", `[{"text":{"text":"Offered","type":"plain_text"},"value":"offered"}]`},
}

// within walks into what JSON says.
func within(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// TestAModalIsDeliveredAsChosen: each kind of element can be filled in, and its state is as Slack has it.
func TestAModalIsDeliveredAsChosen(t *testing.T) {
	t.Parallel()
	sb, u, heard := opener(t)
	_, err := sb.Shortcut(t.Context(), "alice", "open")
	ok(t, err)
	var blocks []string
	form := url.Values{"as": {sandbox.Alice}, "in": {sandbox.General}, "submit": {"1"}}
	for _, e := range elements {
		blocks = append(blocks, fmt.Sprintf(`{"type":"input","block_id":"b-%s","label":{"type":"plain_text","text":"%s"},"element":{"type":"%s",%s"action_id":"a"}}`, e.kind, e.kind, e.kind, e.more))
		form["pick:b-"+e.kind+":a"] = strings.Fields(e.pick)
	}
	blocks = append(blocks, `{"type":"actions","block_id":"acts","elements":[{"type":"button","action_id":"more","text":{"type":"plain_text","text":"More"}}]}`)
	trigger, _ := heard("shortcut")["trigger_id"].(string)
	view := `{"type":"modal","callback_id":"all","title":{"type":"plain_text","text":"All"},"blocks":[` + strings.Join(blocks, ",") + `]}`
	call(t, u.base, "views.open", sandbox.DefaultBotToken, url.Values{"trigger_id": {trigger}, "view": {view}}.Encode())

	where := url.Values{"as": {sandbox.Alice}, "in": {sandbox.General}}
	with := func(name, v string) url.Values {
		f := url.Values{name: {v}}
		maps.Copy(f, where)
		return f
	}
	u.send("/act/modal", with("suggest", "a"))
	if within(heard("block_suggestion"), "view", "callback_id") != "all" {
		t.Errorf("the app was asked with %v", heard("block_suggestion"))
	}
	page := u.page("/?" + where.Encode())
	for _, want := range []string{`type="datetime-local"`, `type="date" name="pick:b-datepicker:a"`, `value="2026-01-02"`, `type="checkbox"`, `type="radio"`, "G: B", ">Offered<", " multiple "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	u.send("/act/modal", with("click", "more"))
	if got := heard("block_actions"); within(got, "container", "type") != "view" {
		t.Errorf("a click in a modal is %v", got)
	}
	u.send("/act/modal", form)
	submitted := heard("view_submission")
	for _, e := range elements {
		got, err := json.Marshal(within(submitted, "view", "state", "values", "b-"+e.kind, "a"))
		ok(t, err)
		want, err := json.Marshal(map[string]any{e.key: json.RawMessage(e.want), "type": e.kind})
		ok(t, err)
		if string(got) != string(want) {
			t.Errorf("%s is delivered as\n%s, want\n%s", e.kind, got, want)
		}
	}
}

// TestARequiredInputIsNotLeftOut: a modal that lacks one stays open and says so, and the app hears of nothing.
func TestARequiredInputIsNotLeftOut(t *testing.T) {
	t.Parallel()
	sb, u, heard := opener(t)
	_, err := sb.Shortcut(t.Context(), "alice", "open")
	ok(t, err)
	trigger, _ := heard("shortcut")["trigger_id"].(string)
	input := func(id, more string) string {
		return `{"type":"input","block_id":"` + id + `","label":{"type":"plain_text","text":"L"},` + more
	}
	view := `{"type":"modal","callback_id":"c","title":{"type":"plain_text","text":"Left out"},"blocks":[` +
		input("b1", `"element":{"type":"checkboxes",`+twoOptions+`,"action_id":"a"}},`) +
		input("b2", `"element":{"type":"external_select","action_id":"a"}},`) +
		input("b3", `"optional":true,"element":{"type":"plain_text_input","action_id":"a"}},`) +
		input("b4", `"element":{"type":"radio_buttons",`+twoOptions+`,"action_id":"a"}},`) +
		input("b5", `"optional":true,"element":{"type":"channels_select","action_id":"a"}}]}`)
	call(t, u.base, "views.open", sandbox.DefaultBotToken, url.Values{"trigger_id": {trigger}, "view": {view}}.Encode())
	form := func() url.Values { return url.Values{"as": {sandbox.Alice}, "in": {sandbox.General}} }
	page := u.page("/?" + form().Encode())
	menu, _, _ := strings.Cut(page[strings.Index(page, `name="pick:b5:a"`):], "</select>")
	if !strings.Contains(menu, ">#general<") || strings.Contains(menu, "🔒") || strings.Count(menu, "<option") != strings.Count(menu, ">#")+1 {
		t.Errorf("a menu of public channels is %s", menu)
	}
	if strings.Count(page, `type="radio" name="pick:b4:a" value="a" required`) != 1 {
		t.Error("a radio button is not required")
	}
	dialog := page[strings.Index(page, "<dialog"):]
	if first := strings.Index(dialog, "<button"); !strings.HasPrefix(dialog[first:], `<button name="submit" value="1" class="unseen" tabindex="-1"`) {
		t.Errorf("Enter presses %.60s", dialog[first:])
	}
	f := form()
	f.Set("submit", "1")
	f.Set("pick:b4:a", "a")
	u.send("/act/modal", f)
	if n := strings.Count(u.page("/?"+form().Encode()), "Please complete this required field."); n != 2 {
		t.Errorf("%d inputs are said to be left out, want 2", n)
	}
	f = form()
	f.Set("suggest", "a")
	u.send("/act/modal", f)
	f = form()
	for name, v := range map[string]string{"submit": "1", "pick:b1:a": "a", "pick:b2:a": "offered", "pick:b4:a": "b"} {
		f.Set(name, v)
	}
	u.send("/act/modal", f)
	if got := within(heard("view_submission"), "view", "state", "values", "b4", "a", "selected_option", "value"); got != "b" {
		t.Errorf("the app heard of a modal with %v first", got)
	}
}

// TestAChoiceInAMessage: what is chosen in a message is in the action and in the state.
func TestAChoiceInAMessage(t *testing.T) {
	t.Parallel()
	_, u, heard := opener(t)
	blocks := `[{"type":"actions","block_id":"b","elements":[{"type":"multi_external_select","action_id":"who"},{"type":"datepicker","action_id":"when"}]}]`
	ts := call(t, u.base, "chat.postMessage", sandbox.DefaultBotToken, url.Values{"channel": {sandbox.General}, "text": {"choose"}, "blocks": {blocks}}.Encode()).str("ts")
	where := func(name, v string) url.Values {
		return url.Values{"as": {sandbox.Alice}, "in": {sandbox.General}, "ts": {ts}, name: {v}, "typed:who": {"of"}}
	}
	u.send("/act/message", where("suggest", "who"))
	if got := heard("block_suggestion"); got["value"] != "of" {
		t.Errorf("the app was asked with %v", got)
	}
	form := where("click", "who")
	form["pick:b:who"], form["pick:b:when"] = []string{"offered"}, []string{"2026-12-24"}
	u.send("/act/message", form)
	got := heard("block_actions")
	actions, _ := got["actions"].([]any)
	if len(actions) != 1 || fmt.Sprint(within(actions[0], "selected_options")) != "[map[text:map[text:Offered type:plain_text] value:offered]]" {
		t.Errorf("the action is %v", actions)
	}
	if within(got, "state", "values", "b", "when", "selected_date") != "2026-12-24" {
		t.Errorf("the state is %v", got["state"])
	}
}

// TestAPersonSharesAFile: a file that is shared by the page is in the channel, and the server hears of it.
func TestAPersonSharesAFile(t *testing.T) {
	t.Parallel()
	sb, u, _ := opener(t)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	u.do("/act/upload", w.FormDataContentType(), func(csrf string) io.Reader {
		for name, v := range map[string]string{"csrf": csrf, "as": sandbox.Alice, "in": sandbox.General, "text": "the plan"} {
			ok(t, w.WriteField(name, v))
		}
		f, err := w.CreateFormFile("file", "plan.txt")
		ok(t, err)
		_, err = f.Write([]byte("step one"))
		ok(t, err)
		ok(t, w.Close())
		return &body
	})
	page := u.page("/?in=" + sandbox.General)
	if !strings.Contains(page, "plan.txt") || !strings.Contains(page, "the plan") {
		t.Errorf("the page does not show the file")
	}
	settle(t, sb)
	for _, d := range sb.Deliveries() {
		if strings.Contains(string(d.Body), "plan.txt") {
			return
		}
	}
	t.Error("the server heard of no file")
}

// TestAnEmptyFileIsRefused, as Slack does.
func TestAnEmptyFileIsRefused(t *testing.T) {
	t.Parallel()
	_, u, _ := opener(t)
	token := formToken.FindStringSubmatch(u.page("/"))
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, v := range map[string]string{"csrf": token[1], "as": sandbox.Alice, "in": sandbox.General} {
		ok(t, w.WriteField(name, v))
	}
	_, err := w.CreateFormFile("file", "none.txt")
	ok(t, err)
	ok(t, w.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.base+"/act/upload", &body)
	ok(t, err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Origin", u.base)
	res, err := u.http.Do(req)
	ok(t, err)
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "The file is empty.") {
		t.Errorf("an empty file: %d %s", res.StatusCode, text)
	}
}

// TestAnOrganizationIsNamed in all that the app is sent.
func TestAnOrganizationIsNamed(t *testing.T) {
	t.Parallel()
	rc := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	sb := start(t, sandbox.Options{Organization: "E0LANTERN"}, rc)
	_, err := sb.Shortcut(t.Context(), "alice", "open")
	ok(t, err)
	_, err = sb.Slash(t.Context(), "alice", sandbox.General, "/deploy", "")
	ok(t, err)
	_, err = sb.PostAs("alice", sandbox.General, "hello", sandbox.Saying{})
	ok(t, err)
	settle(t, sb)
	var all strings.Builder
	for _, got := range rc.all() {
		form, _ := url.ParseQuery(string(got.body))
		all.WriteString(form.Get("payload") + form.Get("enterprise_id") + "/" + form.Get("is_enterprise_install") + string(got.body))
	}
	for _, want := range []string{`"enterprise":{"id":"E0LANTERN",`, `"is_enterprise_install":true`, "E0LANTERN/true", `"enterprise_id":"E0LANTERN","context_team_id"`, `"context_enterprise_id":"E0LANTERN"`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the app was sent no %s", want)
		}
	}
}
