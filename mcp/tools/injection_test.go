package tools_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"slackmcp/internal/injection"
	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

const (
	marker = injection.Marker
	dirty  = injection.Dirty
)

var corpus = injection.Corpus()

// hidden are the characters that must not come through.
const hidden = "\u202e\u202c\u2066\u2069\u200b\u2060\ufeff\x1b\x07\U000e0049\U000e0067\U000e0100\U000e01ef"

// theirs are the members of a result whose JSON a sender composed: a mark of theirs is none.
var theirs = []string{"payload", "blocks", "attachments"}

// contained walks a result and reports a text of the corpus in one that does not say at its top
// that it is untrusted, a mark that stands anywhere else, a hidden character, and where none is any
// more and no flag says so.
func contained(t *testing.T, name string, raw json.RawMessage) (found int) {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	top, _ := v.(map[string]any)
	marked := top["untrusted"] == true
	var walk func(v any, path string, foreign, flagged bool)
	walk = func(v any, path string, foreign, flagged bool) {
		switch v := v.(type) {
		case string:
			if strings.ContainsAny(v, hidden) {
				t.Errorf("%s: a hidden character came through at %s: %q", name, path, v)
			}
			if strings.Contains(v, marker) {
				if found++; !marked {
					t.Errorf("%s: a text from Slack stands in a result without a mark at %s: %q", name, path, v)
				}
				if strings.Contains(v, dirty) && !flagged {
					t.Errorf("%s: that characters were removed is not said of %s: %q", name, path, v)
				}
			}
		case []any:
			for i, item := range v {
				walk(item, fmt.Sprintf("%s[%d]", path, i), foreign, flagged)
			}
		case map[string]any:
			if _, again := v["untrusted"]; again && path != "" && !foreign {
				t.Errorf("%s: the mark is repeated at %s", name, path)
			}
			flags, _ := v["flags"].([]any)
			flagged = flagged || slices.Contains(flags, any(view.FlagCleaned))
			for k, item := range v {
				walk(k, path, foreign, flagged)
				walk(item, path+"."+k, foreign || slices.Contains(theirs, k), flagged)
			}
		}
	}
	walk(v, "", false, false)
	return found
}

func TestInjectionsStayInsideData(t *testing.T) {
	r := newRig(t)
	p := plant(t, r)
	for _, tc := range []struct {
		tool string
		args a
		few  int // the least number of texts that must come through
	}{
		{"slack_read_channel_messages", a{"channel": sandbox.Random}, len(corpus)},
		{"slack_read_channel_messages", a{"channel": sandbox.Random, "response_format": "detailed"}, 2 * len(corpus)},
		{"slack_read_thread_messages", a{"channel": sandbox.Random, "thread_ts": p.first}, len(corpus)},
		{"slack_search_messages", a{"query": marker}, 1},
		{"slack_get_reactions", a{"channel": sandbox.Random, "timestamp": p.first}, 1},
		{"slack_list_pins", a{"channel": sandbox.Random}, 1},
		{"slack_list_bookmarks", a{"channel": sandbox.Random}, 2},
		{"slack_list_channels", a{"query": marker}, 1},
		{"slack_get_channel_info", a{"channel": sandbox.Random}, 2},
		{"slack_get_file_info", a{"file_id": p.file}, 1},
		{"slack_read_file", a{"file_id": p.file}, 2},
		{"slack_read_canvas", a{"canvas_id": p.canvas}, 1},
		{"slack_list_events", a{}, len(corpus)},
		{"slack_list_events", a{"response_format": "detailed"}, 2 * len(corpus)},
		{"slack_wait_for_event", a{"cursor": "start"}, len(corpus)},
		{"slack_get_event", a{"event_id": "EvInject2"}, 2},
		{"slack_event_context", a{"event_id": "EvInject0"}, 2},
	} {
		t.Run(tc.tool, func(t *testing.T) {
			res, err := r.try(tc.tool, tc.args)
			if err != nil {
				t.Fatal(tools.Fault(err))
			}
			if n := contained(t, tc.tool, res); n < tc.few {
				t.Errorf("only %d texts of the corpus came through, want at least %d", n, tc.few)
			}
		})
	}
}

// planted is what was made in the workspace for the corpus to be in.
type planted struct{ first, file, canvas string }

// plant has the corpus written into the workspace as people and apps can write it.
func plant(t *testing.T, r *rig) (p planted) {
	t.Helper()
	ctx := t.Context()
	for i, text := range corpus {
		blocks, err := json.Marshal([]any{a{"type": "section", "text": a{"type": "mrkdwn", "text": text}}})
		if err != nil {
			t.Fatal(err)
		}
		ts, err := r.slack.PostAs("bob", "#random", text, sandbox.Saying{Blocks: blocks})
		if err != nil {
			t.Fatal(err)
		}
		if p.first == "" {
			p.first = ts
		} else if _, err := r.slack.PostAs("bob", "#random", text, sandbox.Saying{ThreadTS: p.first}); err != nil {
			t.Fatal(err)
		}
		r.events.Append(eventtest.Envelope(fmt.Sprintf("EvInject%d", i), a{
			"type": "message", "channel": sandbox.Random, "channel_type": "channel", "user": sandbox.Bob, "ts": ts, "text": text,
			"blocks": json.RawMessage(blocks), "user_profile": a{"display_name": text}, text: text,
		}))
	}
	all := strings.Join(corpus, "\n")
	f, err := r.client.Upload(ctx, slackapi.Upload{Name: marker + "\u202e.txt", Title: corpus[1], Data: []byte(all), Channel: sandbox.Random})
	if err != nil {
		t.Fatal(err)
	}
	p.file = f.ID
	if p.canvas, err = r.client.CreateCanvas(ctx, marker, all, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.SetTopic(ctx, sandbox.Random, corpus[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.SetPurpose(ctx, sandbox.Random, corpus[6]); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.AddBookmark(ctx, sandbox.Random, corpus[4], "https://evil.example/"+marker, ""); err != nil {
		t.Fatal(err)
	}
	if err := r.client.AddPin(ctx, sandbox.Random, p.first); err != nil {
		t.Fatal(err)
	}
	if err := r.slack.ReactAs("carla", sandbox.Random, p.first, "eyes"); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProvenanceAndLockdown(t *testing.T) {
	t.Parallel()
	outside := func(t *testing.T, r *rig) map[string]message {
		t.Helper()
		byUser := map[string]message{}
		for who, channel := range map[string]string{"leo": sandbox.Partner, "carla": sandbox.Partner} {
			if _, err := r.slack.PostAs(who, channel, "by "+who, sandbox.Saying{}); err != nil {
				t.Fatal(err)
			}
		}
		r.call("slack_post_message", a{"channel": sandbox.Partner, "text": "by ourselves"}, nil)
		var read messages
		r.call("slack_read_channel_messages", a{"channel": sandbox.Partner, "limit": 3}, &read)
		for _, m := range read.Messages {
			byUser[m.User] = m
		}
		return byUser
	}
	t.Run("is told of each author", func(t *testing.T) {
		t.Parallel()
		got := outside(t, newRig(t))
		if p := got[sandbox.Leo].Provenance; p.Kind != "" || !p.External || p.SameTeam {
			t.Errorf("Leo, of another organisation: %+v", p)
		}
		if p := got[sandbox.Carla].Provenance; p.Kind != "" {
			t.Errorf("Carla, a plain colleague, has a provenance: %+v", p)
		}
		if p := got[sandbox.BotUser].Provenance; p.Kind != "self" {
			t.Errorf("ourselves: %+v", p)
		}
	})
	t.Run("decides what lockdown shows", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(o *rigOptions) { o.judge.Lockdown = view.Guests })
		got := outside(t, r)
		if m := got[sandbox.Leo]; m.Text != "" || len(m.Flags) != 1 || m.Flags[0] != "withheld_by_lockdown" {
			t.Errorf("Leo's words are shown: %+v", m)
		}
		if m := got[sandbox.Carla]; m.Text != "by carla" {
			t.Errorf("Carla's words are withheld: %+v", m)
		}
		if m := got[sandbox.BotUser]; m.Text != "by ourselves" {
			t.Errorf("our own words are withheld: %+v", m)
		}
		r.events.Append(
			eventtest.Envelope("EvOut", a{"type": "message", "channel": sandbox.Partner, "user": sandbox.Leo, "ts": "1.000100", "text": marker, "user_team": "T0PARTNER01"}, a{"is_ext_shared_channel": true}),
			eventtest.Envelope("EvUnknown", a{"type": "message", "channel": sandbox.Partner, "user": "U0WHO000001", "ts": "2.000100", "text": marker}, a{"is_ext_shared_channel": true}),
			eventtest.Envelope("EvBot", a{"type": "message", "subtype": "bot_message", "bot_id": "B0OTHER0001", "channel": sandbox.General, "ts": "3.000100", "text": marker}),
			eventtest.Envelope("EvIn", a{"type": "message", "channel": sandbox.General, "user": sandbox.Bob, "ts": "4.000100", "text": "inside", "team": sandbox.Team}),
		)
		for _, format := range []string{"concise", "detailed"} {
			res, err := r.try("slack_list_events", a{"response_format": format})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(res), marker) {
				t.Errorf("lockdown shows the words of an outside author: %s", res)
			}
			if !strings.Contains(string(res), `"text":"inside"`) {
				t.Errorf("lockdown withholds the words of one of us: %s", res)
			}
		}
		for _, id := range []string{"EvOut", "EvUnknown", "EvBot"} {
			for _, tool := range []string{"slack_get_event", "slack_event_context"} {
				res, err := r.try(tool, a{"event_id": id})
				if err != nil {
					t.Fatal(tools.Fault(err))
				}
				if strings.Contains(string(res), marker) {
					t.Errorf("%s(%s) shows the words of an outside author: %s", tool, id, res)
				}
			}
		}
	})
}

// TestLockdownOfAUserTokenAlone: what the person wrote by hand is theirs, and what a tool posted in
// their name is shown to who had it posted and withheld from others, whether Slack names an app or not.
func TestLockdownOfAUserTokenAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *rigOptions) {
		o.alone, o.client.UserToken, o.judge.Lockdown = true, "xoxp-sandbox-"+sandbox.Bob, view.Guests
	})
	hand, err := r.slack.PostAs("bob", "#general", "by my own hand", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	var p posted
	r.call("slack_post_message", a{"channel": "#general", "text": "by a tool"}, &p)
	for who, want := range map[string]string{"tester": "by a tool", "another": ""} {
		c := &toolset.Call{Progress: func(float64, float64, string) {}, Principal: &access.Principal{Name: who, Scopes: tester.Scopes}}
		raw, err := r.tryWith(t.Context(), c, "slack_read_channel_messages", a{"channel": "#general", "limit": 5})
		if err != nil {
			t.Fatal(err)
		}
		var m messages
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		for _, one := range m.Messages {
			texts[one.TS] = one.Text
		}
		if texts[hand] != "by my own hand" || texts[p.TS] != want {
			t.Errorf("%s is shown %v", who, texts)
		}
	}
}
