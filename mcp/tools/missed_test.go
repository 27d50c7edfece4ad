package tools_test

import (
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// TestReadingAChannelTellsOfOlderThreads: what one missed also stands in threads that began before.
func TestReadingAChannelTellsOfOlderThreads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	post := func(text, thread string) (p posted) {
		r.call("slack_post_message", a{"channel": sandbox.General, "text": text, "thread_ts": thread}, &p)
		return p
	}
	old, quiet := post("an old thread", ""), post("a quiet one", "")
	post("before", quiet.TS)
	since := post("the last that I read", "")
	reply := post("since", old.TS)
	post("new", "")
	type thread struct {
		ThreadTS    string `json:"thread_ts"`
		Replies     int    `json:"replies"`
		LatestReply string `json:"latest_reply"`
	}
	type page struct {
		Messages     []a      `json:"messages"`
		OlderThreads []thread `json:"older_threads"`
		Note         string   `json:"note"`
	}
	read := func(args a) (p page) {
		args["channel"] = sandbox.General
		r.call("slack_read_channel_messages", args, &p)
		return p
	}
	want := thread{ThreadTS: old.TS, LatestReply: reply.TS}
	p := read(a{"oldest": since.TS})
	if len(p.Messages) != 1 || len(p.OlderThreads) != 1 || p.OlderThreads[0] != want || !strings.Contains(p.Note, "complete for threads that began since") {
		t.Errorf("without events it returned %+v", p)
	}
	if p = read(a{}); p.OlderThreads != nil || p.Note != "" {
		t.Errorf("without a time it returned %+v", p)
	}
	first := delivered("EvFirst", sandbox.General, sandbox.Alice, old.TS, "")
	first.ReceivedAt = time.Now().Add(-time.Hour)
	r.events.Append(first, delivered("EvReply", sandbox.General, sandbox.Alice, reply.TS, old.TS))
	want.Replies = 1
	if p = read(a{"oldest": since.TS}); len(p.OlderThreads) != 1 || p.OlderThreads[0] != want || p.Note != "" {
		t.Errorf("from the events it returned %+v", p)
	}
}
