package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// rulesFile writes rules and returns the file's name.
func rulesFile(t testing.TB, dir, text string) string {
	t.Helper()
	name := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// groupStats is what /health/detailed says of one group.
type groupStats struct {
	Name     string `json:"name"`
	Waiting  int    `json:"waiting"`
	Retrying int    `json:"retrying"`
	Done     int    `json:"done"`
	Dead     int    `json:"dead_letters"`
}

func (p *process) group(name string) (groupStats, error) {
	p.t.Helper()
	status, body := p.get("/health/detailed")
	var health struct {
		Queue struct{ Groups []groupStats }
	}
	if err := json.Unmarshal([]byte(body), &health); err != nil {
		return groupStats{}, fmt.Errorf("health: %d %s", status, body)
	}
	for _, g := range health.Queue.Groups {
		if g.Name == name {
			return g, nil
		}
	}
	return groupStats{}, fmt.Errorf("there is no group %s", name)
}

var workspaceURL = regexp.MustCompile(`workspace +(http://127\.0\.0\.1:\d+)`)

// speak lets a person write in the sandbox's workspace.
func (p *process) speak(channel, text string) {
	p.t.Helper()
	m := workspaceURL.FindStringSubmatch(p.logs.String())
	if m == nil {
		p.t.Fatalf("the workspace's address was not printed:\n%s", p.logs)
	}
	body := fmt.Appendf(nil, `{"user":"bob","channel":%q,"text":%q}`, channel, text)
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, m[1]+"/sandbox/messages", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if status, answer := p.do(req); status != http.StatusOK {
		p.t.Fatalf("speak: %d %s", status, answer)
	}
}

// TestAPostOnMessageRulePostsOnce answers a person in the sandbox: our own message comes
// back as an event, and must not be answered. A rule that asks for its own events talks
// to itself, until its breaker stops it.
func TestAPostOnMessageRulePostsOnce(t *testing.T) {
	rules := rulesFile(t, t.TempDir(), `rules:
  - name: echo
    when: {source: slack, type: message.channels}
    post: {text: "echo: {{.text}}"}
  - name: selfish
    when: {source: slack, type: message.channels, match: {event.text: {contains: round}}}
    include_self: true
    breaker: {limit: 3, within: 10m, pause: 10m}
    post: {text: "round and round"}
`)
	p := start(t, options{args: []string{"--sandbox", "--rules", rules}})
	s := connect(t, p)
	count := func(text string) int {
		var page struct {
			Messages []struct{ Text string }
		}
		s.tool("slack_read_channel_messages", map[string]any{"channel": "#general", "limit": 50}, &page)
		n := 0
		for _, m := range page.Messages {
			if m.Text == text {
				n++
			}
		}
		return n
	}
	// Each event is worked once by each group: when all are done, all is said.
	settled := func(want int) func() error {
		return func() error {
			for _, name := range []string{"rule.echo", "rule.selfish"} {
				g, err := p.group(name)
				if err != nil || g.Waiting > 0 || g.Done+g.Dead < want {
					return fmt.Errorf("%+v, want %d events done: %w", g, want, err)
				}
			}
			return nil
		}
	}
	p.speak("#general", "hello <!channel> & all")
	eventually(t, 30*time.Second, settled(2)) // the message, and the rule's own
	if n := count("echo: hello &lt;!channel&gt; &amp; all"); n != 1 {
		t.Errorf("%d answers, want one", n)
	}
	p.speak("#general", "go round")
	eventually(t, 30*time.Second, func() error {
		if g, err := p.group("rule.selfish"); err != nil || g.Dead == 0 || g.Waiting > 0 {
			return fmt.Errorf("%+v: the breaker has not stopped the loop: %w", g, err)
		}
		return nil
	})
	// The person's event does not count, three of the bot's own are answered, the fourth is stopped.
	if n := count("round and round"); n != 4 {
		t.Errorf("the rule talked to itself %d times, want 4", n)
	}
	if n := count("echo: go round"); n != 1 {
		t.Errorf("%d answers of the other rule, want one", n)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestReloadUnderLoadLosesNothing changes the rules time and again while senders post. A
// rule that stays must run each event's command once, and one that changes once in all,
// by its old or its new command.
func TestReloadUnderLoadLosesNothing(t *testing.T) {
	const reloads, perReload, senders = 6, 60, 8
	const events = reloads * perReload
	dir := t.TempDir()
	text := func(version int) string {
		return fmt.Sprintf(`rules:
  - name: kept
    when: {type: message}
    run: {command: [/bin/sh, -c, "echo $EVENT_ID >> %[1]s/kept"]}
  - name: changed
    when: {type: message}
    run: {command: [/bin/sh, -c, "echo $EVENT_ID >> %[1]s/changed # %[2]d"]}
  - name: passing-%[2]d
    log: {}
`, dir, version)
	}
	name := rulesFile(t, dir, text(0))
	p := start(t, options{args: []string{"--rules", name, "--workers", "4"}, env: []string{"LOG_LEVEL=info"}})
	eventually(t, 30*time.Second, func() error {
		_, err1 := p.group("rule.kept")
		_, err2 := p.group("rule.changed")
		return errors.Join(err1, err2)
	})

	todo := make(chan int, events)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for n := range todo {
				res, err := http.DefaultClient.Do(signed(t, p.url, "application/json", message(fmt.Sprintf("EvRELOAD%d", n), "C1", "hi")))
				if err != nil {
					t.Errorf("post: %v", err)
					continue
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("post: %d", res.StatusCode)
				}
			}
		})
	}
	for i := range reloads {
		for n := range perReload {
			todo <- i*perReload + n
		}
		if i%3 == 2 {
			rulesFile(t, dir, "rules: [{name: Bad Name}]")
		} else {
			rulesFile(t, dir, text(i+1))
		}
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, 60*time.Second, func() error {
			logs := p.logs.String()
			if n := strings.Count(logs, "rules reloaded") + strings.Count(logs, "the old rules stay in force"); n <= i {
				return fmt.Errorf("%d of %d reloads", n, i+1)
			}
			return nil
		})
	}
	close(todo)
	wg.Wait()
	for _, file := range []string{"kept", "changed"} {
		var seen map[string]int
		eventually(t, 60*time.Second, func() error {
			b, err := os.ReadFile(filepath.Join(dir, file))
			seen = map[string]int{}
			for id := range strings.FieldsSeq(string(b)) {
				seen[id]++
			}
			if len(seen) < events {
				return fmt.Errorf("%s: %d of %d events, %w", file, len(seen), events, err)
			}
			return nil
		})
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s: %s was worked %d times", file, id, n)
			}
		}
	}
	if !strings.Contains(p.logs.String(), "Bad Name") {
		t.Error("the log does not say what was wrong with the bad file")
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestAFailingRuleKeepsItsScheduleAcrossAKill has a command that fails twice and then
// works, with a kill -9 between its tries: the tries are counted on, and an event that
// was done is not done again.
func TestAFailingRuleKeepsItsScheduleAcrossAKill(t *testing.T) {
	dir, data, port := t.TempDir(), t.TempDir(), freePort(t)
	name := rulesFile(t, dir, fmt.Sprintf(`rules:
  - name: stubborn
    when: {type: message}
    attempts: 3
    run:
      command:
        - /bin/sh
        - -c
        - |
          echo "$EVENT_ID $EVENT_ATTEMPT" >> %[1]s/tries
          case $EVENT_ID in EvGOOD) exit 0;; EvPOISON) exit 1;; esac
          test "$EVENT_ATTEMPT" -ge 3
`, dir))
	o := options{args: []string{"--rules", name}, data: data, port: port}
	tries := func() []string {
		b, _ := os.ReadFile(filepath.Join(dir, "tries")) // not there before the first
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	p := start(t, o)
	eventually(t, 30*time.Second, func() error { _, err := p.group("rule.stubborn"); return err })
	for _, id := range []string{"EvGOOD", "EvTWICE", "EvPOISON"} {
		if status, answer := p.post(message(id, "C1", "hi")); status != http.StatusOK {
			t.Fatalf("post: %d %s", status, answer)
		}
	}
	eventually(t, 30*time.Second, func() error {
		if g, err := p.group("rule.stubborn"); err != nil || g.Done != 1 || g.Retrying != 2 {
			return fmt.Errorf("%+v, want one done and two waiting for their next try: %w", g, err)
		}
		return nil
	})
	p.kill()
	p = start(t, o)
	eventually(t, 60*time.Second, func() error {
		if g, err := p.group("rule.stubborn"); err != nil || g.Done != 2 || g.Dead != 1 || g.Waiting != 0 {
			return fmt.Errorf("%+v, want two done and one dead: %w", g, err)
		}
		return nil
	})
	count := map[string]int{}
	last := map[string]string{}
	for _, line := range tries() {
		id, attempt, _ := strings.Cut(line, " ")
		count[id]++
		last[id] = attempt
	}
	// The kill may fall into a try of its own, which then counts without a line.
	if count["EvGOOD"] != 1 || last["EvTWICE"] != "3" || last["EvPOISON"] != "3" || count["EvTWICE"] > 3 || count["EvPOISON"] > 3 {
		t.Errorf("tries %v: want EvGOOD once, and the others until the third", tries())
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSourcesFile posts what the senders of a file sign, to the binary.
func TestSourcesFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sources.yaml")
	if err := os.WriteFile(file, []byte("sources: [{name: shop, secret_env: SHOP_SECRET, id: order.id, type: topic}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := integrated(t, options{args: []string{"--sources", file}, env: []string{"SHOP_SECRET=shop-secret"}})
	body := []byte(`{"order":{"id":"o-1"},"topic":"order.paid","note":"x"}`)
	post := func(path string, body []byte) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Signature", hexHMAC("shop-secret", body))
		return p.do(req)
	}
	if status, answer := post("/events/shop", body); status != 200 || answer != `{"status":"queued"}` {
		t.Errorf("answer %d %s", status, answer)
	}
	if status, answer := post("/events/shop", append([]byte{' '}, body...)); status != 200 {
		t.Errorf("a copy in other words: %d %s", status, answer)
	}
	if status, answer := post("/events/other", body); status != 404 || answer != `{"error":"unregistered endpoint"}` {
		t.Errorf("another route: %d %s", status, answer)
	}
	var page eventPage
	connect(t, p).tool("slack_list_events", map[string]any{"source": "shop"}, &page)
	if len(page.Events) != 1 || page.Events[0].EventID != "o-1" || page.Events[0].Type != "order.paid" {
		t.Errorf("listed %+v, want the one order", page.Events)
	}
	if !strings.Contains(p.logs.String(), "/events/shop") {
		t.Error("the start line does not list the route")
	}
}
