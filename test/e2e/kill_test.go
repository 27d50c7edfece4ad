package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestKillLosesNothing kills the real process with SIGKILL while senders post and a rule
// forwards every event, starts it again on the same store, and at the end asks over MCP
// for every event: each one that was answered 200 is there, once, and was handled, and
// none twice by a process that was not killed in between. KILLS and KILL_EVENTS make it
// longer.
func TestKillLosesNothing(t *testing.T) {
	kills, events := number(t, "KILLS", 20), number(t, "KILL_EVENTS", 20_000)
	data, port := t.TempDir(), freePort(t)
	handled := newHandledLog(t)
	o := options{
		args: []string{"--queue-backend", "sqlite", "--rules", handled.rules},
		env:  []string{"LOG_LEVEL=warning", "HOOK_SECRET=whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "WORKERS=16", "RETENTION_COUNT=" + strconv.Itoa(2*events)},
		data: data, port: port,
	}

	senders := newSenders("http://127.0.0.1:"+port, events)
	for i := range kills {
		handled.nextLife(t)
		p := start(t, o)
		// Each life is given a share of the events; the kill falls somewhere in it.
		share := (events - senders.acknowledged()) / (kills - i)
		stop := senders.run(t, 16)
		if err := senders.await(rand.N(share)+share/3, 2*time.Minute); err != nil {
			t.Fatalf("life %d: %v\n%s", i, err, p.logs)
		}
		p.kill()
		stop()
	}

	handled.nextLife(t)
	o.args = append(o.args, "--integrated")
	o.env = append(o.env, "SLACK_BOT_TOKEN=xoxb-unused", "SLACK_API_URL=http://127.0.0.1:1/api/")
	p := start(t, o)
	stop := senders.run(t, 16)
	if err := senders.await(events, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	stop()
	stored := map[string]int{}
	for _, id := range listEventIDs(t, p) {
		stored[id]++
	}
	lost, twice := 0, 0
	for id := range senders.acked.Range {
		switch stored[id.(string)] {
		case 0:
			lost++
		case 1:
		default:
			twice++
		}
	}
	if lost > 0 || twice > 0 {
		t.Errorf("lost %d and stored twice %d of %d acknowledged events, want none", lost, twice, senders.acknowledged())
	}
	eventually(t, 10*time.Minute, func() error { return handled.all(&senders.acked) })
	after, without := handled.again()
	if without > 0 {
		t.Errorf("%d events were handled again by a process that was not killed in between, want none", without)
	}
	t.Logf("%d kills, %d acknowledged, %d lost, %d stored twice; handled again: %d after a kill, %d without", kills, senders.acknowledged(), lost, twice, after, without)
	t.Logf("chaos: | %d | %d | %d | %d | %d | %d |", kills, senders.acknowledged(), lost, twice, after, without)
}

// A handledLog is where a rule forwards every event to. Each life of the server is given
// an address of its own there, so that what a life did is kept apart from what comes late.
type handledLog struct {
	url, rules string
	life       int

	mu             sync.Mutex
	last           map[string]string // event id -> the life that handled it last
	after, without int               // handled again: after a kill, and without one
}

func newHandledLog(t *testing.T) *handledLog {
	t.Helper()
	h := &handledLog{rules: filepath.Join(t.TempDir(), "rules.yaml"), last: map[string]string{}}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, life := r.Header.Get("X-Event-Id"), r.URL.Path
		h.mu.Lock()
		defer h.mu.Unlock()
		switch h.last[id] {
		case "":
		case life:
			h.without++
		default:
			h.after++
		}
		h.last[id] = life
	}))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// nextLife writes the rules of the server's next life.
func (h *handledLog) nextLife(t *testing.T) {
	t.Helper()
	h.life++
	text := fmt.Sprintf("rules:\n  - name: handled\n    include_self: true\n    forward:\n      url: %s/life/%d\n      secret_env: HOOK_SECRET\n      allow: [%q]\n",
		h.url, h.life, strings.TrimPrefix(h.url, "http://"))
	if err := os.WriteFile(h.rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// all says what of the acknowledged events is not handled yet.
func (h *handledLog) all(acked *sync.Map) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	missing := 0
	for id := range acked.Range {
		if h.last[id.(string)] == "" {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d acknowledged events are not handled", missing)
	}
	return nil
}

func (h *handledLog) again() (after, without int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.after, h.without
}

// senders posts events until each was answered 200, as Slack's retries would.
type senders struct {
	url   string
	total int
	todo  chan int
	acked sync.Map // event id -> struct{}
	count atomic.Int64
	bad   atomic.Int64
}

func newSenders(url string, total int) *senders {
	s := &senders{url: url, total: total, todo: make(chan int, total)}
	for i := range total {
		s.todo <- i
	}
	return s
}

func (s *senders) acknowledged() int { return int(s.count.Load()) }

// run starts n senders; stop waits for them.
func (s *senders) run(t *testing.T, n int) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}, Timeout: 5 * time.Second}
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				case i := <-s.todo:
					s.send(t, client, i)
				}
			}
		})
	}
	return func() { close(quit); wg.Wait(); client.CloseIdleConnections() }
}

// send posts event i and gives it back to the others when it was not acknowledged.
func (s *senders) send(t *testing.T, client *http.Client, i int) {
	id := fmt.Sprintf("EvKILL%07d", i)
	body := message(id, "C"+strconv.Itoa(i%10), "event "+strconv.Itoa(i))
	ts, sig := sign(signingSecret, time.Now(), body)
	req, err := http.NewRequest(http.MethodPost, s.url+"/slack/events", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", sig)
	res, err := client.Do(req)
	if err != nil {
		s.todo <- i
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		s.bad.Add(1)
		s.todo <- i
		return
	}
	s.acked.Store(id, struct{}{})
	s.count.Add(1)
}

// await waits until n more events are acknowledged, or all are.
func (s *senders) await(n int, within time.Duration) error {
	goal := min(s.acknowledged()+n, s.total)
	deadline := time.After(within)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.acknowledged() < goal {
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("senders are stuck at " + strconv.Itoa(s.acknowledged()) + " of " + strconv.Itoa(goal) + ", refused " + strconv.FormatInt(s.bad.Load(), 10))
		}
	}
	return nil
}

func number(t *testing.T, env string, otherwise int) int {
	t.Helper()
	v := os.Getenv(env)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a positive number", env, v)
	}
	return n
}
