package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

//go:generate go test -run ^TestTheTranscriptOfTheReadme$ . -update

const readmePage = "../../README.md"

// TestTheTranscriptOfTheReadme has a person say something in the sandbox, and an assistant that is told of
// it, looks around and answers: README.md shows what each of them got.
func TestTheTranscriptOfTheReadme(t *testing.T) {
	o := options{args: []string{"--integrated", "--sandbox"}, data: t.TempDir()}
	p := start(t, o)
	s := connect(t, p)
	var text strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&text, "    "+format+"\n", args...) }
	sandbox := func(args ...string) {
		t.Helper()
		say("$ bin/slack-webhook-server sandbox %s", strings.Join(quotedWords(args), " "))
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"sandbox"}, args...)...)
		cmd.Env = append(os.Environ(), "DATA_DIR="+o.data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}

	cursor := s.waiting("")
	sandbox("say", "--as", "alice", "--in", "general", "when is the next release?")
	var came told
	s.tool("slack_wait_for_event", map[string]any{"channel": "#general", "cursor": cursor, "timeout_seconds": 20}, &came)
	if len(came.Events) != 1 {
		t.Fatalf("the assistant was told of %+v", came)
	}
	e := came.Events[0]
	say("assistant  slack_wait_for_event {\"channel\": \"#general\"}")
	say("           → %s in #%s: %s", e.UserName, e.ChannelName, e.Text)

	var sent told
	s.tool("slack_reply_to_event", map[string]any{"event_id": e.EventID, "text": "On Thursday at 14:00."}, &sent)
	say("assistant  slack_reply_to_event {\"event_id\": \"Ev…\", \"text\": \"On Thursday at 14:00.\"}")

	var thread told
	s.tool("slack_read_thread_messages", map[string]any{"channel": e.Channel, "thread_ts": e.TS}, &thread)
	say("in Slack, in the thread:")
	for _, m := range thread.Messages {
		say("           %s: %s", m.UserName, m.Text)
	}
	compareTranscript(t, text.String())
}

// waiting returns a cursor from which on events are waited for.
func (s *session) waiting(cursor string) string {
	s.t.Helper()
	var now struct {
		Cursor string `json:"cursor"`
		Next   string `json:"next_cursor"`
	}
	s.tool("slack_wait_for_event", map[string]any{"timeout_seconds": 1, "cursor": cursor}, &now)
	return now.Cursor + now.Next
}

func quotedWords(words []string) []string {
	list := make([]string, len(words))
	for i, w := range words {
		if list[i] = w; strings.Contains(w, " ") {
			list[i] = `"` + w + `"`
		}
	}
	return list
}

// compareTranscript holds README.md against the transcript, or writes it.
func compareTranscript(t *testing.T, text string) {
	t.Helper()
	const begin, end = "<!-- transcript:begin -->\n", "<!-- transcript:end -->\n"
	page, err := os.ReadFile(readmePage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("README.md has no place for the transcript, between %q and %q", begin, end)
	case shown == text:
	case *update:
		if err := os.WriteFile(readmePage, []byte(before+begin+text+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md is stale: run go generate ./test/e2e; now it is\n%s", text)
	}
}
