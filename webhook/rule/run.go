package rule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// The exit codes of a command that mean something else than "try again"
// (sysexits.h: EX_DATAERR, EX_CONFIG).
const (
	exitDataError = 65
	exitConfig    = 78
)

// path is where programs are looked for that a command starts itself.
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// killGrace is how long what a killed command has started may hold its output open.
const killGrace = 2 * time.Second

type run struct {
	rule   string
	spec   Run
	values map[string]string
	log    *slog.Logger
}

func newRun(rule string, s Run, values map[string]string, t tools) (action, error) {
	if s.Timeout == 0 {
		s.Timeout = runLimit
	}
	if s.MaxOutput == 0 {
		s.MaxOutput = runOutput
	}
	if s.Dir == "" {
		s.Dir = "/"
	}
	return &run{rule: rule, spec: s, values: values, log: t.log}, nil
}

// do runs the command once. Exit code 0 is done, 65 and 78 are no good at any other try.
func (a *run) do(ctx context.Context, d queue.Delivery) error {
	body, err := event.Sanitize(d.Event.Raw, d.Event.Encoding)
	if err != nil {
		return queue.Permanent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.spec.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.spec.Command[0], a.spec.Command[1:]...) //nolint:gosec // the operator wrote the command
	cmd.Dir, cmd.Env = a.spec.Dir, a.environment(d)
	cmd.Stdin = bytes.NewReader(body)
	out := &tail{most: a.spec.MaxOutput}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = killGrace
	asGroup(cmd)
	err = cmd.Run()
	a.log.LogAttrs(ctx, slog.LevelDebug, "command ended", slog.String("rule", a.rule), slog.String("event_id", d.Event.ID),
		slog.Int("exit_code", cmd.ProcessState.ExitCode()), slog.String("output", out.String()))
	return a.judge(ctx, err, out)
}

func (a *run) judge(ctx context.Context, err error, out *tail) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the command ran longer than %s and was ended%s", a.spec.Timeout, out.lastLine())
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil // it was done; something that it started holds its output open
		}
		return fmt.Errorf("the command cannot be run: %w", err)
	}
	err = fmt.Errorf("the command ended with %s%s", exit.ProcessState, out.lastLine())
	if code := exit.ExitCode(); code == exitDataError || code == exitConfig {
		return queue.Permanent(err)
	}
	return err
}

// environment is all that the command gets: nothing of the server's own but what the rule
// names.
func (a *run) environment(d queue.Delivery) []string {
	e := &d.Event
	env := []string{"PATH=" + path}
	for _, v := range [][2]string{
		{"RULE", a.rule},
		{"EVENT_SOURCE", e.Source},
		{"EVENT_ID", e.ID},
		{"EVENT_TYPE", e.Kind.Type},
		{"EVENT_SUBTYPE", e.Kind.Subtype},
		{"EVENT_TEAM", e.Team},
		{"EVENT_CHANNEL", e.Channel},
		{"EVENT_USER", e.User},
		{"EVENT_THREAD", e.Thread},
		{"EVENT_ENCODING", e.Encoding.String()},
		{"EVENT_POSITION", string(e.Position)},
		{"EVENT_ATTEMPT", strconv.Itoa(d.Attempt)},
	} {
		if !strings.Contains(v[1], "\x00") {
			env = append(env, v[0]+"="+v[1])
		}
	}
	for _, name := range a.spec.Env {
		env = append(env, name+"="+a.values[name])
	}
	return env
}

// A tail keeps the last bytes of what is written to it, and takes all of it.
type tail struct {
	mu   sync.Mutex
	most int
	b    []byte
}

// Write keeps what fits.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - t.most; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// lastLine is what a command said last, made fit for one line, as the end of a sentence.
func (t *tail) lastLine() string {
	const most = 200
	s := strings.TrimSpace(t.String())
	s = s[strings.LastIndexByte(s, '\n')+1:]
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if s == "" {
		return ""
	}
	return ": " + truncate(most, s)
}
