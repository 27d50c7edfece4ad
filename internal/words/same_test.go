package words_test

import (
	"encoding/json"
	"testing"

	"slackmcp/internal/words"
)

// TestWhatPunctuationSays: a sign that makes another word is no repetition of the word without it.
func TestWhatPunctuationSays(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, block, want string }{
		{"Profit: 5", "Profit: -5", "Profit: 5\nProfit: -5"},
		{"up 5", "*up* 5%", "up 5\n*up* 5%"},
		{"Approved", "Approved?", "Approved\nApproved?"},
		{"Profit: (-5%)", "*Profit*: -5%.", "Profit: (-5%)"},
		{"Done!", "*Done*", "Done!"},
		{"- one, two", "• one\n• two", "- one, two"},
	} {
		blocks, err := json.Marshal([]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": tc.block}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := (&words.Message{Text: tc.text, Blocks: blocks}).String(); got != tc.want {
			t.Errorf("%q with %q is %q, want %q", tc.text, tc.block, got, tc.want)
		}
	}
}
