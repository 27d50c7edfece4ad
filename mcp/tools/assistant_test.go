package tools_test

import (
	"bytes"
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// An earlyReader asks of each event whether an assistant wrote its message, as soon as Slack has sent the
// event: before the caller has the answer of the post.
type earlyReader struct {
	slack  *sandbox.Sandbox
	assist func(context.Context, *event.Event) (bool, error)
	// unmarked takes the mark out of what Slack sends.
	unmarked bool

	wait sync.WaitGroup
	mu   sync.Mutex
	seen int
	told map[string]bool // type and text
	errs []error
}

func (r *earlyReader) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if r.assist != nil && !strings.HasPrefix(path.Base(req.URL.Path), "auth.") {
		r.read()
		time.Sleep(50 * time.Millisecond) // the readers come first
	}
	return resp, err
}

// read asks of what was sent since.
func (r *earlyReader) read() {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.slack.Deliveries()
	for _, d := range all[r.seen:] {
		if r.unmarked {
			d.Body = bytes.ReplaceAll(d.Body, []byte(event.AssistantMark), []byte("another"))
		}
		env, err := event.DecodeSlack(d.Body, event.JSON)
		if err != nil || env.Kind.Type != "message" && env.Kind.Type != "app_mention" {
			continue
		}
		r.wait.Go(func() {
			is, err := r.assist(context.Background(), &env.Event)
			in, _ := event.Inner[struct {
				Text    string `json:"text"`
				Message struct {
					Text string `json:"text"`
				} `json:"message"`
			}](&env.Event)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told[env.Kind.Type+": "+in.Text+in.Message.Text] = is
			if err != nil {
				r.errs = append(r.errs, err)
			}
		})
	}
	r.seen = len(all)
}

// TestWhatToolsPostInAPersonsNameIsTheirAssistants posts in every way with a person's token. Whoever reads
// the events, before the tool has Slack's answer or later, takes none of it for the person's words, and
// nothing that the person typed for the assistant's.
func TestWhatToolsPostInAPersonsNameIsTheirAssistants(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct{ unstamped, unmarked bool }{
		"Slack names the app": {}, "Slack does not": {unstamped: true}, "nor gives back the mark": {unstamped: true, unmarked: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			early := &earlyReader{told: map[string]bool{}, unmarked: how.unmarked}
			r := newRig(t, func(o *rigOptions) {
				o.sandbox.Unstamped, o.sandbox.SocketMode = how.unstamped, true
				o.client.Transport, o.client.AssistantLine = early, true
				o.person = true
			})
			early.slack, early.assist = r.slack, r.judge.Assistant
			typed, err := r.slack.PostAs("alice", "#random", "typed", sandbox.Saying{})
			if err != nil {
				t.Fatal(err)
			}
			var root struct {
				TS string `json:"ts"`
			}
			r.call("slack_post_message", a{"channel": sandbox.Random, "text": "posted, <@" + sandbox.BotUser + ">"}, &root)
			r.call("slack_thread_reply", a{"channel": sandbox.Random, "thread_ts": root.TS, "texts": []string{"first reply", "second reply"}}, nil)
			r.call("slack_post_message", a{"channel": sandbox.Random, "markdown": "**Markdown**"}, nil)
			r.call("slack_update_message", a{"channel": sandbox.Random, "ts": root.TS, "text": "changed"}, nil)
			r.call("slack_update_message", a{"channel": sandbox.Random, "ts": typed, "text": "typed, then changed"}, nil)
			r.call("slack_upload_file", a{"channel": sandbox.Random, "filename": "a.txt", "content": "x", "comment": "with a file"}, nil)
			if _, err := r.slack.PostAs("alice", "#random", "typed later", sandbox.Saying{}); err != nil {
				t.Fatal(err)
			}
			early.read()
			early.wait.Wait()
			for _, err := range early.errs {
				t.Error(err)
			}
			for what, want := range map[string]bool{
				"message: typed": false, "message: typed later": false,
				"message: posted, <@" + sandbox.BotUser + ">": true, "app_mention: posted, <@" + sandbox.BotUser + ">": true,
				"message: first reply": true, "message: second reply": true, "message: **Markdown**": true, "message: changed": true, "message: typed, then changed": true,
				"message: with a file": true,
			} {
				if is, ok := early.told[what]; !ok || is != want {
					t.Errorf("%q is an assistant's: %v (was read: %v), want %v", what, is, ok, want)
				}
			}
			var page struct {
				Messages []view.Message `json:"messages"`
			}
			r.call("slack_read_channel_messages", a{"channel": sandbox.Random, "limit": 5}, &page)
			var kinds []string
			for _, m := range slices.Backward(page.Messages) {
				kinds = append(kinds, m.Text+": "+m.Provenance.Kind)
			}
			if got, want := strings.Join(kinds, "; "), "typed, then changed: assistant; changed: assistant; **Markdown**: assistant; with a file: assistant; typed later: "; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		})
	}
}

// TestNothingIsPostedThatCannotBeRemembered ends the state under a person's tool.
func TestNothingIsPostedThatCannotBeRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *rigOptions) { o.person = true })
	if err := r.state.Close(); err != nil {
		t.Fatal(err)
	}
	r.refuses("slack_post_message", a{"channel": sandbox.Random, "text": "lost"}, "not_sent:")
	page, err := r.client.History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.Random, Limit: 1})
	if err != nil || len(page.Messages) == 1 && page.Messages[0].Text == "lost" {
		t.Errorf("%v: it was posted all the same", err)
	}
}
