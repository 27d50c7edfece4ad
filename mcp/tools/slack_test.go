package tools_test

import (
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

type posted struct {
	OK        bool   `json:"ok"`
	Channel   string `json:"channel"`
	TS        string `json:"ts"`
	Permalink string `json:"permalink"`
	Cursor    string `json:"cursor"`
	Repeated  bool   `json:"repeated"`
	DryRun    bool   `json:"dry_run"`
	Note      string `json:"note"`
	Requests  []struct {
		Method string         `json:"method"`
		Params map[string]any `json:"params"`
	} `json:"requests"`
}

type message struct {
	TS         string   `json:"ts"`
	ThreadTS   string   `json:"thread_ts"`
	User       string   `json:"user"`
	UserName   string   `json:"user_name"`
	Text       string   `json:"text"`
	Flags      []string `json:"flags"`
	Provenance struct {
		Kind     string `json:"kind"`
		External bool   `json:"external"`
		SameTeam bool   `json:"same_team"`
	} `json:"provenance"`
	Reactions []struct {
		Name  string   `json:"name"`
		Count int      `json:"count"`
		Users []string `json:"users"`
	} `json:"reactions"`
}

type messages struct {
	Untrusted  bool      `json:"untrusted"`
	OK         bool      `json:"ok"`
	Messages   []message `json:"messages"`
	HasMore    bool      `json:"has_more"`
	NextCursor string    `json:"next_cursor"`
	Note       string    `json:"note"`
}

func TestPostAndRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var sent posted
	r.call("slack_post_message", a{"channel": sandbox.General, "text": "hello, *world*"}, &sent)
	if !sent.OK || sent.TS == "" || sent.Channel != sandbox.General {
		t.Fatalf("posted %+v", sent)
	}
	if !strings.HasPrefix(sent.Permalink, "https://lantern-works.slack.com/archives/"+sandbox.General+"/p") {
		t.Errorf("permalink %q", sent.Permalink)
	}
	var read messages
	r.call("slack_read_channel_messages", a{"input_params": a{"channel": sandbox.General, "limit": 1}}, &read)
	if len(read.Messages) != 1 || read.Messages[0].Text != "hello, *world*" || !read.Untrusted {
		t.Fatalf("read %+v", read)
	}
	if got := read.Messages[0].Provenance; got.Kind != "self" || !got.SameTeam {
		t.Errorf("our own message is by %+v", got)
	}

	var replies struct {
		Responses []struct {
			OK        bool   `json:"ok"`
			TS        string `json:"ts"`
			Permalink string `json:"permalink"`
		} `json:"responses"`
	}
	r.call("slack_thread_reply", a{"channel": sandbox.General, "thread_ts": sent.TS, "texts": []string{"one", "two"}}, &replies)
	if len(replies.Responses) != 2 || !replies.Responses[0].OK || !replies.Responses[1].OK {
		t.Fatalf("replies %+v", replies)
	}
	for _, reply := range replies.Responses {
		if want := "/p" + strings.ReplaceAll(reply.TS, ".", "") + "?thread_ts=" + sent.TS; !strings.Contains(reply.Permalink, want) {
			t.Errorf("the link of reply %s is %q", reply.TS, reply.Permalink)
		}
	}
	r.call("slack_read_thread_messages", a{"channel": sandbox.General, "thread_ts": sent.TS}, &read)
	if len(read.Messages) != 3 || read.Messages[1].Text != "one" || read.Messages[2].ThreadTS != sent.TS {
		t.Fatalf("thread %+v", read)
	}

	r.call("slack_add_reactions", a{"channel": sandbox.General, "timestamp": sent.TS, "emojis": []string{"eyes", ":tada:", "eyes"}}, &replies)
	if len(replies.Responses) != 3 || !replies.Responses[2].OK {
		t.Fatalf("reactions %+v", replies)
	}
	var one struct{ Message message }
	r.call("slack_get_reactions", a{"timestamp": sent.Permalink}, &one)
	if len(one.Message.Reactions) != 2 {
		t.Errorf("reactions on the message: %+v", one.Message.Reactions)
	}
}

// TestUpdateReplacesTheWholeMessage gives a message with blocks and attachments a new text.
func TestUpdateReplacesTheWholeMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ts, err := r.slack.PostAs(sandbox.BotUser, "#general", "old", sandbox.Saying{
		Blocks: []byte(`[{"type":"header","text":{"type":"plain_text","text":"Old block"}}]`), Attachments: []byte(`[{"title":"Old attachment"}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.call("slack_update_message", a{"channel": "#general", "timestamp": ts, "text": "new"}, nil)
	var page struct{ Messages []map[string]any }
	r.call("slack_read_channel_messages", a{"channel": "#general", "limit": 1, "response_format": "detailed"}, &page)
	shown := string(indent(t, page.Messages))
	if len(page.Messages) != 1 || page.Messages[0]["text"] != "new" || strings.Contains(shown, "Old") {
		t.Errorf("the message is %s", shown)
	}
}
