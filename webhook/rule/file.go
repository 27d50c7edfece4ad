package rule

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/event"
)

// A File is what a rules file says.
type File struct {
	Rules []Spec `json:"rules"`
}

// A Spec is one rule as it is written. Exactly one of Post, Forward, Run and Log is set.
type Spec struct {
	Name        string        `json:"name"`
	Was         string        `json:"was,omitempty"`
	When        *When         `json:"when,omitempty"`
	IncludeSelf bool          `json:"include_self,omitempty"`
	Ordered     string        `json:"ordered,omitempty"`
	Attempts    int           `json:"attempts,omitempty"`
	Deadline    time.Duration `json:"deadline,omitempty"`
	Workers     int           `json:"workers,omitempty"`
	Start       string        `json:"start,omitempty"`
	Breaker     *Breaker      `json:"breaker,omitempty"`
	Rate        *Rate         `json:"rate,omitempty"`
	Retry       *Retry        `json:"retry,omitempty"`
	Each        *Each         `json:"each,omitempty"`
	Post        *Post         `json:"post,omitempty"`
	Forward     *Forward      `json:"forward,omitempty"`
	Run         *Run          `json:"run,omitempty"`
	Log         *Log          `json:"log,omitempty"`

	line int
}

// A When selects events: fields are joined by "and", the values of one field by "or".
type When struct {
	Source  []string                   `json:"source,omitempty"`
	Type    []string                   `json:"type,omitempty"`
	Subtype []string                   `json:"subtype,omitempty"`
	Channel []string                   `json:"channel,omitempty"`
	User    []string                   `json:"user,omitempty"`
	Team    []string                   `json:"team,omitempty"`
	Match   []yamldoc.Entry[Condition] `json:"match,omitempty"`
	// Any are further selections, of which one has to match besides.
	Any []When `json:"any,omitempty"`
}

// A Condition judges the text at a place in the body; what is empty says nothing.
type Condition struct {
	Equals   []string `json:"equals,omitempty"`
	Contains []string `json:"contains,omitempty"`
	Matches  string   `json:"matches,omitempty"`
	// Exists asks whether there is something; nil does not ask.
	Exists *bool `json:"exists,omitempty"`
	// The text as a number is greater than, at least, less than, at most; nil does not ask.
	GT  *float64 `json:"gt,omitempty"`
	GTE *float64 `json:"gte,omitempty"`
	LT  *float64 `json:"lt,omitempty"`
	LTE *float64 `json:"lte,omitempty"`
	Not bool     `json:"not,omitempty"`
}

// A Rate bounds how often a rule acts on its target: what comes faster waits. Rules with a rate for the same target
// share the slowest of them.
type Rate struct {
	Limit int           `json:"limit"`
	Per   time.Duration `json:"per,omitempty"`
}

// A Retry says when a failed event is tried again; zero fields are the defaults.
type Retry struct {
	// First is the pause after the first failure, which doubles up to Most; Pauses are those after the
	// first, the second and so on, in place of both. The last one stays.
	First    time.Duration   `json:"first,omitempty"`
	Most     time.Duration   `json:"most,omitempty"`
	Pauses   []time.Duration `json:"pauses,omitempty"`
	Patience time.Duration   `json:"patience,omitempty"`
}

// An Each makes a rule act on every element of an array in the body.
type Each struct {
	In    string                     `json:"in"`
	Match []yamldoc.Entry[Condition] `json:"match,omitempty"`
}

// A Breaker bounds how often a rule acts; zero fields are the defaults.
type Breaker struct {
	Limit  int           `json:"limit,omitempty"`
	Within time.Duration `json:"within,omitempty"`
	Pause  time.Duration `json:"pause,omitempty"`
	// Counts is "bots" or "all".
	Counts string `json:"counts,omitempty"`
}

// A Post is a message to Slack.
type Post struct {
	Channel      string `json:"channel,omitempty"`
	Text         string `json:"text"`
	Blocks       string `json:"blocks,omitempty"`
	Thread       bool   `json:"thread,omitempty"`
	MassMentions bool   `json:"mass_mentions,omitempty"`
}

// A Forward is a signed webhook to another place.
type Forward struct {
	URL        string                  `json:"url"`
	SecretEnv  []string                `json:"secret_env,omitempty"`
	SecretFile []string                `json:"secret_file,omitempty"`
	Allow      []string                `json:"allow,omitempty"`
	Timeout    time.Duration           `json:"timeout,omitempty"`
	Headers    []yamldoc.Entry[string] `json:"headers,omitempty"`
	Method     string                  `json:"method,omitempty"`
	Body       string                  `json:"body,omitempty"`
	// AuthEnv and AuthFile name what the header Authorization holds.
	AuthEnv  []string `json:"authorization_env,omitempty"`
	AuthFile []string `json:"authorization_file,omitempty"`
	// ClientCert and ClientKey are files in PEM by which the target knows us, CA one with the
	// authorities that vouch for the target in place of the system's.
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`
	CA         string `json:"ca,omitempty"`

	line int
}

// A Run is a command with the event on its standard input.
type Run struct {
	Command   []string      `json:"command"`
	Timeout   time.Duration `json:"timeout,omitempty"`
	Env       []string      `json:"env,omitempty"`
	Dir       string        `json:"dir,omitempty"`
	MaxOutput int           `json:"max_output,omitempty"`

	line int
}

// A Log is a line in the log.
type Log struct {
	Level string `json:"level,omitempty"`
	Text  string `json:"text,omitempty"`
}

// The defaults and bounds of what a rule may say.
const (
	maxRules      = 200
	maxAttempts   = 1000
	maxWorkers    = 256
	maxDeadline   = time.Hour
	maxRetryPause = 24 * time.Hour
	maxPatience   = 30 * 24 * time.Hour
	maxPauses     = 100
	maxAny        = 50
	maxRate       = 1_000_000
	maxTimeout    = 30 * time.Minute
	maxOutput     = 1 << 20
	maxName       = 48
	groupPrefix   = "rule."
	byChannel     = "channel"
	startNow      = "now"
	startOldest   = "oldest"
	countsBots    = "bots"
	countsAll     = "all"
	forwardLimit  = 15 * time.Second
	runLimit      = 30 * time.Second
	runOutput     = 64 << 10
)

// SchemaID names the schema of rules files.
const SchemaID = "https://slack-webhook-server.invalid/rules.schema.json"

// Schema is the JSON Schema of rules files.
func Schema() ([]byte, error) {
	return (&parser{}).file().Schema(SchemaID, "Rules of slack-webhook-server")
}

// Parse reads a rules file. name is what problems call it. senders are the sources beside Slack: a
// rule for another one, or for what none of them can send, is a problem; nil judges no source. The
// error is a *yamldoc.Error with every problem.
func Parse(name string, content []byte, env yamldoc.Env, senders []Sender) ([]*Rule, error) {
	p := &parser{env: env, senders: senders}
	f, err := yamldoc.Read(name, content, p.file())
	if err != nil {
		return nil, err
	}
	rules := make([]*Rule, len(f.Rules))
	for i := range f.Rules {
		if rules[i], err = newRule(f.Rules[i], env); err != nil {
			return nil, &yamldoc.Error{File: name, Problems: []yamldoc.Problem{{Line: f.Rules[i].line, What: "rule " + f.Rules[i].Name, Remedy: err.Error()}}}
		}
	}
	return rules, nil
}

// A parser holds the tables of fields; without an Env it serves the schema only.
type parser struct {
	env     yamldoc.Env
	senders []Sender
}

func (p *parser) file() yamldoc.Object[File] {
	return yamldoc.Object[File]{
		Help: "What to do with received events.",
		Fields: []yamldoc.Field[File]{
			yamldoc.List("rules", "The rules; each is a consumer group of its own", "rule",
				func(f *File) *[]Spec { return &f.Rules }, p.rule()).Required(),
		},
		Check: func(r *yamldoc.Reader, line int, f *File) {
			if len(f.Rules) > maxRules {
				r.Problem(line, fmt.Sprintf("there are %d rules", len(f.Rules)), fmt.Sprintf("at most %d fit into one server", maxRules))
			}
			checkNames(r, f.Rules)
		},
	}
}

// checkNames finds names, also former ones, that two rules have.
func checkNames(r *yamldoc.Reader, rules []Spec) {
	seen := map[string]int{}
	for _, s := range rules {
		if first, twice := seen[s.Name]; twice && s.Name != "" {
			r.Problem(s.line, "name "+s.Name+" is taken", fmt.Sprintf("the rule in line %d has it: give this one another", first))
		}
		seen[s.Name] = s.line
	}
	for _, s := range rules {
		if other, taken := seen[s.Was]; taken && s.Was != "" {
			r.Problem(s.line, "rule "+s.Name+" was "+s.Was+", which there is", fmt.Sprintf("rename the rule in line %d, or remove was", other))
		}
		if s.Was != "" {
			seen[s.Was] = s.line
		}
	}
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

func checkName(s string) error {
	if len(s) > maxName || !nameForm.MatchString(s) {
		return fmt.Errorf("use 1 to %d characters of a-z 0-9 . _ -, beginning with a letter or a digit", maxName)
	}
	return nil
}

func (p *parser) rule() yamldoc.Object[Spec] {
	return yamldoc.Object[Spec]{
		Help: "One rule: what it matches, and exactly one of post, forward, run and log.",
		Fields: []yamldoc.Field[Spec]{
			yamldoc.Text("name", "Name of the rule and of its consumer group; another name is another rule", func(s *Spec) *string { return &s.Name }, checkName).Required(),
			yamldoc.Text("was", "The name that the rule had before: it keeps that one's group, as long as this stands here", func(s *Spec) *string { return &s.Was }, checkName),
			yamldoc.Sub("when", "Which events it acts on; all of its fields have to match, and without it every event does", func(s *Spec) **When { return &s.When }, p.when()),
			yamldoc.Bool("include_self", "Act on what our own app has caused, too; think of loops", func(s *Spec) *bool { return &s.IncludeSelf }),
			yamldoc.Choice("ordered", "Work the events of one channel one after another; one that fails holds back its channel", func(s *Spec) *string { return &s.Ordered }, byChannel),
			yamldoc.Number("attempts", "Tries in all before an event becomes a dead letter; the setting MAX_ATTEMPTS unless it is here", func(s *Spec) *int { return &s.Attempts }, 1, maxAttempts),
			yamldoc.Duration("deadline", "Longest time of one try, 1m unless it is here", func(s *Spec) *time.Duration { return &s.Deadline }, time.Second, maxDeadline),
			yamldoc.Number("workers", "Events that are worked at once; the setting WORKERS unless it is here", func(s *Spec) *int { return &s.Workers }, 1, maxWorkers),
			yamldoc.Choice("start", "Where a rule begins that is new: now, or with the oldest event that is kept", func(s *Spec) *string { return &s.Start }, startNow, startOldest),
			yamldoc.Sub("breaker", "When to stop acting, because two bots talk to each other", func(s *Spec) **Breaker { return &s.Breaker }, breakerObject()),
			yamldoc.Sub("rate", "How often it acts on its target at most, together with all rules that say a rate for the same target; what comes faster waits", func(s *Spec) **Rate { return &s.Rate }, rateObject()),
			yamldoc.Sub("retry", "When a failed event is tried again", func(s *Spec) **Retry { return &s.Retry }, retryObject()),
			yamldoc.Sub("each", "Act on every element of an array in the body, as if each were an event", func(s *Spec) **Each { return &s.Each }, eachObject()),
			yamldoc.Sub("post", "Post a message to Slack", func(s *Spec) **Post { return &s.Post }, postObject()),
			yamldoc.Sub("forward", "Post the event to another address, signed by Standard Webhooks", func(s *Spec) **Forward { return &s.Forward }, p.forward()),
			yamldoc.Sub("run", "Run a command with the event on its standard input", func(s *Spec) **Run { return &s.Run }, p.run()),
			yamldoc.Sub("log", "Write a line to the log", func(s *Spec) **Log { return &s.Log }, logObject()),
		},
		Check: checkRule,
	}
}

// checkRule judges what concerns several fields.
func checkRule(r *yamldoc.Reader, line int, s *Spec) {
	s.line = line
	n := 0
	for _, set := range []bool{s.Post != nil, s.Forward != nil, s.Run != nil, s.Log != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		r.Problem(line, fmt.Sprintf("rule %s has %d actions", s.Name, n), "give it exactly one of post, forward, run and log; a second action is a second rule, so that one may fail without the other")
	}
	if s.Post == nil {
		return
	}
	slackOnly := s.When != nil && len(s.When.Source) == 1 && s.When.Source[0] == event.SourceSlack
	if s.Post.Channel == "" && !slackOnly {
		r.Problem(line, "rule "+s.Name+" does not say where to post", "name a channel's id in post.channel, or set when.source to slack to answer where the event happened")
	}
	if s.Post.Thread && s.Post.Channel != "" {
		r.Problem(line, "rule "+s.Name+" has both post.channel and post.thread", "a thread is in the event's own channel: remove one of them")
	}
}

func (p *parser) when() yamldoc.Object[When] {
	o := p.selection()
	o.Fields = append(o.Fields, yamldoc.List("any", "Further selections, of which one has to match besides", "selection",
		func(w *When) *[]When { return &w.Any }, p.selection()))
	check := o.Check
	o.Check = func(r *yamldoc.Reader, line int, w *When) {
		check(r, line, w)
		if len(w.Any) > maxAny {
			r.Problem(line, fmt.Sprintf("any has %d selections", len(w.Any)), fmt.Sprintf("write at most %d, or a second rule", maxAny))
		}
	}
	return o
}

// selection has the fields that select events.
func (p *parser) selection() yamldoc.Object[When] {
	pattern := func(s string) error {
		_, err := event.ParsePattern(s)
		return err
	}
	return yamldoc.Object[When]{Check: p.checkWhen, Fields: []yamldoc.Field[When]{
		yamldoc.Texts("source", "Who sent it: slack, receipts, gaps, or the name of a source", func(w *When) *[]string { return &w.Source }, nil),
		yamldoc.Texts("type", "Type (message), type and subtype (message/channel_join), Slack's name of a subscription (message.channels), or *", func(w *When) *[]string { return &w.Type }, pattern),
		yamldoc.Texts("subtype", "Subtype alone", func(w *When) *[]string { return &w.Subtype }, nil),
		yamldoc.Texts("channel", "Id of the channel, such as C0123456789", func(w *When) *[]string { return &w.Channel }, slackIDs),
		yamldoc.Texts("user", "Id of who caused it, such as U0123456789", func(w *When) *[]string { return &w.User }, slackIDs),
		yamldoc.Texts("team", "Id of the workspace", func(w *When) *[]string { return &w.Team }, slackIDs),
		matchField(func(w *When) *[]yamldoc.Entry[Condition] { return &w.Match }),
	}}
}

func matchField[T any](at func(*T) *[]yamldoc.Entry[Condition]) yamldoc.Field[T] {
	return yamldoc.ObjectMap("match", "Places in the body (event.text, data.object.amount), or kept headers (header:X-Shop-Domain), and what has to stand there: a text, several of which one has to, or a condition",
		at, checkPath, func(c *Condition, texts []string) { c.Equals = texts }, condition())
}

func rateObject() yamldoc.Object[Rate] {
	return yamldoc.Object[Rate]{Fields: []yamldoc.Field[Rate]{
		yamldoc.Number("limit", "Acts within the time span", func(r *Rate) *int { return &r.Limit }, 1, maxRate).Required(),
		yamldoc.Duration("per", "The time span, 1s unless it is here", func(r *Rate) *time.Duration { return &r.Per }, time.Second, 24*time.Hour),
	}}
}

func retryObject() yamldoc.Object[Retry] {
	return yamldoc.Object[Retry]{
		Fields: []yamldoc.Field[Retry]{
			yamldoc.Duration("first", "The pause after the first failure, doubled with each further one; 1s unless it is here", func(r *Retry) *time.Duration { return &r.First }, 100*time.Millisecond, maxRetryPause),
			yamldoc.Duration("most", "The longest pause, 10m unless it is here", func(r *Retry) *time.Duration { return &r.Most }, time.Second, maxRetryPause),
			yamldoc.Durations("pauses", "The pauses after the first failure, the second and so on, in place of first and most; attempts is one more than there are unless it is here", func(r *Retry) *[]time.Duration { return &r.Pauses }, 0, maxRetryPause),
			yamldoc.Duration("patience", "For forward: how long events wait for a target that refuses, such as 48h; the setting TARGET_PATIENCE unless it is here", func(r *Retry) *time.Duration { return &r.Patience }, time.Minute, maxPatience),
		},
		Check: func(r *yamldoc.Reader, line int, t *Retry) {
			if len(t.Pauses) > 0 && (t.First > 0 || t.Most > 0) {
				r.Problem(line, "retry has pauses, and first or most", "write one of the two")
			}
			if len(t.Pauses) > maxPauses {
				r.Problem(line, fmt.Sprintf("retry has %d pauses", len(t.Pauses)), fmt.Sprintf("write at most %d; the last one stays", maxPauses))
			}
		},
	}
}

func eachObject() yamldoc.Object[Each] {
	return yamldoc.Object[Each]{Fields: []yamldoc.Field[Each]{
		yamldoc.Text("in", "Path of the array, such as data.items; a dot alone is the body itself", func(e *Each) *string { return &e.In }, func(s string) error {
			if s == wholeBody {
				return nil
			}
			_, err := event.ParsePath(s)
			return err
		}).Required(),
		matchField(func(e *Each) *[]yamldoc.Entry[Condition] { return &e.Match }),
	}}
}

func notAName(s string) error {
	if strings.HasPrefix(s, "#") || strings.HasPrefix(s, "@") {
		return errors.New("write the id; Slack shows it in the details of the channel or the profile")
	}
	return nil
}

func checkPath(s string) error {
	_, err := newLocator(s)
	return err
}

func condition() yamldoc.Object[Condition] {
	return yamldoc.Object[Condition]{
		Fields: []yamldoc.Field[Condition]{
			yamldoc.Texts("equals", "One of these texts", func(c *Condition) *[]string { return &c.Equals }, nil),
			yamldoc.Texts("contains", "One of these texts as a part", func(c *Condition) *[]string { return &c.Contains }, nil),
			yamldoc.Text("matches", "A regular expression of RE2", func(c *Condition) *string { return &c.Matches }, func(s string) error {
				_, err := regexp.Compile(s)
				return err
			}),
			yamldoc.Decimal("gt", "A number greater than this one", func(c *Condition) **float64 { return &c.GT }),
			yamldoc.Decimal("gte", "A number of at least this one", func(c *Condition) **float64 { return &c.GTE }),
			yamldoc.Decimal("lt", "A number less than this one", func(c *Condition) **float64 { return &c.LT }),
			yamldoc.Decimal("lte", "A number of at most this one", func(c *Condition) **float64 { return &c.LTE }),
			yamldoc.Maybe("exists", "Whether there is something at all", func(c *Condition) **bool { return &c.Exists }),
			yamldoc.Bool("not", "Turn the condition around", func(c *Condition) *bool { return &c.Not }),
		},
		Check: checkCondition,
	}
}

func checkCondition(r *yamldoc.Reader, line int, c *Condition) {
	asks := len(c.Equals)+len(c.Contains) > 0 || c.Matches != "" || c.compares()
	switch {
	case !asks && c.Exists == nil:
		r.Problem(line, "the condition asks for nothing", "write equals, contains, matches, gt, gte, lt, lte or exists")
	case asks && c.Exists != nil && !*c.Exists:
		r.Problem(line, "no event can match: what does not exist has no text", "remove exists: false, or the other conditions")
	}
	for _, least := range []*float64{c.GT, c.GTE} {
		for _, most := range []*float64{c.LT, c.LTE} {
			if least != nil && most != nil && (*least > *most || *least == *most && (least == c.GT || most == c.LT)) {
				r.Problem(line, fmt.Sprintf("no number is above %v and below %v", *least, *most), "exchange them, or write two conditions in any")
			}
		}
	}
}

// compares reports whether the condition asks for a number.
func (c *Condition) compares() bool {
	return c.GT != nil || c.GTE != nil || c.LT != nil || c.LTE != nil
}

func breakerObject() yamldoc.Object[Breaker] {
	return yamldoc.Object[Breaker]{Fields: []yamldoc.Field[Breaker]{
		yamldoc.Number("limit", "Acts within the time span; 20 unless it is here", func(b *Breaker) *int { return &b.Limit }, 1, 1_000_000),
		yamldoc.Duration("within", "The time span, 1m unless it is here", func(b *Breaker) *time.Duration { return &b.Within }, time.Second, 24*time.Hour),
		yamldoc.Duration("pause", "How long the rule does not act then, 5m unless it is here", func(b *Breaker) *time.Duration { return &b.Pause }, time.Second, 24*time.Hour),
		yamldoc.Choice("counts", "Which events count and are stopped: those that bots wrote (bots), or all", func(b *Breaker) *string { return &b.Counts }, countsBots, countsAll),
	}}
}

func postObject() yamldoc.Object[Post] {
	return yamldoc.Object[Post]{Fields: []yamldoc.Field[Post]{
		yamldoc.Text("text", "The message in Slack's markup, a template; see docs/rules.md", func(p *Post) *string { return &p.Text }, checkTemplate).Required(),
		yamldoc.Text("blocks", "Block Kit as a template that makes a JSON array; text is then what notifications show", func(p *Post) *string { return &p.Blocks }, checkBlocks),
		yamldoc.Text("channel", "Id of the channel or the user; without it the event's own channel", func(p *Post) *string { return &p.Channel }, notAName),
		yamldoc.Bool("thread", "Reply in the thread of the event", func(p *Post) *bool { return &p.Thread }),
		yamldoc.Bool("mass_mentions", "Let the template call @channel, @here, @everyone and user groups; texts of events never do", func(p *Post) *bool { return &p.MassMentions }),
	}}
}

func checkAllowed(s string) error {
	if _, err := netip.ParsePrefix(s); err == nil {
		return nil
	}
	if strings.ContainsAny(s, "/ @?#*") {
		return errors.New("write a network such as 10.1.0.0/16, or a host such as hooks.internal or hooks.internal:8443")
	}
	return nil
}

func (p *parser) run() yamldoc.Object[Run] {
	return yamldoc.Object[Run]{
		Fields: []yamldoc.Field[Run]{
			yamldoc.Words("command", "The program's path and its arguments; no shell sees them", func(c *Run) *[]string { return &c.Command }, nil).Required(),
			yamldoc.Duration("timeout", "Longest time it may run, 30s unless it is here", func(c *Run) *time.Duration { return &c.Timeout }, 100*time.Millisecond, maxTimeout),
			yamldoc.Texts("env", "Variables that it gets beside PATH and the EVENT_ ones", func(c *Run) *[]string { return &c.Env }, yamldoc.VariableName),
			yamldoc.Text("dir", "Directory that it runs in, / unless it is here", func(c *Run) *string { return &c.Dir }, checkAbsolute),
			yamldoc.Number("max_output", "Bytes that are kept of what it prints, 65536 unless it is here", func(c *Run) *int { return &c.MaxOutput }, 1, maxOutput),
		},
		Check: func(r *yamldoc.Reader, line int, c *Run) {
			c.line = line
			if len(c.Command) > 0 && !filepath.IsAbs(c.Command[0]) {
				r.Problem(line, "the command "+c.Command[0]+" is no path from the root", "write it as in /usr/local/bin/"+filepath.Base(c.Command[0])+", so that no other program is run in its place")
			}
		},
	}
}

func checkAbsolute(s string) error {
	if !filepath.IsAbs(s) {
		return errors.New("write a path that begins at the root")
	}
	return nil
}

func logObject() yamldoc.Object[Log] {
	return yamldoc.Object[Log]{Fields: []yamldoc.Field[Log]{
		yamldoc.Choice("level", "The level, info unless it is here", func(l *Log) *string { return &l.Level }, "debug", "info", "warn", "error"),
		yamldoc.Text("text", "A template for the field text of the line; it may hold what people wrote", func(l *Log) *string { return &l.Text }, checkTemplate),
	}}
}
