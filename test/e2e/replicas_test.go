//go:build unix

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/requires"
	servers "slackmcp/internal/testservers"
	mcpclients "slackmcp/test/mcp-clients"
)

// replicaCount is how many servers stand behind nginx.
const replicaCount = 3

// TestReplicas puts three servers behind a real nginx that sends each request to the next
// one, on a real database:
//
//   - every event, each fourth of them delivered to two replicas at once, is handled once
//     and shown by every replica;
//   - the official clients, whose requests land on all three, get an update of each event,
//     in every era;
//   - while one replica after the other is killed, no acknowledged event is lost, a session
//     goes on wherever its client comes back, and followers that are notified of updates and
//     read from their last cursor see every event once.
//
// REPLICA_EVENTS, REPLICA_KILLS, REPLICA_KILL_MS and SDK_EVENTS make it longer (make
// replicas). With OLD_SERVER, the path of an earlier build's program, it is a rolling
// restart that takes its time: one replica is of that build, and each that is killed is
// started again in the other one, every second time after it was asked to end.
func TestReplicas(t *testing.T) {
	t.Parallel()
	events, kills := number(t, "REPLICA_EVENTS", 5000), number(t, "REPLICA_KILLS", 2)
	for _, tc := range []struct {
		name  string
		start func(t *testing.T) string
	}{
		{"redis", func(t *testing.T) string { return "REDIS_URL=" + servers.Redis(t).URL }},
		{"nats", func(t *testing.T) string { return "NATS_URL=" + servers.NATS(t).URL }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, tc.start(t))
			took := stopwatch(t)
			killed := f.killing(kills, time.Duration(number(t, "REPLICA_KILL_MS", 1500))*time.Millisecond)
			took("kills")
			acked := f.flood(events)
			took("flood")
			f.handled(acked, true)
			took("handled")
			f.everywhere(acked)
			took("shown by every replica")
			f.officialClients(number(t, "SDK_EVENTS", 60))
			took("official clients")
			// What a killed replica had begun waits for the end of its lease, 30 s.
			f.handled(killed, false)
			f.everywhere(killed)
			took("what was in flight handled too")
		})
	}
}

// stopwatch reports how long each step took.
func stopwatch(t *testing.T) func(step string) {
	began := time.Now()
	return func(step string) {
		t.Logf("%s: %v", step, time.Since(began).Round(time.Millisecond))
		began = time.Now()
	}
}

// A fleet is the replicas, nginx before them, and a neighbour to whom a rule of theirs
// forwards what they handle.
type fleet struct {
	t        *testing.T
	url      string // nginx's
	options  [replicaCount]options
	replicas [replicaCount]*process
	older    string // the program of an earlier build; empty is none

	mu    sync.Mutex
	times map[string]int // event id -> how often it was handled
}

func newFleet(t *testing.T, databaseEnv string) *fleet {
	t.Helper()
	f := &fleet{t: t, older: os.Getenv("OLD_SERVER"), times: map[string]int{}}
	neighbour := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.times[r.Header.Get("X-Event-Id")]++
	}))
	t.Cleanup(neighbour.Close)
	host := strings.TrimPrefix(neighbour.URL, "http://")
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	// The server cannot learn who our bot is here: without that a rule takes only what says so.
	text := "rules:\n  - name: count\n    include_self: true\n    forward:\n      url: " + neighbour.URL + "/\n      secret_env: HOOK_SECRET\n      allow: [\"" + host + "\"]\n"
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var upstreams []string
	for i := range f.replicas {
		f.options[i] = options{
			port: freePort(t), data: t.TempDir(),
			args: []string{"--rules", rules},
			env:  []string{databaseEnv, "HOOK_SECRET=whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "LOG_LEVEL=warning", "REPLICAS=" + strconv.Itoa(replicaCount)},
		}
		if i == 0 {
			f.options[i].program = f.older
		}
		f.replicas[i] = integrated(t, f.options[i])
		upstreams = append(upstreams, "127.0.0.1:"+f.options[i].port)
	}
	f.url = startNginx(t, upstreams)
	return f
}

// The inner blocks are the seeds', with several servers: plain round robin.
const nginxConf = `
daemon off;
pid %[1]s/pid;
error_log stderr;
worker_processes 1;
events { worker_connections 16384; }
http {
access_log off;
client_body_temp_path %[1]s/body;
proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi;
uwsgi_temp_path %[1]s/uwsgi;
scgi_temp_path %[1]s/scgi;

upstream slack_webhook {
%[2]s
}
server {
listen %[3]s;
client_max_body_size 5m;
location / {
proxy_pass http://slack_webhook;
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
}
}
}
`

func startNginx(t *testing.T, upstreams []string) (url string) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = requires.Program(t, "/usr/sbin/nginx", "apt-get install nginx-light")
	}
	addr, dir := "127.0.0.1:"+freePort(t), t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	list := "server " + strings.Join(upstreams, ";\nserver ") + ";"
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, list, addr), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", conf)
	// Its workers end with it, when it is asked rather than killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	log := &safeBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	eventually(t, 20*time.Second, func() error {
		res, err := http.Get("http://" + addr + "/livez")
		if err != nil {
			return fmt.Errorf("%w: %s", err, log)
		}
		return res.Body.Close()
	})
	return "http://" + addr
}

// each calls fn for 0 to n-1 from many goroutines.
func each(n, workers int, fn func(i int)) {
	todo := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range todo {
				fn(i)
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	wg.Wait()
}

// flood posts events through nginx, each fourth to two replicas at once, and returns
// their ids.
func (f *fleet) flood(n int) []string {
	f.t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	began := time.Now()
	ids := make([]string, n)
	each(n, 32, func(i int) {
		ids[i] = fmt.Sprintf("EvFLOOD%07d", i)
		body := message(ids[i], "CFLOOD"+strconv.Itoa(i%10), "event")
		if i%4 != 0 {
			if err := deliver(client, f.url, body); err != nil {
				f.t.Errorf("%s: %v", ids[i], err)
			}
			return
		}
		var both sync.WaitGroup
		for k := range 2 {
			both.Go(func() {
				if err := deliver(client, f.replicas[(i+k)%replicaCount].url, body); err != nil {
					f.t.Errorf("%s: %v", ids[i], err)
				}
			})
		}
		both.Wait()
	})
	f.t.Logf("%d events, %d deliveries, in %v", n, n+(n+3)/4, time.Since(began).Round(time.Millisecond))
	return ids
}

// deliver posts a signed event and wants 200.
func deliver(client *http.Client, url string, body []byte) error {
	ts, sig := sign(signingSecret, time.Now(), body)
	req, err := http.NewRequest(http.MethodPost, url+"/slack/events", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", sig)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// handled waits until every event was handled, and holds that none was twice where no
// replica crashed.
func (f *fleet) handled(ids []string, once bool) {
	f.t.Helper()
	eventually(f.t, 2*time.Minute, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		missing := 0
		for _, id := range ids {
			if f.times[id] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d events are not handled", missing, len(ids))
		}
		return nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	again := 0
	for _, id := range ids {
		again += f.times[id] - 1
	}
	if once && again > 0 {
		f.t.Errorf("%d events were handled again, want none", again)
	}
	f.t.Logf("%d events handled, %d again", len(ids), again)
}

// everywhere holds that every replica shows every event once.
func (f *fleet) everywhere(ids []string) {
	f.t.Helper()
	for i, p := range f.replicas {
		seen := map[string]int{}
		for _, id := range listEventIDs(f.t, p) {
			seen[id]++
		}
		missing, twice := 0, 0
		for _, id := range ids {
			switch n := seen[id]; {
			case n == 0:
				missing++
			case n > 1:
				twice++
			}
		}
		if missing > 0 || twice > 0 {
			f.t.Errorf("replica %d misses %d of %d events and shows %d twice", i, missing, len(ids), twice)
		}
	}
}

// officialClients lets each era's client follow a channel of its own while its requests
// land on all replicas.
func (f *fleet) officialClients(events int) {
	mcpclients.Install(f.t, mcpclients.Dir())
	f.t.Run("clients", func(t *testing.T) {
		for i, tc := range []struct{ name, script, path string }{
			{"1.x over SSE", "sdk.mjs", "/mcp/sse"},
			{"1.x over streamable HTTP", "sdk.mjs", "/mcp"},
			{"2.x in 2026-07-28", "client.mjs", "/mcp"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				out := mcpclients.Run(t, []string{"SLACK_SIGNING_SECRET=" + signingSecret}, tc.script, f.url+tc.path, "--trigger", f.url+"/slack/events",
					"--n", strconv.Itoa(events), "--noise", "1", "--token", authToken, "--sub", fmt.Sprintf("slack://channels/CSDK%d/events", i))
				_, updates, _ := strings.Cut(out, "updates ")
				t.Log("updates", strings.TrimSpace(updates))
			})
		}
	})
}

// killing kills one replica after the other under load, one every so often, and starts it
// again, while followers of each era read what they are notified of. It returns the
// acknowledged events.
func (f *fleet) killing(kills int, every time.Duration) []string {
	f.t.Helper()
	followers := f.follow("CKILL")
	quit := make(chan struct{})
	var mu sync.Mutex
	var acked []string
	refused, n := 0, 0
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			for {
				mu.Lock()
				n++
				id := fmt.Sprintf("EvKILLED%06d", n)
				mu.Unlock()
				for deliver(client, f.url, message(id, "CKILL", "event")) != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
				select {
				case <-quit:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	for k := range kills {
		<-time.After(every)
		f.restart(k%replicaCount, k%2 == 1)
	}
	<-time.After(time.Second)
	close(quit)
	senders.Wait()
	f.t.Logf("%d kills, %d acknowledged, %d refused and sent again", kills, len(acked), refused)
	for _, one := range followers {
		one.saw(acked)
	}
	return acked
}

// restart kills a replica and starts it again, in a fleet of two builds in the other one.
// gently asks one of these to end in place of killing it.
func (f *fleet) restart(i int, gently bool) {
	f.t.Helper()
	if f.older != "" && gently {
		f.replicas[i].stop()
	} else {
		f.replicas[i].kill()
	}
	if f.options[i].program == "" {
		f.options[i].program = f.older
	} else {
		f.options[i].program = ""
	}
	f.replicas[i] = integrated(f.t, f.options[i])
}
