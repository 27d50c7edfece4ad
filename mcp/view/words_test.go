package view_test

import (
	"encoding/json"
	"slices"
	"testing"

	"slackmcp/internal/words"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// TestMore: the concise form says what its words do not show, and no other form does.
func TestMore(t *testing.T) {
	t.Parallel()
	for attachments, want := range map[string]string{
		`[]`:             "blocks",
		`[{"text":"x"}]`: "blocks",
		`[{"text":"x","image_url":"https://i.example/1"}]`:                                  "blocks, 1 attachment",
		`[{"text":"x","image_url":"https://i.example/1"},{"blocks":[{"type":"hologram"}]}]`: "blocks, 2 attachments",
	} {
		m := slackapi.Message{User: insider, TS: "1.000001", Attachments: json.RawMessage(attachments), Blocks: json.RawMessage(`[{"type":"hologram","title":"y"}]`)}
		if v := open(t).Message(&m, view.MessageOptions{}); v.More != want {
			t.Errorf("%s: more is %q, want %q", attachments, v.More, want)
		}
		if v := open(t).Message(&m, view.MessageOptions{Detailed: true}); v.More != "" || len(v.Blocks) == 0 {
			t.Errorf("%s: in detail it is %+v", attachments, v)
		}
		if v := locked(t, view.Guests, nil).Message(&m, view.MessageOptions{}); v.More != "" || !slices.Contains(v.Flags, view.FlagWithheld) {
			t.Errorf("%s: under lockdown it is %+v", attachments, v)
		}
	}
	plain := slackapi.Message{User: insider, TS: "1.000001", Text: "x", Blocks: json.RawMessage(`[{"type":"section","text":{"type":"mrkdwn","text":"x"}}]`)}
	if v := open(t).Message(&plain, view.MessageOptions{}); v.More != "" {
		t.Errorf("of a message whose words say all, more is %q", v.More)
	}
}

// TestFilesSayWhatSlackRead: under lockdown only what the one who uploaded a file wrote or said in it.
func TestFilesSayWhatSlackRead(t *testing.T) {
	t.Parallel()
	recording := words.Extract{Transcription: json.RawMessage(`{"preview":{"content":"call me"}}`)}
	for name, tc := range map[string]struct {
		file         slackapi.File
		open, locked view.FileRef
	}{
		"a recording": {
			slackapi.File{ID: "F1", User: insider, Name: "a.m4a", Size: 7, Extract: recording},
			view.FileRef{ID: "F1", Name: "a.m4a", Size: 7, Text: "call me"},
			view.FileRef{ID: "F1", Name: "a.m4a", Size: 7, Text: "call me"},
		},
		"an outsider's": {
			slackapi.File{ID: "F1", User: outsider, Name: "a.m4a", Size: 7, Extract: recording},
			view.FileRef{ID: "F1", Name: "a.m4a", Size: 7, Text: "call me"},
			view.FileRef{ID: "F1", Size: 7},
		},
		"an e-mail, which anybody may have sent": {
			slackapi.File{ID: "F1", User: insider, Name: "Offer", Mode: "email", Extract: words.Extract{Subject: "Lamps"}},
			view.FileRef{ID: "F1", Name: "Offer", Text: "Subject: Lamps"},
			view.FileRef{ID: "F1", Name: "Offer"},
		},
		"one that was deleted": {
			slackapi.File{ID: "F1", User: insider, Mode: "tombstone"},
			view.FileRef{ID: "F1", Gone: "deleted"},
			view.FileRef{ID: "F1", Gone: "deleted"},
		},
	} {
		m := slackapi.Message{User: insider, TS: "1.000001", Files: []slackapi.File{tc.file}}
		if v := open(t).Message(&m, view.MessageOptions{}); len(v.Files) != 1 || v.Files[0] != tc.open {
			t.Errorf("%s is shown as %+v", name, v.Files)
		}
		if v := locked(t, view.Guests, nil).Message(&m, view.MessageOptions{}); len(v.Files) != 1 || v.Files[0] != tc.locked {
			t.Errorf("%s is shown under lockdown as %+v", name, v.Files)
		}
	}
}
