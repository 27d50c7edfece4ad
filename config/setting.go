package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Setting is one row of the table.
type Setting struct {
	// Key is the environment variable and the .env key.
	Key string
	// Aliases are other names for Key in the environment and the .env file.
	Aliases []string
	// Flag is the long flag without its dashes, "" where there is none: a secret.
	Flag    string
	Section Section
	// Kind says what is expected.
	Kind Kind
	// Default is what an unset setting parses from; "" leaves the field's zero.
	Default string
	// DefaultNote says in words what an unset setting means, where Default does not.
	DefaultNote string
	// Example is a value for the documents; "" means the default.
	Example string
	// Help is one sentence without its full stop.
	Help string
	// More are further sentences for the reference.
	More string

	bind binding
}

// Secret reports whether the value is never shown, has no flag, and may come from the
// file that Key_FILE names.
func (s Setting) Secret() bool { return s.Kind == KindSecret || s.Kind == KindSecretURL }

// Repeatable reports whether the flag may be given several times, which adds up.
func (s Setting) Repeatable() bool { return s.Kind == KindList || s.Kind == KindTimes }

// FileKey is the variable that names a file with the secret, "" for other settings.
func (s Setting) FileKey() string {
	if !s.Secret() {
		return ""
	}
	return s.Key + fileSuffix
}

// fileSuffix is what containers' images commonly use to say "read it from there".
const fileSuffix = "_FILE"

// Choices lists the words that an enumerated setting takes; nil for the others.
func (s Setting) Choices() []string { return slices.Clone(s.bind.choices) }

// names lists Key and its aliases.
func (s Setting) names() []string { return append([]string{s.Key}, s.Aliases...) }

// A Kind says how a value is written.
type Kind string

// The kinds of values.
const (
	KindText      Kind = "text"
	KindChoice    Kind = "choice"
	KindBoolean   Kind = "boolean"
	KindNumber    Kind = "number"
	KindDuration  Kind = "duration"
	KindSize      Kind = "size"
	KindList      Kind = "list"
	KindTimes     Kind = "times"
	KindURL       Kind = "url"
	KindSecret    Kind = "secret"
	KindSecretURL Kind = "secret url"
)

// Word is the placeholder of a value in help texts, "" for a switch.
func (s Setting) Word() string {
	switch s.Kind {
	case KindBoolean, KindTimes:
		return ""
	case KindChoice:
		return "{" + strings.Join(s.bind.choices, " | ") + "}"
	case KindNumber:
		return "<n>"
	case KindText:
		if s.bind.word != "" {
			return "<" + s.bind.word + ">"
		}
	case KindDuration, KindSize, KindList, KindURL, KindSecret, KindSecretURL:
		return "<" + string(s.Kind) + ">"
	}
	return "<text>"
}

// A Section groups settings in help and documents.
type Section string

// The sections, in the order of the documents.
const (
	SectionSlack   Section = "Slack"
	SectionListen  Section = "Listening"
	SectionReceive Section = "Receiving"
	SectionSenders Section = "Other senders"
	SectionQueue   Section = "Queue"
	SectionWork    Section = "Working events"
	SectionMCP     Section = "MCP"
	SectionAccess  Section = "MCP access"
	SectionSignIn  Section = "Sign in with Slack"
	SectionTools   Section = "MCP tools"
	SectionPush    Section = "MCP events"
	SectionOperate Section = "Operating"
	SectionStart   Section = "Starting"
)

// Sections lists the sections in order.
func Sections() []Section {
	return []Section{
		SectionStart, SectionSlack, SectionListen, SectionReceive, SectionSenders, SectionQueue,
		SectionWork, SectionMCP, SectionAccess, SectionSignIn, SectionTools, SectionPush, SectionOperate,
	}
}

// Settings returns the table, section by section.
func Settings() []Setting { return slices.Clone(table) }

// Lookup finds a setting by its key or one of its aliases.
func Lookup(name string) (Setting, bool) {
	i := slices.IndexFunc(table, func(s Setting) bool { return slices.Contains(s.names(), name) })
	if i < 0 {
		return Setting{}, false
	}
	return table[i], true
}

const renew = "go generate ./..."

// Reference is docs/configuration.md, made from the table.
func Reference() string {
	var b strings.Builder
	b.WriteString("<!-- Made from config/table*.go by `" + renew + "`; edit there. -->\n\n" + referenceHead)
	for _, section := range Sections() {
		fmt.Fprintf(&b, "\n## %s\n\n| setting | flag | default | what it does |\n|---|---|---|---|\n", section)
		for _, s := range table {
			if s.Section == section {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, referenceFlag(s), referenceDefault(s), referenceText(s))
			}
		}
	}
	return b.String()
}

const referenceHead = `# Configuration

Each setting is read from the first of these places that has it:

1. its flag,
2. its variable in the environment,
3. its line in the ` + "`.env`" + ` file of the working directory, or of the file that ` + "`--env-file`" + ` names
   (` + "`--no-env-file`" + ` reads none; a missing ` + "`.env`" + ` is no problem, a missing named file is),
4. its default.

An empty value counts as not set. What is missing or ill-formed stops the start with exit code 3 and one message
that names every problem and its remedy.

**Secrets** have no flag, because everyone on a machine can read the arguments of its processes. Any of them can be
read from a file instead: ` + "`SLACK_BOT_TOKEN_FILE=/run/secrets/bot`" + ` (one line break at the file's end is cut; setting
both is a problem). They are never printed.

**How values are written.** Booleans: true, false, yes, no, on, off, 1, 0. Times: a plain number is seconds; 90s, 10m,
48h, 30d, 2w. Sizes: bytes; 512KiB and 512K are 1024 times, kB and MB are 1000 times. Lists: with commas or spaces
between. Numbers may part thousands: 1_000_000.

**The .env file.** KEY=value, one a line; ` + "`export`" + ` may stand before. Single quotes are literal, double quotes know
JSON's escapes, nothing is expanded: a dollar sign is a dollar sign. A comment begins with # at the start of a line or
after a space. Keys that are no settings are left alone, with a hint when they look like a misspelt one.
`

func referenceFlag(s Setting) string {
	if s.Flag == "" {
		return ""
	}
	return "`--" + s.Flag + "`"
}

func referenceDefault(s Setting) string {
	switch {
	case s.DefaultNote != "":
		return s.DefaultNote
	case s.Default != "":
		return "`" + s.Default + "`"
	}
	return ""
}

func referenceText(s Setting) string {
	sentences := []string{s.Help + "."}
	if words := s.bind.choices; words != nil {
		sentences = append(sentences, "One of `"+strings.Join(words, "`, `")+"`.")
	}
	if s.More != "" {
		sentences = append(sentences, s.More)
	}
	if s.Secret() {
		sentences = append(sentences, "Secret.")
	}
	for _, alias := range s.Aliases {
		sentences = append(sentences, "Also read as `"+alias+"`.")
	}
	return strings.Join(sentences, " ")
}

// essential are the settings that .env.example leaves open to be filled in.
var essential = map[string]bool{"SLACK_SIGNING_SECRET": true, "SLACK_BOT_TOKEN": true}

// EnvExample is .env.example, made from the table: what everyone fills in stands
// open, the rest behind a comment sign with its default or an example.
func EnvExample() string {
	var b strings.Builder
	b.WriteString("# Copy this file to .env and fill in the two secrets; the rest may stay as it is.\n" +
		"# Made from config/table*.go by `" + renew + "`; docs/configuration.md says more.\n")
	for _, section := range Sections() {
		fmt.Fprintf(&b, "\n# --- %s ---\n", section)
		for _, s := range table {
			if s.Section != section {
				continue
			}
			fmt.Fprintf(&b, "\n# %s.\n", s.Help)
			if essential[s.Key] {
				fmt.Fprintf(&b, "# %s\n%s=\n", s.More, s.Key)
				continue
			}
			fmt.Fprintf(&b, "#%s=%s\n", s.Key, exampleValue(s))
		}
	}
	return b.String()
}

func exampleValue(s Setting) string {
	if s.Example != "" {
		return s.Example
	}
	return s.Default
}

// A Problem is one thing that keeps the program from starting. It contains no secret.
type Problem struct {
	// Setting is the key it is about, or the name of a file.
	Setting string
	// What is wrong, as a clause that follows the setting: "is missing".
	What string
	// Remedy is what to do, as a sentence without its full stop.
	Remedy string
}

// String is one line: setting, what is wrong, remedy.
func (p Problem) String() string {
	text := p.Setting + " " + p.What
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	return text
}

// An Error is every problem of a configuration, in the order of the table, and what may have to do with
// them.
type Error struct {
	Problems []Problem
	Warnings []string
}

// Error is a readable block: a heading, then a line for each problem.
func (e *Error) Error() string {
	var b strings.Builder
	if len(e.Problems) == 1 {
		b.WriteString("1 problem with the configuration:")
	} else {
		fmt.Fprintf(&b, "%d problems with the configuration:", len(e.Problems))
	}
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	for _, w := range e.Warnings {
		b.WriteString("\n  note: " + w)
	}
	return b.String()
}

// problems gathers what is wrong, at most one problem for each setting, because what
// follows from the first only confuses.
type problems struct{ found []Problem }

func (p *problems) add(setting, what, remedy string) {
	if !p.about(setting) {
		p.found = append(p.found, Problem{Setting: setting, What: what, Remedy: remedy})
	}
}

func (p *problems) about(setting string) bool {
	return slices.ContainsFunc(p.found, func(q Problem) bool { return q.Setting == setting })
}

// err returns the problems in the table's order, those of files first, or nil.
func (p *problems) err(warnings []string) error {
	if len(p.found) == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int { return rank(a.Setting) - rank(b.Setting) })
	return &Error{Problems: p.found, Warnings: warnings}
}

func rank(key string) int {
	return slices.IndexFunc(table, func(s Setting) bool { return s.Key == key })
}
