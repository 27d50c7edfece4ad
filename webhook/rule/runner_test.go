package rule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
	"slackmcp/webhook/signature"
)

// A slack records what is posted; fail decides first whether a post fails.
type slack struct {
	mu   sync.Mutex
	sent []rule.Message
	fail func(n int) error
	n    int
}

func (s *slack) Post(_ context.Context, m rule.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.fail != nil {
		if err := s.fail(s.n); err != nil {
			return err
		}
	}
	s.sent = append(s.sent, m)
	return nil
}

func (s *slack) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, m := range s.sent {
		list = append(list, m.Text)
	}
	return list
}

// A rig is a runner over a memory queue.
type rig struct {
	t     *testing.T
	q     *memory.Store
	r     *rule.Runner
	slack *slack
	log   *bytes.Buffer
	mu    sync.Mutex
	n     int
	end   func() error
}

// newRig starts a runner; change adjusts its options. Tests use it within synctest, or
// with await.
func newRig(t *testing.T, rules []*rule.Rule, change ...func(*rule.Options)) *rig {
	t.Helper()
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, q: q, slack: &slack{}, log: &bytes.Buffer{}}
	o := rule.Options{
		Queue: q, Poster: g.slack, Exclusive: true,
		Group:  queue.Group{Workers: 4, Policy: queue.Policy{MaxAttempts: 3, Base: time.Second, Jitter: -1}},
		Logger: slog.New(slog.NewTextHandler(locked{&g.mu, g.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&o)
	}
	if g.r, err = rule.NewRunner(o, rules); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.r.Run(ctx) }()
	g.end = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, q.Close())
	})
	return g
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (g *rig) logged() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// publish stores a message with further members of the inner event.
func (g *rig) publish(text string, change ...func(*event.Event)) {
	g.t.Helper()
	g.n++
	e := event.Event{
		Source: "slack", ID: fmt.Sprintf("Ev%d", g.n), Kind: event.Kind{Type: "message"}, Channel: "C1", ChannelType: "channel",
		User: "U1", Thread: "1.000", ReceivedAt: time.Now(),
		Raw: fmt.Appendf(nil, `{"token":"verification","type":"event_callback","event":{"type":"message","text":%q}}`, text),
	}
	for _, c := range change {
		c(&e)
	}
	if _, err := g.q.Publish(g.t.Context(), e); err != nil {
		g.t.Fatal(err)
	}
}

func byBot(id string) func(*event.Event) {
	return func(e *event.Event) {
		e.User = ""
		e.Raw = fmt.Appendf(nil, `{"type":"event_callback","event":{"type":"message","bot_id":%q,"text":"beep"}}`, id)
	}
}

func (g *rig) dead(name string) []string {
	g.t.Helper()
	letters, err := g.q.DeadLetters(context.WithoutCancel(g.t.Context()), rule.GroupOf(name), queue.LetterQuery{})
	if err != nil {
		g.t.Fatal(err)
	}
	var list []string
	for _, l := range letters {
		list = append(list, fmt.Sprintf("%d: %s", l.Attempts, l.Reason))
	}
	return list
}

const greet = `rules: [{name: greet, when: {source: slack}, post: {text: "<@{{.user}}>: {{.text}}", thread: true}}]`

func TestPostEscapesAndAnswersInTheThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, greet))
		synctest.Wait()
		g.publish("<!channel> a & b")
		synctest.Wait()
		want := []rule.Message{{Channel: "C1", Thread: "1.000", Text: "<@U1>: &lt;!channel&gt; a &amp; b", Words: rule.WordsOfEvent}}
		if diff := cmp.Diff(want, g.slack.sent, cmpopts.IgnoreFields(rule.Message{}, "Event")); diff != "" {
			t.Errorf("posted (-want +got):\n%s", diff)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestPostsSayWhoseWordsTheyHold: a reader may have to withhold what an outsider wrote.
func TestPostsSayWhoseWordsTheyHold(t *testing.T) {
	for text, want := range map[string]rule.Words{
		"Welcome!": rule.WordsFixed, "<@{{.user}}>": rule.WordsOfEvent, "{{get `event.root.text`}}": rule.WordsUnknown,
		"{{if .text}}hi{{end}}": rule.WordsOfEvent,
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, parse(t, `rules: [{name: a, post: {channel: C1, text: "x`+text+`"}}]`))
			synctest.Wait()
			g.publish("a")
			synctest.Wait()
			if len(g.slack.sent) != 1 || g.slack.sent[0].Words != want || g.slack.sent[0].Event == nil {
				t.Errorf("%s is posted as %+v", text, g.slack.sent)
			}
			if err := g.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatATemplateCannotSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules:
  - {name: link, when: {source: slack}, post: {text: "<{{get \"event.text\"}}|click>"}}
  - {name: long, when: {source: slack, match: {event.text: {contains: xxx}}}, post: {text: "{{.text}}{{.text}}"}}
  - {name: empty, when: {source: slack}, post: {text: "{{get \"event.nothing\"}}"}}
  - {name: all, when: {source: slack}, post: {text: "<!here> {{.text}}", mass_mentions: true}}
`))
		synctest.Wait()
		g.publish("!channel")
		synctest.Wait()
		if diff := cmp.Diff([]string{"<!here> !channel", "@channel"}, sorted(g.slack.texts())); diff != "" {
			t.Errorf("posted (-want +got):\n%s", diff)
		}
		g.publish(strings.Repeat("x", 30_000))
		synctest.Wait()
		if got := g.dead("long"); len(got) != 1 || !strings.Contains(got[0], "1: the template makes more than 40000 bytes") {
			t.Errorf("dead letters of long: %q", got)
		}
		if got := g.dead("empty"); len(got) != 2 || !strings.Contains(got[0], "empty message") {
			t.Errorf("dead letters of empty: %q", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func sorted(list []string) []string {
	for i := range list {
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

func TestRetriesWaitAsSlackAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, greet))
		busy := errors.New("ratelimited")
		var at []time.Duration
		began := time.Now()
		g.slack.fail = func(n int) error {
			at = append(at, time.Since(began))
			switch n {
			case 1:
				return queue.RetryAfter(busy, 30*time.Second)
			case 3:
				return queue.Permanent(errors.New("channel_not_found"))
			}
			return nil
		}
		synctest.Wait()
		g.publish("a")
		time.Sleep(time.Minute)
		g.publish("b")
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 30 * time.Second, time.Minute}; !cmp.Equal(at, want) {
			t.Errorf("posts at %v, want %v", at, want)
		}
		if got := g.dead("greet"); !cmp.Equal(got, []string{"1: channel_not_found"}) {
			t.Errorf("dead letters %q", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestOrderedByChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: a, ordered: channel, post: {channel: C9, text: "{{.channel}} {{.id}}"}}]`))
		g.slack.fail = func(n int) error {
			if n == 1 {
				return errors.New("busy")
			}
			return nil
		}
		synctest.Wait()
		in := func(channel string) func(*event.Event) { return func(e *event.Event) { e.Channel = channel } }
		for _, channel := range []string{"C1", "C1", "C2", "C1", "C2"} {
			g.publish("x", in(channel))
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"C2 Ev3", "C2 Ev5", "C1 Ev1", "C1 Ev2", "C1 Ev4"}
		if diff := cmp.Diff(want, g.slack.texts()); diff != "" {
			t.Errorf("posted (-want +got):\n%s", diff)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestOurOwnEventsReachNoRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := make(chan struct{})
		g := newRig(t, parse(t, greet+"\n"), func(o *rule.Options) {
			o.Self = func(ctx context.Context) (rule.Self, error) {
				select {
				case <-who:
					return rule.Self{UserID: "UBOT", BotID: "BBOT"}, nil
				case <-ctx.Done():
					return rule.Self{}, ctx.Err()
				}
			}
		})
		synctest.Wait()
		g.publish("from a person")
		g.publish("x", byBot("BBOT"))
		g.publish("from our user", func(e *event.Event) { e.User = "UBOT" })
		g.publish("by the envelope", func(e *event.Event) { e.FromSelf = true })
		g.publish("y", func(e *event.Event) {
			e.Kind.Subtype = "message_changed"
			e.Raw = []byte(`{"type":"event_callback","event":{"type":"message","message":{"bot_id":"BBOT"}}}`)
		})
		time.Sleep(time.Minute)
		if got := g.slack.texts(); got != nil {
			t.Errorf("posted %q before it is known who we are", got)
		}
		if !strings.Contains(g.logged(), "waits until Slack has said who our bot is") {
			t.Errorf("the log does not say why the rule waits: %s", g.logged())
		}
		close(who)
		time.Sleep(time.Minute)
		if got := g.slack.texts(); !cmp.Equal(got, []string{"<@U1>: from a person"}) {
			t.Errorf("posted %q", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestIncludeSelfActsOnOurOwnEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: all, include_self: true, post: {channel: C9, text: "{{.id}}"}}]`), func(o *rule.Options) {
			o.Self = func(ctx context.Context) (rule.Self, error) {
				<-ctx.Done() // a rule that includes our own events need not know who we are
				return rule.Self{}, ctx.Err()
			}
		})
		synctest.Wait()
		g.publish("x", func(e *event.Event) { e.FromSelf = true })
		synctest.Wait()
		if got := g.slack.texts(); !cmp.Equal(got, []string{"Ev1"}) {
			t.Errorf("posted %q", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestNoRuleActsOnAnAssistantsMessage has rules that act on everything, and a message that a tool wrote in a
// person's name: for a while it cannot be told.
func TestNoRuleActsOnAnAssistantsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		g := newRig(t, parse(t, `rules:
  - {name: all, include_self: true, post: {channel: C9, text: "all {{.id}}"}}
  - {name: people, post: {channel: C9, text: "people {{.id}}"}}
  - {name: others, when: {channel: C8}, post: {channel: C9, text: "others {{.id}}"}}`), func(o *rule.Options) {
			o.Assistant = func(_ context.Context, e *event.Event) (bool, error) {
				if asked.Add(1) <= 2 {
					return false, errors.New("the store is away")
				}
				return e.User == "UASSISTED", nil
			}
		})
		synctest.Wait()
		g.publish("x", func(e *event.Event) { e.User = "UASSISTED" })
		time.Sleep(time.Minute)
		if got := g.slack.texts(); len(got) != 0 {
			t.Errorf("posted %q for an assistant's message", got)
		}
		if n := asked.Load(); n != 4 {
			t.Errorf("it was asked %d times, want twice by the two rules that match", n)
		}
		g.publish("x")
		time.Sleep(time.Minute)
		if got := slices.Sorted(slices.Values(g.slack.texts())); !cmp.Equal(got, []string{"all Ev2", "people Ev2"}) {
			t.Errorf("posted %q for a person's message", got)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestTheBreakerStopsALoop has a bot that answers each of our posts.
func TestTheBreakerStopsALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []string
		g := newRig(t, parse(t, `rules: [{name: answer, when: {source: slack}, breaker: {limit: 5, within: 1m, pause: 2m}, post: {text: "{{.id}}"}}]`), func(o *rule.Options) {
			o.OnBreaker = func(name string, open bool) { changes = append(changes, fmt.Sprint(name, " ", open)) }
		})
		synctest.Wait()
		for range 8 {
			g.publish("x", byBot("BOTHER"))
			synctest.Wait()
		}
		g.publish("from a person")
		synctest.Wait()
		if n := len(g.slack.texts()); n != 6 {
			t.Errorf("%d posts, want five to the bot and one to the person", n)
		}
		if got := g.dead("answer"); len(got) != 3 || !strings.Contains(got[0], "1: rule answer acted on 5 events within 1m0s") {
			t.Errorf("dead letters %q, want the three that the breaker stopped", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		g.publish("x", byBot("BOTHER"))
		synctest.Wait()
		if n := len(g.slack.texts()); n != 7 {
			t.Errorf("%d posts after the pause, want one more", n)
		}
		if diff := cmp.Diff([]string{"answer true", "answer false"}, changes); diff != "" {
			t.Errorf("the breaker's changes (-want +got):\n%s", diff)
		}
		if !strings.Contains(g.logged(), "level=ERROR") {
			t.Error("the log does not report it")
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestReplaceKeepsChangesAddsAndRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := func(text string) []*rule.Rule { return parse(t, "rules:\n"+text) }
		g := newRig(t, rules(`
  - {name: same, post: {channel: C1, text: "same {{.id}}"}}
  - {name: changed, post: {channel: C1, text: "old {{.id}}"}}
  - {name: gone, post: {channel: C1, text: "gone {{.id}}"}}
`))
		synctest.Wait()
		g.publish("x")
		synctest.Wait()
		time.Sleep(time.Millisecond)
		change, err := g.r.Replace(t.Context(), rules(`
  - {name: changed, post: {channel: C1, text: "new {{.id}}"}}
  - {name: added, post: {channel: C1, text: "added {{.id}}"}}
  - {name: late, start: oldest, post: {channel: C1, text: "late {{.id}}"}}
  - {name: same, post: {channel: C1, text: "same {{.id}}"}}
`))
		if err != nil {
			t.Fatal(err)
		}
		want := rule.Change{Added: []string{"added", "late"}, Changed: []string{"changed"}, Removed: []string{"gone"}, Kept: []string{"same"}}
		if diff := cmp.Diff(want, change); diff != "" {
			t.Errorf("change (-want +got):\n%s", diff)
		}
		time.Sleep(time.Millisecond)
		g.publish("y")
		synctest.Wait()
		wantTexts := []string{"added Ev2", "gone Ev1", "late Ev1", "late Ev2", "new Ev2", "old Ev1", "same Ev1", "same Ev2"}
		if diff := cmp.Diff(wantTexts, sorted(g.slack.texts())); diff != "" {
			t.Errorf("posted (-want +got):\n%s", diff)
		}
		groups, err := g.q.Groups(t.Context())
		if err != nil || !cmp.Equal(groups, []string{"rule.added", "rule.changed", "rule.late", "rule.same"}) {
			t.Errorf("groups %v, %v: that of the removed rule has to be dropped", groups, err)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestReplaceWithABadRuleChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: a, log: {}}]`), func(o *rule.Options) { o.Poster = nil })
		synctest.Wait()
		_, err := g.r.Replace(t.Context(), parse(t, `rules: [{name: b, post: {channel: C1, text: x}}]`))
		if err == nil || !strings.Contains(err.Error(), "rule b (line 1): it posts to Slack, and there is no bot token") {
			t.Errorf("Replace: %v", err)
		}
		if list := g.r.Rules(); len(list) != 1 || list[0].Name() != "a" {
			t.Errorf("rules %v", list)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestGroupsOfRemovedRulesAreDroppedOrLogged(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			first := newRig(t, parse(t, `rules: [{name: old, log: {}}]`))
			synctest.Wait()
			r, err := rule.NewRunner(rule.Options{Queue: first.q, Exclusive: exclusive, Logger: slog.New(slog.NewTextHandler(locked{&first.mu, first.log}, nil))}, parse(t, `rules: [{name: other, log: {}}]`))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			synctest.Wait()
			groups, err := first.q.Groups(t.Context())
			if err != nil || (len(groups) == 1) != exclusive {
				t.Errorf("exclusive %v: groups %v, %v", exclusive, groups, err)
			}
			if !exclusive && !strings.Contains(first.logged(), "groups drop rule.old") {
				t.Errorf("the log does not name the remedy: %s", first.logged())
			}
			cancel()
			if err := errors.Join(<-done, first.end()); err != nil {
				t.Error(err)
			}
		})
	}
}

// await waits for something that happens in other processes or connections.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if ok() {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestForwardSignsAndRetries(t *testing.T) {
	v, err := signature.New(signature.Options{Scheme: signature.StandardWebhooks, Secrets: []string{whsec}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var ids, bodies []string
	answers := []int{http.StatusServiceUnavailable, http.StatusOK, http.StatusBadRequest, http.StatusFound}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		claim, err := v.Open(r, time.Now())
		if err == nil {
			_, err = v.Verify(&claim, body)
		}
		if err != nil || r.Header.Get("X-Team") != "red" || r.Header.Get("X-Event-Kind") != "message" || r.Header.Get("X-Shop") != "ada's" || r.Header.Get("X-Event-Attempt") == "9" {
			t.Errorf("a request that is not as promised: %v %v", err, r.Header)
		}
		ids, bodies = append(ids, r.Header.Get("Webhook-Id")), append(bodies, string(body))
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(answers[len(ids)-1])
	}))
	defer srv.Close()
	g := newRig(t, parse(t, `rules: [{name: out, forward: {url: "`+srv.URL+`/hook?x=y", secret_env: HOOK_SECRET, allow: 127.0.0.0/8, headers: {X-Team: red}}, when: {match: {"header:x-shop": {contains: ada}}}}]`),
		func(o *rule.Options) { o.Group.Policy.Base = time.Millisecond })
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	seen := func(n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return len(ids) == n }
	}
	kept := func(e *event.Event) {
		e.Headers = "Connection: close\nHost: evil.example\nWebhook-Id: another\nX-Event-Attempt: 9\nX-Shop: ada's\nX-Team: blue\n"
	}
	g.publish("one that has no such header")
	g.publish("a", kept)
	await(t, "the second try", seen(2))
	g.publish("b", kept)
	await(t, "a refusal", func() bool { return len(g.dead("out")) == 1 })
	g.publish("c", kept)
	await(t, "a redirect", func() bool { return len(g.dead("out")) == 2 })
	if ids[0] != ids[1] || ids[1] == ids[2] || strings.Contains(bodies[0], "verification") || !strings.Contains(bodies[0], `"text":"a"`) {
		t.Errorf("ids %q, bodies %q: want one id for both tries, and no token of Slack's", ids, bodies)
	}
	for _, reason := range g.dead("out") {
		if !strings.HasPrefix(reason, "1: the receiver answered ") || strings.Contains(reason, "hook") {
			t.Errorf("reason %q", reason)
		}
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}

// TestForwardRefusesPrivateAddresses has a name that leads to this machine.
func TestForwardRefusesPrivateAddresses(t *testing.T) {
	g := newRig(t, parse(t, `rules: [{name: in, forward: {url: "https://localhost:1/", secret_env: HOOK_SECRET}}]`))
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	g.publish("a")
	await(t, "the dead letter", func() bool { return len(g.dead("in")) == 1 })
	if got := g.dead("in")[0]; !strings.Contains(got, "1: localhost:1 is refused: its address is not in the public network") {
		t.Errorf("dead letter %q", got)
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	t.Setenv("SECRET_OF_THE_SERVER", "hidden")
	g := newRig(t, parse(t, `rules:
  - {name: save, run: {command: [/bin/sh, -c, "{ cat; echo; env | sort; pwd; } > `+out+`.part && mv `+out+`.part `+out+`"], env: TOKEN}}
  - {name: data, run: {command: [/bin/sh, -c, "echo no good >&2; exit 65"]}}
  - {name: slow, attempts: 1, run: {command: [/bin/sh, -c, "sleep 600 & sleep 600"], timeout: 100ms}}
  - {name: nowhere, attempts: 2, run: {command: [/no/such/program]}}
  - {name: loud, attempts: 1, run: {command: [/bin/sh, -c, "yes | head -c 3000000; printf 'the \\033[1mend'; exit 7"], max_output: 1000}}
`), func(o *rule.Options) { o.Group.Policy.Base = time.Millisecond })
	await(t, "the groups", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 5 })
	g.publish("hello", func(e *event.Event) { e.User, e.Headers = "U1; rm -rf /", "X-Shop-Domain: ada's\n" })
	var content []byte
	await(t, "the file", func() (ok bool) { var err error; content, err = os.ReadFile(out); return err == nil })
	for _, want := range []string{`"text":"hello"`, "EVENT_ID=Ev1\n", "EVENT_USER=U1; rm -rf /\n", "EVENT_ATTEMPT=1\n", "EVENT_HEADER_X_SHOP_DOMAIN=ada's\n", "RULE=save\n", "TOKEN=token-of-the-command\n", "\n/\n"} {
		if !strings.Contains(string(content), want) {
			t.Errorf("the command did not see %q:\n%s", want, content)
		}
	}
	if strings.Contains(string(content), "SECRET_OF_THE_SERVER") || strings.Contains(string(content), "verification") {
		t.Errorf("the command sees what it must not:\n%s", content)
	}
	for name, want := range map[string]string{
		"data":    "1: the command ended with exit status 65: no good",
		"slow":    "1: the command ran longer than 100ms and was ended",
		"nowhere": "2: the command cannot be run: fork/exec /no/such/program: no such file or directory",
		"loud":    "1: the command ended with exit status 7: the [1mend",
	} {
		await(t, "the dead letter of "+name, func() bool { return len(g.dead(name)) == 1 })
		if got := g.dead(name)[0]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}

func TestLogQuotesTheText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: note, when: {source: slack}, log: {level: warn, text: "{{.text}}"}}]`))
		synctest.Wait()
		g.publish("a\nlevel=ERROR msg=forged")
		synctest.Wait()
		log := g.logged()
		if !strings.Contains(log, `level=WARN msg="rule matched" rule=note`) || strings.Contains(log, "\nlevel=ERROR") {
			t.Errorf("log: %s", log)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}
