package rule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// A target is a receiver whose answers can be changed.
type target struct {
	*httptest.Server
	status   atomic.Int64
	requests atomic.Int64
	poison   string // a body with this is always answered 503

	mu  sync.Mutex
	got []string
}

func newTarget(t *testing.T, status int) *target {
	t.Helper()
	s := &target{}
	s.status.Store(int64(status))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		body := make([]byte, 512)
		n, _ := r.Body.Read(body)
		status := int(s.status.Load())
		if status == 0 { // It never answers.
			_, _ = io.Copy(io.Discard, r.Body) // only then it is noticed that the client has left
			<-r.Context().Done()
			return
		}
		if s.poison != "" && strings.Contains(string(body[:n]), s.poison) {
			status = http.StatusServiceUnavailable
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if status == http.StatusOK {
			s.got = append(s.got, r.Header.Get("X-Event-Id"))
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) received() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func (s *target) rules(t *testing.T) []*rule.Rule {
	return parse(t, `rules: [{name: out, forward: {url: "`+s.URL+`", secret_env: HOOK_SECRET, allow: 127.0.0.0/8}}]`)
}

func (g *rig) group(t *testing.T) queue.GroupStats {
	t.Helper()
	s, err := g.q.Stats(t.Context())
	if err != nil || len(s.Groups) != 1 {
		t.Fatalf("Stats = %+v, %v, want one group", s, err)
	}
	return s.Groups[0]
}

// quick is a policy by which an event would be dead in a moment.
func quick(o *rule.Options) {
	o.Group.Policy.Base, o.Group.Policy.MaxAttempts = time.Millisecond, 2
}

// TestATargetThatRefusesLosesNothing has a target that is away for longer than all attempts would take: nothing
// becomes a dead letter, the log has a line and not one for each attempt, and all come in the end.
func TestATargetThatRefusesLosesNothing(t *testing.T) {
	to := newTarget(t, http.StatusBadGateway)
	g := newRig(t, to.rules(t), quick)
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	const n = 40
	for i := range n {
		g.publish(fmt.Sprint(i))
	}
	await(t, "the rule to be known as refused", func() bool { return len(g.r.Refusing()) == 1 })
	time.Sleep(300 * time.Millisecond) // A dozen times what two attempts take.
	if dead := g.dead("out"); len(dead) > 0 {
		t.Fatalf("%d events became dead letters, the first %s", len(dead), dead[0])
	}
	if lines := strings.Count(g.logged(), "level=WARN"); lines > 2 {
		t.Errorf("the log has %d warnings, want one for the event that was tried first and one for the rule:\n%s", lines, g.logged())
	}
	to.status.Store(http.StatusOK)
	await(t, "all events", func() bool { return to.received() >= n })
	await(t, "their end", func() bool { return g.group(t).Waiting == 0 })
	if s := g.group(t); s.Done != n || s.Dead != 0 || to.received() != n || len(g.r.Refusing()) != 0 {
		t.Errorf("%+v, %d received, %+v, want %d done", s, to.received(), g.r.Refusing(), n)
	}
	if !strings.Contains(g.logged(), "answers again") {
		t.Errorf("the log does not say that the target is back:\n%s", g.logged())
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}

// TestPostsAndCommandsWait has a Slack that cannot be reached, and a program that fails for all events: as of a
// target that refuses nothing becomes a dead letter, and all come in the end.
func TestPostsAndCommandsWait(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	flag, out := filepath.Join(t.TempDir(), "up"), filepath.Join(t.TempDir(), "out")
	for name, c := range map[string]struct {
		rules string
		up    func() error
	}{
		"post": {`rules: [{name: out, post: {channel: C1, text: "{{.text}}"}}]`, func() error { down.Store(false); return nil }},
		"run": {
			`rules: [{name: out, run: {command: [/bin/sh, -c, "test -e ` + flag + ` && echo >> ` + out + `"]}}]`,
			func() error { return os.WriteFile(flag, nil, 0o600) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, parse(t, c.rules), quick, func(o *rule.Options) {
				o.Group.Policy.MaxAttempts = 5 // Three commands have to end before one has used up its attempts.
				o.Poster = posterFunc(func(context.Context, rule.Message) error {
					if down.Load() {
						return rule.Refused(errors.New("Slack cannot be reached"))
					}
					return nil
				})
			})
			await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
			const n = 20
			for i := range n {
				g.publish(fmt.Sprint(i))
			}
			await(t, "the rule to be known as refused", func() bool { return len(g.r.Refusing()) == 1 })
			time.Sleep(300 * time.Millisecond) // As above.
			if dead := g.dead("out"); len(dead) > 0 {
				t.Fatalf("%d events became dead letters, the first %s", len(dead), dead[0])
			}
			if err := c.up(); err != nil {
				t.Fatal(err)
			}
			await(t, "their end", func() bool { return g.group(t).Waiting == 0 })
			if s := g.group(t); s.Done != n || s.Dead != 0 {
				t.Errorf("%+v, want %d done", s, n)
			}
			if err := g.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

type posterFunc func(context.Context, rule.Message) error

func (f posterFunc) Post(ctx context.Context, m rule.Message) error { return f(ctx, m) }

// TestAShortDeadlineWaits has a rule whose tries are as short as may be, and a target that is away for a while: its
// events wait, and do not come back at once for ever.
func TestAShortDeadlineWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, parse(t, `rules: [{name: out, deadline: 1s, post: {channel: C1, text: "{{.text}}"}}]`))
		synctest.Wait()
		g.slack.fail = func(int) error { return rule.Refused(errors.New("Slack cannot be reached")) }
		for i := range 10 {
			g.publish(fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		g.slack.mu.Lock()
		g.slack.fail = nil
		g.slack.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if got := g.slack.texts(); len(got) != 10 || len(g.dead("out")) > 0 {
			t.Errorf("posted %q, dead letters %q, want all ten posted", got, g.dead("out"))
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestPatienceEnds has a target that does not come back.
func TestPatienceEnds(t *testing.T) {
	to := newTarget(t, http.StatusBadGateway)
	g := newRig(t, to.rules(t), quick, func(o *rule.Options) { o.Patience = 50 * time.Millisecond })
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	const n = 20
	for i := range n {
		g.publish(fmt.Sprint(i))
	}
	await(t, "the dead letters", func() bool { return g.group(t).Dead == n })
	if r := g.r.Refusing(); len(r) != 1 || r[0].Rule != "out" || r[0].DeadLetters == 0 {
		t.Errorf("Refusing = %+v", r)
	}
	redrive := func() {
		t.Helper()
		letters, err := g.q.DeadLetters(t.Context(), "rule.out", queue.LetterQuery{Limit: n})
		if err != nil {
			t.Fatal(err)
		}
		var at []event.Position
		for _, l := range letters {
			at = append(at, l.Event.Position)
		}
		if _, err := g.q.Redrive(t.Context(), "rule.out", at...); err != nil {
			t.Fatal(err)
		}
	}
	// What is redriven is tried, and is dead again where that fails.
	tried := to.requests.Load()
	redrive()
	await(t, "the dead letters again", func() bool { return g.group(t).Dead == n })
	if now := to.requests.Load(); now == tried || now > tried+n {
		t.Errorf("what was redriven made %d requests, want one at least, and one of each event at most", now-tried)
	}
	// Who mends the target and redrives is not made to wait for the next probe.
	to.status.Store(http.StatusOK)
	redrive()
	await(t, "the redriven", func() bool { return to.received() == n })
	if s := g.group(t); s.Dead != 0 {
		t.Errorf("%d died again", s.Dead)
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}

// TestABacklogIsBounded has more events wait than may: the oldest become dead letters, the rest waits.
func TestABacklogIsBounded(t *testing.T) {
	to := newTarget(t, http.StatusBadGateway)
	g := newRig(t, to.rules(t), quick, func(o *rule.Options) { o.Backlog = 30 })
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	const n = 100
	for i := range n {
		g.publish(fmt.Sprint(i))
	}
	await(t, "the backlog to be at its bound", func() bool { return g.group(t).Waiting <= 30 })
	time.Sleep(2500 * time.Millisecond) // It is looked at each second.
	if s := g.group(t); s.Waiting+s.Dead != n || s.Waiting < 20 {
		t.Errorf("%d events wait and %d are dead, want about 30 that wait", s.Waiting, s.Dead)
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}

// TestNoTargetStopsReceiving has targets that refuse, or never answer, and a queue that holds a few hundred events, or
// three long ones: of those that wait for the rule, a tenth of its bytes stays, and what comes is taken.
func TestNoTargetStopsReceiving(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ status, n, bytes int }{
		"refuses": {http.StatusBadGateway, 1500, 1000}, "hangs": {0, 1500, 1000}, "refuses long events": {http.StatusBadGateway, 10, 130 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t, c.status)
			q, err := memory.New(memory.Options{RetentionAge: -1, MaxBytes: 400 << 10})
			if err != nil {
				t.Fatal(err)
			}
			rules := parse(t, `rules: [{name: out, forward: {url: "`+to.URL+`", timeout: 300ms, secret_env: HOOK_SECRET, allow: 127.0.0.0/8}}]`)
			g := newRig(t, rules, func(o *rule.Options) { o.Queue, o.Backlog = q, 1000 })
			t.Cleanup(func() {
				if err := errors.Join(g.end(), q.Close()); err != nil {
					t.Error(err)
				}
			})
			await(t, "the group", func() bool { groups, _ := q.Groups(t.Context()); return len(groups) == 1 })
			body := append(append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), c.bytes)...), `"}`...)
			for i := range c.n {
				e := event.Event{Source: "slack", ID: fmt.Sprint("Ev", i), Kind: event.Kind{Type: "message"}, ReceivedAt: time.Now(), Raw: body}
				await(t, "room for one more", func() bool { // a sender repeats what is refused
					_, err := q.Publish(t.Context(), e)
					return err == nil
				})
			}
			await(t, "the backlog to be at its bound", func() bool {
				s, err := q.Stats(t.Context())
				return err == nil && len(s.Groups) == 1 && s.Groups[0].Waiting < 100
			})
			if r := g.r.Refusing(); c.status != 0 && (len(r) != 1 || r[0].DeadLetters < int64(c.n/2)) {
				t.Errorf("Refusing = %+v", r)
			}
		})
	}
}

// TestOneEventThatFailsHoldsNoOtherBack has one event that the target never takes.
func TestOneEventThatFailsHoldsNoOtherBack(t *testing.T) {
	to := newTarget(t, http.StatusOK)
	to.poison = "poison"
	g := newRig(t, to.rules(t), quick)
	await(t, "the group", func() bool { groups, _ := g.q.Groups(t.Context()); return len(groups) == 1 })
	g.publish("poison")
	for i := range 20 {
		g.publish(fmt.Sprint(i))
	}
	await(t, "the others", func() bool { return to.received() == 20 })
	for range 5 {
		await(t, "the dead letter, or more", func() bool {
			g.publish("more")
			time.Sleep(100 * time.Millisecond)
			return g.group(t).Dead == 1
		})
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
}
