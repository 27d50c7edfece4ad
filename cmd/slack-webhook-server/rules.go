package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/webhook/provider"
)

// A document is a kind of file that can be checked and has a schema.
type document struct {
	name string // of the command and what the file holds
	one  string
	flag string // of the server that reads the file
	setting,
	example string
	file   func(config.Config) string
	check  func(config.Config, string) ([]server.Entry, error)
	schema func() ([]byte, error)
}

// newRules works with rules files.
func newRules(w world) *cobra.Command {
	return newDocument(w, document{
		name: "rules", one: "rule", flag: "--rules", setting: "RULES_FILE", example: "rules.yaml",
		file:  func(c config.Config) string { return c.Worker.RulesFile },
		check: server.CheckRules, schema: server.RulesSchema,
	})
}

// newSources works with sources files.
func newSources(w world) *cobra.Command {
	cmd := newDocument(w, document{
		name: "sources", one: "source", flag: "--sources", setting: "SOURCES_FILE", example: "sources.yaml",
		file:  func(c config.Config) string { return c.Senders.SourcesFile },
		check: server.CheckSources, schema: server.SourcesSchema,
	})
	cmd.Use = "sources {check | schema | providers | enroll}"
	cmd.AddCommand(newProviders(w), newEnroll(w))
	return cmd
}

// newProviders lists the senders that are known.
func newProviders(w world) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "providers [<name>]",
		Short: "List the senders that are known by name, or show one",
		Long: "List the senders whose way to sign, ids, types and handshakes are known, so that a source\n" +
			"of the sources file needs only their name and a secret.",
		Example: "  # Is the sender known?\n  slack-webhook-server sources providers | grep -i shop\n\n" +
			"  # What is known of it, and from where?\n  slack-webhook-server sources providers shopify",
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list := provider.All()
			if len(args) == 1 {
				one, err := provider.Find(args[0])
				if err != nil {
					return err
				}
				list = []provider.Provider{one}
			}
			if asJSON {
				e := json.NewEncoder(w.stdout)
				e.SetEscapeHTML(false)
				return e.Encode(map[string]any{"providers": list})
			}
			if len(args) == 1 {
				_, err := io.WriteString(w.stdout, list[0].Text())
				return err
			}
			t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
			for _, p := range list {
				_, _ = fmt.Fprintf(t, "%s\t%s\n", p.Name, p.Title) // Flush has the error.
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print one JSON object")
	return cmd
}

func newDocument(w world, d document) *cobra.Command {
	cmd := &cobra.Command{
		Use:   d.name + " {check | schema}",
		Short: "Check a " + d.name + " file, or print its schema",
		Long: "Check the file that " + d.flag + " names, before a server reads it, or print the JSON Schema\n" +
			"by which editors check it. docs/" + d.name + ".md says how it is written.",
		Example: "  # What is wrong with it, or what is in it?\n  slack-webhook-server " + d.name + " check " + d.example + "\n\n" +
			"  # For an editor\n  slack-webhook-server " + d.name + " schema > " + d.name + ".schema.json",
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDocumentCheck(w, d), newDocumentSchema(w, d))
	return cmd
}

func newDocumentCheck(w world, d document) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [<file>]",
		Short: "Show every problem of a " + d.name + " file, with its line and a remedy",
		Long: "Read the file as a server does, without starting one, and list what is in it. The secrets\n" +
			"that it names are looked up in the environment and the .env file. Without a file it is the\n" +
			"one of " + d.setting + ".",
		Example: "  slack-webhook-server " + d.name + " check " + d.example + "\n\n" +
			"  # In a pipeline: exit code 3 is a problem\n  slack-webhook-server " + d.name + " check --no-env-file --json " + d.example,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := load(cmd, w, config.CommandSandbox)
			if err != nil {
				return err
			}
			file := d.file(c)
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return &usageError{"no file is named, and " + d.setting + " is not set: give the file's name", cmd.CommandPath()}
			}
			entries, err := d.check(c, file)
			if err != nil {
				return err
			}
			return d.list(w.stdout, file, entries, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print one JSON object")
	addEnvFile(cmd)
	return cmd
}

// list shows what a file has, to a person or a program.
func (d document) list(w io.Writer, file string, entries []server.Entry, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(map[string]any{"file": file, d.name: entries})
	}
	noun := d.name
	if len(entries) == 1 {
		noun = d.one
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d %s, no problems\n", file, len(entries), noun)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		_, _ = fmt.Fprintf(t, "  %s\t%s\n", e.Name, e.Does) // the builder takes everything
	}
	_ = t.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

func newDocumentSchema(w world, d document) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of " + d.name + " files",
		Example: "  slack-webhook-server " + d.name + " schema > " + d.name + ".schema.json\n\n" +
			"  # Which fields are there?\n  slack-webhook-server " + d.name + " schema | jq -r '.properties." + d.name + ".items.properties | keys[]'",
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			schema, err := d.schema()
			if err != nil {
				return err
			}
			_, err = w.stdout.Write(schema)
			return err
		},
	}
}
