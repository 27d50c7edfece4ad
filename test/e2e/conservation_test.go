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
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
	socket "slackmcp/server/operate"
	"slackmcp/store/queue"
)

// TestConservation: while handlers fail, consumers and servers are killed with SIGKILL,
// and dead letters are redriven, dropped and replayed, accepted = done + waiting + dead +
// expired, exactly, whenever it is counted. CONSERVATION_ROUNDS makes it longer.
func TestConservation(t *testing.T) {
	t.Parallel()
	rounds := number(t, "CONSERVATION_ROUNDS", 2)
	for _, e := range backends() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			at := place{env: append(e.start(t), "MAX_ATTEMPTS=2"), data: shortDir(t)}
			port := freePort(t)
			server := start(t, options{env: at.env, data: at.data, port: port})
			// One in ten fails for good, one in ten once, one in ten always.
			work := []string{"--group", "g", "--exec", `case "$EVENT_ID:$EVENT_ATTEMPT" in *1:*) exit 65;; *2:1) exit 1;; *3:*) exit 1;; esac`}
			accepted := int64(0)
			for round := range rounds {
				first, _ := at.consumer(t, work...)
				_, end := at.consumer(t, work...)
				for range 30 {
					if status, answer := server.post(message(fmt.Sprintf("EvSUM%d", accepted), "C1", "counted")); status != 200 {
						t.Fatalf("post: %d %s", status, answer)
					}
					accepted++
				}
				at.conserved(t, accepted)
				_ = syscall.Kill(-first.Process.Pid, syscall.SIGKILL)
				at.conserved(t, accepted)
				if e.name != "memory" { // which forgets with the process
					server.kill()
					server = start(t, options{env: at.env, data: at.data, port: port})
				}
				at.conserved(t, accepted)
				at.settled(t, "g")
				at.do(t, "dead-letters", "redrive", "g", fmt.Sprintf("EvSUM%d", 30*round+1))
				at.conserved(t, accepted)
				at.do(t, "dead-letters", "drop", "g", fmt.Sprintf("EvSUM%d", 30*round+11))
				at.do(t, "replay", "--to", "g", "EvSUM0", fmt.Sprintf("EvSUM%d", 30*round+4))
				at.conserved(t, accepted)
				at.settled(t, "g")
				end()
				at.conserved(t, accepted)
			}
			at.do(t, "dead-letters", "redrive", "g", "--all")
			if g := at.conserved(t, accepted).Groups[0]; g.DeadLetters != 0 {
				t.Errorf("after a redrive of all: %+v", g)
			}
			_, end := at.consumer(t, "--group", "g", "--exec", "true")
			at.settled(t, "g")
			end()
			if g := at.conserved(t, accepted).Groups[0]; g.Done != accepted || g.Waiting+g.DeadLetters+g.Expired != 0 {
				t.Errorf("in the end: %+v, want all %d done", g, accepted)
			}
		})
	}
}

// TestTheScheduleSurvivesAKill: a command that fails twice and then works is tried three
// times, never sooner than its schedule says, though consumer and server are killed in
// between; and what was acknowledged is not worked again.
func TestTheScheduleSurvivesAKill(t *testing.T) {
	t.Parallel()
	at := place{env: []string{"QUEUE_BACKEND_TYPE=sqlite", "MAX_ATTEMPTS=5"}, data: shortDir(t)}
	port := freePort(t)
	o := options{env: at.env, data: at.data, port: port}
	server := start(t, o)
	log := filepath.Join(shortDir(t), "attempts")
	work := []string{"--group", "g", "--env", "LOG", "--exec", `echo "$EVENT_ID $EVENT_ATTEMPT $(date +%s%N)" >>"$LOG"; case "$EVENT_ID" in EvTWICE) test "$EVENT_ATTEMPT" -ge 3;; esac`}
	at.env = append(at.env, "LOG="+log)
	consumer, _ := at.consumer(t, work...)
	for i := range 20 {
		server.post(message(fmt.Sprintf("EvGOOD%02d", i), "C1", "works"))
	}
	server.post(message("EvTWICE", "C1", "fails twice"))
	eventually(t, 60*time.Second, func() error {
		if g := at.counts(t).Groups; len(g) != 1 || g[0].Done != 20 || g[0].Retrying != 1 || g[0].InFlight != 0 {
			return fmt.Errorf("groups %+v, want 20 done and one to retry", g)
		}
		return nil
	})
	_ = syscall.Kill(-consumer.Process.Pid, syscall.SIGKILL)
	server.kill()
	start(t, o)
	_, end := at.consumer(t, work...)
	at.settled(t, "g")
	end()

	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	tries := map[string][]string{}
	var times []int64
	for line := range strings.Lines(string(written)) {
		f := strings.Fields(line)
		tries[f[0]] = append(tries[f[0]], f[1])
		if f[0] == "EvTWICE" {
			ns, err := strconv.ParseInt(f[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, ns)
		}
	}
	for id, attempts := range tries {
		if want := "1"; id != "EvTWICE" && strings.Join(attempts, " ") != want {
			t.Errorf("%s was tried as %v, want once", id, attempts)
		}
	}
	if got := strings.Join(tries["EvTWICE"], " "); got != "1 2 3" {
		t.Fatalf("EvTWICE was tried as %s, want 1 2 3", got)
	}
	// The policy's delays of 1 s and 2 s, less a fifth of jitter.
	for i, least := range []time.Duration{800 * time.Millisecond, 1600 * time.Millisecond} {
		if pause := time.Duration(times[i+1] - times[i]); pause < least {
			t.Errorf("attempt %d came %v after the one before, want at least %v", i+2, pause, least)
		}
	}
	if g := at.conserved(t, 21).Groups[0]; g.Done != 21 {
		t.Errorf("in the end: %+v, want all done", g)
	}
}

// receiver is where consumers forward to; it counts the deliveries of each event.
type receiver struct {
	mu     sync.Mutex
	status int
	seen   map[string]int
	first  bool // every delivery was a first attempt
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[req.Header.Get("X-Event-Id")]++
	r.first = r.first && req.Header.Get("X-Event-Attempt") == "1" && req.Header.Get("Webhook-Signature") != ""
	w.WriteHeader(r.status)
}

// TestRedriveTenThousand: a redrive of 10,000 dead letters on a terminal shows how far it
// is, is interrupted by ^C, and goes on when it is called again; each letter is redriven
// once.
func TestRedriveTenThousand(t *testing.T) {
	t.Parallel()
	script := requires.Program(t, "script", "apt-get install bsdutils")
	const n = 10_000
	at := place{env: []string{"QUEUE_BACKEND_TYPE=sqlite", "HOOK=whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}, data: shortDir(t)}
	server := start(t, options{env: []string{"QUEUE_BACKEND_TYPE=sqlite", "LOG_LEVEL=warning"}, data: at.data})
	senders := newSenders(server.url, n)
	stop := senders.run(t, 16)
	if err := senders.await(n, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	stop()

	r := &receiver{status: http.StatusBadRequest, seen: map[string]int{}, first: true}
	hook := httptest.NewServer(r)
	defer hook.Close()
	work := []string{"--group", "g", "--forward", hook.URL, "--secret-env", "HOOK", "--allow", "127.0.0.1/32", "--workers", "32"}
	_, end := at.consumer(t, work...)
	at.settled(t, "g")
	end()
	if g := at.conserved(t, n).Groups[0]; g.DeadLetters != n {
		t.Fatalf("%+v, want %d dead letters", g, n)
	}

	line := "exec " + strings.Join(at.cli(t, "dead-letters", "redrive", "g", "--all").Args, " ")
	run := func() (cmd *exec.Cmd, out *safeBuffer) {
		cmd = exec.CommandContext(t.Context(), script, "-qefc", line, "/dev/null")
		out = &safeBuffer{}
		cmd.Env, cmd.Stdout, cmd.Stderr = append(at.cli(t).Env, "TERM=xterm"), out, out
		return cmd, out
	}
	first, out := run()
	keyboard, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	awaitRedrive(t, at.data, n)
	if _, err := keyboard.Write([]byte{3}); err != nil { // ^C
		t.Fatal(err)
	}
	err = first.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !strings.Contains(out.String(), "the same command goes on") {
		t.Fatalf("the interrupted redrive ended with %v, want exit code 1 and how to go on\n%s", err, out)
	}
	left := at.conserved(t, n).Groups[0]
	if left.DeadLetters == 0 || left.DeadLetters == n || left.Waiting+left.DeadLetters != n {
		t.Fatalf("after the interruption: %+v, want a part redriven", left)
	}
	second, out := run()
	if err := second.Run(); err != nil {
		t.Fatalf("the second redrive: %v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "/"+strconv.FormatInt(left.DeadLetters, 10)) || !strings.Contains(out.String(), fmt.Sprintf("%d redriven", left.DeadLetters)) {
		t.Errorf("the second redrive shows no progress, or not the rest of %d:\n%q", left.DeadLetters, out.String())
	}

	r.mu.Lock()
	r.status, r.seen = http.StatusOK, map[string]int{}
	r.mu.Unlock()
	_, end = at.consumer(t, work...)
	at.settled(t, "g")
	end()
	if g := at.conserved(t, n).Groups[0]; g.Done != n {
		t.Errorf("in the end: %+v, want all done", g)
	}
	if len(r.seen) != n || !r.first {
		t.Errorf("%d events were worked again, all signed first attempts: %v; want %d", len(r.seen), r.first, n)
	}
	for id, times := range r.seen {
		if times != 1 {
			t.Errorf("%s was worked %d times, want once", id, times)
		}
	}
}

// awaitRedrive returns as soon as there are fewer than n dead letters.
func awaitRedrive(t *testing.T, data string, n int64) {
	t.Helper()
	c, err := socket.Dial(t.Context(), socket.Path(data))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		var s queue.Stats
		if s, err = c.Stats(ctx); err != nil {
			t.Fatal(err)
		}
		if s.Groups[0].Dead < n {
			return
		}
	}
}
