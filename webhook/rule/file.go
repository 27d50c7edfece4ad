package rule

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
)

// A File is what a rules file says.
type File struct {
	Rules []Spec `json:"rules"`
}

// A Spec is one rule as it is written. Exactly one of Post, Forward, Run and Log is set.
type Spec struct {
	Name        string        `json:"name"`
	When        *When         `json:"when,omitempty"`
	IncludeSelf bool          `json:"include_self,omitempty"`
	Ordered     string        `json:"ordered,omitempty"`
	Attempts    int           `json:"attempts,omitempty"`
	Deadline    time.Duration `json:"deadline,omitempty"`
	Workers     int           `json:"workers,omitempty"`
	Start       string        `json:"start,omitempty"`
	Breaker     *Breaker      `json:"breaker,omitempty"`
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
}

// A Condition judges the text at a place in the body; what is empty says nothing.
type Condition struct {
	Equals   []string `json:"equals,omitempty"`
	Contains []string `json:"contains,omitempty"`
	Matches  string   `json:"matches,omitempty"`
	// Exists asks whether there is something; nil does not ask.
	Exists *bool `json:"exists,omitempty"`
	Not    bool  `json:"not,omitempty"`
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
	maxRules     = 200
	maxAttempts  = 1000
	maxWorkers   = 256
	maxDeadline  = time.Hour
	maxTimeout   = 30 * time.Minute
	maxOutput    = 1 << 20
	maxName      = 48
	groupPrefix  = "rule."
	byChannel    = "channel"
	startNow     = "now"
	startOldest  = "oldest"
	countsBots   = "bots"
	countsAll    = "all"
	forwardLimit = 15 * time.Second
	runLimit     = 30 * time.Second
	runOutput    = 64 << 10
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
			seen := map[string]int{}
			for _, s := range f.Rules {
				if first, twice := seen[s.Name]; twice && s.Name != "" {
					r.Problem(s.line, "name "+s.Name+" is taken", fmt.Sprintf("the rule in line %d has it: give this one another", first))
				}
				seen[s.Name] = s.line
			}
		},
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
			yamldoc.Sub("when", "Which events it acts on; all of its fields have to match, and without it every event does", func(s *Spec) **When { return &s.When }, p.when()),
			yamldoc.Bool("include_self", "Act on what our own app has caused, too; think of loops", func(s *Spec) *bool { return &s.IncludeSelf }),
			yamldoc.Choice("ordered", "Work the events of one channel one after another; one that fails holds back its channel", func(s *Spec) *string { return &s.Ordered }, byChannel),
			yamldoc.Number("attempts", "Tries in all before an event becomes a dead letter; the setting MAX_ATTEMPTS unless it is here", func(s *Spec) *int { return &s.Attempts }, 1, maxAttempts),
			yamldoc.Duration("deadline", "Longest time of one try, 1m unless it is here", func(s *Spec) *time.Duration { return &s.Deadline }, time.Second, maxDeadline),
			yamldoc.Number("workers", "Events that are worked at once; the setting WORKERS unless it is here", func(s *Spec) *int { return &s.Workers }, 1, maxWorkers),
			yamldoc.Choice("start", "Where a rule begins that is new: now, or with the oldest event that is kept", func(s *Spec) *string { return &s.Start }, startNow, startOldest),
			yamldoc.Sub("breaker", "When to stop acting, because two bots talk to each other", func(s *Spec) **Breaker { return &s.Breaker }, breakerObject()),
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
		yamldoc.ObjectMap("match", "Places in the body (event.text, data.object.amount), or kept headers (header:X-Shop-Domain), and what has to stand there: a text, several of which one has to, or a condition",
			func(w *When) *[]yamldoc.Entry[Condition] { return &w.Match }, checkPath,
			func(c *Condition, texts []string) { c.Equals = texts }, condition()),
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
			yamldoc.Maybe("exists", "Whether there is something at all", func(c *Condition) **bool { return &c.Exists }),
			yamldoc.Bool("not", "Turn the condition around", func(c *Condition) *bool { return &c.Not }),
		},
		Check: func(r *yamldoc.Reader, line int, c *Condition) {
			if len(c.Equals)+len(c.Contains) == 0 && c.Matches == "" && c.Exists == nil {
				r.Problem(line, "the condition asks for nothing", "write equals, contains, matches or exists")
			}
			if c.Exists != nil && !*c.Exists && (len(c.Equals)+len(c.Contains) > 0 || c.Matches != "") {
				r.Problem(line, "no event can match: what does not exist has no text", "remove exists: false, or the other conditions")
			}
		},
	}
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
		yamldoc.Text("channel", "Id of the channel or the user; without it the event's own channel", func(p *Post) *string { return &p.Channel }, notAName),
		yamldoc.Bool("thread", "Reply in the thread of the event", func(p *Post) *bool { return &p.Thread }),
		yamldoc.Bool("mass_mentions", "Let the template call @channel, @here, @everyone and user groups; texts of events never do", func(p *Post) *bool { return &p.MassMentions }),
	}}
}

func (p *parser) forward() yamldoc.Object[Forward] {
	return yamldoc.Object[Forward]{
		Fields: append(yamldoc.SecretFields(func(f *Forward) *[]string { return &f.SecretEnv }, func(f *Forward) *[]string { return &f.SecretFile }),
			yamldoc.Text("url", "Where to post; https unless allow names the host", func(f *Forward) *string { return &f.URL }, nil).Required(),
			yamldoc.Texts("allow", "Networks (10.1.0.0/16) and hosts (hooks.internal:8443) that may be reached besides the public network", func(f *Forward) *[]string { return &f.Allow }, checkAllowed),
			yamldoc.Duration("timeout", "Longest time for an answer, 15s unless it is here", func(f *Forward) *time.Duration { return &f.Timeout }, 100*time.Millisecond, maxTimeout),
			yamldoc.TextMap("headers", "Further headers; no secrets", func(f *Forward) *[]yamldoc.Entry[string] { return &f.Headers }, checkHeader, checkHeaderValue),
		),
		Check: p.checkForward,
	}
}

func (p *parser) checkForward(r *yamldoc.Reader, line int, f *Forward) {
	f.line = line
	if f.URL == "" {
		return
	}
	client, err := f.client()
	if err == nil {
		err = client.Check(f.URL)
	}
	if err != nil {
		r.Problem(line, "url does not fit", err.Error())
	}
	secrets, err := p.env.Secrets(f.SecretEnv, f.SecretFile)
	if err == nil {
		err = signature.CheckStandard(secrets)
	}
	if err != nil {
		r.Problem(line, "the signing secret cannot be used", err.Error())
	}
}

// client returns the client that may reach what the rule allows. Plain http is for hosts
// and networks that were allowed.
func (f *Forward) client() (*egress.Client, error) {
	o := egress.Options{Timeout: f.Timeout, HTTPSOnly: len(f.Allow) == 0}
	if o.Timeout == 0 {
		o.Timeout = forwardLimit
	}
	for _, a := range f.Allow {
		if p, err := netip.ParsePrefix(a); err == nil {
			o.Networks = append(o.Networks, p)
		} else {
			o.Hosts = append(o.Hosts, a)
		}
	}
	return egress.New(o)
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

// ownHeaders are those that a forward writes itself.
var ownHeaders = []string{"content-type", "content-length", "host", "connection", "transfer-encoding", "authorization", "cookie"}

func checkHeader(s string) error {
	lower := strings.ToLower(s)
	if !regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`).MatchString(s) {
		return errors.New("write a header's name, such as X-Team")
	}
	if slices.Contains(ownHeaders, lower) {
		return errors.New("this header is the server's own, or would hold a secret; the receiver knows us by the signature")
	}
	if strings.HasPrefix(lower, "webhook-") {
		return errors.New("this header is the signature's")
	}
	return nil
}

func checkHeaderValue(s string) error {
	if len(s) > 1024 || strings.ContainsAny(s, "\r\n\x00") {
		return errors.New("write one line of at most 1,024 bytes")
	}
	return nil
}
