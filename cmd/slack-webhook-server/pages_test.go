package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slackmcp/config"
	"slackmcp/server"
)

// A page is a document with the lines of its examples.
type page struct {
	name   string
	blocks []block
}

// A block is an example: what stands in a fence, indented by four, or between backticks.
type block struct {
	line     int
	language string // of a fence
	text     string
}

// pages reads README.md and the documents that people follow.
func pages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []page
	for _, path := range append(paths, "../../README.md", "../../CONTRIBUTING.md") {
		if strings.HasSuffix(path, "/cli.md") {
			continue // It is made from the commands.
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page{filepath.Base(path), blocksOf(string(text))})
	}
	return list
}

var inline = regexp.MustCompile("`([^`\n]+)`")

func blocksOf(text string) (list []block) {
	fence := -1 // the open one's index in list
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```") && fence < 0:
			list = append(list, block{line: i + 1, language: strings.TrimPrefix(trimmed, "```")})
			fence = len(list) - 1
		case strings.HasPrefix(trimmed, "```"):
			fence = -1
		case fence >= 0:
			list[fence].text += line + "\n"
		case strings.HasPrefix(line, "    ") && len(list) > 0 && list[len(list)-1].language == "indented" && list[len(list)-1].line+strings.Count(list[len(list)-1].text, "\n") == i+1:
			list[len(list)-1].text += trimmed + "\n"
		case strings.HasPrefix(line, "    "):
			list = append(list, block{i + 1, "indented", trimmed + "\n"})
		default:
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				list = append(list, block{i + 1, "inline", m[1] + "\n"})
			}
		}
	}
	return list
}

// TestCommandsOfThePages finds each command that a page shows, and lets the program read its flags and
// arguments: one that is not there any more, or never was, helps nobody.
func TestCommandsOfThePages(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "indented" && b.language != "inline" && b.language != "sh" {
				continue
			}
			for _, words := range commandLines(b.text) {
				assigned, args, ours := ourCommand(words)
				if !ours {
					continue
				}
				found++
				for _, name := range assigned {
					if !isVariable(name) {
						t.Errorf("%s:%d: %v: %s is no setting", p.name, b.line, words, name)
					}
				}
				if err := readable(args); err != nil {
					t.Errorf("%s:%d: %v: %v", p.name, b.line, words, err)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("the pages show only %d commands: is their form another one?", found)
	}
}

// commandLines splits a text into commands, and these into words as a shell does, as far as the pages
// need it.
func commandLines(text string) (list [][]string) {
	var words []string
	word, in, quote := "", false, rune(0)
	end := func() {
		if in {
			words = append(words, word)
		}
		word, in = "", false
	}
	flush := func() {
		if end(); len(words) > 0 {
			list = append(list, words)
		}
		words = nil
	}
	comment := false
	for _, r := range placeholder.ReplaceAllString(strings.ReplaceAll(text, "\\\n", " "), "placeholder") {
		switch {
		case comment && r != '\n':
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == '\n' || r == '|' || r == ';' || r == '&':
			comment = false
			flush()
		case r == ' ':
			end()
		case r == '#' && !in:
			comment = true
		default:
			word, in = word+string(r), true
		}
	}
	flush()
	return list
}

// placeholder is what a reader puts something in place of.
var placeholder = regexp.MustCompile(`<[a-z][^<>\n]*>`)

var assignment = regexp.MustCompile(`^([A-Z][A-Z0-9_]*)=`)

// ourCommand returns the arguments of a command of this program, and the variables that stand before it.
func ourCommand(words []string) (assigned, args []string, ours bool) {
	for i, w := range words {
		switch m := assignment.FindStringSubmatch(w); {
		case m != nil:
			assigned = append(assigned, m[1])
		case w == "sudo" || w == "env" || w == "exec" || w == "$":
		case strings.TrimPrefix(w, "bin/") == program:
			args = words[i+1:]
			if to := slices.IndexFunc(args, func(w string) bool { return w == ">" || w == "<" || w == ">>" }); to >= 0 {
				args = args[:to]
			}
			// Dots stand for the value of a flag, or for whatever else may follow.
			if n := len(args); n > 0 && args[n-1] == "..." && (n == 1 || !strings.HasPrefix(args[n-2], "--")) {
				args = args[:n-1]
			}
			return assigned, args, true
		default:
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// isVariable reports whether a variable is a setting, or a file of one.
func isVariable(name string) bool {
	return slices.ContainsFunc(config.Settings(), func(s config.Setting) bool {
		return name == s.Key || name == s.Key+"_FILE" || slices.Contains(s.Aliases, name)
	})
}

// readable lets the program read the arguments of a command, and run nothing.
func readable(args []string) error {
	cmd, rest, err := newRoot(world{}).Find(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && cmd.HasSubCommands() {
		return fmt.Errorf("there is no command %s", rest[0])
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if len(rest) == 0 {
		return nil // It is mentioned, and its arguments are left out.
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// TestFilesOfThePages lets the program read each file that a page shows: rules and sources; JSON has
// to be JSON.
func TestFilesOfThePages(t *testing.T) {
	t.Parallel()
	c := exampleConfig(t)
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			var err error
			switch {
			case b.language == "json":
				if !json.Valid([]byte(b.text)) {
					err = errors.New("it is no JSON")
				}
			case b.language == "yaml" && strings.Contains("\n"+b.text, "\nrules:"):
				_, err = server.CheckRules(c, written(t, b.text))
			case b.language == "yaml" && strings.Contains("\n"+b.text, "\nsources:"):
				_, err = server.CheckSources(c, written(t, b.text))
				err = withoutShapes(err)
			default:
				continue
			}
			if found++; err != nil {
				t.Errorf("%s:%d: %v", p.name, b.line, err)
			}
		}
	}
	if found < 12 {
		t.Errorf("the pages show only %d files: is their form another one?", found)
	}
}

// withoutShapes leaves out the problems that come of the secret that stands for all.
func withoutShapes(err error) error {
	found, ok := errors.AsType[*config.Error](err)
	if !ok {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(found.Problems), func(p config.Problem) bool {
		text := (&config.Error{Problems: []config.Problem{p}}).Error()
		return strings.Contains(text, "signature: Secrets of ") || strings.Contains(text, "/run/secrets/")
	})
	if len(left) == 0 {
		return nil
	}
	return &config.Error{Problems: left}
}

// exampleConfig is a configuration in which each variable that an example names holds a secret.
func exampleConfig(t *testing.T) config.Config {
	t.Helper()
	sources := written(t, "sources:\n  - {name: repo, provider: github, secret_env: A}\n  - {name: shop, provider: shopify, secret_env: A}\n  - {name: mail, provider: mailgun, secret_env: A}\n")
	c, err := config.Load(config.Sources{
		Command: config.CommandServe,
		LookupEnv: func(name string) (string, bool) {
			switch {
			case name == "SLACK_SIGNING_SECRET":
				return "0123456789abcdef0123456789abcdef", true
			case name == "PUBLIC_URL":
				return "https://events.example.com", true
			case name == "SOURCES_FILE":
				return sources, true
			case isVariable(name):
				return "", false
			}
			return "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
