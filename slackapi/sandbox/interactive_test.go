package sandbox_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

const button = `[{"type":"section","text":{"type":"mrkdwn","text":"Ship it?"}},
	{"type":"actions","block_id":"ask","elements":[{"type":"button","action_id":"approve","value":"42","text":{"type":"plain_text","text":"Yes"}}]}]`

// interactive is a workspace with a receiver and a message with a button.
func interactive(t *testing.T) (sb *sandbox.Sandbox, rc *receiver, base, ts string) {
	t.Helper()
	rc = receive(t, nil)
	sb = start(t, sandbox.Options{Empty: true}, rc)
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	ok(t, sb.SetBaseURL(server.URL))
	ts, err := sb.PostAs(sandbox.BotUser, "#random", "Ship it?", sandbox.Saying{Blocks: []byte(button)})
	ok(t, err)
	settle(t, sb)
	return sb, rc, server.URL, ts
}

// payloadOf reads the payload of the last thing that a receiver got.
func payloadOf(t *testing.T, rc *receiver) event {
	t.Helper()
	all := rc.all()
	last := all[len(all)-1]
	if last.header.Get("Content-Type") != "application/x-www-form-urlencoded" || last.header.Get("X-Slack-Signature") == "" {
		t.Errorf("headers %v", last.header)
	}
	form, err := url.ParseQuery(string(last.body))
	ok(t, err)
	var e event
	ok(t, json.Unmarshal([]byte(form.Get("payload")), &e))
	return e
}

func TestInteractions(t *testing.T) {
	t.Parallel()

	t.Run("a click", func(t *testing.T) {
		t.Parallel()
		sb, rc, _, ts := interactive(t)
		a, err := sb.Click(t.Context(), "bob", "#random", ts, "approve")
		ok(t, err)
		p := payloadOf(t, rc)
		action := p["actions"].([]any)[0].(map[string]any)
		if a.Status != 200 || p.str("type") != "block_actions" || p.str("user.id") != sandbox.Bob || p.str("channel.id") != sandbox.Random ||
			p.str("container.message_ts") != ts || p.str("message.text") != "Ship it?" || p.str("trigger_id") == "" ||
			action["value"] != "42" || action["action_id"] != "approve" || action["block_id"] != "ask" || p.str("response_url") != a.ResponseURL {
			t.Errorf("payload %v, answer %+v", p, a)
		}
		if _, err := sb.Click(t.Context(), "bob", "#random", ts, "reject"); err == nil {
			t.Error("an element that is not there was clicked")
		}
	})

	t.Run("a shortcut, a view and a command", func(t *testing.T) {
		t.Parallel()
		sb, rc, _, _ := interactive(t)
		_, err := sb.Shortcut(t.Context(), "bob", "new_lamp")
		ok(t, err)
		if p := payloadOf(t, rc); p.str("type") != "shortcut" || p.str("callback_id") != "new_lamp" || p.str("team.domain") != "lantern-works" {
			t.Errorf("payload %v", p)
		}
		_, err = sb.SubmitView(t.Context(), "bob", "lamp_form", []byte(`{"b":{"a":{"type":"plain_text_input","value":"red"}}}`), "meta")
		ok(t, err)
		if p := payloadOf(t, rc); p.str("type") != "view_submission" || p.str("view.callback_id") != "lamp_form" || p.str("view.state.values.b.a.value") != "red" || p.str("view.private_metadata") != "meta" {
			t.Errorf("payload %v", p)
		}
		_, err = sb.Slash(t.Context(), "bob", "#random", "lamp", "on now")
		ok(t, err)
		all := rc.all()
		form, err := url.ParseQuery(string(all[len(all)-1].body))
		ok(t, err)
		if form.Get("command") != "/lamp" || form.Get("text") != "on now" || form.Get("user_id") != sandbox.Bob || form.Get("channel_name") != "random" || form.Get("response_url") == "" {
			t.Errorf("command %v", form)
		}
	})

	t.Run("response URLs", func(t *testing.T) {
		t.Parallel()
		sb, _, base, ts := interactive(t)
		a, err := sb.Click(t.Context(), "bob", "#random", ts, "approve")
		ok(t, err)
		latest := func() string {
			return mustJSON(t, call(t, base, "conversations.history", sandbox.DefaultBotToken, "limit=1&channel="+sandbox.Random))
		}
		for i, c := range []struct {
			body   string
			status int
			see    string
		}{
			{`{"text":"for you alone"}`, 200, "Ship it?"},
			{`{"text":"shipped","replace_original":true}`, 200, "shipped"},
			{`{"text":"to all","response_type":"in_channel"}`, 200, "to all"},
			{`{}`, 400, "to all"},
			{`{"delete_original":"true"}`, 200, "to all"},
			{`{"text":"once too often"}`, 404, "to all"},
		} {
			resp, err := http.Post(a.ResponseURL, "application/json", strings.NewReader(c.body))
			ok(t, err)
			resp.Body.Close()
			if got := latest(); resp.StatusCode != c.status || !contains(got, c.see) {
				t.Errorf("use %d answered %d and left %s", i, resp.StatusCode, got)
			}
		}
		if e := sb.Ephemerals(); len(e) != 1 || e[0].Text != "for you alone" || e[0].User != sandbox.Bob {
			t.Errorf("ephemerals %+v", e)
		}
		if got := call(t, base, "chat.getPermalink", sandbox.DefaultBotToken, "channel="+sandbox.Random+"&message_ts="+ts); got.str("error") != "message_not_found" {
			t.Errorf("the original is still there: %v", got)
		}
	})

	t.Run("without a request URL", func(t *testing.T) {
		t.Parallel()
		sb, err := sandbox.New(sandbox.Options{})
		ok(t, err)
		if _, err := sb.Shortcut(t.Context(), "bob", "x"); err == nil {
			t.Error("a shortcut went nowhere without an error")
		}
	})
}

func TestControl(t *testing.T) {
	t.Parallel()
	sb, rc, base, ts := interactive(t)
	do := func(method, path, body string, change ...func(*http.Request)) (int, event) {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		ok(t, err)
		for _, c := range change {
			c(req)
		}
		resp, err := http.DefaultClient.Do(req)
		ok(t, err)
		defer resp.Body.Close()
		var e event
		ok(t, json.NewDecoder(resp.Body).Decode(&e))
		return resp.StatusCode, e
	}
	status, said := do("POST", "/sandbox/messages", `{"user":"alice","channel":"#random","text":"by hand"}`)
	if status != 200 || said.str("ts") == "" {
		t.Errorf("message answered %d %v", status, said)
	}
	if status, e := do("POST", "/sandbox/reactions", `{"user":"bob","channel":"#random","ts":"`+said.str("ts")+`","name":"eyes"}`); status != 200 {
		t.Errorf("reaction answered %d %v", status, e)
	}
	if status, e := do("POST", "/sandbox/click", `{"user":"bob","channel":"#random","ts":"`+ts+`","action_id":"approve"}`); status != 200 || e["status"] != 200.0 {
		t.Errorf("click answered %d %v", status, e)
	}
	if status, e := do("POST", "/sandbox/commands", `{"user":"bob","channel":"#random","command":"lamp"}`); status != 200 {
		t.Errorf("command answered %d %v", status, e)
	}
	settle(t, sb)
	if status, e := do("GET", "/sandbox/deliveries", ""); status != 200 || e.str("request_url") != rc.URL || len(e["deliveries"].([]any)) != 3 {
		t.Errorf("deliveries answered %d %v", status, e)
	}
	if status, e := do("POST", "/sandbox/faults", `{"method":"auth.test","error":"fatal_error"}`); status != 200 {
		t.Errorf("fault answered %d %v", status, e)
	}
	if got := call(t, base, "auth.test", sandbox.DefaultBotToken, ""); got.str("error") != "fatal_error" {
		t.Errorf("the fault did not strike: %v", got)
	}
	if status, _ := do("DELETE", "/sandbox/faults", ""); status != 200 {
		t.Errorf("clearing answered %d", status)
	}
	if status, e := do("POST", "/sandbox/request_url", `{"url":"`+rc.URL+`/other"}`); status != 200 || sb.RequestURL() != rc.URL+"/other" {
		t.Errorf("request URL answered %d %v", status, e)
	}
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		want   string
	}{
		"a page of another origin": {`{}`, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "forbidden"},
		"a client of a tunnel":     {`{}`, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") }, 403, "forbidden"},
		"no person by that name":   {`{"user":"zed","channel":"#random","text":"x"}`, func(*http.Request) {}, 400, "user_not_found"},
		"no channel":               {`{"user":"bob","channel":"#nowhere","text":"x"}`, func(*http.Request) {}, 400, "channel_not_found"},
		"an unknown field":         {`{"usr":"bob"}`, func(*http.Request) {}, 400, "bad_request"},
	} {
		if status, e := do("POST", "/sandbox/messages", c.body, c.change); status != c.status || e.str("error") != c.want {
			t.Errorf("%s: answered %d %v, want %d %s", name, status, e, c.status, c.want)
		}
	}
	far := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sandbox/deliveries", nil)
	req.RemoteAddr = "192.0.2.7:4711"
	sb.Handler().ServeHTTP(far, req)
	if far.Code != http.StatusForbidden || bytes.Contains(far.Body.Bytes(), []byte("deliveries\":")) {
		t.Errorf("a client from afar was answered %d %s", far.Code, far.Body)
	}
}
