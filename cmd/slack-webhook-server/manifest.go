package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"slackmcp/cmd/slack-webhook-server/internal/manifest"
	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/server"
	"slackmcp/signin"
	"slackmcp/signin/slack"
)

// A manifestOptions is what the flags of manifest say beside the settings.
type manifestOptions struct {
	app      manifest.Options
	commands []string
	noEvents bool
	signIn   bool
	json     bool
}

// newManifest prints the manifest of the Slack app that the settings need.
func newManifest(w world) *cobra.Command {
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool {
		return !slices.Contains([]string{"INTEGRATED", "PUBLIC_URL", "READ_ONLY", "TOOLSETS", "TOOLS", "SIGN_IN_SCOPES", "RULES_FILE", "SOURCES_FILE"}, s.Key)
	})
	var o manifestOptions
	cmd := &cobra.Command{
		Use:   "manifest [flags]",
		Short: "Print the manifest of the Slack app that the settings need",
		Long: `Print a Slack app manifest with the scopes of the chosen tools and events, and the
addresses that Slack posts to: no scope that nothing uses. Paste it at api.slack.com/apps,
Create New App, From a manifest; or into App Manifest of an app that you have, and
install it again. With --integrated the scopes of the tools are in it, with a rules file the events
that its rules name and what they need to post. With --sign-in people
can sign in with it. Its token rotation stays off: it cannot be switched off again, and would
end SLACK_BOT_TOKEN, too, every 12 hours. An app that has it already serves people as well.`,
		Example: `  # An app for both sides, reading public and private channels
  slack-webhook-server manifest --integrated --public-url https://events.example.com \
    --conversations public,private

  # One with which people sign in, too; its client id and secret are under Basic Information
  slack-webhook-server manifest --integrated --sign-in --public-url https://events.example.com

  # One without a bot, by which an assistant reads and writes as you
  slack-webhook-server manifest --user-scopes-only --conversations public,private,im,mpim

  # One that receives messages only, over Socket Mode
  slack-webhook-server manifest --socket-mode --events message.channels,app_mention`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return printManifest(cmd, w, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.app.Name, "name", "Slack Webhook Server", "The app's and its bot's `name`")
	f.StringSliceVar(&o.app.Events, "events", nil, "Subscribe to these `events`, those that no bot is sent on behalf of who installs the app; unset: messages, mentions, reactions, members, channels")
	f.BoolVar(&o.noEvents, "no-events", false, "Subscribe to no event")
	f.StringSliceVar(&o.app.Conversations, "conversations", []string{"public"}, "Read and listen to these `kinds`: "+strings.Join(manifest.Conversations(), ", "))
	f.StringArrayVar(&o.commands, "slash-command", nil, "Add a slash command, as `\"/name: what it does\"`; may be given again")
	f.BoolVar(&o.app.SocketMode, "socket-mode", false, "Let events come over Socket Mode, without an address")
	f.BoolVar(&o.app.User, "user-scopes", false, "Ask for the scopes of a user token too, for the tools that need one")
	f.BoolVar(&o.signIn, "sign-in", false, "Let people sign in with it: user scopes, the redirect URL, and the events that tell of who may no longer")
	f.BoolVar(&o.app.UserOnly, "user-scopes-only", false, "Ask for no other scopes: a server with SLACK_USER_TOKEN alone acts as you, and receives nothing")
	f.BoolVar(&o.json, "json", false, "Print JSON, not YAML")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// requestPath is where Slack posts.
const requestPath = "/slack/events"

// printManifest makes the manifest and prints it.
func printManifest(cmd *cobra.Command, w world, o manifestOptions) error {
	c, err := load(cmd, w, config.CommandManifest)
	if err != nil {
		return err
	}
	if err := o.complete(cmd, c); err != nil {
		return err
	}
	m, err := manifest.Make(o.app)
	if err != nil {
		return &usageError{err.Error(), cmd.CommandPath()}
	}
	if o.json {
		e := json.NewEncoder(w.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(m)
	}
	e := yaml.NewEncoder(w.stdout)
	e.SetIndent(2)
	if err := e.Encode(m); err != nil {
		return err
	}
	return e.Close()
}

// complete fills in what follows from the settings.
func (o *manifestOptions) complete(cmd *cobra.Command, c config.Config) error {
	if o.app.UserOnly {
		if o.app.User || o.signIn || len(o.app.Events)+len(o.commands) > 0 || o.app.SocketMode {
			return &usageError{"--user-scopes-only is for an app that receives nothing: it takes none of --user-scopes, --sign-in, --events, --slash-command and --socket-mode", cmd.CommandPath()}
		}
		return o.needs(c)
	}
	switch {
	case o.app.SocketMode && !o.signIn:
	case c.Listen.PublicURL == "":
		return &config.Error{Problems: []config.Problem{{
			Setting: "PUBLIC_URL", What: "is missing, and Slack has to know where to post" + whereBack(o.signIn),
			Remedy: "set it to https and the host by which the world reaches the server" + orSocketMode(o.signIn),
		}}}
	case !strings.HasPrefix(c.Listen.PublicURL, "https://"):
		return &config.Error{Problems: []config.Problem{{
			Setting: "PUBLIC_URL", What: "does not begin with https://, and Slack posts to nothing else",
			Remedy: "put a proxy with a certificate before the server, or set TLS_CERT_FILE and TLS_KEY_FILE",
		}}}
	}
	o.app.RequestURL = c.Listen.PublicURL + requestPath
	if o.noEvents {
		if len(o.app.Events) > 0 {
			return &usageError{"--events and --no-events exclude each other", cmd.CommandPath()}
		}
	} else if len(o.app.Events) == 0 {
		o.app.Events = manifest.DefaultEvents(o.app.Conversations)
	}
	o.addSignIn(c)
	if err := o.addRules(c); err != nil {
		return err
	}
	for _, text := range o.commands {
		name, description, ok := strings.Cut(text, ":")
		name, description = strings.TrimSpace(name), strings.TrimSpace(description)
		if !ok || len(name) < 2 || name[0] != '/' || strings.ContainsAny(name, " \t") || description == "" {
			return &usageError{`--slash-command is written "/name: what it does"`, cmd.CommandPath()}
		}
		o.app.Commands = append(o.app.Commands, manifest.Command{Command: name, Description: description, ShouldEscape: true})
	}
	return o.needs(c)
}

// whereBack and orSocketMode go on in the words of a missing address.
func whereBack(signIn bool) string {
	if signIn {
		return ", and where to send people back to"
	}
	return ""
}

func orSocketMode(signIn bool) string {
	if signIn {
		return ""
	}
	return ", or use --socket-mode"
}

// addRules adds what the rules wait for and do.
func (o *manifestOptions) addRules(c config.Config) error {
	types, posts, err := server.RulesNeed(c)
	if err != nil {
		return err
	}
	if posts {
		o.app.Needs = append(o.app.Needs, "chat:write")
	}
	for _, t := range types {
		name, _, _ := strings.Cut(t, "/")
		switch isEvent := slices.Contains(manifest.Events(), name); {
		case name == "*":
		case name == "message" && !o.noEvents:
			o.app.Events = append(o.app.Events, manifest.MessageEvents(o.app.Conversations)...)
		case isEvent && !o.noEvents:
			o.app.Events = append(o.app.Events, name)
		case !isEvent && name != "message":
			o.app.Interactive = true // What is no event comes of a button, a form or a shortcut.
		}
	}
	return nil
}

// addSignIn adds what people need who sign in.
func (o *manifestOptions) addSignIn(c config.Config) {
	if !o.signIn {
		return
	}
	o.app.RedirectURL = c.Listen.PublicURL + signin.CallbackPath
	o.app.SignIn = slack.Scopes(access.Read)
	if !c.MCP.ReadOnly && slices.Contains(c.SignIn.Scopes, string(access.Write)) {
		o.app.SignIn = append(o.app.SignIn, slack.Scopes(access.Write)...)
	}
	if !o.noEvents {
		o.app.Events = append(o.app.Events, manifest.SignInEvents(o.app.Conversations)...)
		o.app.Needs = append(o.app.Needs, manifest.SignInNeeds()...)
	}
}

// needs gathers the scopes of the chosen tools, and whether one of them asks people by
// buttons.
func (o *manifestOptions) needs(c config.Config) error {
	o.app.Interactive = o.app.Interactive || len(o.app.Commands) > 0
	if !c.Mode.MCP() && !o.app.UserOnly {
		return nil
	}
	choice := toolset.Choice{Toolsets: c.MCP.Toolsets, Tools: c.MCP.Tools, ReadOnly: c.MCP.ReadOnly}
	// Tokens that are known to have nothing lack all that the tools need.
	offered, err := mcp.Offer(choice, true, !o.app.UserOnly, toolset.Grant{Known: true, HasUser: o.app.UserOnly, Alone: o.app.UserOnly})
	if err != nil {
		return &config.Error{Problems: []config.Problem{{Setting: "TOOLSETS", What: "and TOOLS: " + err.Error(), Remedy: "docs/tools.md lists them"}}}
	}
	for _, t := range offered {
		o.app.Needs = append(o.app.Needs, t.Missing...)
		o.app.Interactive = o.app.Interactive || t.Tool == askingTool
	}
	return nil
}

// askingTool posts buttons and waits for one to be pressed.
const askingTool = "slack_ask"
