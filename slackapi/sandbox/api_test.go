package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

// section is the argument blocks with a section for each length of a text.
func section(lengths ...int) string {
	var blocks []string
	for _, n := range lengths {
		blocks = append(blocks, `{"type":"section","text":{"type":"mrkdwn","text":"`+strings.Repeat("x", n)+`"}}`)
	}
	return "[" + strings.Join(blocks, ",") + "]"
}

// call makes a call of the Web API by hand, with a form.
func call(t testing.TB, base, method, token, form string) event {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/"+method, strings.NewReader(form))
	ok(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return send(t, req)
}

func send(t testing.TB, req *http.Request) event {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ok(t, err)
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%s answered %q", req.URL.Path, body)
	}
	return e
}

func host(t testing.TB, opt sandbox.Options) (*sandbox.Sandbox, string) {
	t.Helper()
	sb, err := sandbox.New(opt)
	ok(t, err)
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	return sb, server.URL
}

// TestRefusals makes calls that Slack refuses, and compares the codes.
func TestRefusals(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{})
	ts, err := sb.PostAs("alice", "#general", "hello", sandbox.Saying{})
	ok(t, err)
	ok(t, sb.ReactAs(sandbox.BotUser, "#general", ts, "eyes"))
	sb.Revoke("xoxb-sandbox-gone")
	own := call(t, base, "chat.postMessage", sandbox.DefaultBotToken, "channel="+sandbox.General+"&text=own").str("ts")
	long := strings.Repeat("x", 40_001)
	for _, c := range []struct{ method, token, form, want string }{
		{"auth.test", "", "", "not_authed"},
		{"auth.test", "xoxb-1234567890-abcdefgh", "", "invalid_auth"},
		{"auth.test", "something", "", "invalid_auth"},
		{"auth.test", "xoxb-sandbox-gone", "", "token_revoked"},
		{"auth.test", "xoxp-sandbox-" + sandbox.Jonas, "", "account_inactive"},
		{"auth.test", "xapp-sandbox-1", "", "not_allowed_token_type"},
		{"no.such.method", "bot", "", "unknown_method"},
		{"api.test", "bot", "error=my_error", "my_error"},
		{"chat.postMessage", "bot", "text=x", "channel_not_found"},
		{"chat.postMessage", "bot", "channel=C0NOWHERE&text=x", "channel_not_found"},
		{"chat.postMessage", "bot", "channel=" + sandbox.Salaries + "&text=x", "channel_not_found"},
		{"chat.postMessage", "bot", "channel=" + sandbox.Design + "&text=x", "not_in_channel"},
		{"chat.postMessage", "bot", "channel=" + sandbox.OldProject + "&text=x", "is_archived"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General, "no_text"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&text=" + long, "msg_too_long"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&text=x&thread_ts=1.000001", "thread_not_found"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&blocks=no", "invalid_blocks_format"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&blocks=[{}]", "invalid_blocks"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&text=x&markdown_text=y", "markdown_text_conflict"},
		{"chat.update", "bot", "channel=" + sandbox.General + "&ts=1.000001&text=x", "message_not_found"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&blocks=" + section(3001), "invalid_blocks"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&blocks=" + section(0), "invalid_blocks"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&blocks=" + section(2900, 2900, 2900, 2900, 2900), "msg_blocks_too_long"},
		{"chat.postMessage", "bot", "channel=" + sandbox.General + "&markdown_text=" + strings.Repeat("x", 12_001), "msg_too_long"},
		{"chat.update", "bot", "channel=" + sandbox.General + "&ts=" + ts + "&text=x", "cant_update_message"},
		{"chat.update", "bot", "channel=" + sandbox.General + "&ts=" + own + "&text=" + strings.Repeat("x", 4001), "msg_too_long"},
		{"chat.delete", "bot", "channel=" + sandbox.General + "&ts=" + ts, "cant_delete_message"},
		{"chat.postEphemeral", "bot", "channel=" + sandbox.Leads + "&user=" + sandbox.Bob + "&text=x", "user_not_in_channel"},
		{"chat.scheduleMessage", "bot", "channel=" + sandbox.General + "&text=x&post_at=1", "time_in_past"},
		{"chat.scheduleMessage", "bot", "channel=" + sandbox.General + "&text=x&post_at=99999999999", "time_too_far"},
		{"chat.scheduleMessage", "bot", "channel=" + sandbox.General + "&text=x&post_at=soon", "invalid_time"},
		{"chat.deleteScheduledMessage", "bot", "channel=" + sandbox.General + "&scheduled_message_id=Q1", "invalid_scheduled_message_id"},
		{"chat.getPermalink", "bot", "channel=" + sandbox.General + "&message_ts=1.0", "message_not_found"},
		{"conversations.history", "bot", "channel=" + sandbox.Design, "not_in_channel"},
		{"conversations.history", "bot", "channel=" + sandbox.General + "&cursor=bm90IGEgY3Vyc29y", "invalid_cursor"},
		{"conversations.history", "bot", "channel=" + sandbox.General + "&limit=many", "invalid_arguments"},
		{"conversations.history", "bot", "channel=" + sandbox.General + "&oldest=yesterday", "invalid_ts_oldest"},
		{"conversations.replies", "bot", "channel=" + sandbox.General + "&ts=1.0", "thread_not_found"},
		{"conversations.list", "bot", "types=rooms", "invalid_types"},
		{"conversations.create", "bot", "name=general", "name_taken"},
		{"conversations.create", "bot", "name=Big Name", "invalid_name_specials"},
		{"conversations.create", "bot", "name=" + strings.Repeat("x", 81), "invalid_name_maxlength"},
		{"conversations.create", "bot", "", "invalid_name_required"},
		{"conversations.create", "bot", "name=---", "invalid_name_punctuation"},
		{"conversations.join", "bot", "channel=" + sandbox.Leads, "method_not_supported_for_channel_type"},
		{"conversations.join", "bot", "channel=" + sandbox.OldProject, "is_archived"},
		{"conversations.leave", "bot", "channel=" + sandbox.General, "cant_leave_general"},
		{"conversations.invite", "bot", "channel=" + sandbox.General + "&users=" + sandbox.Bob, "already_in_channel"},
		{"conversations.invite", "bot", "channel=" + sandbox.General + "&users=" + sandbox.BotUser, "cant_invite_self"},
		{"conversations.invite", "bot", "channel=" + sandbox.General + "&users=U0NOBODY", "user_not_found"},
		{"conversations.invite", "bot", "channel=" + sandbox.Design + "&users=" + sandbox.Bob, "not_in_channel"},
		{"conversations.kick", "bot", "channel=" + sandbox.Support + "&user=" + sandbox.Emi, "not_in_channel"},
		{"conversations.kick", "bot", "channel=" + sandbox.Support + "&user=" + sandbox.BotUser, "cant_kick_self"},
		{"conversations.rename", "bot", "channel=" + sandbox.Support + "&name=help", "not_authorized"},
		{"conversations.archive", "bot", "channel=" + sandbox.General, "cant_archive_general"},
		{"conversations.archive", "bot", "channel=" + sandbox.OldProject, "already_archived"},
		{"conversations.unarchive", "bot", "channel=" + sandbox.Support, "not_archived"},
		{"conversations.setTopic", "bot", "channel=" + sandbox.Support + "&topic=" + long, "too_long"},
		{"conversations.open", "bot", "users=" + sandbox.Jonas, "user_disabled"},
		{"conversations.open", "bot", "", "users_list_not_supplied"},
		{"conversations.mark", "bot", "channel=" + sandbox.Support + "&ts=now", "invalid_timestamp"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=" + ts + "&name=eyes", "already_reacted"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=" + ts + "&name=no_such_emoji", "invalid_name"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=" + ts + "&name=" + url.QueryEscape("👍"), "invalid_name"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=" + ts + "&name=heart::skin-tone-2", "invalid_name"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=" + ts + "&name=" + url.QueryEscape("+1::skin-tone-7"), "invalid_name"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=1.000001&name=eyes", "message_not_found"},
		{"reactions.add", "bot", "channel=" + sandbox.General + "&timestamp=soon&name=eyes", "bad_timestamp"},
		{"reactions.add", "bot", "name=eyes", "no_item_specified"},
		{"reactions.remove", "bot", "channel=" + sandbox.General + "&timestamp=" + ts + "&name=tada", "no_reaction"},
		{"users.info", "bot", "user=U0NOBODY", "user_not_found"},
		{"users.lookupByEmail", "bot", "email=nobody@example.com", "users_not_found"},
		{"users.list", "bot", "cursor=x", "invalid_cursor"},
		{"usergroups.users.list", "bot", "usergroup=S1", "no_such_subteam"},
		{"files.info", "bot", "file=F1", "file_not_found"},
		{"files.getUploadURLExternal", "bot", "filename=a.txt&length=0", "invalid_arguments"},
		{"files.completeUploadExternal", "bot", `files=[{"id":"F1"}]`, "file_not_found"},
		{"pins.add", "bot", "channel=" + sandbox.Design + "&timestamp=" + ts, "not_in_channel"},
		{"pins.remove", "bot", "channel=" + sandbox.General + "&timestamp=" + ts, "no_pin"},
		{"bookmarks.add", "bot", "channel_id=" + sandbox.General + "&title=x&type=link&link=nowhere", "invalid_link"},
		{"bookmarks.remove", "bot", "channel_id=" + sandbox.General + "&bookmark_id=Bk1", "not_found"},
		{"search.messages", "bot", "query=x", "not_allowed_token_type"},
		{"search.messages", "user", "", "no_query"},
		{"assistant.search.context", "bot", "query=x", "missing_action_token"},
		{"assistant.search.context", "bot", "query=x&action_token=y", "invalid_action_token"},
		{"canvases.edit", "bot", "canvas_id=F1&changes=[]", "canvas_not_found"},
	} {
		token := c.token
		switch token {
		case "bot":
			token = sandbox.DefaultBotToken
		case "user":
			token = sandbox.DefaultUserToken
		}
		if got := call(t, base, c.method, token, c.form); got.str("error") != c.want || got["ok"] != false {
			t.Errorf("%s %.80s: answered %v, want %s", c.method, c.form, got, c.want)
		}
	}
	if real := call(t, base, "auth.test", "xoxb-1234567890-abcdefgh", ""); !contains(mustJSON(t, real), "xoxb-sandbox-") {
		t.Errorf("a real token is refused without the remedy: %v", real)
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	ok(t, err)
	return string(raw)
}

// TestRequestsComeInAllForms makes the same call as a form, JSON, a query and multipart.
func TestRequestsComeInAllForms(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{})
	for _, c := range []struct{ name, mediaType, auth, body, query, want string }{
		{"a form", "application/x-www-form-urlencoded", "Bearer xoxb-sandbox-a", "foo=bar", "", "bar"},
		{"a token in the form", "application/x-www-form-urlencoded", "", "token=xoxb-sandbox-a&foo=bar", "", "bar"},
		{"JSON", "application/json; charset=utf-8", "Bearer xoxb-sandbox-a", `{"foo":"bar"}`, "", "bar"},
		{"JSON with an object", "application/json; charset=utf-8", "Bearer xoxb-sandbox-a", `{"foo":{"a":1},"n":null}`, "", `{"a":1}`},
		{"a query", "", "Bearer xoxb-sandbox-a", "", "foo=bar", "bar"},
		{"multipart", "multipart/form-data; boundary=B", "Bearer xoxb-sandbox-a", "--B\r\nContent-Disposition: form-data; name=\"foo\"\r\n\r\nbar\r\n--B--\r\n", "", "bar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := send(t, request(t, base+"/api/api.test?"+c.query, c.mediaType, c.auth, c.body))
			if got["ok"] != true || got.str("args.foo") != c.want || got.str("args.token") != "" {
				t.Errorf("answered %v", got)
			}
		})
	}
	for _, c := range []struct{ name, mediaType, body, want, warning string }{
		{"JSON that is none", "application/json", "{", "invalid_json", "missing_charset"},
		{"JSON that is no object", "application/json; charset=utf-8", "[]", "json_not_object", ""},
		{"XML", "application/xml", "<a/>", "invalid_post_type", ""},
		{"no type", "", "foo=bar", "missing_post_type", ""},
		{"JSON without a charset", "application/json", "{}", "", "missing_charset"},
		{"a form with a charset", "application/x-www-form-urlencoded; charset=utf-8", "a=b", "", "superfluous_charset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := send(t, request(t, base+"/api/api.test", c.mediaType, "Bearer xoxb-sandbox-a", c.body))
			if got.str("error") != c.want || got.str("warning") != c.warning {
				t.Errorf("answered %v, want error %q, warning %q", got, c.want, c.warning)
			}
		})
	}
}

func request(t *testing.T, to, mediaType, auth, body string) *http.Request {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
	ok(t, err)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	return req
}

func TestRates(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{Rates: true, CappedHistory: true})
	history := func(limit string) event {
		return call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel="+sandbox.General+"&limit="+limit)
	}
	first := history("200")
	if n := len(first["messages"].([]any)); n > 15 {
		t.Errorf("%d messages for an app of the capped class", n)
	}
	if second := history("200"); second.str("error") != "ratelimited" {
		t.Errorf("a second call within the minute: %v", second)
	}
	codes := map[string]int{}
	for range 25 {
		codes[call(t, base, "emoji.list", sandbox.DefaultBotToken, "").str("error")]++
	}
	if codes[""] != 20 || codes["ratelimited"] != 5 {
		t.Errorf("25 calls of tier 2: %v", codes)
	}
}

func TestLargeWorkspaceIsMadeOnDemand(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{ExtraChannels: 1_500, ExtraUsers: 3_000})
	walk := func(method, form string) map[string]bool {
		ids := map[string]bool{}
		cursor := ""
		for range 200 {
			req := request(t, base+"/api/"+method, "application/x-www-form-urlencoded", "Bearer xoxb-sandbox-a", form+"&limit=1000&cursor="+url.QueryEscape(cursor))
			resp, err := http.DefaultClient.Do(req)
			ok(t, err)
			var page struct {
				Channels, Members []struct{ ID string }
				Metadata          struct {
					Cursor string `json:"next_cursor"`
				} `json:"response_metadata"`
			}
			err = json.NewDecoder(resp.Body).Decode(&page)
			resp.Body.Close()
			ok(t, err)
			for _, item := range append(page.Channels, page.Members...) {
				ids[item.ID] = true
			}
			if cursor = page.Metadata.Cursor; cursor == "" {
				return ids
			}
		}
		t.Fatalf("%s does not end", method)
		return nil
	}
	if n := len(walk("conversations.list", "types=public_channel")); n != 1_508 {
		t.Errorf("%d public channels, want 1,508", n)
	}
	if n := len(walk("users.list", "")); n != 3_013 {
		t.Errorf("%d users, want 3,013", n)
	}
	ok(t, sb.JoinAs(sandbox.BotUser, "team-00001", ""))
	_, err := sb.PostAs(sandbox.BotUser, "team-00001", "it is kept", sandbox.Saying{})
	ok(t, err)
	got := call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel=C0CROWD0000001")
	if !contains(mustJSON(t, got), "it is kept") {
		t.Errorf("history %v", got)
	}
	if got := call(t, base, "conversations.create", sandbox.DefaultBotToken, "name=team-00001"); got.str("error") != "name_taken" {
		t.Errorf("created %v", got)
	}
}

func BenchmarkNewLargeWorkspace(b *testing.B) {
	for b.Loop() {
		if _, err := sandbox.New(sandbox.Options{ExtraChannels: 10_000, ExtraUsers: 50_000}); err != nil {
			b.Fatal(err)
		}
	}
}
