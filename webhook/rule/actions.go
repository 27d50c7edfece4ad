package rule

import (
	"bytes"
	"context"
	"encoding/json"
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

// A Message is what a rule posts to Slack. Text is in Slack's markup and is sent as it is.
type Message struct {
	Channel, Text string
	// Blocks is a JSON array of Block Kit; Text is then what notifications show. nil has none.
	Blocks json.RawMessage
	// Thread is the ts of the message that it answers; empty posts to the channel.
	Thread string
	// Words says whose words Text holds, beside those of the rules file; Event is the event that it
	// was made of.
	Words Words
	Event *event.Event
}

// Words says whose words a text holds that a template made.
type Words uint8

const (
	// WordsFixed are those of the rules file alone.
	WordsFixed Words = iota
	// WordsOfEvent are fields of the event, too: those of who caused it.
	WordsOfEvent
	// WordsUnknown are also what stands elsewhere in the event's body, which may be another author's.
	WordsUnknown
)

// A Poster posts to Slack. Its errors say by [queue.Permanent] and [queue.RetryAfter]
// whether and when to try again; a post that may have been carried out is permanent.
type Poster interface {
	Post(ctx context.Context, m Message) error
}

type post struct {
	spec    Post
	text    *textTemplate
	blocks  *textTemplate // nil posts the text alone
	allowed int           // the number of mass mentions that the text's template itself has
	inside  int           // those of the blocks' template
	to      Poster
}

// errNoPoster is found by Check, before an event could meet it.
var errNoPoster = errors.New("it posts to Slack, and there is no bot token: set SLACK_BOT_TOKEN")

func newPost(s Post, t tools) (action, error) {
	if t.poster == nil {
		return nil, errNoPoster
	}
	p, err := newTemplate(s.Text, escape)
	if err != nil {
		return nil, err
	}
	a := &post{spec: s, text: p, to: t.poster}
	if s.Blocks != "" {
		if a.blocks, err = newTemplate(s.Blocks, inBlocks); err != nil {
			return nil, err
		}
	}
	if s.MassMentions {
		a.allowed, a.inside = len(mass.FindAllString(s.Text, -1)), len(mass.FindAllString(s.Blocks, -1))
	}
	return a, nil
}

var (
	errNoChannel = errors.New("the event has no channel to post to")
	errNoText    = errors.New("the template makes an empty message of this event")
)

// do posts the message once. The Poster says whether a failure may be tried again: a post
// that may have been carried out is not, because a second message would be worse than none.
func (a *post) do(ctx context.Context, d queue.Delivery) error {
	text, words, err := a.text.fill(&d.Event)
	if err != nil {
		return queue.Permanent(err)
	}
	m := Message{Channel: a.spec.Channel, Text: withoutMassMentions(text, a.allowed), Words: words, Event: &d.Event}
	if a.blocks != nil {
		text, of, err := a.blocks.fill(&d.Event)
		if err == nil {
			err = blocksFit(text)
		}
		if err != nil {
			return queue.Permanent(err)
		}
		m.Blocks, m.Words = json.RawMessage(withoutMassMentions(text, a.inside)), max(words, of)
	}
	if m.Channel == "" {
		m.Channel = d.Event.Channel
	}
	if a.spec.Thread {
		m.Thread = d.Event.Thread
	}
	switch {
	case m.Channel == "":
		return queue.Permanent(errNoChannel)
	case m.Text == "":
		return queue.Permanent(errNoText)
	}
	return a.to.Post(ctx, m)
}

type logLine struct {
	rule  string
	level slog.Level
	text  *textTemplate // nil if the rule has none
	log   *slog.Logger
}

var levels = map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func newLog(rule string, s Log, t tools) (action, error) {
	a := &logLine{rule: rule, level: levels[s.Level], log: t.log}
	if s.Text == "" {
		return a, nil
	}
	var err error
	a.text, err = newTemplate(s.Text, func(s string) string { return s })
	return a, err
}

// do writes the line; the handler of the log quotes the text.
func (a *logLine) do(ctx context.Context, d queue.Delivery) error {
	e := &d.Event
	attrs := []slog.Attr{
		slog.String("rule", a.rule), slog.String("source", e.Source), slog.String("event_id", e.ID),
		slog.String("kind", e.Kind.String()), slog.String("channel", e.Channel), slog.String("user", e.User),
	}
	if a.text != nil {
		text, err := a.text.execute(e)
		if err != nil {
			return queue.Permanent(err)
		}
		attrs = append(attrs, slog.String("text", text))
	}
	a.log.LogAttrs(ctx, a.level, "rule matched", attrs...)
	return nil
}

// The exit codes of a command that mean something else than "try again"
// (sysexits.h: EX_DATAERR, EX_CONFIG).
const (
	exitDataError = 65
	exitConfig    = 78
)

// programPath is the PATH of a command.
const programPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// killGrace is how long the children of a killed command may hold its output open.
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

// do runs the command once. Exit code 0 means that the event is done; after 65 and 78 it
// is not tried again.
func (a *run) do(ctx context.Context, d queue.Delivery) error {
	body, err := d.Event.Whole()
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
	if err = cmd.Start(); err == nil {
		release := guard(cmd)
		err = cmd.Wait()
		release()
	}
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
			return nil // the command was done; a process that it started holds its output open
		}
		return fmt.Errorf("the command cannot be run: %w", err)
	}
	err = fmt.Errorf("the command ended with %s%s", exit.ProcessState, out.lastLine())
	if code := exit.ExitCode(); code == exitDataError || code == exitConfig {
		return queue.Permanent(err)
	}
	return err
}

// environment returns the variables that the command gets. Of the server's own variables
// it gets those alone that the rule names.
func (a *run) environment(d queue.Delivery) []string {
	e := &d.Event
	env := []string{"PATH=" + programPath}
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
	for name, value := range e.Headers.All() {
		env = append(env, "EVENT_HEADER_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
	}
	for _, name := range a.spec.Env {
		env = append(env, name+"="+a.values[name])
	}
	return env
}

// A tail is a writer that accepts everything and keeps the last bytes.
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

// lastLine returns the last line of the output, printable and cut, as the end of a sentence.
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
