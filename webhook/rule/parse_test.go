package rule_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var env = yamldoc.Env{Lookup: func(name string) (string, bool) {
	v, ok := map[string]string{"HOOK_SECRET": whsec, "BAD_SECRET": "not a secret of that kind", "TOKEN": "token-of-the-command"}[name]
	return v, ok
}}

func parse(t *testing.T, text string) []*rule.Rule {
	t.Helper()
	rules, err := rule.Parse("rules.yaml", []byte(text), env, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestExamplesInTheDocumentation parses what docs/rules.md shows.
func TestExamplesInTheDocumentation(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t)
	n := 0
	for _, part := range strings.Split(string(doc), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		n++
		if _, err := rule.Parse("docs/rules.md", []byte(text), env, nil); err != nil {
			t.Errorf("example %d: %v\n%s", n, err, text)
		}
		if err := schema.Validate(asJSON(t, text)); err != nil {
			t.Errorf("example %d does not fit the schema: %v", n, err)
		}
	}
	if n < 5 {
		t.Errorf("found %d examples", n)
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := rule.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rules.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rules.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProblemsOfRules(t *testing.T) {
	_, err := rule.Parse("rules.yaml", []byte(`rules:
  - name: "No Good"
    log: {}
  - name: two
    log: {}
    run: {command: [/bin/true]}
  - name: none
  - name: where
    post: {text: hi}
  - name: both
    when: {source: slack}
    post: {text: hi, channel: C1, thread: true}
  - name: template
    post: {text: "{{.txt}}", channel: "#general"}
  - name: type
    when: {type: message.channel, match: {"a..b": x, c: {}, d: {matches: "("}}}
    log: {}
  - name: inside
    forward: {url: "https://169.254.169.254/latest", secret_env: HOOK_SECRET}
  - name: plain
    forward: {url: "http://hooks.example.com/", secret_env: HOOK_SECRET}
  - name: unsigned
    forward: {url: "https://hooks.example.com/"}
  - name: missing
    forward: {url: "https://hooks.example.com/", secret_env: NOT_THERE}
  - name: ill
    forward: {url: "https://hooks.example.com/", secret_env: BAD_SECRET, headers: {Authorization: x, "a b": c}}
  - name: relative
    run: {command: [jq, .], env: ["$HOME"], timeout: 2h}
  - name: relative
    log: {level: loud}
`), env, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`line 2: name "No Good" does not fit: use 1 to 48 characters`,
		"line 4: rule two has 2 actions: give it exactly one",
		"line 7: rule none has 0 actions",
		"line 8: rule where does not say where to post: name a channel's id",
		"line 10: rule both has both post.channel and post.thread",
		"line 14: text \"{{.txt}}\" does not fit: ", "the fields are .source, .id",
		"line 14: channel \"#general\" does not fit: write the id",
		`line 16: type "message.channel" does not fit: unknown event type`,
		`line 16: match "a..b" does not fit: path`,
		"line 16: the condition asks for nothing",
		`line 16: matches "(" does not fit: error parsing regexp`,
		"line 19: url does not fit: 169.254.169.254 is refused",
		"line 21: url does not fit: the URL has to begin with https://",
		"line 23: the signing secret cannot be used: name the variable",
		"line 25: the signing secret cannot be used: NOT_THERE is not set",
		"line 27: the signing secret cannot be used: want \"whsec_\"",
		`line 27: headers "Authorization" does not fit`, `line 27: headers "a b" does not fit`,
		"line 29: the command jq is no path from the root: write it as in /usr/local/bin/jq",
		`line 29: env "$HOME" does not fit`, "line 29: timeout does not fit",
		"line 30: name relative is taken: the rule in line 28 has it", `line 31: level "loud" does not fit: write one of debug`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q", want)
		}
	}
	if strings.Contains(err.Error(), "not a secret of that kind") {
		t.Error("the error shows a secret")
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestMatchingByWhen(t *testing.T) {
	message := event.Event{
		Source: "slack", Kind: event.Kind{Type: "message", Subtype: "bot_message"}, Team: "T1", Channel: "C1", ChannelType: "channel", User: "U1",
		Raw: []byte(`{"type":"event_callback","event":{"type":"message","text":"deploy now","files":[{"id":"F1"}],"n":5,"ok":true}}`),
	}
	form := event.Event{Source: "shop", Kind: event.Kind{Type: "order"}, Encoding: event.Form, Raw: []byte("amount=42&currency=EUR")}
	for when, want := range map[string][2]bool{
		"{}":                       {true, true},
		"{source: slack}":          {true, false},
		"{source: [shop, other]}":  {false, true},
		"{type: message.channels}": {true, false},
		"{type: [reaction_added, message/bot_message]}":         {true, false},
		"{subtype: bot_message}":                                {true, false},
		"{subtype: channel_join}":                               {false, false},
		"{channel: [C2, C1], user: U1, team: T1}":               {true, false},
		"{channel: C1, user: U2}":                               {false, false},
		"{match: {event.text: deploy now}}":                     {true, false},
		"{match: {event.text: [x, deploy now]}}":                {true, false},
		"{match: {event.text: {contains: [y, deploy]}}}":        {true, false},
		"{match: {event.text: {matches: '^deploy\\b'}}}":        {true, false},
		"{match: {event.files.0.id: F1, event.n: 5}}":           {true, false},
		"{match: {event.ok: true}}":                             {true, false},
		"{match: {event.thread_ts: {exists: false}}}":           {true, true},
		"{match: {event.text: {exists: true}}}":                 {true, false},
		"{match: {event.text: {contains: z, not: true}}}":       {true, true},
		"{match: {event.text: {contains: deploy, not: true}}}":  {false, true},
		"{match: {amount: 42}}":                                 {false, true},
		"{match: {amount: {matches: '[0-9]+'}, currency: EUR}}": {false, true},
	} {
		one := parse(t, "rules: [{name: a, when: "+when+", log: {}}]")[0]
		if got := [2]bool{one.Matches(&message), one.Matches(&form)}; got != want {
			t.Errorf("%s matches %v, want %v", when, got, want)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"a < b & c > d":         "a &lt; b &amp; c &gt; d",
		"<!channel> <@U1>":      "&lt;!channel&gt; &lt;@U1&gt;",
		"a &lt;b&gt; &amp; &lt": "a &lt;b&gt; &amp; &amp;lt",
		"&amp;lt;":              "&amp;lt;",
		"\xff":                  "\uFFFD",
	} {
		if got := rule.Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWithoutMassMentions(t *testing.T) {
	for _, tc := range []struct {
		in   string
		n    int
		want string
	}{
		{"<!here> and <!CHANNEL|all> <!subteam^S1|@team>", 0, "@here and @channel @subteam"},
		{"<!here>", 1, "<!here>"},
		{"<!here> <!channel>", 1, "@here @channel"},
		{"<https://x|y> <@U1>", 0, "<https://x|y> <@U1>"},
	} {
		if got := rule.WithoutMassMentions(tc.in, tc.n); got != tc.want {
			t.Errorf("WithoutMassMentions(%q, %d) = %q, want %q", tc.in, tc.n, got, tc.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("rules:\n  - name: a\n    when: {type: message, match: {event.text: {contains: x}}}\n    post: {channel: C1, text: \"{{.text}}\"}\n"))
	f.Add([]byte("rules: [{name: b, forward: {url: 'https://hooks.example.com/', secret_env: HOOK_SECRET}}]"))
	f.Add([]byte("rules: [{name: c, run: {command: [/bin/true]}}, {name: d, log: {text: '{{get \"a.b\" | default \"x\" | truncate 3}}'}}]"))
	e := event.Event{Source: "slack", Kind: event.Kind{Type: "message"}, Raw: []byte(`{"type":"event_callback","event":{"text":"<!channel> x"}}`)}
	f.Fuzz(func(t *testing.T, content []byte) {
		rules, err := rule.Parse("f", content, env, nil)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		for _, r := range rules {
			r.Matches(&e)
			if r.Name() == "" || len(r.Group()) > 64 {
				t.Errorf("a rule %q of group %q", r.Name(), r.Group())
			}
		}
	})
}

// FuzzEscape looks for a text that has a meaning in Slack's markup after it is escaped.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"<!channel>", "&lt;!here&gt;", "a&b", "<<!here>>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := rule.Escape(s)
		if strings.ContainsAny(got, "<>") {
			t.Errorf("Escape(%q) = %q", s, got)
		}
		if again := rule.Escape(got); again != got {
			t.Errorf("Escape is not stable: %q, then %q", got, again)
		}
	})
}
