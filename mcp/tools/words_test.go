package tools_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi/sandbox"
)

// sent is what a rehearsal of a call would send to Slack, as one JSON text, and what it notes.
func (r *rig) sent(name string, args a) (requests, note string) {
	r.t.Helper()
	var out struct {
		Requests []struct{ Params map[string]any }
		Note     string
	}
	r.call(name, with(args, a{"dry_run": true}), &out)
	var all strings.Builder
	e := json.NewEncoder(&all)
	e.SetEscapeHTML(false)
	for _, q := range out.Requests {
		if err := e.Encode(q.Params); err != nil {
			r.t.Fatal(err)
		}
	}
	return all.String(), out.Note
}

// TestNamesBecomeMentions sends names of people and channels.
func TestNamesBecomeMentions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, handle := range []string{"ada.b", "ada.c"} {
		if _, err := r.slack.AddUser(handle, "Ada Byron"); err != nil {
			t.Fatal(err)
		}
	}
	stranger, err := r.slack.AddUser("alicia", "Alice")
	if err != nil {
		t.Fatal(err)
	}
	alice, bob, general := "<@"+sandbox.Alice+">", "<@"+sandbox.Bob+">", "<#"+sandbox.General+">"
	for text, want := range map[string]struct{ text, note string }{
		"@bob look":                                 {bob + " look", ""},
		"@Bob Okafor, @BOB's in #general.":          {bob + ", " + bob + "'s in " + general + ".", ""},
		"ask @Alice Nguyen or @bob.":                {"ask " + alice + " or " + bob + ".", ""},
		"`@bob` <@U1> mail bob@bob.example\n> @bob": {"`@bob` <@U1> mail bob@bob.example\n> @bob", ""},
		"fixed #123 for @bob":                       {"fixed #123 for " + bob, ""},
		"@Ada Byron!":                               {"@Ada Byron!", "@Ada Byron calls nobody: several are called so: U"},
		"@alice":                                    {"@alice", "@alice calls nobody: several are called so: " + sandbox.Alice + " (@alice, Alice Nguyen), " + stranger + " (@alicia, Alice). Write <@U…> for one of them."},
		"@okafor hi":                                {"@okafor hi", "@okafor calls nobody: no user or group is called so. Like it are: " + sandbox.Bob + " (@bob, Bob Okafor)."},
		"@zzz":                                      {"@zzz", "@zzz calls nobody: no user or group is called so."},
		"in #gener":                                 {"in #gener", "#gener leads nowhere: the bot sees no channel of that name. Like it are: <#" + sandbox.General + "> (#general)."},
		"@here @channel":                            {"@here @channel", "Mass mentions"},
	} {
		got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": text})
		quoted, _ := json.Marshal(want.text)
		if plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted)); !strings.Contains(got, `"text":`+plain) {
			t.Errorf("%q is sent as %s", text, got)
		}
		if !strings.HasPrefix(note, want.note) || want.note == "" && note != "" {
			t.Errorf("%q is noted as %q, want %q", text, note, want.note)
		}
		if got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": text, "plain_names": true}); strings.Contains(got, bob) || note != "" {
			t.Errorf("with plain_names %q is sent as %s with %q", text, got, note)
		}
	}
}

// TestEveryWriterMakesMentions sends a name by each tool that sends words.
func TestEveryWriterMakesMentions(t *testing.T) {
	t.Parallel()
	r := newRuled(t, nil, nil)
	for name, argument := range map[string]string{
		"slack_post_message": "text", "slack_thread_reply": "texts", "slack_update_message": "text", "slack_schedule_message": "text",
		"slack_post_ephemeral": "text", "slack_reply_to_event": "text", "slack_ask": "question", "slack_upload_file": "comment", "slack_share_file": "comment",
	} {
		for text, want := range map[string]string{"hi @bob": "hi <@" + sandbox.Bob + ">", "hi @nobody": "hi @nobody"} {
			args := with(r.writes[name].args, a{argument: text})
			if _, there := args["channel"]; !there && name == "slack_upload_file" {
				t.Fatal("no channel")
			}
			got, note := r.sent(name, args)
			if !strings.Contains(got, want) || strings.Contains(note, "@nobody calls nobody") != strings.Contains(text, "nobody") {
				t.Errorf("%s sends %s and notes %q", name, got, note)
			}
			if got, note := r.sent(name, with(args, a{"plain_names": true})); !strings.Contains(got, text) || note != "" {
				t.Errorf("%s with plain_names sends %s and notes %q", name, got, note)
			}
		}
	}
	if got, _ := r.sent("slack_post_message", a{"channel": sandbox.General, "markdown": "**@bob** `@bob`"}); !strings.Contains(got, "**<@"+sandbox.Bob+">** `@bob`") {
		t.Errorf("Markdown is sent as %s", got)
	}
	if list := r.record.changing(); len(list) > 0 {
		t.Errorf("rehearsals called %v", list)
	}
}

// TestMentionsKeepToTheRulesOfMassMentions writes names that call several people.
func TestMentionsKeepToTheRulesOfMassMentions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.slack.AddUser("here", "channel"); err != nil {
		t.Fatal(err)
	}
	if got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": "@here @Channel"}); strings.Contains(got, "<@") || strings.Contains(note, "nobody") || !strings.Contains(note, "Mass mentions") {
		t.Errorf("of one who is called so, sent %s with %q", got, note)
	}
	if got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": "@here @everyone @channel all @oncall @On call"}); strings.Contains(got, "<!") || strings.Contains(note, "calls nobody") || !strings.Contains(note, "Mass mentions") {
		t.Errorf("sent %s with %q", got, note)
	}
	free := newRig(t, func(o *rigOptions) { o.guard.MassMentions = true })
	if got, note := free.sent("slack_post_message", a{"channel": sandbox.General, "text": "@here, @everyone, @oncall, @On call and `@channel`"}); !strings.Contains(got, "<!here>, <!everyone>, <!subteam^S0ONCALL001>, <!subteam^S0ONCALL001> and `@channel`") || note != "" {
		t.Errorf("where they are allowed, sent %s with %q", got, note)
	}
	r = newRig(t)
	var many strings.Builder
	for i := range 30 {
		handle := fmt.Sprintf("crew%02d", i)
		if _, err := r.slack.AddUser(handle, "Crew"); err != nil {
			t.Fatal(err)
		}
		many.WriteString("@" + handle + " ")
	}
	got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": many.String()})
	if n := strings.Count(got, "<@U"); n != 20 || !strings.Contains(note, "only the first 20") {
		t.Errorf("of 30 names %d became mentions, with %q", n, note)
	}
}

// TestWhoMayOnlyWriteIsToldNoNames looks for people by what calls nobody.
func TestWhoMayOnlyWriteIsToldNoNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	call := &toolset.Call{Progress: func(float64, float64, string) {}, Principal: &access.Principal{Name: "writer", Scopes: []access.Scope{access.Write}}}
	res, err := r.tryWith(t.Context(), call, "slack_post_message", a{"channel": sandbox.General, "text": "@okafor #gener", "dry_run": true})
	if err != nil || !strings.Contains(string(res), "@okafor calls nobody") || strings.Contains(string(res), "Bob") || strings.Contains(string(res), "general)") {
		t.Errorf("%s, %v", res, err)
	}
}

// TestCandidatesUnderLockdown: of people whose words are withheld the ids are told alone.
func TestCandidatesUnderLockdown(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *rigOptions) { o.judge.Lockdown = view.Guests })
	_, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": "@okafor"})
	if !strings.Contains(note, sandbox.Bob+" (@bob, Bob Okafor)") {
		t.Errorf("a colleague is offered as %q", note)
	}
}

// TestTheCommentOfAnUploadUnderLockdown reads the message of an upload, as who uploaded it and as another.
func TestTheCommentOfAnUploadUnderLockdown(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *rigOptions) { o.judge.Lockdown = view.Members })
	var up posted
	r.call("slack_upload_file", a{"channel": sandbox.General, "filename": "a.txt", "content": "x", "comment": "see here"}, &up)
	var one struct{ Message message }
	if r.call("slack_get_reactions", a{"timestamp": up.Permalink}, &one); one.Message.Text != "see here" {
		t.Errorf("who uploaded it reads %+v", one.Message)
	}
	other := &toolset.Call{Progress: func(float64, float64, string) {}, Principal: &access.Principal{Name: "other", Scopes: tester.Scopes}}
	if res, err := r.tryWith(t.Context(), other, "slack_get_reactions", a{"timestamp": up.Permalink}); err != nil || strings.Contains(string(res), "see here") {
		t.Errorf("another reads %s, %v", res, err)
	}
}

// TestAKeyStandsForTheWordsAsTheyWereWritten repeats a call after its name has come to call somebody.
func TestAKeyStandsForTheWordsAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	r := newRuled(t, nil, nil)
	first := map[string]json.RawMessage{}
	arguments := map[string]string{
		"slack_post_message": "text", "slack_thread_reply": "texts", "slack_update_message": "text", "slack_schedule_message": "text",
		"slack_post_ephemeral": "text", "slack_reply_to_event": "text", "slack_ask": "question", "slack_upload_file": "comment", "slack_share_file": "comment",
	}
	args := func(name, text string) a {
		return with(r.writes[name].args, a{arguments[name]: text, "idempotency_key": "k"})
	}
	for name := range arguments {
		var err error
		if first[name], err = r.try(name, args(name, "hi @latecomer")); err != nil {
			t.Fatalf("%s: %s", name, toolsFault(err))
		}
	}
	joined := eventtest.Envelope("EvJoin", a{"type": "team_join", "user": a{"id": "U0LATE00001", "team_id": sandbox.Team, "name": "latecomer"}})
	r.names.Observe(&joined)
	if got, _ := r.sent("slack_post_message", a{"channel": sandbox.General, "text": "hi @latecomer"}); !strings.Contains(got, "<@U0LATE00001>") {
		t.Fatalf("who has come is not known: %s", got)
	}
	r.record.changing()
	for name := range arguments {
		if res, err := r.try(name, args(name, "hi @latecomer")); err != nil || !strings.Contains(string(res), `"repeated":true`) {
			t.Errorf("the repeat of %s: %s, %v", name, res, err)
		}
		r.refuses(name, args(name, "hi @another"), "idempotency_key_reused: ")
		r.refuses(name, with(args(name, "hi @latecomer"), a{"plain_names": true}), "idempotency_key_reused: ")
	}
	if list := r.record.changing(); len(list) > 0 {
		t.Errorf("repeats called %v", list)
	}
}

// TestMarkdownInTextIsSentAsMarkdown writes Markdown where Slack's markup is expected.
func TestMarkdownInTextIsSentAsMarkdown(t *testing.T) {
	t.Parallel()
	r := newRuled(t, nil, nil)
	const text = "# Done\n**All** of it, see [the page](https://x.example)\n\n| a | b |\n|---|---|\n| 1 | 2 |"
	for _, name := range []string{"slack_post_message", "slack_update_message", "slack_schedule_message", "slack_post_ephemeral", "slack_reply_to_event"} {
		got, note := r.sent(name, with(r.writes[name].args, a{"text": text}))
		if !strings.Contains(got, `"markdown_text":"# Done`) || strings.Contains(got, `"text":`) || note != "text was sent as Markdown." {
			t.Errorf("%s sends %s and notes %q", name, got, note)
		}
	}
	if got, note := r.sent("slack_thread_reply", with(r.writes["slack_thread_reply"].args, a{"texts": []string{text, "*plain*"}})); strings.Count(got, "markdown_text") != 1 || note != "text was sent as Markdown." {
		t.Errorf("replies send %s and note %q", got, note)
	}
	for _, text := range []string{"**a** <https://x.example|b>", "**a** " + strings.Repeat("long ", 3000)} {
		got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": text})
		if strings.Contains(got, "markdown_text") || !strings.Contains(note, "Give all of it as markdown") {
			t.Errorf("sent %.100s with %q", got, note)
		}
	}
	for name, argument := range map[string]string{"slack_ask": "question", "slack_upload_file": "comment", "slack_share_file": "comment"} {
		if got, note := r.sent(name, with(r.writes[name].args, a{argument: "**Ship** it?"})); !strings.Contains(got, "**Ship** it?") || !strings.HasPrefix(note, argument+" has Markdown") {
			t.Errorf("%s sends %s and notes %q", name, got, note)
		}
	}
	if got, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": "**x**", "blocks": `[{"type":"divider"}]`}); strings.Contains(got, "markdown_text") || note != "" {
		t.Errorf("beside blocks sent %s with %q", got, note)
	}
	closed := newRig(t, func(o *rigOptions) { o.guard.NoRemote = true })
	closed.refuses("slack_post_message", a{"channel": sandbox.General, "text": "**x** ![a](https://x.example/?secret)"}, "remote_content_not_allowed: ")
}

// TestATimeWithoutAZoneIsThatOfTheSetting schedules at times that are written in several ways.
func TestATimeWithoutAZoneIsThatOfTheSetting(t *testing.T) {
	t.Parallel()
	for _, zone := range []*time.Location{nil, time.FixedZone("Lampland", 5*60*60)} {
		r := newRig(t, func(o *rigOptions) {
			if zone != nil {
				o.judge.Zone = func() *time.Location { return zone }
			}
		})
		said := "UTC"
		at := time.Now().UTC().AddDate(0, 0, 2).Truncate(time.Hour)
		if zone != nil {
			said, at = "Lampland", at.In(zone)
		}
		midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, at.Location())
		for written, want := range map[string]struct {
			at   time.Time
			told bool
		}{
			at.Format("2006-01-02T15:04"): {at, true}, at.Format("2006-01-02 15:04:05"): {at, true}, at.Format(time.DateOnly): {midnight, true},
			at.Format(time.RFC3339): {at, false}, at.UTC().Format(time.RFC3339): {at, false},
			at.Format("2006-01-02T15:04Z07:00"): {at, false}, at.Format("2006-01-02 15:04Z07:00"): {at, false}, strconv.FormatInt(at.Unix(), 10): {at, false},
		} {
			got, note := r.sent("slack_schedule_message", a{"channel": sandbox.General, "text": "x", "post_at": written})
			if !strings.Contains(got, strconv.FormatInt(want.at.Unix(), 10)) || strings.Contains(note, "as in "+said+".") != want.told {
				t.Errorf("%s is %s, with %q", written, got, note)
			}
		}
	}
}
