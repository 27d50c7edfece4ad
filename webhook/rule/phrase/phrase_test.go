package phrase_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"slackmcp/webhook/rule/phrase"
)

func fields() phrase.Fields {
	return phrase.Fields{"text": "héllo <b> & 'you'", "user": "U1", "empty": "", "number": "12"}
}

func repeat(n int, s string) (string, error) {
	if n < 0 || n > 3 {
		return "", errors.New("too often")
	}
	return strings.Repeat(s, n), nil
}

func upper(s string) string { return strings.ToUpper(s) }

func ours() phrase.Funcs {
	return phrase.Funcs{
		"repeat": {Takes: "is", Call: func(a []any) (string, error) { return repeat(a[0].(int), a[1].(string)) }},
		"upper":  {Takes: "s", Call: func(a []any) (string, error) { return upper(a[0].(string)), nil }},
	}
}

// said is what text/template makes of a template, as we set it up.
func said(text string) (string, error) {
	t, err := template.New("text").Option("missingkey=error").Funcs(template.FuncMap{"repeat": repeat, "upper": upper}).Parse(text)
	if err != nil {
		return "", err
	}
	var b limited
	err = t.Execute(&b, map[string]string(fields()))
	return b.String(), err
}

func say(text string) (string, error) {
	p, err := phrase.New(text, ours())
	if err != nil {
		return "", err
	}
	var b limited
	err = p.Execute(&b, fields(), ours())
	return b.String(), err
}

// limited ends what would go on for ever.
type limited struct{ text strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.text.Len()+len(p) > 1<<16 {
		return 0, errors.New("too long")
	}
	return l.text.Write(p)
}

func (l *limited) String() string { return l.text.String() }

// examples say everything that the language has.
var examples = []string{
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
	"{{upper .user}}", "{{.user | upper}}", "{{upper 3}}", "{{upper}}", "{{upper .user .user}}", "{{upper nil}}", "{{upper .}}", "{{upper (index .user 0)}}", `{{repeat 2 "ab"}}`, `{{"ab" | repeat 2}}`, `{{repeat 2.0 "a"}}`, `{{repeat '\x02' "a"}}`, `{{repeat "a" 2}}`, `{{repeat 9 "a"}}`, `{{repeat -1 "a"}}`, `{{repeat (len .user) "a"}}`, `{{repeat (index .user 0) "a"}}`, `{{2 | repeat "a"}}`, "{{repeat 2.5 .user}}", "{{repeat true .user}}",
	"{{(.user)}}", "{{(upper .user)}}", "{{(.).user}}", "{{(upper .user).more}}", "{{(nil).x}}", "{{nil.x}}", "{{.user .text}}", "{{3 4}}", "{{.user | 3}}", "{{nil | print}}", "{{print | print}}", "{{$x := print}}{{$x}}", "{{(print 1) 2}}",
	`{{define "t"}}{{if 1}}{{.}}{{end}}{{end}}{{template "t"}}`, `{{define "t"}}{{if "yes"}}{{with .}}x{{end}}{{end}}{{end}}{{template "t"}}`,
	"{{range 2}}{{range 0}}{{else}}{{break}}{{end}}X{{.}}{{end}}", "{{range 2}}{{range 0}}{{else}}{{continue}}{{end}}X{{.}}{{end}}",
	"{{", "{{.user", "{{if}}{{end}}", "{{end}}", "{{unknown}}", "{{.user.}}", "{{if .user}}", "{{99999999999999999999}}", "{{9223372036854775808}}", "{{18446744073709551615}}", `{{"a" "b"}}`,
}

// TestAsTextTemplate: the same output, and an error where there is one.
func TestAsTextTemplate(t *testing.T) {
	for _, text := range examples {
		compare(t, text)
	}
}

func compare(t *testing.T, text string) {
	t.Helper()
	want, wantErr := said(text)
	got, err := say(text)
	switch {
	case (err == nil) != (wantErr == nil):
		t.Errorf("%q: error %v, text/template says %v", text, err, wantErr)
	case got != want:
		t.Errorf("%q: %q, text/template makes %q", text, got, want)
	}
}

// TestErrorsTellWhere: an error names the line and the place.
func TestErrorsTellWhere(t *testing.T) {
	_, err := say("one\n{{.user}} and {{.usr}}")
	if err == nil || !strings.Contains(err.Error(), `text:2:16: executing "text" at <.usr>: map has no entry for key "usr"`) {
		t.Errorf("the error is %v", err)
	}
	_, err = say("one\n{{.user}")
	if err == nil || !strings.Contains(err.Error(), "text:2:") {
		t.Errorf("the error is %v", err)
	}
}

// TestFull: what the writer refuses ends the execution with its words.
func TestFull(t *testing.T) {
	full := errors.New("full")
	p, err := phrase.New("{{range 9}}x{{end}}", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Execute(refuses{full}, nil, nil); !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
}

type refuses struct{ err error }

func (r refuses) Write([]byte) (int, error) { return 0, r.err }

// FuzzAsTextTemplate looks for a template of which we make something else.
func FuzzAsTextTemplate(f *testing.F) {
	for _, text := range examples {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !endless(text) { // where both would go on, or only one has a bound
			compare(t, text)
		}
	})
}

// endless suspects templates that loop over a large number or often, or call each other
// in a circle, which takes text/template too long and us to our bounds.
func endless(text string) bool {
	loops, calls := strings.Count(text, "range"), strings.Count(text, "template")
	return loops > 0 && number.MatchString(text) || loops > 4 || calls > 2 && loops > 1 || calls > 3 || width.MatchString(text) || len(text) > 1000
}

var (
	number = regexp.MustCompile(`[0-9_]{3}|[xXeEpP'.][0-9']|[0-9][eEpPxX]`)
	width  = regexp.MustCompile(`[0-9]{5}`)
)

// TestBounds: what a template may take is bounded, whoever wrote the texts.
func TestBounds(t *testing.T) {
	for text, want := range map[string]string{
		"{{range 9223372036854775807}}{{end}}":                                    "more than 1000000 steps",
		"{{range 2000}}{{range 2000}}{{end}}{{end}}":                              "more than 1000000 steps",
		"{{$x := .text}}{{range 30}}{{$x = print $x $x}}{{end}}":                  "print makes more than 1048576 bytes",
		`{{printf "%99999s" .user}}`:                                              "a width or precision",
		`{{printf "%[1]0-99999s" .user}}`:                                         "a width or precision",
		`{{printf "%*s" 99999 .user}}`:                                            "a width or precision",
		`{{define "t"}}{{template "t"}}{{end}}{{template "t"}}`:                   "more than 1000 deep",
		`{{define "t"}}{{range 2}}{{template "t"}}{{end}}{{end}}{{template "t"}}`: "1000",
	} {
		if _, err := say(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
