package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

const attachments = `[
	{"callback_id":"deploy","text":"Ship it?","color":"#3AA3E3","actions":[
		{"name":"answer","text":"Yes","type":"button","value":"yes","style":"primary"},
		{"name":"answer","text":"No","type":"button","confirm":{"title":"Sure?","text":"Not today?"}},
		{"name":"where","text":"Where","type":"select","options":[{"text":"Test","value":"test"},{"text":"Live","value":"live"}]},
		{"name":"doc","text":"The plan","type":"button","url":"https://plan.example/"},
		{"name":"who","text":"Who","type":"select","data_source":"users"},
		{"name":"sixth","text":"One too many","type":"button","value":"6"}]},
	{"text":"no callback_id","actions":[{"name":"lost","text":"Lost","type":"button","value":"x"}]},
	{"blocks":[{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"go","value":"second","text":{"type":"plain_text","text":"Go"}},
		{"type":"datepicker","action_id":"when"}]}]},
	{"blocks":[{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"go","value":"third","text":{"type":"plain_text","text":"Go"}}]}]}]`

// TestAttachmentsAreClicked: buttons and menus of the time before blocks, and blocks in attachments, tell the app what Slack
// tells it.
func TestAttachmentsAreClicked(t *testing.T) {
	t.Parallel()
	_, u, heard := opener(t)
	sent := call(t, u.base, "chat.postMessage", sandbox.DefaultBotToken, url.Values{"channel": {sandbox.General}, "text": {"choose"}, "attachments": {attachments}}.Encode())
	ts := sent.str("ts")
	stored, err := json.Marshal(within(map[string]any(sent), "message", "attachments"))
	ok(t, err)
	for _, want := range []string{`"id":"1","name":"answer"`, `"data_source":"static","id":"3"`, `"color":"3AA3E3"`} {
		if !strings.Contains(string(stored), want) {
			t.Errorf("Slack keeps it with %s: %s", want, stored)
		}
	}
	page := u.page("/?as=" + sandbox.Alice + "&in=" + sandbox.General)
	for _, want := range []string{`value="attachment:1:1"`, `data-confirm="Not today?"`, `href="https://plan.example/"`, `name="pick:attachment:1:3"`, "requires a callback_id", `value="attachment:3:b:go"`, `value="attachment:4:b:go"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "attachment:1:6") {
		t.Error("the page has a sixth action, which Slack has not")
	}
	clicks := func(button string, more ...string) url.Values {
		f := url.Values{"as": {sandbox.Alice}, "in": {sandbox.General}, "ts": {ts}, "click": {button}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	u.send("/act/message", clicks("attachment:1:1"))
	got := heard("interactive_message")
	var names []string
	for name := range got {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := "action_ts actions attachment_id callback_id channel enterprise is_app_unfurl is_enterprise_install message_ts original_message response_url team token trigger_id type user"; strings.Join(names, " ") != want {
		t.Errorf("the payload has %v, want %s", names, want)
	}
	for _, c := range []struct {
		path []string
		want string
	}{
		{[]string{"callback_id"}, "deploy"},
		{[]string{"attachment_id"}, "1"},
		{[]string{"actions"}, "[map[name:answer type:button value:yes]]"},
		{[]string{"message_ts"}, ts},
		{[]string{"original_message", "text"}, "choose"},
		{[]string{"original_message", "ts"}, ts},
		{[]string{"channel"}, "map[id:" + sandbox.General + " name:general]"},
		{[]string{"user"}, "map[id:" + sandbox.Alice + " name:alice]"},
		{[]string{"is_app_unfurl"}, "false"},
	} {
		if v := fmt.Sprint(within(got, c.path...)); v != c.want {
			t.Errorf("%v is %s, want %s", c.path, v, c.want)
		}
	}
	answered, err := http.Post(got["response_url"].(string), "application/json", strings.NewReader(`{"text":"shipped","replace_original":true}`))
	ok(t, err)
	ok(t, answered.Body.Close())
	if latest := mustJSON(t, call(t, u.base, "conversations.history", sandbox.DefaultBotToken, "limit=1&channel="+sandbox.General)); !strings.Contains(latest, `"text":"shipped"`) {
		t.Errorf("the response left %s", latest)
	}

	var sb *sandbox.Sandbox
	sb, u, heard = opener(t)
	ts = call(t, u.base, "chat.postMessage", sandbox.DefaultBotToken, url.Values{"channel": {sandbox.General}, "text": {"choose"}, "attachments": {attachments}}.Encode()).str("ts")
	u.send("/act/message", clicks("attachment:1:3", "pick:attachment:1:3", "live"))
	if v := fmt.Sprint(heard("interactive_message")["actions"]); v != "[map[name:where selected_options:[map[value:live]] type:select]]" {
		t.Errorf("a menu tells %s", v)
	}
	u.send("/act/message", clicks("attachment:4:b:go"))
	got = heard("block_actions")
	if v := fmt.Sprint(within(got, "container")); v != "map[attachment_id:4 channel_id:"+sandbox.General+" is_app_unfurl:false is_ephemeral:false message_ts:"+ts+" type:message_attachment]" {
		t.Errorf("the container is %s", v)
	}
	action, _ := got["actions"].([]any)[0].(map[string]any)
	if action["value"] != "third" || action["block_id"] != "b" || action["action_id"] != "go" || within(got, "message", "ts") != ts {
		t.Errorf("the action is %v", got)
	}
	for button, want := range map[string]string{
		"The plan": "is a link", "Lost": "no callback_id", "Where": "choose one of", "One too many": "no element", "attachment:1:6": "no element",
	} {
		if _, err := sb.Click(t.Context(), "bob", "#general", ts, button); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", button, err, want)
		}
	}
	if _, err := sb.Click(t.Context(), "bob", "#general", ts, "No"); err != nil {
		t.Error(err)
	}
}

// TestAStateOfAnAttachment: what was chosen in the blocks of an attachment is in the state.
func TestAStateOfAnAttachment(t *testing.T) {
	t.Parallel()
	_, u, heard := opener(t)
	ts := call(t, u.base, "chat.postMessage", sandbox.DefaultBotToken, url.Values{"channel": {sandbox.General}, "text": {"choose"}, "attachments": {attachments}}.Encode()).str("ts")
	u.send("/act/message", url.Values{
		"as": {sandbox.Alice}, "in": {sandbox.General}, "ts": {ts}, "click": {"attachment:3:b:when"}, "pick:attachment:3:b:when": {"2026-12-24"},
	})
	got := heard("block_actions")
	if within(got, "state", "values", "b", "when", "selected_date") != "2026-12-24" || fmt.Sprint(within(got, "container", "attachment_id")) != "3" {
		t.Errorf("the app heard %v", got)
	}
}
