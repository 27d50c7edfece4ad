package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slackmcp/slackapi/sandbox"
)

// openTerminal opens a pseudo-terminal: what a person does, and what a program sees.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// TestSetup leads a person at a terminal from nothing to a .env file with which the server receives an event. Secrets
// are not echoed, a wrong one is told at once, and Slack is asked.
func TestSetup(t *testing.T) {
	t.Parallel()
	box, dir := newWorkspace(t, sandbox.Options{SocketMode: true}), t.TempDir()
	person, program := openTerminal(t)
	screen := &safeBuffer{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := person.Read(b)
			_, _ = screen.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "setup")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, program, program, program
	cmd.Env = []string{"HOME=" + dir, "SLACK_API_URL=" + box.url + "/api/", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answer := func(question, text string) {
		t.Helper()
		eventually(t, 30*time.Second, func() error {
			if !strings.Contains(screen.String(), question) {
				return fmt.Errorf("the screen does not ask %q:\n%s", question, screen)
			}
			return nil
		})
		if _, err := person.WriteString(text + "\r"); err != nil {
			t.Fatal(err)
		}
	}
	answer("nothing for Socket Mode", "")
	answer("SLACK_APP_TOKEN, from", "xoxb-of-the-wrong-kind")
	answer("does not begin with xapp-", sandbox.DefaultAppToken)
	answer("SLACK_BOT_TOKEN, from", sandbox.DefaultBotToken)
	answer("Which MCP client", "codex")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("setup: %v\n%s", err, screen)
	}
	eventually(t, 10*time.Second, func() error {
		if !strings.Contains(screen.String(), "bearer_token_env_var") {
			return fmt.Errorf("it does not say how Codex connects: %s", screen)
		}
		return nil
	})
	shown := screen.String()
	for _, secret := range []string{"of-the-wrong-kind", sandbox.DefaultAppToken, sandbox.DefaultBotToken} {
		if strings.Contains(shown, secret) {
			t.Errorf("the screen shows %s:\n%s", secret, shown)
		}
	}
	if !strings.Contains(shown, "bot token: team ") {
		t.Errorf("Slack was not asked: %s", shown)
	}
	_, link, _ := strings.Cut(shown, "manifest_json=")
	link, _, _ = strings.Cut(link, "\r")
	if text, err := url.QueryUnescape(link); err != nil || !strings.Contains(text, `"socket_mode_enabled":true`) || !strings.Contains(text, `"users:read.email"`) {
		t.Errorf("the link makes the app %s (%v)", text, err)
	}
	if info, err := os.Stat(filepath.Join(dir, ".env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info, err)
	}

	p := startIn(t, dir, "SLACK_API_URL="+box.url+"/api/")
	eventually(t, 30*time.Second, func() error {
		box.say(t, "alice", sandbox.General, "hello after setup")
		out, err := exec.CommandContext(t.Context(), binary, "events", "list", "--no-env-file", "--data-dir", filepath.Join(dir, "data")).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("hello after setup")) {
			return fmt.Errorf("%w: %s\n%s", err, out, p.logs)
		}
		return nil
	})
}

// startIn starts the server in a directory, with the .env file that is there.
func startIn(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	port := freePort(t)
	p := &process{t: t, url: "http://127.0.0.1:" + port, logs: &safeBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(binary, "--host", "127.0.0.1", "--port", port, "--data-dir", filepath.Join(dir, "data"))
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.logs, p.logs
	p.cmd.Env = append(env, "HOME="+dir, "PATH="+os.Getenv("PATH"))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	if err := p.awaitReady(20 * time.Second); err != nil {
		t.Fatalf("%v\n%s", err, p.logs)
	}
	return p
}

// TestSetupForScripts: without a terminal nothing is asked, and what is missing is told; what is in the file is kept.
func TestSetupForScripts(t *testing.T) {
	t.Parallel()
	box, dir := newWorkspace(t, sandbox.Options{}), t.TempDir()
	file := filepath.Join(dir, ".env")
	if err := os.WriteFile(file, []byte("# mine\nPORT=4000\nSLACK_SIGNING_SECRET=old-secret-0123456789\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(env []string, args ...string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"setup"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(env, "HOME="+dir, "SLACK_API_URL="+box.url+"/api/")
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run(nil); code != 3 || !strings.Contains(out, "--socket-mode") {
		t.Errorf("without a way: %d %s", code, out)
	}
	if out, code := run(nil, "--public-url", "https://events.example.com"); code != 3 || !strings.Contains(out, "SLACK_BOT_TOKEN is missing") {
		t.Errorf("without a token: %d %s", code, out)
	}
	if out, code := run([]string{"SLACK_BOT_TOKEN=xoxb-refused"}, "--public-url", "https://events.example.com"); code != 1 || !strings.Contains(out, "Slack refuses the token") || strings.Contains(out, "xoxb-refused") {
		t.Errorf("with a token that Slack refuses: %d %s", code, out)
	}
	if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), "INTEGRATED") {
		t.Errorf("after failures the file is %s (%v)", b, err)
	}
	out, code := run([]string{"SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken}, "--public-url", "https://events.example.com", "--client", "claude-code")
	if code != 0 || !strings.Contains(out, `"url": "https://events.example.com/mcp"`) {
		t.Errorf("with all: %d %s", code, out)
	}
	b, err := os.ReadFile(file)
	want := "# mine\nPORT=4000\nSLACK_SIGNING_SECRET=old-secret-0123456789\nINTEGRATED=true\nPUBLIC_URL=https://events.example.com\nSLACK_BOT_TOKEN=" + sandbox.DefaultBotToken + "\n"
	if err != nil || string(b) != want {
		t.Errorf("the file is %q, want %q (%v)", b, want, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file can be read by others: %v %v", info, err)
	}
}
