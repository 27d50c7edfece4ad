package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/guard"
	"slackmcp/slackapi"
)

func newGuard(t testing.TB, o guard.Options) *guard.Guard {
	t.Helper()
	g, err := guard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// do carries a write out as a tool does.
func do[T any](ctx context.Context, g *guard.Guard, w guard.Write, send func() (T, string, error)) (result T, repeated bool, err error) {
	p, err := g.Begin(ctx, w)
	switch {
	case err != nil:
		return result, false, err
	case p.Repeated:
		result, _ = p.Result.(T)
		return result, true, p.Err
	}
	result, ts, err := send()
	p.End(ctx, result, ts, err)
	return result, false, err
}

// code returns the code of a refusal, or "".
func code(err error) string {
	if r, ok := errors.AsType[*guard.RefusedError](err); ok {
		return r.Code
	}
	return ""
}

func TestMassMentions(t *testing.T) {
	t.Parallel()
	g := newGuard(t, guard.Options{})
	for in, want := range map[string]string{
		"hi <!channel>":          "hi @channel",
		"<!here|here> you":       "@here you",
		"<!EVERYONE>":            "@everyone",
		"<!channel|@x><!here>":   "@channel@here",
		"<@U1> and <#C1> stay":   "<@U1> and <#C1> stay",
		"<!subteam^S1>":          "@S1",
		"<!subteam^S1|@devs> hi": "@devs hi",
		"<!subteam^S1|devs>":     "@devs",
		"<!SUBTEAM^S1>":          "@S1",
		"< ! channel >":          "@channel",
		"<!channel\n>":           "@channel",
		"<! here | all >":        "@here",
		"<!subteam ^ S1 >":       "@S1",
		"<!<!here>channel>":      "<!@herechannel>",
		"a < b and c > d":        "a < b and c > d",
		"<!channel|<!here>>":     "&lt;!channel|@here>",
		"<!subteam^S1|<!here>>":  "&lt;!subteam^S1|@here>",
		"<!channel|a|b>":         "@channel",
		"<!channel|a<b>":         "&lt;!channel|a<b>",
		"<!here|<>":              "&lt;!here|<>",
		"< ! Everyone<>":         "&lt;! Everyone<>",
		"<!subteam^S1|a<b>":      "&lt;!subteam^S1|a<b>",
		"<!channel and <@U1>":    "&lt;!channel and <@U1>",
		"<!-- a comment -->":     "<!-- a comment -->",
		"<!date^1^{date}|today>": "<!date^1^{date}|today>",
		"plain @channel is text": "plain @channel is text",
	} {
		if got, changed := g.Text(in); got != want || changed != (in != want) {
			t.Errorf("Text(%q) = %q, %v, want %q", in, got, changed, want)
		}
	}
	for in, want := range map[string]string{
		"hi <!channel>":            "hi @channel",
		"&lt;!channel&gt;":         "@channel&gt;",
		"&#60;!here&#62;":          "@here&#62;",
		"&#x3C;!everyone>":         "@everyone>",
		`\<!here\>`:                `\@here`,
		`<\!channel>`:              "@channel>",
		"<&#33;channel>":           "@channel>",
		"<&excl;subteam^S1>":       "@subteam^S1>",
		"<!&#99;hannel>":           "@channel",
		"<!her&#x65;> a":           "@here a",
		"&lt;!subtea&#109;^S1>":    "@S1",
		"&lt;b&gt; a &lt; b <@U1>": "&lt;b&gt; a &lt; b <@U1>",
	} {
		if got, changed := g.Markdown(in); got != want || changed != (in != want) {
			t.Errorf("Markdown(%q) = %q, %v, want %q", in, got, changed, want)
		}
	}
	if out, changed, err := g.Blocks(json.RawMessage(`[{"type":"markdown","text":"&lt;!here&gt;"},{"type":"section","text":{"type":"mrkdwn","text":"&lt;!here&gt;"}}]`)); err != nil || !changed || strings.Count(string(out), "lt;!here") != 1 {
		t.Errorf("of Markdown and Slack's markup are sent %s, %v, %v", out, changed, err)
	}
	deep := strings.Repeat("<!channel|", 5000) + strings.Repeat(">", 5000)
	if got, changed := g.Text(deep); !changed || strings.Contains(got, "<!") {
		t.Errorf("of 5,000 nested mentions %d are left", strings.Count(got, "<!"))
	}
	blocks := `[{"type":"section","text":{"type":"mrkdwn","text":"<!here> n"}},{"type":"rich_text","elements":[{"type":"broadcast","range":"everyone"},{"type":"usergroup","usergroup_id":"S1"}],"n":12345678901234567890},{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"<!subteam^S1>"},"value":"<! channel>"}]}]`
	out, changed, err := g.Blocks(json.RawMessage(blocks))
	if err != nil || !changed || strings.Contains(string(out), "<!") || strings.Contains(string(out), "broadcast") || strings.Contains(string(out), "usergroup") || !strings.Contains(string(out), `"@S1"`) {
		t.Errorf("Blocks = %s, %v, %v", out, changed, err)
	}
	if !strings.Contains(string(out), "12345678901234567890") {
		t.Errorf("Blocks changed a number: %s", out)
	}
	allowed := newGuard(t, guard.Options{MassMentions: true})
	for _, g := range []*guard.Guard{g, allowed} {
		out, _, err := g.Blocks(json.RawMessage(`[{"type":"section","text":"<!channel>","text":"x"}]`))
		if err != nil || strings.Contains(string(out), "channel") || !strings.Contains(string(out), `"x"`) {
			t.Errorf("of a member that stands twice both are sent: %s, %v", out, err)
		}
	}
	if got, changed := allowed.Text("<!channel>"); got != "<!channel>" || changed {
		t.Errorf("where they are allowed, Text = %q, %v", got, changed)
	}
}

// sender counts what it sends.
type sender struct {
	mu   sync.Mutex
	sent int
	err  error
}

func (s *sender) send() (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	if s.err != nil {
		return "", "", s.err
	}
	return "result", "1700000000.000100", nil
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	write := func(key string, args any) guard.Write {
		return guard.Write{Tool: "post", Principal: "p", Channel: "C1", Sends: true, Key: key, Arguments: args}
	}
	t.Run("a repeat returns the first result and sends nothing", func(t *testing.T) {
		t.Parallel()
		g, s := newGuard(t, guard.Options{}), &sender{}
		for i := range 3 {
			got, repeated, err := do(t.Context(), g, write("k", "x"), s.send)
			if got != "result" || repeated != (i > 0) || err != nil {
				t.Errorf("call %d returned %q, %v, %v", i, got, repeated, err)
			}
		}
		if s.sent != 1 {
			t.Errorf("sent %d times", s.sent)
		}
	})
	t.Run("belongs to a tool and a principal", func(t *testing.T) {
		t.Parallel()
		g, s := newGuard(t, guard.Options{}), &sender{}
		for _, w := range []guard.Write{
			write("k", "x"),
			{Tool: "post", Principal: "q", Key: "k", Arguments: "x"},
			{Tool: "other", Principal: "p", Key: "k", Arguments: "x"},
			{Tool: "post", Principal: "p\x00k", Key: "k", Arguments: "x"},
			write("k\x00k", "x"), // a name or a key that holds a separator
		} {
			if _, repeated, err := do(t.Context(), g, w, s.send); repeated || err != nil {
				t.Errorf("%+v: repeated %v, %v", w, repeated, err)
			}
		}
	})
	t.Run("is refused for other arguments", func(t *testing.T) {
		t.Parallel()
		g, s := newGuard(t, guard.Options{}), &sender{}
		if _, _, err := do(t.Context(), g, write("k", "x"), s.send); err != nil {
			t.Fatal(err)
		}
		if _, _, err := do(t.Context(), g, write("k", "y"), s.send); code(err) != "idempotency_key_reused" || s.sent != 1 {
			t.Errorf("%v, sent %d times", err, s.sent)
		}
	})
	t.Run("can be used again when surely nothing was sent", func(t *testing.T) {
		t.Parallel()
		g, s := newGuard(t, guard.Options{}), &sender{err: &slackapi.Error{Code: "channel_not_found", Kind: slackapi.NotFound}}
		if _, _, err := do(t.Context(), g, write("k", "x"), s.send); err == nil {
			t.Fatal("no error")
		}
		s.err = nil
		if got, repeated, err := do(t.Context(), g, write("k", "x"), s.send); got != "result" || repeated || err != nil {
			t.Errorf("%q, %v, %v", got, repeated, err)
		}
	})
	t.Run("never sends again after a call of unknown outcome", func(t *testing.T) {
		t.Parallel()
		for _, unknown := range []error{&slackapi.Error{Code: "timed_out", Kind: slackapi.Ambiguous}, &slackapi.Error{Code: "odd", Kind: slackapi.Internal}, errors.New("odd")} {
			g, s := newGuard(t, guard.Options{}), &sender{err: unknown}
			for range 3 {
				if _, _, err := do(t.Context(), g, write("k", "x"), s.send); !errors.Is(err, unknown) {
					t.Errorf("%v: %v", unknown, err)
				}
			}
			if s.sent != 1 {
				t.Errorf("%v: sent %d times", unknown, s.sent)
			}
		}
	})
	t.Run("joins calls at the same time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(t, guard.Options{})
			release := make(chan struct{})
			sent := 0
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					got, _, err := do(t.Context(), g, write("k", "x"), func() (string, string, error) {
						sent++
						<-release
						return "result", "", nil
					})
					if got != "result" || err != nil {
						t.Errorf("%q, %v", got, err)
					}
				})
			}
			synctest.Wait()
			close(release)
			wg.Wait()
			if sent != 1 {
				t.Errorf("sent %d times", sent)
			}
		})
	})
	t.Run("of a call that did not end is in doubt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g, s := newGuard(t, guard.Options{}), &sender{}
			p, err := g.Begin(t.Context(), write("k", "x"))
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, repeated, err := do(t.Context(), g, write("k", "x"), s.send); !repeated || !errors.Is(err, guard.ErrNoEnd) || s.sent != 0 {
					t.Errorf("%v, %v, sent %d times", repeated, err, s.sent)
				}
			})
			synctest.Wait()
			p.End(t.Context(), nil, "", guard.ErrNoEnd)
			wg.Wait()
		})
	})
	t.Run("outlives the keys of another principal", func(t *testing.T) {
		t.Parallel()
		for name, err := range map[string]error{"which did something": nil, "which failed": &slackapi.Error{Code: "invalid_name", Kind: slackapi.InvalidArgument}} {
			g, s := newGuard(t, guard.Options{PerMinute: -1}), &sender{}
			open, failed := g.Begin(t.Context(), write("open", "x"))
			if _, _, err := do(t.Context(), g, write("k", "x"), s.send); err != nil || failed != nil {
				t.Fatal(err, failed)
			}
			other := &sender{err: err}
			for i := range 10_001 {
				_, _, _ = do(t.Context(), g, guard.Write{Tool: "post", Principal: "q", Channel: "C1", Key: strconv.Itoa(i)}, other.send)
			}
			if _, repeated, err := do(t.Context(), g, write("k", "x"), s.send); !repeated || err != nil || s.sent != 1 {
				t.Errorf("beside keys %s: repeated %v, %v, sent %d times", name, repeated, err, s.sent)
			}
			open.End(t.Context(), "result", "", nil)
			if _, repeated, err := do(t.Context(), g, write("open", "x"), s.send); !repeated || err != nil {
				t.Errorf("a call in flight beside keys %s: repeated %v, %v", name, repeated, err)
			}
		}
	})
	t.Run("of a call in flight outlives its principal's others", func(t *testing.T) {
		t.Parallel()
		g, s := newGuard(t, guard.Options{PerMinute: -1}), &sender{}
		open, err := g.Begin(t.Context(), write("open", "x"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10_002 {
			if _, repeated, err := do(t.Context(), g, write(strconv.Itoa(i), "x"), s.send); repeated || err != nil {
				t.Fatal(repeated, err)
			}
		}
		open.End(t.Context(), "result", "", nil)
		for key, want := range map[string]bool{"open": true, "10001": true, "0": false} {
			if _, repeated, _ := do(t.Context(), g, write(key, "x"), s.send); repeated != want {
				t.Errorf("key %s is repeated: %v", key, repeated)
			}
		}
	})
	t.Run("is forgotten after an hour", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g, s := newGuard(t, guard.Options{}), &sender{}
			for range 2 {
				if _, repeated, err := do(t.Context(), g, write("k", "x"), s.send); repeated || err != nil {
					t.Errorf("%v, %v", repeated, err)
				}
				time.Sleep(time.Hour)
			}
		})
	})
}

func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGuard(t, guard.Options{PerMinute: 2}), &sender{}
		write := func(channel string, sends bool) error {
			_, _, err := do(t.Context(), g, guard.Write{Channel: channel, Sends: sends}, s.send)
			return err
		}
		for range 2 {
			if err := write("C1", true); err != nil {
				t.Fatal(err)
			}
		}
		if err := write("C1", true); code(err) != "send_budget_used_up" || !strings.Contains(err.Error(), "61 seconds") {
			t.Errorf("the third within a minute: %v", err)
		}
		if err := errors.Join(write("C2", true), write("C1", false)); err != nil {
			t.Errorf("another channel, and what sends nothing: %v", err)
		}
		time.Sleep(time.Minute)
		s.err = &slackapi.Error{Code: "msg_too_long", Kind: slackapi.TooLarge}
		for range 5 {
			if err := write("C1", true); code(err) != "" {
				t.Errorf("a message that was not sent counted: %v", err)
			}
		}
	})
}

// All sign-ins of a person have one budget, and their keys are their own.
func TestBudgetOfAPerson(t *testing.T) {
	t.Parallel()
	all, s := newGuard(t, guard.Options{PerMinute: 2}), &sender{}
	write := func(g *guard.Guard, principal string) error {
		_, repeated, err := do(t.Context(), g, guard.Write{Principal: principal, Channel: "C1", Sends: true, Key: "k"}, s.send)
		if repeated {
			t.Errorf("%s is given what another one has sent", principal)
		}
		return err
	}
	ada, ben := all.For(&directory{}, "person:T1/U1"), all.For(&directory{}, "person:T1/U2")
	if err := errors.Join(write(ada, "person:T1/U1#a"), write(ada, "person:T1/U1#b"), write(ben, "person:T1/U2#a"), write(all, "token:x")); err != nil {
		t.Error(err)
	}
	if err := write(ada, "person:T1/U1#c"); code(err) != "send_budget_used_up" {
		t.Errorf("a third sign-in of a person: %v", err)
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g := newGuard(t, guard.Options{Deny: []string{"C0DENIED001"}, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	s := &sender{}
	secret := map[string]string{"text": "the secret text"}
	for _, channel := range []string{"C0GENERAL01", "C0DENIED001"} {
		w := guard.Write{Tool: "slack_post_message", Principal: "ops", Channel: channel, Arguments: secret, Key: "the secret key"}
		_, _, _ = do(t.Context(), g, w, s.send)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d audit lines: %s", len(lines), log.String())
	}
	for i, want := range []map[string]any{
		{"msg": "slack write", "principal": "ops", "tool": "slack_post_message", "channel": "C0GENERAL01", "ts": "1700000000.000100", "outcome": "ok"},
		{"msg": "slack write", "principal": "ops", "channel": "C0DENIED001", "outcome": "refused: channel_not_allowed"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("line %d has %s = %v, want %v", i, k, got[k], v)
			}
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the audit tells what was written: %s", log.String())
	}
}

// FuzzText looks for what is left of a mass mention.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"<!channel>", "< !here|x>", "<!subteam^S1|@devs>", "<!channel|<!here>>", "<<!>>channel>", "<!date^1^{date}|today>"} {
		f.Add(seed)
	}
	g := newGuard(f, guard.Options{})
	f.Fuzz(func(t *testing.T, s string) {
		out, changed := g.Text(s)
		if again, more := g.Text(out); more {
			t.Errorf("Text(%q) = %q, and then %q", s, out, again)
		}
		if changed != (out != s) {
			t.Errorf("Text(%q) = %q, changed %v", s, out, changed)
		}
	})
}
