package deploy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the repository, binary the server built from it.
var root, binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "deploy")
		if err == nil {
			defer os.RemoveAll(dir)
			binary = filepath.Join(dir, "slack-webhook-server")
			root, err = filepath.Abs("../..")
		}
		if err == nil {
			build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/slack-webhook-server")
			build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
			var out []byte
			if out, err = build.CombinedOutput(); err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// read returns a file of the repository.
func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ofOthers are variables that the process or its platform reads, and not the server.
var ofOthers = []string{"PATH", "GOMEMLIMIT", "SSL_CERT_FILE"}

// settings are the keys that the server reads, as it tells them itself.
var settings = sync.OnceValues(func() (map[string]bool, error) {
	cmd := exec.Command(binary, "check", "--sandbox", "--no-env-file", "--json")
	cmd.Env = []string{"HOME=" + os.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	var report struct {
		Settings []struct {
			Key string `json:"key"`
		} `json:"settings"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for _, s := range report.Settings {
		keys[s.Key] = true
	}
	return keys, nil
})

// secretWords end the names of settings that a file may hold.
var secretWords = regexp.MustCompile(`_(SECRET|TOKEN|TOKENS)$|^(REDIS|NATS)_URL$`)

// knowsVariable fails the test for a variable that the server does not read.
func knowsVariable(t *testing.T, where, name string) {
	t.Helper()
	keys, err := settings()
	if err != nil {
		t.Fatal(err)
	}
	key, isFile := strings.CutSuffix(name, "_FILE")
	switch {
	case keys[name], slices.Contains(ofOthers, name):
	case isFile && keys[key] && secretWords.MatchString(key):
	default:
		t.Errorf("%s sets %s, which no part of the server reads", where, name)
	}
}

// takesValue fails the test for a value that the server refuses.
func takesValue(t *testing.T, where string, args []string, env map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"check"}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: the server refuses its settings: %v\n%s", where, err, out)
	}
}

// knowsFlags fails the test for a command line that the server does not take.
func knowsFlags(t *testing.T, where string, args []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append(slices.Clone(args), "--help")...)
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: the server does not take %v: %v\n%s", where, args, err, out)
	}
	// Of a command that there is not, the help is that of the server.
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && !strings.Contains(string(out), "\nUsage:\n  slack-webhook-server "+args[0]) {
		t.Errorf("%s: the server has no command %s", where, args[0])
	}
}

const signingSecret = "deploy-signing-secret"

// post sends an event as Slack does and returns the answer.
func post(ctx context.Context, base, id string) (int, string, error) {
	body := `{"type":"event_callback","team_id":"T1","event_id":"` + id + `","event_time":1,"event":{"type":"message","channel":"C1","user":"U1","text":"hello","ts":"1.1"}}`
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(signingSecret))
	mac.Write([]byte("v0:" + at + ":" + body))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/slack/events", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Slack-Request-Timestamp", at)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// get returns status and body of an address.
func get(ctx context.Context, address string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// accepts posts an event and fails the test unless it is accepted.
func accepts(t *testing.T, base, id string) {
	t.Helper()
	if status, text, err := post(t.Context(), base, id); err != nil || status != http.StatusOK || text != `{"status":"ok"}` {
		t.Errorf("an event to %s: %d %s, %v", base, status, text, err)
	}
}

// start runs a process until the test ends and waits until base says that it is ready.
// done is closed when it has ended.
func start(t *testing.T, cmd *exec.Cmd, base string) (done <-chan struct{}) {
	t.Helper()
	logs := &strings.Builder{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = logs, logs, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	done = ended
	t.Cleanup(func() { end(cmd, done) })
	eventually(t, func() error {
		select {
		case <-done:
			t.Fatalf("%v ended: %v\n%s", cmd.Args, cmd.ProcessState, logs)
		default:
		}
		status, _, err := get(t.Context(), base+"/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	return done
}

// end asks a process to end, so that its own children end too, and kills it after a while.
func end(cmd *exec.Cmd, done <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}

// eventually calls fn until it returns nil, for at most a minute.
func eventually(t *testing.T, fn func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := fn()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after a minute: %v", err)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// program returns the path of a program. Where it is missing the test skips and says how
// to get it; in CI it fails.
func program(t *testing.T, name, remedy string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed: "+remedy)
	}
	return path
}

func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatalf("REQUIRE_ALL=1 and a requirement is missing: %s", why)
	}
	t.Skip(why)
}
