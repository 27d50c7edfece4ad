package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"slackmcp/config"
)

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
	_, _ = io.WriteString(w, b.String()) // a broken stdout leaves nobody to tell
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
