package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/checkup"
	"slackmcp/cmd/slack-webhook-server/internal/clients"
	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/cmd/slack-webhook-server/internal/manifest"
	"slackmcp/cmd/slack-webhook-server/internal/setup"
	"slackmcp/config"
)

// A setupOptions is what the flags of setup say.
type setupOptions struct {
	file, publicURL, client string
	socketMode, offline     bool
}

// newSetup leads from nothing to a .env file with which the server works.
func newSetup(w world) *cobra.Command {
	var o setupOptions
	cmd := &cobra.Command{
		Use:   "setup [flags]",
		Short: "Make a Slack app and the .env file with which the server works",
		Long: `Lead from nothing to a .env file (mode 0600) with which slack-webhook-server starts: how
Slack reaches the server, a link that makes the Slack app, its secrets, which are not shown
while they are typed and which Slack is asked about, and what connects an MCP client. What
the file has already is kept where nothing else is answered.

Without a terminal nothing is asked: the flags say how Slack reaches the server, and
SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN and, for Socket Mode, SLACK_APP_TOKEN come from the
environment, or NAME_FILE names a file that holds one.`,
		Example: `  # Asks for what it needs
  slack-webhook-server setup

  # For a script; the secrets are in the environment
  slack-webhook-server setup --socket-mode --client claude-code`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return newWizard(cmd, w, o).run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "env-file", defaultEnvFile, "Write settings to this `file`")
	f.StringVar(&o.publicURL, "public-url", "", "The public https `address` by which Slack reaches the server")
	f.BoolVar(&o.socketMode, "socket-mode", false, "Receive over connections that the server opens, without a public address")
	f.StringVar(&o.client, "client", "", "Say how this MCP `client` connects, without asking; docs/clients.md lists them")
	f.BoolVar(&o.offline, "offline", false, "Do not ask Slack whether the tokens are good")
	return cmd
}

// A wizard is one run of setup.
type wizard struct {
	setupOptions
	cmd    *cobra.Command
	world  world
	person *setup.Terminal // nil where nobody can answer
	before string          // the content of the file
	values []setup.Value   // what it will say
}

func newWizard(cmd *cobra.Command, w world, o setupOptions) *wizard {
	z := &wizard{setupOptions: o, cmd: cmd, world: w}
	if in, ok := w.stdin.(interface {
		Read([]byte) (int, error)
		Fd() uintptr
	}); ok && isTerminal(w.stdin) && isTerminal(w.stderr) {
		z.person = &setup.Terminal{In: in, Out: w.stderr}
	}
	return z
}

// run asks, checks and writes. Before the end nothing is written.
func (z *wizard) run(ctx context.Context) error {
	if z.socketMode && z.publicURL != "" {
		return &usageError{"--socket-mode and --public-url exclude each other", z.cmd.CommandPath()}
	}
	if _, ok := clients.Find(z.client); z.client != "" && !ok {
		return &usageError{"there is no client " + z.client + ": there are " + strings.Join(clients.Names(), ", "), z.cmd.CommandPath()}
	}
	b, err := config.ReadFile(z.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	z.before = string(b)
	for _, step := range []func(context.Context) error{z.askWay, z.showManifest, z.askSecrets, z.checkOnline} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := setup.Write(z.file, z.content()); err != nil {
		return fmt.Errorf("write %s: %w", z.file, err)
	}
	z.tell("\nWrote %s, which you alone can read. Start the server here:\n\n    %s\n", z.file, z.world.program)
	if !z.socketMode {
		z.tell("\nThen Slack can reach it: %s check --online asks whether it does.\n", z.world.program)
	}
	return z.showClient(ctx)
}

// tell writes to the person, or into the script's log.
func (z *wizard) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(z.world.stderr, format, args...) // without a reader the work is done all the same
}

// content is the file as it will be.
func (z *wizard) content() string { return setup.Edit(z.before, z.values) }

// load reads the file as it will be, as the server does.
func (z *wizard) load(command config.Command) (config.Config, error) {
	return config.Load(config.Sources{
		Command: command, LookupEnv: z.world.lookupEnv, Root: z.world.root, EnvFile: z.file,
		ReadFile: func(name string) ([]byte, error) {
			if name == z.file {
				return []byte(z.content()), nil
			}
			return config.ReadFile(name)
		},
	})
}

// set notes a value and returns what is wrong with it.
func (z *wizard) set(key, text string) error {
	z.values = append(z.values, setup.Value{Key: key, Text: text})
	_, err := z.load(config.CommandServe)
	if problems, ok := errors.AsType[*config.Error](err); ok {
		for _, p := range problems.Problems {
			if p.Setting == key {
				return &config.Error{Problems: []config.Problem{p}}
			}
		}
		return nil // the others are still to come
	}
	return err
}

// askWay settles how Slack reaches the server.
func (z *wizard) askWay(ctx context.Context) error {
	z.values = []setup.Value{{Key: "INTEGRATED", Text: "true"}}
	was, _ := z.load(config.CommandOperate) // what is wrong with it is told at the end
	if z.publicURL == "" && !z.socketMode {
		z.publicURL, z.socketMode = was.Listen.PublicURL, was.Slack.SocketMode
		if err := z.askAddress(ctx); err != nil {
			return err
		}
	}
	if z.socketMode {
		z.values = append(z.values, setup.Value{Key: "SOCKET_MODE", Text: "true"})
		return nil
	}
	z.values = append(z.values, setup.Value{Key: "SOCKET_MODE"})
	if !strings.HasPrefix(z.publicURL, "https://") {
		what := "does not begin with https://, and Slack posts to nothing else"
		if z.publicURL == "" {
			what = "is missing, and Slack has to know where to post"
		}
		return &config.Error{Problems: []config.Problem{{Setting: "PUBLIC_URL", What: what, Remedy: "give --public-url, or --socket-mode, which needs none"}}}
	}
	return z.set("PUBLIC_URL", z.publicURL)
}

// askAddress asks for the public address; none is Socket Mode.
func (z *wizard) askAddress(ctx context.Context) error {
	if z.person == nil {
		return nil
	}
	z.tell("Slack posts events to a public https address, or, in Socket Mode, over connections that the server opens.\n")
	answer, err := z.person.Ask(ctx, "The public address, such as https://events.example.com, or nothing for Socket Mode", z.publicURL)
	z.publicURL, z.socketMode = answer, answer == ""
	return err
}

// showManifest prints the link that makes the app.
func (z *wizard) showManifest(context.Context) error {
	c, _ := z.load(config.CommandManifest) // what is wrong with it is told at the end
	c.Mode = config.ModeIntegrated
	app := manifestOptions{app: manifest.Options{Name: "Slack Webhook Server", Conversations: []string{"public"}, SocketMode: z.socketMode}}
	if err := app.complete(z.cmd, c); err != nil {
		return err
	}
	m, err := manifest.Make(app.app)
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	z.tell("\n1. Make the Slack app: open this link, choose the workspace, and press Create.\n\n   https://api.slack.com/apps?new_app=1&manifest_json=%s\n\n"+
		"2. On the app's page press Install to Workspace. With an app that you have already, put the same into its App Manifest:\n   %s manifest --integrated prints it.\n\n", url.QueryEscape(string(text)), program)
	return nil
}

// A wanted is a secret that the server needs.
type wanted struct{ key, where string }

// askSecrets gets the secrets, from the environment, the file or the person.
func (z *wizard) askSecrets(ctx context.Context) error {
	list := []wanted{{"SLACK_SIGNING_SECRET", "Basic Information, Signing Secret"}}
	if z.socketMode {
		list = []wanted{{"SLACK_APP_TOKEN", "Basic Information, App-Level Tokens, with the scope connections:write: xapp-..."}}
	}
	list = append(list, wanted{"SLACK_BOT_TOKEN", "OAuth & Permissions, Bot User OAuth Token: xoxb-..."})
	for _, s := range list {
		if err := z.askSecret(ctx, s); err != nil {
			return err
		}
	}
	_, err := z.load(config.CommandServe)
	return err
}

// tries is how often a person may correct a secret.
const tries = 3

func (z *wizard) askSecret(ctx context.Context, s wanted) error {
	if text, ok := z.fromEnvironment(s.key); ok {
		return z.set(s.key, text)
	}
	kept := strings.Contains("\n"+z.before, "\n"+s.key+"=")
	if z.person == nil {
		return nil // what is missing is told with the rest
	}
	question := s.key + ", from " + s.where
	if kept {
		question += "; nothing keeps the one of " + z.file
	}
	for try := 1; ; try++ {
		text, err := z.person.Secret(ctx, question)
		if err != nil || text == "" && kept {
			return err
		}
		if err = z.set(s.key, text); err == nil && text != "" {
			return nil
		}
		z.values = z.values[:len(z.values)-1]
		if err == nil {
			err = errors.New("it is needed")
		}
		if try == tries {
			return err
		}
		z.tell("%s\n", console.Plain(err.Error()))
	}
}

// fromEnvironment is a secret of the environment, or of the file that it names.
func (z *wizard) fromEnvironment(key string) (string, bool) {
	if text, _ := z.world.lookupEnv(key); strings.TrimSpace(text) != "" {
		return strings.TrimSpace(text), true
	}
	if path, _ := z.world.lookupEnv(key + "_FILE"); path != "" {
		b, err := config.ReadFile(path)
		return strings.TrimSpace(string(b)), err == nil
	}
	return "", false
}

// checkOnline asks Slack about the tokens.
func (z *wizard) checkOnline(ctx context.Context) error {
	if z.offline {
		return nil
	}
	c, err := z.load(config.CommandServe)
	if err != nil {
		return err
	}
	online := checkup.Online{Config: c}
	items := online.Tokens(ctx)
	z.tell("\n")
	for _, i := range items {
		if line := i.Name + ": " + i.Found; i.Remedy == "" {
			z.tell("  %s\n", line)
		} else {
			z.tell("  %s: %s\n", line, i.Remedy)
		}
	}
	failed := checkup.Failures(items)
	if failed == 0 {
		return nil
	}
	if z.person != nil && console.Confirm(ctx, z.world.stdin, z.world.stderr, "Write the file all the same?") == nil {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed, and nothing was written; --offline asks nothing of Slack", failed, len(items))
}

// showClient says how an MCP client connects.
func (z *wizard) showClient(ctx context.Context) error {
	if z.client == "" && z.person != nil {
		answer, err := z.person.Ask(ctx, "\nWhich MCP client will you use? "+strings.Join(clients.Names(), ", "), "claude-code")
		if err != nil {
			return nil //nolint:nilerr // the file is written, which is what was asked for
		}
		z.client = answer
	}
	client, ok := clients.Find(z.client)
	if !ok {
		z.tell("\n%s client-config <client> prints what connects an MCP client.\n", z.world.program)
		return nil
	}
	c, err := z.load(config.CommandHealth)
	if err != nil {
		return err
	}
	s, read, err := clientOptions{}.server(z.cmd, c)
	if err != nil {
		return err
	}
	z.tell("\n%s\n", client.Steps(s, read))
	_, err = fmt.Fprint(z.world.stdout, client.Text(s))
	return err
}
