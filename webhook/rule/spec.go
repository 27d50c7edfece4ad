package rule

import (
	"time"

	"slackmcp/internal/yamldoc"
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
