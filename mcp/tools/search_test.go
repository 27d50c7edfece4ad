package tools_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/slackapi/sandbox"
)

// searched is a workspace whose user token belongs to Ada, nine hours east of UTC.
const searched = `{
 "app": {"name": "Helper"},
 "people": [
  {"id": "U0ADA000001", "name": "ada", "real_name": "Ada Abbot", "tz": "Asia/Tokyo"},
  {"id": "U0BEN000001", "name": "ben", "real_name": "Ben Baker"},
  {"id": "U0ELIF00001", "name": "elif", "real_name": "Elif Ersoy", "is_stranger": true}
 ],
 "bots": [
  {"bot_id": "B0ALERT0001", "name": "Watchtower", "app_id": "A0ALERT0001", "user_id": "U0ALERT0001"},
  {"bot_id": "B0HOOK00001", "name": "Release notes"}
 ],
 "channels": [
  {"id": "C0DOCK00001", "name": "dock", "members": ["ada", "ben", "Watchtower", "helper"], "messages": [
    {"ts": "1750000000.000000", "user": "ben", "text": "the crane is stuck"},
    {"ts": "1750000100.000000", "thread_ts": "1750000000.000000", "user": "ben", "text": "crane: it moves again"},
    {"ts": "1750000200.000000", "bot_id": "Watchtower", "attachments": [{"title": "Crane down", "fields": [{"title": "Host", "value": "web-3"}]}]},
    {"ts": "1750000300.000000", "bot_id": "B0HOOK00001", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Crane release 2.0"}}]},
    {"ts": "1750000400.000000", "user": "ben", "text": "crane drawing", "files": [{"id": "F0PLAN00001", "name": "plan.txt", "content": "a plan\n"}]}
  ]},
  {"id": "C0PIER00001", "name": "pier", "is_ext_shared": true, "members": ["ada", "ben", "elif"], "messages": [
    {"ts": "1750000500.000000", "user": "elif", "text": "our crane is free"}
  ]},
  {"id": "C0TIDE00001", "name": "tide", "members": ["ada"], "messages": [
    {"ts": "1750031940.000000", "user": "ada", "text": "tide at 23:59 UTC"},
    {"ts": "1750032000.000000", "user": "ada", "text": "tide at midnight"},
    {"ts": "1750068000.000000", "user": "ada", "text": "tide at 10:00"},
    {"ts": "1750068001.000000", "user": "ada", "text": "tide at 10:00:01"},
    {"ts": "1750118340.000000", "user": "ada", "text": "tide at 23:59 of the day"},
    {"ts": "1750118400.000000", "user": "ada", "text": "tide of the next day"}
  ]}
 ]
}`

type found struct {
	message
	Channel     string `json:"channel"`
	ChannelName string `json:"channel_name"`
	Permalink   string `json:"permalink"`
	Files       []struct{ ID, Name string }
}

type hits struct {
	Messages []found `json:"messages"`
	Total    int     `json:"total"`
	HasMore  bool    `json:"has_more"`
	Note     string  `json:"note"`
}

func workspace(t testing.TB, file string) func(*rigOptions) {
	t.Helper()
	w, err := sandbox.ParseWorkspace([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return func(o *rigOptions) { o.sandbox.Workspace = w }
}

// TestSearchShowsTheWholeMatch: words that stand only in blocks, attachments and files are in the hit,
// and its author is who wrote it: a bot is no colleague, and a person of another workspace none of ours.
func TestSearchShowsTheWholeMatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, searched))
	var got hits
	r.call("slack_search_messages", a{"query": "crane"}, &got)
	slices.SortFunc(got.Messages, func(x, y found) int { return strings.Compare(x.TS, y.TS) })
	if len(got.Messages) != 6 || got.Total != 6 || got.Note != "" {
		t.Fatalf("found %d of %d: %+v", len(got.Messages), got.Total, got)
	}
	for i, want := range []struct {
		words, name, kind, thread string
		external                  bool
	}{
		{words: "the crane is stuck", name: "Ben Baker", kind: "person"},
		{words: "it moves again", name: "Ben Baker", kind: "person", thread: "1750000000.000000"},
		{words: "Crane down", name: "watchtower", kind: "bot"},
		{words: "Crane release 2.0", name: "Release notes", kind: "bot"},
		{words: "crane drawing", name: "Ben Baker", kind: "person"},
		{words: "our crane is free", name: "Elif Ersoy", kind: "person", external: true},
	} {
		m := got.Messages[i]
		if !strings.Contains(m.Text, want.words) || m.UserName != want.name || m.ThreadTS != want.thread {
			t.Errorf("hit %d is by %q in the thread %q and says %q, want %+v", i, m.UserName, m.ThreadTS, m.Text, want)
		}
		if p := m.Provenance; p.Kind != "" && p.Kind != want.kind || p.External != want.external {
			t.Errorf("hit %d is by %+v, want %+v", i, p, want)
		}
		if m.Permalink == "" || m.ChannelName == "" {
			t.Errorf("hit %d: %+v", i, m)
		}
	}
	if f := got.Messages[4].Files; len(f) != 1 || f[0].ID != "F0PLAN00001" || f[0].Name != "plan.txt" {
		t.Errorf("files %+v", f)
	}
}

// TestSearchAuthorsAreNobodysByDefault: where Slack does not say who the author is, the hit does not
// say that it is one of us.
func TestSearchAuthorsAreNobodysByDefault(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, searched))
	if err := r.slack.Inject(sandbox.Fault{Method: "users.info", Error: "user_not_found", Times: -1}); err != nil {
		t.Fatal(err)
	}
	var got hits
	r.call("slack_search_messages", a{"query": "crane"}, &got)
	if len(got.Messages) != 6 {
		t.Fatalf("found %+v", got)
	}
	for _, m := range got.Messages {
		if m.Provenance.SameTeam || m.Provenance.Kind == "system" || m.Provenance.External {
			t.Errorf("%q is by %+v", m.Text, m.Provenance)
		}
	}
}

// TestSearchKeepsToTheTime: Slack takes days alone, in the zone of the token's owner.
func TestSearchKeepsToTheTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, searched))
	for _, c := range []struct {
		after, before string
		want          []string
		shorter       bool
	}{
		{"2025-06-16T10:00:00Z", "", []string{"tide at 10:00", "tide at 10:00:01", "tide at 23:59 of the day", "tide of the next day"}, true},
		{"1750068000.000000", "1750068000.000000", []string{"tide at 10:00"}, true},
		{"", "2025-06-16T10:00:00Z", []string{"tide at 10:00", "tide at 23:59 UTC", "tide at midnight"}, true},
		{"2025-06-16", "2025-06-16", []string{"tide at 10:00", "tide at 10:00:01", "tide at 23:59 of the day", "tide at midnight"}, true},
		{"2025-06-15T23:59:30Z", "2025-06-16T00:00:30Z", []string{"tide at midnight"}, true},
		{"2025-06-10", "2025-06-20", []string{"tide at 10:00", "tide at 10:00:01", "tide at 23:59 UTC", "tide at 23:59 of the day", "tide at midnight", "tide of the next day"}, false},
	} {
		var got hits
		r.call("slack_search_messages", a{"query": "tide", "after": c.after, "before": c.before}, &got)
		var texts []string
		for _, m := range got.Messages {
			texts = append(texts, m.Text)
		}
		slices.Sort(texts)
		if !slices.Equal(texts, c.want) {
			t.Errorf("after %s before %s: %q, want %q", c.after, c.before, texts, c.want)
		}
		if got.Total != 0 || strings.Contains(got.Note, "shorter") != c.shorter {
			t.Errorf("after %s before %s: total %d, note %q", c.after, c.before, got.Total, got.Note)
		}
	}
}

func readAll(r io.Reader) string {
	b, err := io.ReadAll(r)
	if err != nil {
		return ""
	}
	return string(b)
}

// TestSearchOfABot: a bot's search shows blocks too, and keeps to the same time.
func TestSearchOfABot(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, searched), func(o *rigOptions) { o.botOnly = true })
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, challenge, _ := strings.Cut(readAll(r.Body), `"challenge":"`)
		challenge, _, _ = strings.Cut(challenge, `"`)
		_, _ = w.Write([]byte(challenge))
	}))
	defer receiver.Close()
	if err := r.slack.SetRequestURL(t.Context(), receiver.URL); err != nil {
		t.Fatal(err)
	}
	ask, err := r.slack.PostAs("ben", "dock", "<@"+sandbox.BotUser+"> where is it?", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	token := ""
	for _, d := range r.slack.Deliveries() {
		if i := strings.Index(string(d.Body), `"action_token":"`); i > 0 {
			token, _, _ = strings.Cut(string(d.Body)[i+len(`"action_token":"`):], `"`)
		}
	}
	r.events.Append(eventtest.Envelope("EvAsk", a{"type": "app_mention", "channel": "C0DOCK00001", "user": "U0BEN000001", "ts": ask, "action_token": token}))
	var got hits
	r.call("slack_search_messages", a{"query": "crane", "event_id": "EvAsk", "after": "1750000300.000000", "before": "1750000400.000000", "sort": "timestamp"}, &got)
	if len(got.Messages) != 2 || !strings.Contains(got.Messages[1].Text, "Crane release 2.0") || got.Messages[1].UserName != "Release notes" {
		t.Errorf("found %+v", got)
	}
}
