package words_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"slackmcp/internal/words"
)

// A shape is a message, what a person sees of it, and what a person does not see.
type shape struct {
	Case    string          `json:"case"`
	Message json.RawMessage `json:"message"`
	Sees    []string        `json:"sees"`
	Hides   []string        `json:"hides"`
}

func shapes(t testing.TB) []shape {
	t.Helper()
	raw, err := os.ReadFile("testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []shape
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestShapes: each message says what a person sees of it, and each thing once.
func TestShapes(t *testing.T) {
	t.Parallel()
	for _, s := range shapes(t) {
		got := words.Read(s.Message).String()
		for _, want := range s.Sees {
			if n := strings.Count(got, want); n == 0 {
				t.Errorf("%s: %q is not in\n%s", s.Case, want, got)
			} else if n > 1 && len(want) > 8 {
				t.Errorf("%s: %q stands %d times in\n%s", s.Case, want, n, got)
			}
		}
		for _, hidden := range s.Hides {
			if strings.Contains(got, hidden) {
				t.Errorf("%s: %q is in\n%s", s.Case, hidden, got)
			}
		}
		if os.Getenv("SHOW") != "" {
			t.Logf("%s\n%s", s.Case, got)
		}
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		m    string
		want string
	}{
		"its text and its blocks": {`{"text":"hi","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"there"}}]}`, "hi\nthere"},
		"its blocks": {`{"blocks":[{"type":"header","text":{"type":"plain_text","text":"Build"}},
			{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"failed"}]}]}]}`, "Build\nfailed"},
		"its attachments":        {`{"attachments":[{"pretext":"Alert","title":"Disk","text":"full","fallback":"no"}]}`, "Alert\nDisk\nfull"},
		"a fallback":             {`{"attachments":[{"fallback":"only this"}]}`, "only this"},
		"what it brings with it": {`{"text":"look","attachments":[{"is_share":true,"text":"first\nsecond"},{"from_url":"https://x.example","title":"page"},{"title":"card"}]}`, "look\n> first\n> second\n> page\ncard"},
		"nothing":                {`{"blocks":"{bad"}`, ""},
		"not JSON":               {`{`, ""},
		"another type":           {`{"text":7,"blocks":{},"attachments":[1,null,"x"],"files":"no"}`, ""},
		"a short word":           {`{"text":"ok","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"token"}}]}`, "ok\ntoken"},
		"an address that the text lacks": {
			`{"text":"see plan","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"see <https://x.example|plan>"}}]}`,
			"see <https://x.example|plan>",
		},
	} {
		if got := words.Read([]byte(tc.m)).String(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestAuthored: what another one than a part's author may have written is left out.
func TestAuthored(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	for name, m := range map[string]string{
		"the name of a call":           `{"text":"x","blocks":[{"type":"call","call":{"v1":{"name":"CANARY","join_url":"https://CANARY"}}}]}`,
		"a message that is referred":   `{"text":"","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"message_mention","text":"CANARY","url":"https://CANARY","channel_id":"C1"},{"type":"text","text":"x"}]}]}]}`,
		"an element that is not known": `{"text":"","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"CANARY x","text":"CANARY"},{"type":"text","text":"x"}]}]}]}`,
		"a block that is not known":    `{"text":"x","blocks":[{"type":"new","text":"CANARY","of":[{"type":"new","title":"CANARY"}]}]}`,
		"a block without a type":       `{"text":"x","blocks":[{"text":"CANARY"}]}`,
		"a file kept elsewhere":        `{"text":"x","blocks":[{"type":"file","external_id":"CANARY is here"}]}`,
		"around a shared message":      `{"attachments":[{"is_share":true,"author_name":"CANARY","author_id":"CANARY is here","title":"CANARY","pretext":"CANARY","footer":"CANARY","fallback":"CANARY","channel_name":"CANARY","fields":[{"title":"CANARY"}],"attachments":[{"text":"CANARY"}],"files":[{"id":"F1","name":"CANARY"}],"from_url":"https://x/CANARY","text":"x"}]}`,
	} {
		m := words.Read([]byte(m))
		var all []string
		foreign := false
		for _, p := range m.Authored() {
			all, foreign = append(all, p.Lines...), foreign || p.Foreign
		}
		if got := strings.Join(all, "\n"); strings.Contains(got, canary) || !strings.Contains(got, "x") || !foreign {
			t.Errorf("%s: it says %q, and that something was left out: %v", name, got, foreign)
		}
		if got := m.String(); !strings.Contains(got, canary) {
			t.Errorf("%s: the whole message says %q", name, got)
		}
	}
}

func TestSolelyBy(t *testing.T) {
	t.Parallel()
	for m, want := range map[string]bool{
		`{"text":"x"}`: true,
		`{"text":"x","files":[{"id":"F1","user":"U1"}]}`:       true,
		`{"text":"x","files":[{"id":"F1","user":"U2"}]}`:       false,
		`{"text":"x","attachments":[{"text":"y"}]}`:            false,
		`{"text":"x","blocks":[{"type":"call"}]}`:              false,
		`{"text":"x","blocks":[{"type":"new","title":"y"}]}`:   false,
		`{"text":"x","blocks":[{"type":"header","text":"y"}]}`: true,
	} {
		if got := words.Read([]byte(m)).SolelyBy("U1"); got != want {
			t.Errorf("%s: %v", m, got)
		}
	}
}

// TestMoreIsSaid: what no words show is named, and nothing else is.
func TestMoreIsSaid(t *testing.T) {
	t.Parallel()
	more := map[string]bool{
		"menus": true, "a picture with a title": true, "a block of a kind that is not known": true,
		"an attachment with buttons of old": true,
	}
	for _, s := range shapes(t) {
		got := false
		for _, p := range words.Read(s.Message).Parts() {
			got = got || p.More
		}
		if got != more[s.Case] {
			t.Errorf("%s: says that there is more: %v", s.Case, got)
		}
	}
}

// TestBounded: however large or deep a message is, its words are bounded, and it is read soon.
func TestBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"type":"container","child_blocks":[`, 5000) + strings.Repeat(`]}`, 5000)
	nested := strings.Repeat(`{"is_share":true,"text":"x","attachments":[`, 2000) + strings.Repeat(`]}`, 2000)
	rows := strings.Repeat(`[{"type":"raw_text","text":"a b c"}],`, 100_000)
	lines := strings.Repeat(`b\n`, 100_000)
	for name, m := range map[string]string{
		"deep blocks":      `{"blocks":[` + deep + `]}`,
		"deep attachments": `{"attachments":[` + nested + `]}`,
		"many rows":        `{"blocks":[{"type":"table","rows":[` + rows + `[]]}]}`,
		"many attachments": `{"attachments":[` + strings.Repeat(`{"text":"x"},`, 100_000) + `{}]}`,
		"many files":       `{"files":[` + strings.Repeat(`{"id":"F1"},`, 100_000) + `{}]}`,
		"many lines":       `{"text":"` + lines + `a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"` + lines + `c"}}]}`,
		"a long text":      `{"text":"` + strings.Repeat("é", 1_000_000) + `"}`,
	} {
		got := words.Read([]byte(m)).String()
		if len(got) > words.MaxBytes || strings.Contains(got, "\uFFFD") {
			t.Errorf("%s: %d bytes of words", name, len(got))
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range shapes(f) {
		f.Add([]byte(s.Message))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := words.Read(raw)
		if got := m.String(); len(got) > words.MaxBytes || got != words.Read(raw).String() {
			t.Errorf("%d bytes of words, or not the same twice", len(got))
		}
		for _, parts := range [][]words.Part{m.Parts(), m.Authored()} {
			for _, p := range parts {
				if p.Attachment == nil || !p.Attachment.Quotes() && !p.Attachment.Fetched() {
					continue
				}
				for line := range strings.SplitSeq(strings.Join(p.Lines, "\n"), "\n") {
					if line != "" && !strings.HasPrefix(line, "> ") {
						t.Errorf("a line of another one is not marked: %q", line)
					}
				}
			}
		}
	})
}

// TestTheAssistantsLineIsNobodysWords reads the line that stands below a message which a tool wrote in a
// person's name, as it is sent and as Slack gives it back, and what is only like it.
func TestTheAssistantsLineIsNobodysWords(t *testing.T) {
	t.Parallel()
	line := func(more string) string {
		return `{"text":"said","attachments":[{` + more + `"blocks":[{"type":"context","block_id":"x","elements":[{"type":"plain_text","text":"` + words.AssistantLine + `","emoji":false}]}]}]}`
	}
	for name, tt := range map[string]struct{ raw, want string }{
		"as it is sent":     {line(`"fallback":"` + words.AssistantLine + `",`), "said"},
		"as Slack gives it": {line(`"id":1,"color":"ddd","fallback":"[no preview available]",`), "said"},
		"with a text":       {line(`"text":"more",`), "said\nmore\n" + words.AssistantLine},
		"in another block":  {`{"text":"said","attachments":[{"blocks":[{"type":"section","text":{"type":"plain_text","text":"` + words.AssistantLine + `"}}]}]}`, "said\n" + words.AssistantLine},
		"as a text":         {`{"text":"` + words.AssistantLine + `"}`, words.AssistantLine},
	} {
		if got := words.Read([]byte(tt.raw)).String(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
