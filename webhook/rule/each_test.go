package rule_test

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// body makes the event one of another sender, with a body.
func body(text string) func(*event.Event) {
	return func(e *event.Event) { e.Source, e.Kind.Type, e.Raw = "shop", "order", []byte(text) }
}

// TestNumbersAndAlternatives compares numbers and has several selections of which one matches.
func TestNumbersAndAlternatives(t *testing.T) {
	order := event.Event{Source: "shop", Kind: event.Kind{Type: "order"}, Raw: []byte(`{"total":"99.90","n":3,"name":"x","nan":"NaN"}`)}
	for when, want := range map[string]bool{
		"{match: {total: {gt: 99.8}}}":                                           true,
		"{match: {total: {gt: 99.9}}}":                                           false,
		"{match: {total: {gte: 99.9, lt: 100}}}":                                 true,
		"{match: {n: {lte: 3}}}":                                                 true,
		"{match: {n: {lt: 3}}}":                                                  false,
		"{match: {n: {lt: 3, not: true}}}":                                       true,
		"{match: {name: {lt: 3}}}":                                               false,
		"{match: {nan: {gt: 0}}}":                                                false,
		"{match: {absent: {lt: 3}}}":                                             false,
		"{any: [{match: {n: 4}}, {match: {name: x}}]}":                           true,
		"{any: [{match: {n: 4}}, {source: till}]}":                               false,
		"{source: till, any: [{match: {name: x}}]}":                              false,
		"{type: order, any: [{type: refund}, {match: {n: {gt: 2}}, type: '*'}]}": true,
	} {
		if got := parse(t, "rules: [{name: a, when: "+when+", log: {}}]")[0].Matches(&order); got != want {
			t.Errorf("%s matches: %v, want %v", when, got, want)
		}
	}
}

// TestEachActsOnEveryElement has an array of which one element fails once: the others are done once.
func TestEachActsOnEveryElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := parse(t, `rules:
  - {name: lines, when: {source: shop}, each: {in: order.lines, match: {n: {gt: 0}}}, post: {channel: C1, text: "{{get \"sku\"}} of {{.id}}"}}
  - {name: whole, when: {source: shop}, each: {in: "."}, post: {channel: C1, text: "whole {{get \"sku\"}}"}}
`)
		g := newRig(t, rules)
		synctest.Wait()
		failed := false
		g.slack.fail = func(int) error { return nil }
		var mu sync.Mutex
		g.slack.fail = func(n int) error {
			mu.Lock()
			defer mu.Unlock()
			if n == 2 && !failed {
				failed = true
				return errors.New("once")
			}
			return nil
		}
		g.publish("", body(`{"order":{"lines":[{"sku":"a","n":1},{"sku":"b","n":1},{"sku":"none","n":0},{"sku":"c","n":2}]}}`))
		time.Sleep(time.Minute)
		want := []string{"a of Ev1/0", "b of Ev1/1", "c of Ev1/3"}
		got := g.slack.texts()
		slices.Sort(got)
		if !failed || !slices.Equal(got, want) {
			t.Errorf("posted %q, want each of %q once", got, want)
		}
		g.publish("", body(`[{"sku":"d"}]`))
		time.Sleep(time.Second)
		if got := g.slack.texts(); got[len(got)-1] != "whole d" {
			t.Errorf("of a body that is an array is posted %q", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestARedriveDoesTheRest has dead letters of which some elements are done, by a failure that is final and by
// the end of the attempts: given back to the rule only the rest is acted on. What is done is replayed as a whole.
func TestARedriveDoesTheRest(t *testing.T) {
	for name, failure := range map[string]error{"final": queue.Permanent(errors.New("no")), "attempts": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, parse(t, `rules: [{name: lines, each: {in: "."}, post: {channel: C1, text: "{{get \"sku\"}}"}}]`))
				synctest.Wait()
				g.slack.fail = func(n int) error {
					if n > 1 {
						return failure
					}
					return nil
				}
				g.publish("", body(`[{"sku":"a"},{"sku":"b"}]`))
				time.Sleep(time.Hour)
				letters, err := g.q.DeadLetters(t.Context(), "rule.lines", queue.LetterQuery{})
				if err != nil || len(letters) != 1 {
					t.Fatalf("dead letters %+v, %v, want one", letters, err)
				}
				g.slack.fail = nil
				at := letters[0].Event.Position
				if n, err := g.q.Redrive(t.Context(), "rule.lines", at); n != 1 || err != nil {
					t.Fatalf("Redrive = %d, %v", n, err)
				}
				time.Sleep(time.Second)
				if got := g.slack.texts(); !slices.Equal(got, []string{"a", "b"}) {
					t.Errorf("after the redrive %q were posted, want a and b once", got)
				}
				if !strings.Contains(g.logged(), "leaves out the elements of an event that it has done before") {
					t.Error("the log does not say that something was left out")
				}
				if n, err := g.q.Replay(t.Context(), "rule.lines", at); n != 1 || err != nil {
					t.Fatalf("Replay = %d, %v", n, err)
				}
				time.Sleep(time.Second)
				if got := g.slack.texts(); !slices.Equal(got, []string{"a", "b", "a", "b"}) {
					t.Errorf("after the replay %q were posted, want both once more", got)
				}
				if err := g.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestElementsThatFailAreNamed has an element that fails for ever: the event is a dead letter that names it.
func TestElementsThatFailAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: lines, each: {in: "."}, post: {channel: C1, text: "{{get \"sku\"}}"}}]`))
		synctest.Wait()
		g.publish("", body(`[{"sku":"a"},{},{"sku":"b"}]`))
		time.Sleep(time.Minute)
		if got := g.dead("lines"); len(got) != 1 || got[0] != "1: element 1: the template makes an empty message of this event" {
			t.Errorf("dead letters %q", got)
		}
		if got := g.slack.texts(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("posted %q", got)
		}
		g.publish("", body("["+strings.Repeat("{},", 1000)+"{}]"))
		time.Sleep(time.Second)
		if got := g.dead("lines"); len(got) != 2 || !strings.Contains(got[1], "1001 elements") {
			t.Errorf("dead letters %q", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestRate acts no faster than the rule says, and tries nothing again for that.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: slow, rate: {limit: 2, per: 1m}, post: {channel: C1, text: "{{.text}}"}}]`))
		synctest.Wait()
		for range 10 {
			g.publish("x")
		}
		for minute, want := range []int{2, 4, 6, 8, 10} {
			time.Sleep(time.Second)
			if got := len(g.slack.texts()); got != want {
				t.Errorf("after %d minutes %d were posted, want %d", minute, got, want)
			}
			time.Sleep(59 * time.Second)
		}
		if len(g.dead("slow")) > 0 {
			t.Errorf("dead letters %q", g.dead("slow"))
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestRulesOfATargetShareItsRate has two rules post to one channel, one of which is slower, and a third one to another.
func TestRulesOfATargetShareItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quick = `{name: quick, rate: {limit: 4, per: 1m}, post: {channel: C1, text: "one"}}, {name: other, rate: {limit: 4, per: 1m}, post: {channel: C2, text: "other"}}`
		g := newRig(t, parse(t, `rules: [`+quick+`, {name: slow, rate: {limit: 2, per: 1m}, post: {channel: C1, text: "one"}}, {name: free, post: {channel: C1, text: "free"}}]`))
		synctest.Wait()
		for range 8 {
			g.publish("x")
		}
		wants := func(when string, one, other, free int) {
			t.Helper()
			got := map[string]int{}
			for _, text := range g.slack.texts() {
				got[text]++
			}
			if got["one"] != one || got["other"] != other || got["free"] != free {
				t.Errorf("%s %v were posted, want %d, %d and %d", when, got, one, other, free)
			}
		}
		time.Sleep(time.Second)
		wants("at first", 2, 4, 8)
		time.Sleep(time.Minute)
		wants("after a minute", 4, 8, 8)
		if _, err := g.r.Replace(t.Context(), parse(t, `rules: [`+quick+`]`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		was := len(g.slack.texts())
		for range 8 {
			g.publish("x")
		}
		time.Sleep(time.Second)
		if got := len(g.slack.texts()) - was; got != 8 {
			t.Errorf("when the slow rule is gone %d were posted at once, want 4 of each", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestRateWithShortDeadlines acts at its rate, holds nothing for a target that refuses, and comes to no loop, also
// where a turn is further away than a try may last.
func TestRateWithShortDeadlines(t *testing.T) {
	for name, c := range map[string]struct {
		fields   string
		events   int
		in       time.Duration
		attempts int64
	}{
		"fast":                {"deadline: 2s, rate: {limit: 10, per: 1s}", 30, 3 * time.Second, 100},
		"the least deadline":  {"deadline: 1s, rate: {limit: 1, per: 1s}", 10, time.Minute, 200},
		"slow":                {"deadline: 2s, rate: {limit: 1, per: 1m}", 5, 10 * time.Minute, 2500},
		"of elements":         {"deadline: 2s, rate: {limit: 1, per: 10s}, each: {in: event.list}", 5, 10 * time.Minute, 2500},
		"with a breaker":      {"deadline: 2s, rate: {limit: 1, per: 1m}, breaker: {counts: all, limit: 6, within: 1h}", 5, 10 * time.Minute, 2500},
		"slow, with patience": {"deadline: 3s, rate: {limit: 1, per: 1m}, retry: {patience: 1m}", 5, 10 * time.Minute, 2500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int64
				g := newRig(t, parse(t, `rules: [{name: paced, `+c.fields+`, post: {channel: C1, text: "x"}}]`), func(o *rule.Options) {
					o.OnAttempt = func(rule.Observation) { attempts.Add(1) }
				})
				synctest.Wait()
				for range c.events {
					g.publish("", func(e *event.Event) { e.Raw = []byte(`{"event":{"list":[{}]}}`) })
				}
				time.Sleep(c.in)
				if got := len(g.slack.texts()); got != c.events || len(g.dead("paced")) > 0 || len(g.r.Refusing()) > 0 {
					t.Errorf("posted %d of %d; dead letters %q, refusing %+v", got, c.events, g.dead("paced"), g.r.Refusing())
				}
				if attempts.Load() > c.attempts {
					t.Errorf("%d attempts, want at most %d", attempts.Load(), c.attempts)
				}
				if err := g.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestPausesOfARule tries again when the rule says, as often as it names pauses.
func TestPausesOfARule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules:
  - {name: named, retry: {pauses: [10s, 6h]}, post: {channel: C1, text: a}}
`))
		synctest.Wait()
		var at []time.Duration
		start := time.Now()
		g.slack.fail = func(int) error { at = append(at, time.Since(start).Round(time.Second)); return errors.New("no") }
		g.publish("x")
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		if want := []time.Duration{0, 10 * time.Second, 6*time.Hour + 10*time.Second}; !slices.Equal(at, want) || len(g.dead("named")) != 1 {
			t.Errorf("tried at %v, want %v; dead letters %q", at, want, g.dead("named"))
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestPatienceOfARule waits for a target as long as the rule says.
func TestPatienceOfARule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules:
  - {name: out, retry: {patience: 2h}, attempts: 2, forward: {url: "http://127.0.0.1:1/", secret_env: HOOK_SECRET, allow: 127.0.0.0/8}}
`))
		synctest.Wait()
		g.publish("x")
		time.Sleep(time.Hour)
		if len(g.dead("out")) > 0 {
			t.Errorf("after an hour there are dead letters: %q", g.dead("out"))
		}
		time.Sleep(90 * time.Minute)
		if len(g.dead("out")) != 1 {
			t.Errorf("after two and a half hours there are the dead letters %q, want one", g.dead("out"))
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestBlocks makes Block Kit of an event whose text would break out of it.
func TestBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules:
  - name: blocks
    post:
      channel: C1
      text: new
      blocks: '[{"type":"section","text":{"type":"mrkdwn","text":"<!here> {{.text}} {{.text | truncate 8}}"}}]'
`))
		synctest.Wait()
		g.publish("a \"}}] <!channel>\n\\ end")
		time.Sleep(time.Second)
		g.slack.mu.Lock()
		defer g.slack.mu.Unlock()
		want := `[{"type":"section","text":{"type":"mrkdwn","text":"@here a \"}}] &lt;!channel&gt;\n\\ end a \"}}] …"}}]`
		if len(g.slack.sent) != 1 || string(g.slack.sent[0].Blocks) != want || g.slack.sent[0].Words != rule.WordsOfEvent {
			t.Errorf("posted %+v, want the blocks %s", g.slack.sent, want)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestForwardWithBodyAndCredentials posts what a template makes to a target that asks for a
// certificate and a token.
func TestForwardWithBodyAndCredentials(t *testing.T) {
	var mu sync.Mutex
	var got []string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, strings.Join([]string{r.Method, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.Header.Get("Webhook-Signature"), string(b), r.TLS.PeerCertificates[0].Subject.CommonName}, "|"))
	}))
	cert, key, ca, config := certificates(t)
	srv.TLS = config
	srv.StartTLS()
	defer srv.Close()
	files := map[string][]byte{"/cert.pem": cert, "/key.pem": key, "/ca.pem": ca}
	e := yamldoc.Env{Lookup: env.Lookup, ReadFile: func(name string) ([]byte, error) {
		if b, ok := files[name]; ok {
			return b, nil
		}
		return nil, errors.New("no such file")
	}}
	text := `rules: [{name: out, when: {source: shop}, forward: {url: "` + srv.URL + `", allow: 127.0.0.0/8, method: PUT, authorization_env: TOKEN,
  client_cert: /cert.pem, client_key: /key.pem, ca: /ca.pem, body: '{"sku":"{{get "sku"}}","n":{{get "n" | default "0"}}}'}}]`
	rules, err := rule.Parse("r", []byte(text), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := newRig(t, rules, func(o *rule.Options) { o.Group.Policy = queue.Policy{MaxAttempts: 1} })
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	g.publish("", body(`{"sku":"a\"b","n":7}`))
	await(t, "the request", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 1 })
	if want := `PUT|token-of-the-command|application/json||{"sku":"a\"b","n":7}|client`; got[0] != want {
		t.Errorf("the target got %s, want %s", got[0], want)
	}
	g.publish("", body(`{"sku":"a","n":"1 2"}`))
	await(t, "the dead letter", func() bool { return len(g.dead("out")) == 1 })
	if got := g.dead("out")[0]; !strings.HasPrefix(got, "1: the template makes no JSON of this event") {
		t.Errorf("dead letter %q", got)
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
	if again, err := rule.Parse("r", []byte(text), e, nil); err != nil || !again[0].Same(rules[0]) {
		t.Errorf("the same rule is another one: %v", err)
	}
	files["/ca.pem"] = append(ca, pem.EncodeToMemory(&pem.Block{Type: "OTHER"})...)
	if again, err := rule.Parse("r", []byte(text), e, nil); err != nil || again[0].Same(rules[0]) {
		t.Errorf("with other certificates it is the same rule: %v", err)
	}
}

// TestProblemsOfForwards names what is wrong with what a target is told.
func TestProblemsOfForwards(t *testing.T) {
	for spec, want := range map[string]string{
		"authorization_env: ABSENT":                            "the value of Authorization cannot be used: ABSENT is not set",
		"authorization_env: [TOKEN, TOKEN]":                    "it has to be one line",
		"client_cert: /a":                                      "name both client_cert and client_key",
		"client_cert: /absent, client_key: /absent":            "/absent cannot be read",
		"ca: /absent, secret_env: HOOK_SECRET":                 "/absent cannot be read",
		"method: GET, secret_env: HOOK_SECRET":                 "write one of POST, PUT, PATCH, DELETE",
		`body: '{"n":{{get "n"}}}', secret_env: HOOK_SECRET`:   "it makes no JSON",
		`body: '{"n":"{{.nope}}"}', secret_env: HOOK_SECRET`:   "the fields are",
		"headers: {Authorization: x}, secret_env: HOOK_SECRET": "authorization_env",
		"method: PUT": "the signing secret cannot be used",
	} {
		_, err := rule.Parse("r", []byte("rules: [{name: a, forward: {url: 'https://hooks.example.com/', "+spec+"}}]"), env, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
	for spec, want := range map[string]string{
		"retry: {pauses: [1s], first: 2s}":    "retry has pauses, and first or most",
		"retry: {patience: 1s}":               "patience does not fit",
		"rate: {per: 1m}":                     "rate has no limit",
		"each: {in: 'a..b'}":                  "in \"a..b\" does not fit",
		"when: {match: {a: {gt: 3, lt: 2}}}":  "no number is above 3 and below 2",
		"when: {match: {a: {gt: 3, lte: 3}}}": "no number is above 3 and below 3",
		"when: {match: {a: {gt: x}}}":         "gt does not fit",
		"when: {any: [{match: {a: {}}}]}":     "the condition asks for nothing",
		"when: {any: [{any: []}]}":            "any",
	} {
		_, err := rule.Parse("r", []byte("rules: [{name: a, log: {}, "+spec+"}]"), env, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
	_, err := rule.Parse("r", []byte(`rules: [{name: a, post: {channel: C1, text: x, blocks: '{"type":"section"}'}}]`), env, nil)
	if err == nil || !strings.Contains(err.Error(), "no array of 1 to 50 blocks") {
		t.Errorf("blocks that are no array: %v", err)
	}
}

// TestARenamedRuleKeepsItsGroup renames a rule that has a dead letter, and later removes its old name.
func TestARenamedRuleKeepsItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: old, attempts: 1, post: {channel: C1, text: "{{.text}}"}}]`))
		synctest.Wait()
		g.slack.fail = func(int) error { return errors.New("no") }
		g.publish("lost")
		time.Sleep(time.Second)
		renamed := parse(t, `rules: [{name: new, was: old, post: {channel: C1, text: "{{.text}}"}}]`)
		change, err := g.r.Replace(t.Context(), renamed)
		if err != nil || !slices.Equal(change.Added, []string{"new"}) || !slices.Equal(change.Removed, []string{"old"}) || renamed[0].Group() != "rule.old" {
			t.Errorf("Replace = %+v, %v", change, err)
		}
		g.slack.fail = nil
		g.publish("found")
		time.Sleep(time.Second)
		if got := g.slack.texts(); len(g.dead("old")) != 1 || !slices.Equal(got, []string{"found"}) {
			t.Errorf("posted %q, dead letters %q: want the group to go on", got, g.dead("old"))
		}
		if _, err := g.r.Replace(t.Context(), parse(t, `rules: [{name: new, log: {}}]`)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if groups, err := g.q.Groups(t.Context()); err != nil || !slices.Equal(groups, []string{"rule.new"}) {
			t.Errorf("groups %q, %v: want that of the new name alone", groups, err)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
	for text, want := range map[string]string{
		"[{name: a, log: {}}, {name: b, was: a, log: {}}]":         "rule b was a, which there is: rename the rule in line 1",
		"[{name: c, was: a, log: {}}, {name: b, was: a, log: {}}]": "rule b was a, which there is",
	} {
		if _, err := rule.Parse("r", []byte("rules: "+text), env, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
