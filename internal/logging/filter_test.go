package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"slackmcp/internal/logging"
)

// texts are what others may write into a text that is logged. Where one holds the word canary, that is a secret.
var texts = []string{
	`see token=canary-value now`, `token=`, `my token=`, `token="`, `token="canary`, `token="canary value" x`, `token=[`, `token=[canary`, `token={`,
	`token=[canary] x`, `a {"token":"canary-1", "kept":1}`, `{"token": ["canary", "]"]}`, `{"a_secret" : canary`, `token=\`, `token=\"`, `token=canary\`, `token=canary\nsecret=canary`, "a\ntoken=canary", "a\ttoken=canary\tb",
	"line\nxoxb-123456-canary", "line\nbearer canary-0123", `&token=canary`, `<token=canary>`, `"token":`, `"token":"`, `"token":[`, `token":`, `token=é`,
	`secret=,`, `cookie={"a":1`, `password=}]`, `x.token=canary,next=1`, `signature==canary`, `token=token=canary`, "token=canary\u2028x", "token=\x00canary",
	`x token=canary hx-post=/console/groups/drop z`,
}

// Whatever texts hold, a line stays one of JSON, its other fields stay as they were, and its secrets go.
func TestLinesStayWhole(t *testing.T) {
	t.Parallel()
	var pieces []string
	for _, a := range texts {
		pieces = append(pieces, a)
		for _, b := range texts {
			pieces = append(pieces, a+b, a+" "+b, a+`"`+b)
		}
	}
	secrets := &logging.Secrets{}
	secrets.Learn(`a<canary>&"it's"+\x`)
	for _, text := range append(pieces, `see a<canary>&"it's"+\x!`) {
		staysWhole(t, secrets, text)
	}
	for _, text := range append(texts, `see a<canary>&"it's"+\x!`) {
		var out bytes.Buffer
		logging.New(&out, logging.Options{Secrets: secrets}).Error("done", slog.String("text", text))
		escaped, err := json.Marshal(map[string]string{"text": text, "kept": "x"}) // with <, > and & escaped
		if err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.Filter(&out).Write(escaped); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "canary") {
			t.Errorf("%q is told: %s", text, out.String())
		}
	}
}

func FuzzLinesStayWhole(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { staysWhole(t, &logging.Secrets{}, text) })
}

// staysWhole logs a text among others, and wants a line of JSON with all fields.
func staysWhole(t *testing.T, secrets *logging.Secrets, text string) {
	t.Helper()
	var out bytes.Buffer
	logging.New(&out, logging.Options{Secrets: secrets}).Error("done", slog.String("text", text), slog.String("kept", "it = [is] {kept}"),
		slog.Any("token", map[string]any{"a": []string{text}}), slog.Int("n", 7), slog.String("last", `"end"`))
	var got struct {
		Msg, Text, Kept, Token, Last string
		N                            int
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v: %s", text, err, out.String())
	}
	if got.Kept != "it = [is] {kept}" || got.N != 7 || got.Token != logging.Redacted || got.Last != `"end"` || got.Msg != "done" {
		t.Fatalf("%q: a field is lost: %s", text, out.String())
	}
}

// Indented JSON, as check --json writes it, is redacted by members as well.
func TestIndentedJSONStaysWhole(t *testing.T) {
	t.Parallel()
	secrets := &logging.Secrets{}
	in, err := json.MarshalIndent(map[string]any{
		"token": "canary", "a_secret": []any{map[string]string{"x": `]}"canary`}}, "password": nil, "cookie": 17, "tokens": "kept", "detail": "token=[",
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	out := secrets.Redact(string(in))
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"token", "a_secret", "password", "cookie"} {
		if got[name] != logging.Redacted {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if got["tokens"] != "kept" || got["detail"] != "token="+logging.Redacted || strings.Contains(out, "canary") {
		t.Errorf("got %s", out)
	}
}

func TestTextsThatAreRedacted(t *testing.T) {
	t.Parallel()
	secrets := &logging.Secrets{}
	secrets.Learn("a+b c&d'e")
	for in, want := range map[string]string{
		`token=abc&x y`: `token=[redacted] y`, `token="a b" kept=1`: `token=[redacted] kept=1`, "token=[a\nkept]": "token=[redacted]\nkept]",
		"token=\"a b\nkept": "token=[redacted]\nkept", "my_token=1 mytoken=2": "my_token=[redacted] mytoken=2", `msg="token=" kept="x"`: `msg="token=" kept="x"`,
		"/console?reason=a%2Bb+c%26d%27e&x": "/console?reason=[redacted]&x", "/a+b%20c&d%27e/": "/[redacted]/", `token=C:\new x`: "token=[redacted] x",
	} {
		if got := secrets.Redact(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
