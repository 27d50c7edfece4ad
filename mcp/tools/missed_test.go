package tools_test

import (
	"fmt"
	"slices"
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
		Time        string `json:"time"`
	}
	type page struct {
		Messages     []a      `json:"messages"`
		OlderThreads []thread `json:"older_threads"`
		Note         string   `json:"note"`
	}
	read := func(args a) (p page) {
		args["channel"] = sandbox.General
		r.call("slack_read_channel_messages", args, &p)
		for i := range p.OlderThreads {
			if p.OlderThreads[i].Time == "" {
				t.Errorf("an older thread has no time: %+v", p)
			}
			p.OlderThreads[i].Time = ""
		}
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

// TestOlderThreadsBeforeALongTime: however long ago the time is, the threads of the 7 days before it are
// looked through, and the note says since when the list is complete.
func TestOlderThreadsBeforeALongTime(t *testing.T) {
	t.Parallel()
	const day = 24 * 60 * 60
	now := time.Now().Unix()
	ts := func(daysAgo int64) string { return fmt.Sprintf("%d.000100", now-daysAgo*day) }
	w := &sandbox.Workspace{People: []sandbox.FilePerson{{Name: "ada"}}, Channels: []sandbox.FileChannel{{
		ID: "C0DOCK00001", Name: "dock", Members: []string{"ada", "wick"}, Messages: []sandbox.FileMessage{
			{TS: ts(40), User: "ada", Text: "too old"},
			{TS: ts(35), User: "ada", Text: "old"},
			{TS: ts(34), User: "ada", Text: "quiet"},
			{TS: ts(33), ThreadTS: ts(34), User: "ada", Text: "before"},
			{TS: ts(3), ThreadTS: ts(40), User: "ada", Text: "since"},
			{TS: ts(2), ThreadTS: ts(35), User: "ada", Text: "since"},
		},
	}}}
	w.App.Name = "Wick"
	r := newRig(t, func(o *rigOptions) { o.sandbox.Workspace = w })
	var p struct {
		OlderThreads []struct {
			ThreadTS string `json:"thread_ts"`
		} `json:"older_threads"`
		Note string `json:"note"`
	}
	r.call("slack_read_channel_messages", a{"channel": "C0DOCK00001", "oldest": ts(30)}, &p)
	stopped := "complete for threads that began since " + time.Unix(now-37*day, 0).UTC().Format("2 Jan 15:04") + "."
	if len(p.OlderThreads) != 1 || p.OlderThreads[0].ThreadTS != ts(35) || !strings.Contains(p.Note, stopped) {
		t.Errorf("it returned %+v, want the thread %s, and a note with %q", p, ts(35), stopped)
	}
	if r.call("slack_read_channel_messages", a{"channel": "C0DOCK00001", "oldest": "1.000000"}, &p); strings.Contains(p.Note, "could not be found") {
		t.Errorf("since the beginning: %s", p.Note)
	}
}

// TestOlderThreadsNameTheirPeople: who wrote in a thread that grew has a name, and an id in people.
func TestOlderThreadsNameTheirPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	root, err := r.slack.PostAs("bob", "#general", "an old thread", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	since, err := r.slack.PostAs("bob", "#general", "the last that I read", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := r.slack.PostAs("alice", "#general", "since", sandbox.Saying{ThreadTS: root})
	if err != nil {
		t.Fatal(err)
	}
	first := delivered("EvFirst", sandbox.General, sandbox.Bob, root, "")
	first.ReceivedAt = time.Now().Add(-time.Hour)
	r.events.Append(first, delivered("EvReply", sandbox.General, sandbox.Alice, reply, root), delivered("EvOther", sandbox.General, "U0NOBODY001", later(t, reply), root))
	var p struct {
		OlderThreads []struct {
			Users []string `json:"users"`
		} `json:"older_threads"`
		People map[string]string `json:"people"`
	}
	r.call("slack_read_channel_messages", a{"channel": sandbox.General, "oldest": since}, &p)
	if len(p.OlderThreads) != 1 || !slices.Equal(p.OlderThreads[0].Users, []string{"U0NOBODY001", "@alice"}) || p.People["alice"] != sandbox.Alice {
		t.Errorf("it returned %+v", p)
	}
}
