package rule_test

import (
	"cmp"
	"strings"
	"testing"
	"text/template"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// templateExamples use everything that the language has.
var templateExamples = []string{
	"", "plain", "{{.text}}", "{{.user}}{{.empty}}!", "{{ .user -}}   trimmed", "{{/* a comment */}}x", "{{.nothing}}", "{{.text.more}}",
	`{{"a \"text\""}}`, "{{`raw`}}", "{{'x'}}", "{{12}}", "{{-3}}", "{{1.5}}", "{{1e3}}", "{{0x10}}", "{{0b11}}", "{{1_000}}", "{{2i}}", "{{true}}", "{{nil}}", "{{.}}",
	"{{if .text}}yes{{end}}", "{{if .empty}}yes{{else}}no{{end}}", "{{if .empty}}a{{else if .user}}b{{else}}c{{end}}", "{{if 0}}a{{else}}b{{end}}", "{{if 0.0}}a{{else}}b{{end}}", "{{if .}}a{{end}}",
	"{{with .user}}<{{.}}>{{end}}", "{{with .empty}}x{{else}}{{.user}}{{end}}", "{{with .empty}}x{{else with .user}}{{.}}{{end}}", "{{with $x := .user}}{{$x}}{{.}}{{end}}", "{{with .user}}{{.text}}{{end}}", "{{with .user}}{{$.text}}{{end}}",
	"{{$x := .user}}{{$x}}", "{{$x := 1}}{{$x = 2}}{{$x}}", "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "{{$x}}", "{{$x := .}}{{$x.user}}", "{{$.user}}",
	"{{range .}}[{{.}}]{{end}}", "{{range $k, $v := .}}{{$k}}={{$v}};{{end}}", "{{range $v := .}}{{$v}};{{end}}", "{{range 3}}{{.}}{{end}}", "{{range $i := 3}}{{$i}}{{end}}", "{{range $i, $j := 3}}{{$i}}{{end}}",
	"{{range 0}}x{{else}}none{{end}}", "{{range -1}}x{{else}}none{{end}}", "{{range .text}}x{{end}}", "{{range 5}}{{if eq . 2}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}",
	"{{$n := 0}}{{range $i := 3}}{{$n = $i}}{{end}}{{$n}}", "{{$k := 0}}{{$v := 0}}{{range $k, $v = .}}{{end}}{{$k}}{{$v}}", "{{range 2}}{{range 2}}{{break}}{{end}}{{.}}{{end}}", "{{range index .user 1}}.{{end}}", "{{break}}", "{{continue}}",
	`{{define "t"}}({{.}}){{end}}{{template "t" .user}}{{template "t" 3}}`, `{{define "t"}}{{.user}}{{end}}{{template "t" .}}`, `{{define "t"}}{{$}}{{end}}{{template "t" .user}}`, `{{template "none"}}`, `{{define "t"}}x{{end}}{{template "t"}}`, `{{define "t"}}{{.}}{{end}}{{template "t"}}`, `{{define "t"}}{{.user}}{{end}}{{template "t"}}`,
	`{{block "b" .user}}[{{.}}]{{end}}`, `{{define "t"}}x{{end}}`, `{{define "t"}}{{template "t"}}{{end}}{{template "t"}}`, `{{define "text"}}x{{end}}`, `{{define "text"}}x{{end}}y`,
	"{{and .user .text}}", "{{and .empty .nothing}}", "{{or .user .nothing}}", "{{or .empty .text}}", "{{or .empty}}", "{{and}}", "{{.user | and .text}}", "{{.user | or .empty}}", "{{not .empty}}", "{{not}}", "{{not 1 2}}",
	"{{len .text}}", "{{len .}}", "{{len 3}}", "{{len}}", `{{index . "user"}}`, `{{index . "none"}}`, "{{index .text 0}}", "{{index .text 99}}", "{{index .text -1}}", `{{index .text "a"}}`, "{{index . 1}}", "{{index .}}", "{{index 3 1}}", `{{index . "user" 0}}`, "{{index nil}}", "{{index nil 1}}",
	"{{slice .user 1}}", "{{slice .user 0 1}}", "{{slice .user}}", "{{slice .user 2 1}}", "{{slice .user 0 9}}", "{{slice .user 0 1 1}}", "{{slice . 1}}", "{{slice .user 0 1 1 1}}",
	`{{eq .user "U1"}}`, `{{eq .user "a" "U1"}}`, "{{eq .user 1}}", "{{eq 1 1.0}}", "{{eq 1 1}}", "{{eq . .}}", "{{eq true true}}", "{{eq .user}}", "{{eq}}", "{{eq .user nil}}", "{{eq nil nil}}", "{{eq nil .user}}", "{{eq (index .user 0) 85}}", "{{eq 85 (index .user 0)}}", "{{eq 2i 2i}}", "{{ne .user .text}}", "{{ne 1}}",
	`{{lt 1 2}}`, `{{lt "a" "b"}}`, "{{lt 1.5 2.5}}", "{{lt 1 1.5}}", "{{lt true false}}", "{{lt . .}}", "{{lt 1i 2i}}", "{{lt nil 1}}", "{{le 2 2}}", "{{gt 2 1}}", "{{ge 1 2}}", "{{lt (index .user 0) 99}}", `{{gt .user 1}}`, "{{lt 1 nil}}",
	"{{print .user 1 2.5 true}}", "{{print}}", "{{print nil}}", "{{println .user}}", `{{printf "%s-%d" .user 3}}`, `{{printf "%v" .}}`, "{{printf 3}}", "{{printf}}", `{{.user | printf "%q %s" "x"}}`, `{{printf "%d" .user}}`, `{{printf "%v" nil}}`,
	"{{html .text}}", "{{.text | html}}", "{{js .text}}", "{{urlquery .text 3}}", "{{html}}", "{{html .}}", "{{html nil}}", "{{js nil}}", "{{call .user}}", "{{call}}", "{{call nil}}",
	`{{default "x" .user}}`, `{{.empty | default "x"}}`, "{{default 3 .user}}", "{{default}}", "{{default .user .user .user}}", "{{default nil .user}}", "{{default . .user}}", "{{default .user (index .user 0)}}", `{{truncate 2 "abc"}}`, `{{"abc" | truncate 2}}`, `{{truncate 2.0 "abc"}}`, `{{truncate '\x02' "abc"}}`, `{{truncate "a" 2}}`, `{{truncate -1 "a"}}`, `{{truncate (len .user) "abc"}}`, `{{truncate (index .user 0) "a"}}`, `{{2 | truncate "a"}}`, "{{truncate 2.5 .user}}", "{{truncate true .user}}", `{{get "event.n"}}`, `{{get "event.n" | default "x"}}`, `{{get "a..b"}}`, "{{get .user}}", "{{get 3}}", "{{get}}",
	"{{(.user)}}", "{{(print .user)}}", "{{(.).user}}", "{{(print .user).more}}", "{{(nil).x}}", "{{nil.x}}", "{{.user .text}}", "{{3 4}}", "{{.user | 3}}", "{{nil | print}}", "{{print | print}}", "{{$x := print}}{{$x}}", "{{(print 1) 2}}",
	`{{define "t"}}{{if 1}}{{.}}{{end}}{{end}}{{template "t"}}`, `{{define "t"}}{{if "yes"}}{{with .}}x{{end}}{{end}}{{end}}{{template "t"}}`,
	"{{range 2}}{{range 0}}{{else}}{{break}}{{end}}X{{.}}{{end}}", "{{range 2}}{{range 0}}{{else}}{{continue}}{{end}}X{{.}}{{end}}",
	"{{", "{{.user", "{{if}}{{end}}", "{{end}}", "{{unknown}}", "{{.user.}}", "{{if .user}}", "{{99999999999999999999}}", "{{9223372036854775808}}", "{{18446744073709551615}}", `{{"a" "b"}}`,
}

func templateEvent() *event.Event {
	return &event.Event{
		Source: "slack", ID: "Ev1", Kind: event.Kind{Type: "message"}, User: "U1", At: time.Unix(1_700_000_000, 0),
		Raw: []byte(`{"type":"event_callback","event":{"text":"h\u00e9llo <b> & 'you' <!channel>","n":5}}`),
	}
}

// goTemplate is what text/template makes of a template, without our bounds.
func goTemplate(text string) (string, error) {
	e := templateEvent()
	t, err := template.New("text").Option("missingkey=error").Funcs(template.FuncMap{
		"default":  func(standIn, v string) string { return cmp.Or(v, standIn) },
		"truncate": rule.Truncate,
		"get": func(path string) (string, error) {
			p, err := event.ParsePath(path)
			if err != nil {
				return "", err
			}
			v, _ := p.Find(e.Raw)
			return rule.Escape(v), nil
		},
	}).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]string{
		"source": "slack", "id": "Ev1", "type": "message", "subtype": "", "team": "", "channel": "", "user": "U1", "thread": "",
		"at": "2023-11-14T22:13:20Z", "received_at": "", "text": "héllo &lt;b&gt; &amp; 'you' &lt;!channel&gt;",
	})
	return b.String(), err
}

// TestTemplatesAreThoseOfGo compares each template that loads with text/template: both
// return the same text, or both fail.
func TestTemplatesAreThoseOfGo(t *testing.T) {
	loaded := 0
	for _, text := range templateExamples {
		if compareWithGo(t, text) {
			loaded++
		}
	}
	if loaded < 150 {
		t.Errorf("only %d of %d examples load", loaded, len(templateExamples))
	}
}

// compareWithGo reports whether the template loads.
func compareWithGo(t *testing.T, text string) bool {
	t.Helper()
	got, loads, err := rule.Fill(text, templateEvent())
	if !loads {
		if err.Error() == "" {
			t.Errorf("%q is refused without words", text)
		}
		return false
	}
	if err != nil && strings.Contains(err.Error(), "bytes") {
		return true // at our bounds; text/template has none
	}
	want, wantErr := goTemplate(text)
	switch {
	case (err == nil) != (wantErr == nil):
		t.Errorf("%q: error %v, text/template says %v", text, err, wantErr)
	case err == nil && got != want:
		t.Errorf("%q: %q, text/template makes %q", text, got, want)
	}
	return true
}

// FuzzTemplate looks for a template that loads and does not do what text/template does,
// or does not end.
func FuzzTemplate(f *testing.F) {
	for _, text := range templateExamples {
		f.Add(text)
	}
	for _, text := range refusedTemplates {
		f.Add(text[0])
	}
	f.Fuzz(func(t *testing.T, text string) { compareWithGo(t, text) })
}

// refusedTemplates are templates that could run long or take much memory, with a part of
// the remedy that is named when they are loaded.
var refusedTemplates = [][2]string{
	{"{{range 9223372036854775807}}{{end}}", "write {{range $}}"},
	{"{{range 3}}x{{end}}", "text:1:8: at <{{range 3}}x{{end}}>: a loop goes over the fields alone"},
	{"{{range len .text}}x{{end}}", "write {{range $}}"},
	{"{{range index .text 0}}x{{end}}", "write {{range $}}"},
	{"{{$n := 1000000000}}{{range $n}}{{end}}", "write {{range $}}"},
	{"{{with 1000000000}}{{range .}}{{end}}{{end}}", "write {{range $}}"},
	{"{{range $}}{{range .}}{{end}}{{end}}", "write {{range $}}"},
	{"{{range or .team 1000000000}}{{end}}", "write {{range $}}"},
	{"{{range ($)}}{{end}}", "write {{range $}}"},
	{"{{$ := 1000000000}}{{range $}}{{end}}", "$ is the event's fields and cannot be set"},
	{"{{$ = 1000000000}}{{range $}}{{end}}", "$ is the event's fields and cannot be set"},
	{"{{if .user}}{{else}}{{range 5}}{{end}}{{end}}", "write {{range $}}"},
	{"{{range $}}{{range $}}{{range $}}{{range $}}{{end}}{{end}}{{end}}{{end}}", "more than 10000 steps"},
	{strings.Repeat("{{.user}}", 5000), "more than 10000 steps"},
	{"{{" + strings.Repeat("(", 9000) + ".user" + strings.Repeat(")", 9000) + "}}", "more than 10000 steps"},
	{`{{define "t"}}{{template "t"}}{{end}}{{template "t"}}`, "cannot define another (\"t\"): write its text where it is used"},
	{`{{block "t" .}}x{{end}}`, "cannot define another"},
	{`{{define "t"}}x{{end}}`, "cannot define another"},
	{`{{template "text"}}`, "text:1:11: at <{{template \"text\"}}>: a template cannot call another: write its text here"},
	{`{{printf .text}}`, `write it in quotes, as in printf "%s" .user`},
	{`{{$f := "%s"}}{{printf $f .user}}`, "has to stand in the template"},
	{`{{"%s" | printf}}`, "has to stand in the template"},
	{`{{printf (print "%9" "9999s") .user}}`, "has to stand in the template"},
	{`{{print printf}}`, "has to stand in the template"},
	{`{{printf "%99999s" .user}}`, "at most 9999: write a smaller one"},
	{`{{printf "%[1]0-99999s" .user}}`, "at most 9999"},
	{`{{printf "%.99999f" 1.0}}`, "at most 9999"},
	{`{{printf "%99999999999999999999s" .user}}`, "at most 9999"},
	{`{{printf "%%%99999s" .user}}`, "at most 9999"},
	{`{{if .team}}{{print (printf "%10000d" 3)}}{{end}}`, "at most 9999"},
	{`{{printf "%*s" 99999 .user}}`, "write the number in place of *"},
	{`{{printf "%9999s%9999s%9999s%9999s%9999s" .user .user .user .user .user}}`, "come to more than 40000"},
	{`{{call .user}}`, "the function call cannot be called in a rule"},
}

func TestTemplatesThatCouldRunLongAreRefused(t *testing.T) {
	for _, tc := range refusedTemplates {
		_, loads, err := rule.Fill(tc[0], templateEvent())
		if loads || err == nil || !strings.Contains(err.Error(), tc[1]) {
			t.Errorf("%.80q loads: %v; error %v, want %s", tc[0], loads, err, tc[1])
		}
	}
}

// TestRefusedTemplatesAreNamed reads a file and expects the line of the template in the error.
func TestRefusedTemplatesAreNamed(t *testing.T) {
	_, err := rule.Parse("rules.yaml", []byte("rules:\n  - name: a\n    log:\n      text: '{{range 3}}x{{end}}'\n"), env, nil)
	if err == nil || !strings.Contains(err.Error(), `line 4: text "{{range 3}}x{{end}}" does not fit: text:1:8: at <{{range 3}}x{{end}}>: a loop goes over the fields alone: write {{range $}}`) {
		t.Errorf("the error is %v", err)
	}
}

func TestTemplatesAreBounded(t *testing.T) {
	long, medium := templateEvent(), templateEvent()
	long.Raw = []byte(`{"type":"event_callback","event":{"text":"` + strings.Repeat("x<", 400_000) + `"}}`)
	medium.Raw = []byte(`{"type":"event_callback","event":{"short":"` + strings.Repeat("y", 30_000) + `"}}`)
	for text, want := range map[string]string{
		"{{.text}}": "the template makes more than 40000 bytes",
		`{{get "event.short"}}{{get "event.short"}}`:                                                                      "the template makes more than 40000 bytes",
		`{{get "event.text"}}`:                                                                                            "error calling get: it makes more than 1048576 bytes",
		`{{$x := get "event.short"}}{{range $}}{{$x = print $x $x}}{{end}}`:                                               "error calling print: it makes more than 1048576 bytes",
		`{{$x := get "event.short"}}{{range $}}{{$x = js $x $x}}{{end}}`:                                                  "error calling js: it makes more than 1048576 bytes",
		`{{$x := get "event.short"}}{{range $}}{{$x = html $x $x}}{{end}}`:                                                "error calling html: it makes more than 1048576 bytes",
		`{{$x := get "event.short"}}{{range $}}{{$x = urlquery $x $x}}{{end}}`:                                            "error calling urlquery: it makes more than 1048576 bytes",
		`{{$x := get "event.short"}}{{range $}}{{$x = println $x $x}}{{end}}`:                                             "error calling println: it makes more than 1048576 bytes",
		`{{len (println $ $ $ .text)}}`:                                                                                   "error calling println: it makes more than 1048576 bytes",
		`{{printf "` + strings.Repeat("%[1]s", 100) + `" (get "event.short") | len}}`:                                     "error calling printf: it makes more than 1048576 bytes",
		`{{range $}}{{range $}}{{$x := print (get "event.short") (get "event.short") (get "event.short")}}{{end}}{{end}}`: "the template's functions make more than 16777216 bytes",
	} {
		e := medium
		if strings.Contains(text, "text") {
			e = long
		}
		if _, loads, err := rule.Fill(text, e); !loads || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q loads: %v; error %v, want %s", text, loads, err, want)
		}
	}
	if got, _, err := rule.Fill(`{{get "event.short" | truncate 3}}`, medium); got != "yyy…" || err != nil {
		t.Errorf("a cut of a long text is %q, %v", got, err)
	}
}

// TestErrorsOfTemplatesNameThePlace expects the line and the column in an error.
func TestErrorsOfTemplatesNameThePlace(t *testing.T) {
	for text, want := range map[string]string{
		"one\n{{.user}} and {{.usr}}":                      `text:2:16: executing "text" at <.usr>: map has no entry for key "usr"`,
		"one\n{{.user}":                                    "text:2:",
		"{{if .user}}{{eq $ $}}{{end}}":                    "non-comparable type",
		"one\n\n{{with .user}}\n{{range 5}}{{end}}{{end}}": "text:4:8: at <{{range 5}}{{end}}>: a loop",
	} {
		e := templateEvent()
		e.Raw = []byte(`{"type":"event_callback","event":{"text":"` + strings.Repeat("x", 5000) + `"}}`)
		if _, _, err := rule.Fill(text, e); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%q: the error is %v, want %s", text, err, want)
		}
	}
}

// TestTruncate cuts texts: the cut is between characters and not within an entity, and an
// ampersand that begins no entity does not move it.
func TestTruncate(t *testing.T) {
	for _, tc := range []struct {
		n          int
		text, want string
	}{
		{5, "hello", "hello"},
		{4, "hello", "hell…"},
		{2, "aéb", "a…"},
		{0, "ab", "…"},
		{-1, "ab", "ab"},
		{3, "a&amp;b", "a…"},
		{6, "a&amp;b", "a&amp;…"},
		{4, "a&lt;b", "a…"},
		{6, "R&D plan", "R&D pl…"},
		{3, "&&&&&", "&&&…"},
	} {
		if got := rule.Truncate(tc.n, tc.text); got != tc.want {
			t.Errorf("truncate %d %q: %q, want %q", tc.n, tc.text, got, tc.want)
		}
	}
}
