package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"slackmcp/config"
	"slackmcp/server"
)

// defaultEnvFile is read when nobody says otherwise.
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
		Command: command, LookupEnv: w.lookupEnv, ReadFile: config.ReadFile, Root: w.root,
		Flags: map[string]config.Flag{}, Judge: server.JudgeFiles,
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

// secretNamed finds the secret that somebody tried to give by a flag, such as the
// original's --slack-token.
func secretNamed(flag string) (key string, ok bool) {
	switch flag {
	case "slack-token", "token", "bot-token":
		return "SLACK_BOT_TOKEN", true
	}
	s, ok := config.Lookup(strings.ToUpper(strings.ReplaceAll(flag, "-", "_")))
	return s.Key, ok && s.Secret()
}
