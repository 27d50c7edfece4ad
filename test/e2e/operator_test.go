package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// A place is where a store is, as a server and the operator's commands find it.
type place struct {
	args, env []string
	data      string
}

// cli prepares one of the operator's commands beside the server of the place.
func (p place) cli(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append(append(args, "--no-env-file", "--data-dir", p.data), p.args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.data}, p.env...)
	return cmd
}

// do runs a command to its end and returns what it printed; it has to succeed.
func (p place) do(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := p.try(t, args...)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func (p place) try(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := p.cli(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// groupCounts is what groups list says.
type groupCounts struct {
	Accepted int64
	Groups   []struct {
		Name        string
		Waiting     int64
		InFlight    int64 `json:"in_flight"`
		Retrying    int64
		Done        int64
		DeadLetters int64 `json:"dead_letters"`
		Expired     int64
	}
}

func (p place) counts(t *testing.T) (c groupCounts) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.do(t, "groups", "list", "-o", "json")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// conserved holds every group to the sum: nothing is lost and nothing counted twice.
func (p place) conserved(t *testing.T, accepted int64) groupCounts {
	t.Helper()
	c := p.counts(t)
	if c.Accepted != accepted {
		t.Errorf("accepted %d events, want %d", c.Accepted, accepted)
	}
	for _, g := range c.Groups {
		if sum := g.Done + g.Waiting + g.DeadLetters + g.Expired; sum != accepted {
			t.Errorf("group %s: done %d + waiting %d + dead %d + expired %d = %d, want %d", g.Name, g.Done, g.Waiting, g.DeadLetters, g.Expired, sum, accepted)
		}
	}
	return c
}

// consumer starts a consumer; end asks it to stop and wants exit code 0. It returns when the
// consumer has a connection: on a busy machine a process takes longer to start than a server
// to be killed and started again, and a consumer that finds no server ends.
func (p place) consumer(t *testing.T, args ...string) (cmd *exec.Cmd, end func()) {
	t.Helper()
	cmd = p.cli(t, append([]string{"consume"}, args...)...)
	logs := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, func() error {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // there is no /proc, or the consumer has ended
		}
		for _, fd := range fds {
			if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", cmd.Process.Pid, fd.Name())); strings.HasPrefix(to, "socket:") {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("consume %v has no connection\n%s", args, logs))
	})
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return cmd, func() {
		t.Helper()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("consume %v: %v\n%s", args, err, logs)
			}
		case <-time.After(60 * time.Second):
			t.Errorf("consume %v did not end\n%s", args, logs)
		}
	}
}

// settled waits until a group has nothing to do.
func (p place) settled(t *testing.T, group string) {
	t.Helper()
	eventually(t, 120*time.Second, func() error {
		for _, g := range p.counts(t).Groups {
			if g.Name == group {
				if g.Waiting == 0 {
					return nil
				}
				return fmt.Errorf("%d wait", g.Waiting)
			}
		}
		return errors.New("there is no such group")
	})
}

// backends are the backends of the operator's tests: what starts one, and whether it
// lives inside the server.
func backends() []struct {
	name  string
	start func(t *testing.T) []string
} {
	return []struct {
		name  string
		start func(t *testing.T) []string
	}{
		{"memory", func(*testing.T) []string { return []string{"QUEUE_BACKEND_TYPE=memory"} }},
		{"sqlite", func(*testing.T) []string { return []string{"QUEUE_BACKEND_TYPE=sqlite"} }},
		{"redis", func(t *testing.T) []string {
			port := freePort(t)
			redis := requires.Program(t, "redis-server", "apt-get install redis-server")
			startEngine(t, "127.0.0.1:"+port, redis, "--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", t.TempDir())
			return []string{"REDIS_URL=redis://127.0.0.1:" + port + "/0"}
		}},
		{"nats", func(t *testing.T) []string {
			port := freePort(t)
			startEngine(t, "127.0.0.1:"+port, natsServer(t), "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir())
			return []string{"NATS_URL=nats://127.0.0.1:" + port}
		}},
	}
}

// shortDir is a data directory whose name leaves room for the operator's socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "op") //nolint:usetesting // TempDir holds the name of the test, which is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestOperatorCommands runs every command on every backend: through the socket of the
// running server, and, where the store can be opened without it, on the store itself.
func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	for _, e := range backends() {
		for _, way := range []string{"by the socket", "direct"} {
			if e.name == "memory" && way == "direct" {
				continue // there is nothing without the server
			}
			t.Run(e.name+" "+way, func(t *testing.T) {
				t.Parallel()
				env := e.start(t)
				data := shortDir(t)
				server := start(t, options{env: env, data: data})
				for i := range 6 {
					if status, answer := server.post(message(fmt.Sprintf("EvOP%d", i), fmt.Sprintf("C%d", i%2), "event")); status != 200 {
						t.Fatalf("post: %d %s", status, answer)
					}
				}
				at := place{env: env, data: data}
				if way == "direct" && e.name != "sqlite" {
					at.data = shortDir(t) // no socket is there
				}
				_, end := at.consumer(t, "--group", "g", "--exec", `test "$EVENT_CHANNEL" = C0 || { echo "not mine" >&2; exit 65; }`)
				at.settled(t, "g")
				end()
				if way == "direct" && e.name == "sqlite" {
					if code := server.stop(); code != 0 {
						t.Fatalf("the server ended with %d", code)
					}
				}
				operate(t, at)
				if way == "by the socket" || e.name != "sqlite" {
					follow(t, at, server)
				}
				if _, errs, code := at.try(t, "groups", "drop", "unknown", "--yes"); code != 1 || !strings.Contains(errs, "no such group: \"unknown\": `groups list` shows") {
					t.Errorf("drop of an unknown group: %d %s", code, errs)
				}
				at.do(t, "groups", "drop", "g", "--yes")
				if c := at.counts(t); len(c.Groups) != 0 {
					t.Errorf("after the drop there is %+v", c.Groups)
				}
			})
		}
	}
}

// operate tries the commands on six events, of which a group g has done those in C0 and
// given up the three in C1.
func operate(t *testing.T, at place) {
	t.Helper()
	lines := func(out string) []string {
		return slices.DeleteFunc(strings.Split(out, "\n"), func(s string) bool { return s == "" })
	}
	if got := lines(at.do(t, "events", "list")); len(got) != 6 || !strings.Contains(got[0], "EvOP5") {
		t.Errorf("events list: %d lines, want 6 with the newest first: %v", len(got), got)
	}
	if got := lines(at.do(t, "events", "list", "--channel", "C1", "--order", "oldest", "--limit", "2", "--type", "message")); len(got) != 2 || !strings.Contains(got[0], "EvOP1") {
		t.Errorf("events list of a channel: %v", got)
	}
	var page struct {
		Events []struct {
			EventID string `json:"event_id"`
		}
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(at.do(t, "events", "list", "--limit", "4", "-o", "json")), &page); err != nil || len(page.Events) != 4 || page.NextCursor == "" {
		t.Errorf("a page: %+v, %v", page, err)
	}
	if got := lines(at.do(t, "events", "list", "--cursor", page.NextCursor)); len(got) != 2 || !strings.Contains(got[1], "EvOP0") {
		t.Errorf("the next page: %v", got)
	}
	if got := at.do(t, "events", "list", "-o", "table"); !strings.HasPrefix(got, "RECEIVED") || !strings.Contains(got, "EvOP3") {
		t.Errorf("the table:\n%s", got)
	}
	if got := at.do(t, "events", "get", "EvOP2"); !strings.Contains(got, `"payload"`) || strings.Contains(got, `"token"`) {
		t.Errorf("events get: %s", got)
	}
	for id, want := range map[string]string{"EvOP2": "done 0 ", "EvOP3": "dead 1 the command ended with exit status 65"} {
		var got struct {
			Groups []struct {
				Group, State, Reason string
				Attempts             int
			}
		}
		if err := json.Unmarshal([]byte(at.do(t, "events", "get", id)), &got); err != nil || len(got.Groups) != 1 {
			t.Errorf("the groups of %s: %+v, %v", id, got, err)
		} else if g := got.Groups[0]; g.Group != "g" || !strings.HasPrefix(fmt.Sprintln(g.State, g.Attempts, g.Reason), want) {
			t.Errorf("%s is %+v, want %s", id, g, want)
		}
	}
	if _, errs, code := at.try(t, "events", "get", "EvNONE"); code != 1 || !strings.Contains(errs, "not found") {
		t.Errorf("events get of an unknown id: %d %s", code, errs)
	}

	if got := lines(at.do(t, "dead-letters", "list")); len(got) != 3 || !strings.Contains(got[0], "EvOP1") || !strings.Contains(got[0], "not mine") {
		t.Errorf("dead-letters list: %v", got)
	}
	if got := at.do(t, "dead-letters", "show", "g", "EvOP3"); !strings.Contains(got, `"payload"`) || !strings.Contains(got, "exit status 65") {
		t.Errorf("dead-letters show: %s", got)
	}
	if _, errs, code := at.try(t, "dead-letters", "redrive", "g"); code != 2 || !strings.Contains(errs, "--all") {
		t.Errorf("a redrive of nothing: %d %s", code, errs)
	}
	at.do(t, "dead-letters", "redrive", "g", "EvOP1")
	at.do(t, "dead-letters", "redrive", "g", "--channel", "C1", "--since", "1h", "--until", "2000-01-01") // matches none
	if _, errs, code := at.try(t, "dead-letters", "drop", "g", "--all"); code != 2 || !strings.Contains(errs, "--yes") {
		t.Errorf("a drop that is not confirmed: %d %s", code, errs)
	}
	at.do(t, "dead-letters", "drop", "g", "EvOP3")
	at.do(t, "replay", "EvOP0", "EvOP2", "--to", "g")
	at.do(t, "dead-letters", "drop", "g", "--all", "--yes")
	c := at.conserved(t, 6)
	if g := c.Groups[0]; g.Waiting != 3 || g.DeadLetters != 0 || g.Done != 3 {
		t.Errorf("after one redrive, two drops and two replays: %+v, want 3 waiting and 3 done", g)
	}
	at.do(t, "replay", "--to", "g", "--since", "1h", "--yes")
	if g := at.conserved(t, 6).Groups[0]; g.Waiting != 6 {
		t.Errorf("after a replay of the last hour: %+v, want all 6 waiting", g)
	}
}

// follow tails a server that receives, and works what arrives.
func follow(t *testing.T, at place, server *process) {
	t.Helper()
	cmd := at.cli(t, "events", "tail", "--lines", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	if !s.Scan() || !strings.Contains(s.Text(), "EvOP5") {
		t.Errorf("the first line of the tail is %q, want the newest event", s.Text())
	}
	if status, answer := server.post(message("EvTAIL", "C1", "comes later")); status != 200 {
		t.Fatalf("post: %d %s", status, answer)
	}
	if !s.Scan() || !strings.Contains(s.Text(), "EvTAIL") {
		t.Errorf("the second line of the tail is %q, want the event that came", s.Text())
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the tail ended with %v, want 0", err)
	}
}

// TestOperatorFindsNobody: what a person reads where there is nothing to work on.
func TestOperatorFindsNobody(t *testing.T) {
	at := place{data: shortDir(t)}
	for _, tc := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"events", "list"}, "there is no store in"},
		{[]string{"QUEUE_BACKEND_TYPE=memory"}, []string{"groups", "list"}, "lives inside a server"},
		{[]string{"REDIS_URL=redis://127.0.0.1:1/0"}, []string{"groups", "list"}, "redis"},
	} {
		at.env = tc.env
		_, errs, code := at.try(t, tc.args...)
		if code != 1 || !strings.Contains(errs, tc.want) {
			t.Errorf("%v: exit code %d, %s, want 1 and %q", tc.args, code, errs, tc.want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(at.data, "*")); err != nil || len(left) != 0 {
		t.Errorf("commands that found nothing have made %v", left)
	}
}
