package config

import (
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
	SectionTools   Section = "MCP tools"
	SectionPush    Section = "MCP events"
	SectionOperate Section = "Operating"
	SectionStart   Section = "Starting"
)

// Sections lists the sections in order.
func Sections() []Section {
	return []Section{
		SectionStart, SectionSlack, SectionListen, SectionReceive, SectionSenders, SectionQueue,
		SectionWork, SectionMCP, SectionAccess, SectionTools, SectionPush, SectionOperate,
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
