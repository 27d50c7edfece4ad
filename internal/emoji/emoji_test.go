package emoji_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slackmcp/internal/emoji"
)

var data = flag.String("data", "", "write names.txt anew from this emoji.json of the npm package emoji-datasource")

// TestTheTable writes names.txt from the data of emoji-datasource, when it is given:
//
//	npm pack emoji-datasource@16.0.0 && tar xzf emoji-datasource-16.0.0.tgz -C /tmp
//	go test ./internal/emoji -run TestTheTable -data /tmp/package/emoji.json
func TestTheTable(t *testing.T) {
	if *data == "" {
		return
	}
	in, err := os.ReadFile(*data)
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Unified string         `json:"unified"`
		Names   []string       `json:"short_names"`
		Tones   map[string]any `json:"skin_variations"`
	}
	if err := json.Unmarshal(in, &all); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, e := range all {
		out.WriteString("\n")
		for code := range strings.SplitSeq(e.Unified, "-") {
			r, err := strconv.ParseInt(code, 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			if r != 0xFE0F {
				out.WriteRune(rune(r))
			}
		}
		out.WriteString(" " + strings.Join(e.Names, " "))
		if len(e.Tones) > 0 {
			out.WriteString(" *")
		}
	}
	out.WriteString("\n")
	if err := os.WriteFile("names.txt", []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for character, want := range map[string]string{
		"👍": "+1", "👍🏽": "+1::skin-tone-4", "❤️": "heart", "❤": "heart", "✅": "white_check_mark", "👀": "eyes",
		"🧑‍💻": "technologist", "👩🏿‍🚒": "female-firefighter::skin-tone-6", "🏳️‍🌈": "rainbow-flag", "🇩🇪": "de",
		"#️⃣": "hash", "*️⃣": "keycap_star", "1️⃣": "one", "🤝🏻": "handshake::skin-tone-2", "🏽": "skin-tone-4",
		"👨‍👩‍👧‍👦": "man-woman-girl-boy", "🧑🏽‍🤝‍🧑🏽": "people_holding_hands::skin-tone-4",
	} {
		if name, ok := emoji.Name(character); !ok || name != want {
			t.Errorf("Name(%s) = %q, %v, want %q", character, name, ok, want)
		}
		if !emoji.Known(want) {
			t.Errorf("%q is not known", want)
		}
	}
	for _, s := range []string{"", "thumbsup", "+1", "#", "*", " ", "\n", "a", "👍👍", "👍 ", "🫱🏻‍🫲🏿", "🔥🏽", "\uFE0F", "# The", "Copyright"} {
		if name, ok := emoji.Name(s); ok {
			t.Errorf("Name(%q) = %q", s, name)
		}
	}
}

func TestCharacter(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"+1": "👍", "thumbsup": "👍", "+1::skin-tone-4": "👍🏽", "tada": "🎉",
		"": "", "heart::skin-tone-2": "", "+1::skin-tone-7": "", "+1::skin-tone-": "", "*": "", "nobody": "",
	} {
		if got, ok := emoji.Character(name); got != want && ok || ok != (want != "") {
			t.Errorf("Character(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"thumbsup": true, "+1": true, "-1": true, "flag-de": true, "thumbsup::skin-tone-2": true, "heart": true, "hash": true,
		"thumbsu": false, "humbsup": false, "": false, "*": false, "heart::skin-tone-2": false, "+1::skin-tone-1": false,
		"+1::skin-tone-": false, "+1::skin-tone-7": false, "👍": false, "Copyright": false, "emoji": false, "+1 thumbsup": false, "The": false,
	} {
		if emoji.Known(name) != want {
			t.Errorf("Known(%q) = %v", name, !want)
		}
	}
	all := emoji.Names()
	if len(all) < 1900 || !slices.Contains(all, "hash") || slices.Contains(all, "*") || slices.Contains(all, "The") {
		t.Errorf("%d names", len(all))
	}
	for _, name := range all {
		if !emoji.Known(name) {
			t.Errorf("%q is not known", name)
		}
	}
}
