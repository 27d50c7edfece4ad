package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slackmcp/internal/logging"
	"strconv"
	"strings"
)

// Load reads the sources, fills a Config, and judges it for the command that is being
// started. The error is an *Error with every problem. Load changes nothing.
func Load(src Sources) (Config, error) {
	l := &loader{src: src, config: Config{origins: map[string]Origin{}, known: &logging.Secrets{}}}
	l.readEnvFile()
	for _, setting := range table {
		l.fill(setting)
	}
	l.config.named = l.variable
	l.derive()
	l.judge()
	if src.Judge != nil && src.Command == CommandServe {
		l.problems.found = append(l.problems.found, src.Judge(l.config)...)
	}
	return l.config, l.problems.err()
}

// variable finds what Config.Variable does.
func (l *loader) variable(name string) (string, bool) {
	for _, in := range []func(string) string{
		func(key string) string { v, _ := l.fromEnv(key); return v },
		func(key string) string {
			if v, ok := l.file.others[key]; ok {
				return v
			}
			return l.file.entries[key].value
		},
	} {
		if value := in(name); strings.TrimSpace(value) != "" {
			return value, true
		}
		if path := strings.TrimSpace(in(name + fileSuffix)); path != "" {
			content, err := l.read(path)
			return cutLineBreak(string(content)), err == nil
		}
	}
	return "", false
}

// A loader is the state of one Load.
type loader struct {
	src      Sources
	file     envFile
	config   Config
	problems problems
}

// fill finds, parses and stores the value of one setting.
func (l *loader) fill(setting Setting) {
	value, origin := l.find(setting)
	if value == "" && setting.Default != "" {
		value, origin = setting.Default, Origin{Kind: FromDefault}
	}
	l.config.origins[setting.Key] = origin
	if value == "" {
		return
	}
	if err := setting.bind.set(&l.config, value); err != nil {
		what := "is " + strconv.Quote(shorten(value)) + ", which does not fit"
		if setting.Secret() {
			what = "cannot be used"
		}
		l.problems.add(setting.Key, what+" (from "+origin.String()+")", err.Error())
	}
}

// shorten keeps a value that was pasted by mistake from filling the screen.
func shorten(value string) string {
	const most = 60
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "..."
}

// find returns the value from the strongest source that has one, or "".
func (l *loader) find(setting Setting) (string, Origin) {
	if given, ok := l.src.Flags[setting.Key]; ok {
		if strings.TrimSpace(given.Value) == "" {
			l.problems.add(setting.Key, "is empty (from --"+given.Name+")", "give it a value or leave the flag out")
		}
		return strings.TrimSpace(given.Value), Origin{Kind: FromFlag, Name: given.Name}
	}
	if value, origin := l.findIn(setting, l.fromEnv); value != "" {
		return value, origin
	}
	if value, origin := l.findIn(setting, l.fromEnvFile); value != "" {
		return value, origin
	}
	return "", Origin{Kind: FromDefault}
}

// A lookup finds a key in one source. An empty value counts as none: that is how
// compose files and shells pass on what is not set.
type lookup func(key string) (string, Origin)

func (l *loader) fromEnv(key string) (string, Origin) {
	if l.src.LookupEnv == nil {
		return "", Origin{}
	}
	value, _ := l.src.LookupEnv(key)
	return value, Origin{Kind: FromEnv, Name: key}
}

func (l *loader) fromEnvFile(key string) (string, Origin) {
	entry := l.file.entries[key]
	return entry.value, Origin{Kind: FromEnvFile, Name: key, File: l.src.EnvFile, Line: entry.line}
}

// findIn asks one source for the setting under all its names and for its file.
func (l *loader) findIn(setting Setting, in lookup) (string, Origin) {
	var value string
	var origin Origin
	for _, name := range setting.names() {
		found, from := in(name)
		found = trimmed(setting, found)
		switch {
		case found == "" || found == value:
		case value == "":
			value, origin = found, from
		default:
			l.problems.add(setting.Key, "and "+name+" are both set and differ (from "+origin.String()+" and "+from.String()+")", "remove "+name)
		}
	}
	if !setting.Secret() {
		return value, origin
	}
	path, from := in(setting.FileKey())
	path = strings.TrimSpace(path)
	switch {
	case path == "":
		return value, origin
	case value != "":
		l.problems.add(setting.Key, "and "+setting.FileKey()+" are both set (from "+origin.String()+" and "+from.String()+")", "remove one of them")
		return value, origin
	}
	from.SecretFile = path
	return l.readSecret(setting, path), from
}

// trimmed cuts what surrounds a value by accident. Of a secret only one line break at
// its end goes, because spaces may belong to it.
func trimmed(setting Setting, value string) string {
	if setting.Secret() {
		if strings.TrimSpace(value) == "" {
			return ""
		}
		return cutLineBreak(value)
	}
	return strings.TrimSpace(value)
}

func cutLineBreak(value string) string {
	return strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
}

// readSecret returns the content of a secret's file; without content there is a
// problem and "".
func (l *loader) readSecret(setting Setting, path string) string {
	content, err := l.read(path)
	if err != nil {
		l.problems.add(setting.Key, fmt.Sprintf("cannot be read from %s (%s)", path, reason(err)), "correct "+setting.FileKey()+" or the file's permissions")
		return ""
	}
	value := cutLineBreak(string(content))
	if strings.TrimSpace(value) == "" {
		l.problems.add(setting.Key, "has an empty file "+path, "write the secret into it or unset "+setting.FileKey())
		return ""
	}
	return value
}

func (l *loader) read(name string) ([]byte, error) {
	if l.src.ReadFile == nil {
		return nil, fs.ErrNotExist
	}
	return l.src.ReadFile(name)
}

// reason says why a file could not be read, without repeating its name.
func reason(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return err.Error()
}

func (l *loader) warn(format string, args ...any) {
	l.config.Warnings = append(l.config.Warnings, fmt.Sprintf(format, args...))
}
