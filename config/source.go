package config

import (
	"fmt"
	"io"
	"os"
	"strconv"
)

// Sources are everything that Load reads. The zero value has no flag, no
// environment and no file: it yields the defaults.
type Sources struct {
	// Command says what is being started, because each needs other settings.
	Command Command
	// Flags are the flags that were given, by the key of their setting.
	Flags map[string]Flag
	// LookupEnv finds a variable of the environment; nil finds none.
	LookupEnv func(key string) (string, bool)
	// EnvFile is the .env file; "" reads none.
	EnvFile string
	// EnvFileNamed says that a person named EnvFile, so that it has to exist.
	EnvFileNamed bool
	// ReadFile reads the .env file and the files of secrets; nil reads none.
	ReadFile func(name string) ([]byte, error)
	// Root says that the process runs as root, which decides where DATA_DIR is.
	Root bool
	// Judge looks at what the settings of CommandServe name, such as files, and tells the
	// problems, so that they are reported together with those of the settings; nil looks
	// at nothing.
	Judge func(Config) []Problem
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
