package config

import (
	"fmt"
	"strings"
)

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
