package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"slackmcp/config"
	"slackmcp/server"
)

// defaultEnvFile is read unless a flag names another file or none.
const defaultEnvFile = ".env"

// settingKey is the annotation that ties a flag to its row of the table.
const settingKey = "setting"

// A settingValue collects the text of a flag; package config parses it later, as it
// parses the environment, so that both report their problems alike.
type settingValue struct {
	setting config.Setting
	text    string
}

// String is the text so far.
func (v *settingValue) String() string { return v.text }

// Type is the placeholder in help texts.
func (v *settingValue) Type() string { return v.setting.Word() }

// Set keeps the text; a repeatable flag adds to it.
func (v *settingValue) Set(text string) error {
	if v.text != "" && v.setting.Repeatable() {
		text = v.text + "," + text
	}
	v.text = text
	return nil
}

// addSettings gives the command a flag for each of the settings that has one. renamed
// maps keys to other flag names.
func addSettings(cmd *cobra.Command, settings []config.Setting, renamed map[string]string) {
	for _, s := range settings {
		if s.Flag == "" {
			continue
		}
		name := s.Flag
		if other, ok := renamed[s.Key]; ok {
			name = other
		}
		flag := cmd.Flags().VarPF(&settingValue{setting: s}, name, "", s.Help)
		flag.Annotations = map[string][]string{settingKey: {s.Key}}
		if s.Word() == "" {
			flag.NoOptDefVal = "true"
		}
		if words := s.Choices(); words != nil {
			// The only error is that of a flag that does not exist.
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// addEnvFile gives the command the two flags that say which .env file is read.
func addEnvFile(cmd *cobra.Command) {
	cmd.Flags().String("env-file", defaultEnvFile, "Read settings from this `file`")
	cmd.Flags().Bool("no-env-file", false, "Read no .env file")
}

// load reads the settings for what is being started.
func load(cmd *cobra.Command, w world, command config.Command) (config.Config, error) {
	src := config.Sources{
		Command: command, LookupEnv: w.lookupEnv, EnvNames: w.envNames, ReadFile: config.ReadFile, Root: w.root,
		Flags: map[string]config.Flag{}, ValidateFiles: server.ValidateFiles,
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if key := f.Annotations[settingKey]; key != nil {
			src.Flags[key[0]] = config.Flag{Name: f.Name, Value: f.Value.String()}
		}
	})
	none, err := cmd.Flags().GetBool("no-env-file")
	if err != nil {
		return config.Config{}, err
	}
	named := cmd.Flags().Changed("env-file")
	if none && named {
		return config.Config{}, &usageError{"--env-file and --no-env-file exclude each other", cmd.CommandPath()}
	}
	if !none {
		src.EnvFileNamed = named
		if src.EnvFile, err = cmd.Flags().GetString("env-file"); err != nil {
			return config.Config{}, err
		}
	}
	return config.Load(src)
}

// flagError turns pflag's complaint into a usage error with a hint. It never repeats
// the value of an unknown flag, which may be a secret.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		what := "--" + invalid.GetFlag().Name + " cannot be " + strconv.Quote(invalid.GetValue())
		if _, ok := invalid.GetFlag().Value.(*outputValue); ok {
			what += ": " + errors.Unwrap(invalid).Error()
		}
		return &usageError{what, cmd.CommandPath()}
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return &usageError{err.Error(), cmd.CommandPath()}
	}
	name := unknown.GetSpecifiedName()
	what := "unknown flag --" + name
	if unknown.GetSpecifiedShortnames() != "" {
		return &usageError{"unknown flag -" + name, cmd.CommandPath()}
	}
	if key, ok := secretNamed(name); ok {
		return &usageError{what + ": everyone on this machine can read the arguments of a process, so secrets have no flag\n" +
			"Set " + key + " in the environment or the .env file, or " + key + "_FILE to a file that holds it", cmd.CommandPath()}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near, ok := config.Nearest(name, names); ok {
		what += "; did you mean --" + near + "?"
	}
	return &usageError{what, cmd.CommandPath()}
}

// secretNamed finds the secret that a person tried to give by a flag, such as the
// original's --slack-token.
func secretNamed(flag string) (key string, ok bool) {
	switch flag {
	case "slack-token", "token", "bot-token":
		return "SLACK_BOT_TOKEN", true
	}
	s, ok := config.Lookup(strings.ToUpper(strings.ReplaceAll(flag, "-", "_")))
	return s.Key, ok && s.Secret()
}

// showsSecrets is the annotation of a command that reads settings: the keys, with
// commas between, of the secrets that its help lists.
const showsSecrets = "secrets"

// writeHelp is the help of every command: purpose, usage, commands, flags by section
// with variable and default, examples, exit codes.
func writeHelp(w io.Writer, cmd *cobra.Command) {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(orShort(cmd)) + "\n\nUsage:\n")
	if cmd.Runnable() {
		b.WriteString("  " + cmd.UseLine() + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("  " + cmd.CommandPath() + " [command]\n\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				writeRow(&b, sub.Name(), sub.Short)
			}
		}
	}
	writeFlags(&b, cmd)
	writeSecrets(&b, cmd)
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + strings.Trim(cmd.Example, "\n") + "\n")
	}
	b.WriteString("\nExit codes: 0 done, 1 failure, 2 usage, 3 configuration\n")
	_, _ = io.WriteString(w, b.String()) // When stdout is broken there is no one to report it to.
}

func orShort(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short + "."
}

// column is where descriptions begin; a longer name puts its own on the next line.
// width is where lines are wrapped.
const (
	column = 32
	width  = 100
)

func writeRow(b *strings.Builder, name, description string) {
	line := fmt.Sprintf("  %-*s", column-2, name)
	if len(name) > column-4 {
		b.WriteString("  " + name + "\n")
		line = strings.Repeat(" ", column)
	}
	begin := len(line)
	for word := range strings.FieldsSeq(description) {
		if len(line) > begin && len(line)+1+len(word) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, begin = strings.Repeat(" ", column), column
		}
		if len(line) > begin {
			line += " "
		}
		line += word
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// writeFlags lists the flags that are no settings, then the settings by section.
func writeFlags(b *strings.Builder, cmd *cobra.Command) {
	groups := map[config.Section][]*pflag.Flag{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		section := config.Section("Flags")
		if value, ok := f.Value.(*settingValue); ok {
			section = value.setting.Section
		}
		if !f.Hidden {
			groups[section] = append(groups[section], f)
		}
	})
	for _, section := range append([]config.Section{"Flags"}, config.Sections()...) {
		if len(groups[section]) > 0 {
			fmt.Fprintf(b, "\n%s:\n", section)
		}
		for _, f := range groups[section] {
			_, purpose := pflag.UnquoteUsage(f)
			if f.Name == "help" {
				purpose = "Show this help"
			}
			writeRow(b, flagUsage(f), purpose+flagNote(f))
		}
	}
}

func flagUsage(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	switch kind := f.Value.Type(); kind {
	case "", "bool":
		return name
	case "string":
		word, _ := pflag.UnquoteUsage(f)
		return name + " <" + word + ">"
	case "stringSlice", "stringArray", "intSlice":
		word, _ := pflag.UnquoteUsage(f)
		return name + " <" + word + ">"
	case "duration":
		return name + " <duration>"
	case "int", "float64":
		return name + " <n>"
	default:
		return name + " " + kind
	}
}

// flagNote is the variable and the default.
func flagNote(f *pflag.Flag) string {
	value, ok := f.Value.(*settingValue)
	if !ok {
		value := strings.Trim(f.DefValue, "[]") // of lists
		if value == "" || value == "false" || value == "0" {
			return ""
		}
		return " (default " + value + ")"
	}
	s := value.setting
	switch {
	case s.DefaultNote != "":
		return " (" + s.Key + "; unset: " + s.DefaultNote + ")"
	case s.Default != "" && s.Word() != "":
		return " (" + s.Key + ", default " + s.Default + ")"
	}
	return " (" + s.Key + ")"
}

// writeSecrets lists the settings that have no flag.
func writeSecrets(b *strings.Builder, cmd *cobra.Command) {
	keys := cmd.Annotations[showsSecrets]
	if keys == "" {
		return
	}
	b.WriteString("\nSecrets (no flags, because everyone can read a process's arguments: set them in the\n" +
		"environment or the .env file, or NAME_FILE to a file that holds the secret):\n")
	for key := range strings.SplitSeq(keys, ",") {
		s, _ := config.Lookup(key)
		writeRow(b, s.Key, s.Help)
	}
}

// secretsOf is the showsSecrets annotation for these settings.
func secretsOf(settings []config.Setting) map[string]string {
	var keys []string
	for _, s := range settings {
		if s.Secret() {
			keys = append(keys, s.Key)
		}
	}
	return map[string]string{showsSecrets: strings.Join(keys, ",")}
}
