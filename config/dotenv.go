package config

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/hashicorp/go-envparse"
)

// An envFile is a parsed .env file.
type envFile struct {
	entries map[string]envEntry // key -> its last assignment
	others  map[string]string   // what is no setting, but what a file may name
}

type envEntry struct {
	value string
	line  int
}

// readEnvFile parses the .env file line by line. A line that is no assignment of ours
// is left alone, because the file often belongs to a whole compose project; one that
// assigns a setting and is ill-formed is a problem.
func (l *loader) readEnvFile() {
	l.file = envFile{entries: map[string]envEntry{}, others: map[string]string{}}
	if l.src.EnvFile == "" {
		return
	}
	content, err := l.read(l.src.EnvFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !l.src.EnvFileNamed:
		return
	case err != nil:
		l.problems.add(l.src.EnvFile, "cannot be read ("+reason(err)+")", "name an existing file with --env-file, or use --no-env-file")
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))
	lines.Buffer(nil, maxFile+1)
	for number := 1; lines.Scan(); number++ {
		l.readEnvLine(lines.Text(), number)
	}
}

func (l *loader) readEnvLine(line string, number int) {
	key, raw := assignment(line)
	if key == "" {
		return
	}
	parsed, err := envparse.Parse(strings.NewReader(line))
	if !known(key) {
		l.hint(key, number)
		if err == nil && !hashInside(raw) {
			l.file.others[key] = parsed[key]
		}
		return
	}
	where := Origin{Kind: FromEnvFile, Name: key, File: l.src.EnvFile, Line: number}.String()
	switch {
	case err != nil:
		l.problems.add(key, "is ill-formed (in "+where+")", "close its quotes, or put the whole value into single quotes")
	case hashInside(raw):
		l.problems.add(key, "has a # in its value, which would begin a comment (in "+where+")", "put the value into single quotes, or a space before the comment")
	default:
		l.file.entries[key] = envEntry{value: parsed[key], line: number}
	}
}

// assignment parts a line into its key and all that follows the equals sign; key is ""
// for a comment, an empty line and anything else.
func assignment(line string) (key, raw string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return "", ""
	}
	key, raw, found := strings.Cut(line, "=")
	if !found {
		return "", ""
	}
	key = strings.TrimSpace(key)
	if rest, ok := strings.CutPrefix(key, "export "); ok {
		key = rest
	}
	return key, raw
}

// hashInside reports a # that the parser takes for a comment although no space parts
// it from the value: a secret would silently be cut there.
func hashInside(raw string) bool {
	quote := byte(0)
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quote == '"' && c == '\\':
			i++ // what is escaped ends no quote
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '#':
			return i == 0 || raw[i-1] != ' ' && raw[i-1] != '\t'
		}
	}
	return false
}

// known reports whether a key of the .env file belongs to a setting.
func known(key string) bool {
	if _, ok := Lookup(key); ok {
		return true
	}
	base, isFile := strings.CutSuffix(key, fileSuffix)
	setting, ok := Lookup(base)
	return isFile && ok && setting.FileKey() == key
}

// formerNames are keys of the Python original that have another name here.
var formerNames = map[string]string{ //nolint:gosec // names of tokens, not tokens
	"SLACK_TOKEN":        "SLACK_BOT_TOKEN",
	"CORS_ALLOW_ORIGINS": "MCP_ALLOWED_ORIGINS",
}

// hint warns of a key that is close to one of ours.
func (l *loader) hint(key string, number int) {
	near, ok := formerNames[key]
	if !ok {
		near, ok = Nearest(strings.ToUpper(key), allKeys())
	}
	if ok {
		l.warn("%s:%d %s is not a setting; did you mean %s?", l.src.EnvFile, number, shorten(key), near)
	}
}

func allKeys() []string {
	var keys []string
	for _, setting := range table {
		keys = append(keys, setting.names()...)
		if file := setting.FileKey(); file != "" {
			keys = append(keys, file)
		}
	}
	slices.Sort(keys)
	return keys
}
