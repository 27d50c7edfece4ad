package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-envparse"

	"slackmcp/internal/logging"
)

// Load reads the sources, fills a Config, and validates it for the command that is being
// started. The error is an *Error with every problem. Load changes nothing.
func Load(src Sources) (Config, error) {
	l := &loader{src: src, config: Config{origins: map[string]Origin{}, known: &logging.Secrets{}}}
	l.readEnvFile()
	for _, setting := range table {
		l.fill(setting)
	}
	l.config.named = l.variable
	l.hintEnvironment()
	l.derive()
	l.validate()
	if src.ValidateFiles != nil && (src.Command == CommandServe || src.Command == CommandMCP) {
		l.problems.found = append(l.problems.found, src.ValidateFiles(l.config)...)
	}
	return l.config, l.problems.err(l.config.Warnings)
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
		l.problems.add(setting.Key, "is to be read from "+path+", which is empty", "write the secret into it or unset "+setting.FileKey())
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

// Sources are everything that Load reads. The zero value has no flag, no
// environment and no file: it yields the defaults.
type Sources struct {
	// Command says what is being started, because each needs other settings.
	Command Command
	// Flags are the flags that were given, by the key of their setting.
	Flags map[string]Flag
	// LookupEnv finds a variable of the environment; nil finds none. EnvNames are the names of all
	// variables, in which misspelt settings are looked for.
	LookupEnv func(key string) (string, bool)
	EnvNames  []string
	// EnvFile is the .env file; "" reads none.
	EnvFile string
	// EnvFileNamed says that a person named EnvFile, so that it has to exist.
	EnvFileNamed bool
	// ReadFile reads the .env file and the files of secrets; nil reads none.
	ReadFile func(name string) ([]byte, error)
	// Root says that the process runs as root, which decides where DATA_DIR is.
	Root bool
	// ValidateFiles looks at what the settings of CommandServe and CommandMCP name, such as files, and returns the
	// problems, so that they are reported together with those of the settings; nil looks
	// at nothing.
	ValidateFiles func(Config) []Problem
}

// A Flag is one that was given, with its name and without its dashes.
type Flag struct{ Name, Value string }

// A Command is what is being started.
type Command int

const (
	// CommandServe serves the webhook side and, when integrated, the MCP side.
	CommandServe Command = iota
	// CommandMCP serves the MCP side alone.
	CommandMCP
	// CommandSend signs an event and posts it.
	CommandSend
	// CommandSandbox serves the fake workspace alone.
	CommandSandbox
	// CommandHealth asks a server that runs with the same settings.
	CommandHealth
	// CommandLambda serves the webhook side as an AWS Lambda function.
	CommandLambda
	// CommandManifest prints the manifest of a Slack app.
	CommandManifest
	// CommandOperate works on the store of a server: it needs no secret of a sender.
	CommandOperate
)

// An OriginKind is one of the places where a value can come from.
type OriginKind string

// The places, strongest first.
const (
	FromFlag    OriginKind = "flag"
	FromEnv     OriginKind = "environment"
	FromEnvFile OriginKind = "env file"
	FromDefault OriginKind = "default"
)

// An Origin is where the value of a setting came from.
type Origin struct {
	Kind OriginKind
	// Name is the flag, the variable or the key that was used.
	Name string
	// File is the .env file, with Line; "" for the other kinds.
	File string
	Line int
	// SecretFile is the file that a VAR_FILE named; "" when the value was given itself.
	SecretFile string
}

// String names the place as a person looks for it.
func (o Origin) String() string {
	var where string
	switch o.Kind {
	case FromFlag:
		where = "--" + o.Name
	case FromEnv:
		where = "environment " + o.Name
	case FromEnvFile:
		where = o.File + ":" + strconv.Itoa(o.Line) + " " + o.Name
	case FromDefault:
		return string(FromDefault)
	}
	if o.SecretFile != "" {
		where += " (" + o.SecretFile + ")"
	}
	return where
}

// maxFile bounds the .env file and each file of a secret.
const maxFile = 1 << 20

// ReadFile reads a file of the machine up to 1 MiB; it is what Sources.ReadFile is
// outside of tests.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only: there is nothing to lose
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", name, FormatSize(maxFile))
	}
	return content, nil
}

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
	case errors.Is(err, fs.ErrPermission):
		l.problems.add(l.src.EnvFile, "cannot be read ("+reason(err)+")", "let the user that runs the program read it (chown or chmod), or use --no-env-file")
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
		l.hintNoSign(line, number)
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
