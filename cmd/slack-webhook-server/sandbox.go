package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/slackapi/sandbox"
)

// A sandboxOptions is what the flags of sandbox say.
type sandboxOptions struct {
	host       string
	port       int
	requestURL string
	file       string
	workspace  sandbox.Options
}

// newSandbox serves the fake workspace alone.
func newSandbox(w world) *cobra.Command {
	var o sandboxOptions
	cmd := &cobra.Command{
		Use:   "sandbox [flags]",
		Short: "Serve the fake Slack workspace alone",
		Long: `Serve a fake Slack workspace: its Web API, and signed events with Slack's own retry
schedule. It prints what to set so that a server, or any Slack SDK, uses it. Its tokens
open nothing real. SLACK_SIGNING_SECRET, when set, signs its events.`,
		Example: `  # The Web API alone
  slack-webhook-server sandbox --port 4000

  # With events for a server, the retry schedule sixty times as fast
  slack-webhook-server sandbox --request-url http://127.0.0.1:3000/slack/events --speed 60

  # With people who sign in
  slack-webhook-server sandbox --redirect-url http://127.0.0.1:3000/oauth/slack

  # With people, channels and messages of a file
  slack-webhook-server sandbox generate --people 120 --channels 42 --messages 3000 > workspace.json
  slack-webhook-server sandbox --load workspace.json`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return serveSandbox(cmd, w, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "Listen on this `address`")
	f.IntVar(&o.port, "port", 4000, "Port to listen on; 0 takes a free one")
	f.StringVar(&o.requestURL, "request-url", "", "Post events to this `address`")
	f.StringSliceVar(&o.workspace.RedirectURLs, "redirect-url", nil, "Let people sign in, and send browsers back to this `address`, or below it")
	f.BoolVar(&o.workspace.TokenRotation, "token-rotation", false, "Give people who sign in tokens of 12 hours, with refresh tokens")
	f.StringVar(&o.file, "load", "", "Take people, channels and messages from a `file` in place of the default workspace; see docs/sandbox.md")
	f.Float64Var(&o.workspace.Speed, "speed", 1, "How much faster than Slack's the retry schedule runs")
	f.IntVar(&o.workspace.ExtraChannels, "extra-channels", 0, "Further channels in the workspace")
	f.IntVar(&o.workspace.ExtraUsers, "extra-users", 0, "Further users in the workspace")
	f.BoolVar(&o.workspace.SocketMode, "socket-mode", false, "Deliver over the connections of a server with --socket-mode")
	f.BoolVar(&o.workspace.Rates, "rates", false, "Apply Slack's rate limits")
	addEnvFile(cmd)
	cmd.AddCommand(newSandboxSay(w), newSandboxClick(w), newSandboxCommand(w), newSandboxGenerate(w))
	return cmd
}

// readWorkspace reads a workspace file.
func readWorkspace(path string) (*sandbox.Workspace, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read the workspace file: %w", err)
	}
	return sandbox.ParseWorkspace(data)
}

// newSandboxGenerate makes up a workspace file.
func newSandboxGenerate(w world) *cobra.Command {
	var o sandbox.GenerateOptions
	var until string
	cmd := &cobra.Command{
		Use:   "generate [flags]",
		Short: "Make up a workspace file for --load",
		Long: `Make up a workspace as companies have them, and print it as a file for --load: chat of
ordinary length in working hours, threads, mentions, links, code, lists, files, reactions,
edits, posts of bots in blocks and attachments, answers of the app to some of its
mentions, and channels that are shared with another workspace. The same flags make the
same file.`,
		Example: `  # 120 people in 42 conversations
  slack-webhook-server sandbox generate --people 120 --channels 42 > workspace.json

  # Another one, of the three days before a time
  slack-webhook-server sandbox generate --seed 7 --days 3 --until 2026-01-30T17:00:00Z > other.json`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if until != "" {
				at, err := time.Parse(time.RFC3339, until)
				if err != nil {
					return &usageError{"--until is no time such as 2026-01-30T17:00:00Z", cmd.CommandPath()}
				}
				o.Until = at
			}
			made, err := sandbox.Generate(o)
			if err != nil {
				return err
			}
			e := json.NewEncoder(w.stdout)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			return e.Encode(made)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "Which of many workspaces to make: a `number`")
	f.IntVar(&o.People, "people", 120, "How many people there are")
	f.IntVar(&o.Channels, "channels", 42, "How many conversations there are; about a fifth are direct and group messages")
	f.IntVar(&o.Messages, "messages", 3000, "How many messages there are")
	f.IntVar(&o.Days, "days", 30, "Over how many days they are spread")
	f.StringVar(&until, "until", "", "The `time` of the newest message; empty is 2025-06-27T17:00:00Z")
	return cmd
}

// serveSandbox runs the workspace until the context ends.
func serveSandbox(cmd *cobra.Command, w world, o sandboxOptions) error {
	c, err := load(cmd, w, config.CommandSandbox)
	if err != nil {
		return err
	}
	if c.Slack.SigningSecrets.IsSet() {
		o.workspace.SigningSecret = c.Slack.SigningSecrets[0].Reveal()
	}
	if o.file != "" {
		if o.workspace.Workspace, err = readWorkspace(o.file); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := "http://" + listener.Addr().String()
	o.workspace.BaseURL = base
	box, err := sandbox.New(o.workspace)
	if err != nil {
		_ = listener.Close() // the error above is what matters
		return err
	}
	served := make(chan error, 1)
	go func() { served <- box.Serve(ctx, listener) }()
	// The secret is shown only when it is the one that everybody knows.
	secret := sandbox.DefaultSigningSecret
	if o.workspace.SigningSecret != "" {
		secret = config.Redacted + " (yours)"
	}
	_, err = fmt.Fprintf(w.stdout, "A fake Slack workspace is at %s: open it in a browser\n\nSLACK_API_URL=%s/api/\nSLACK_BOT_TOKEN=%s\nSLACK_USER_TOKEN=%s\nSLACK_SIGNING_SECRET=%s\n",
		base, base, sandbox.DefaultBotToken, sandbox.DefaultUserToken, secret)
	if err == nil && o.workspace.SocketMode {
		_, err = fmt.Fprintf(w.stdout, "SLACK_APP_TOKEN=%s\n", sandbox.DefaultAppToken)
	}
	if err == nil && len(o.workspace.RedirectURLs) > 0 {
		_, err = fmt.Fprintf(w.stdout, "SLACK_CLIENT_ID=%s\nSLACK_CLIENT_SECRET=%s\n\nPeople sign in at %s/oauth/v2/authorize\n",
			sandbox.DefaultClientID, sandbox.DefaultClientSecret, base)
	}
	if err == nil && o.requestURL != "" {
		err = connect(ctx, box, o.requestURL)
	}
	if err != nil {
		stop()
		return errors.Join(err, <-served)
	}
	return <-served
}

// connectTries times one second is how long a server that is being started has.
const connectTries = 30

// connect sets where the events of the workspace go, once the server there answers.
func connect(ctx context.Context, box *sandbox.Sandbox, requestURL string) error {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for try := 1; ; try++ {
		err := box.SetRequestURL(ctx, requestURL)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if try == connectTries {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// A personOptions is what the flags of a person's acts in the workspace say.
type personOptions struct {
	workspace, user, channel, ts string
	json                         bool
}

// addWorkspace gives the command the flag by which it is told of another workspace than the one here.
func (o *personOptions) addWorkspace(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.workspace, "workspace", "", "The `address` of the fake workspace, as it was printed when it started; unset: the one that runs here")
	addEnvFile(cmd)
}

// workspaceHere is the address of the workspace of the server that runs here with --sandbox, or else of the
// command sandbox.
func workspaceHere(cmd *cobra.Command, w world) (address string, served bool, err error) {
	c, err := load(cmd, w, config.CommandSandbox)
	if err != nil {
		return "", false, err
	}
	if b, err := config.ReadFile(config.WorkspaceFile(c.InSandbox().Queue.DataDir)); err == nil {
		return strings.TrimSpace(string(b)), true, nil
	}
	return "http://127.0.0.1:4000", false, nil
}

func (o *personOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	o.addWorkspace(cmd)
	f.StringVar(&o.user, "user", "bob", "Who does it: a `name` or an id")
	f.StringVar(&o.channel, "channel", "#general", "Where: a `channel`'s id or #name")
	f.BoolVar(&o.json, "json", false, "Print the answer as one JSON object")
}

// newSandboxClick presses a button in a running workspace.
func newSandboxClick(w world) *cobra.Command {
	var o personOptions
	cmd := &cobra.Command{
		Use:   "click [flags] <button>",
		Short: "Press a button of a message in a running fake workspace",
		Long: `Press a button of a message in a running fake workspace, as a person does there. The
workspace posts the signed payload to its server and prints what it answered. A button is
named by its label or its action_id; without --ts it is that of the channel's newest
message that has one.`,
		Example: `  # Answer the question that an assistant asked with slack_ask
  slack-webhook-server sandbox click --user alice --channel "#general" Approve

  # In the workspace of a server that runs with --sandbox, a message of one's choice
  slack-webhook-server sandbox click --workspace http://127.0.0.1:40123 --ts 1700000000.000100 No`,
		Args: exactly(1, "a button's label or action_id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.act(cmd, w, "click", map[string]string{
				"user": o.user, "channel": o.channel, "ts": o.ts, "action_id": args[0],
			})
		},
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.ts, "ts", "", "The message's `ts`")
	return cmd
}

// newSandboxCommand uses a slash command in a running workspace.
func newSandboxCommand(w world) *cobra.Command {
	var o personOptions
	cmd := &cobra.Command{
		Use:   "command [flags] <command> [<text>]",
		Short: "Use a slash command in a running fake workspace",
		Long: `Use a slash command in a running fake workspace, as a person does there. The workspace
posts the signed form to its server and prints what it answered.`,
		Example: `  # In #general, as Alice
  slack-webhook-server sandbox command --user alice /deploy production

  # In another channel, with the answer for a program
  slack-webhook-server sandbox command --channel "#random" --json /lamp on`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{"name the slash command, such as /deploy", cmd.CommandPath()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.act(cmd, w, "commands", map[string]string{
				"user": o.user, "channel": o.channel, "command": args[0], "text": strings.Join(args[1:], " "),
			})
		},
	}
	o.add(cmd)
	return cmd
}

// exactly wants n arguments and says of what kind.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return &usageError{"give " + what, cmd.CommandPath()}
		}
		return nil
	}
}

const (
	actPatience = 10 * time.Second
	maxActReply = 1 << 20
)

// act asks the workspace's control endpoint and prints what the server answered.
func (o *personOptions) act(cmd *cobra.Command, w world, what string, args map[string]string) error {
	status, said, err := o.ask(cmd, w, what, args)
	if err != nil {
		return err
	}
	return o.print(w.stdout, status, said)
}

// ask asks the workspace's control endpoint.
func (o *personOptions) ask(cmd *cobra.Command, w world, what string, args map[string]string) (status int, said []byte, err error) {
	if o.workspace == "" {
		if o.workspace, _, err = workspaceHere(cmd, w); err != nil {
			return 0, nil, err
		}
	}
	at, err := url.Parse(strings.TrimSuffix(o.workspace, "/"))
	if err != nil || at.Host == "" {
		return 0, nil, errors.New("--workspace is no address such as http://127.0.0.1:4000")
	}
	body, err := json.Marshal(args)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), actPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.JoinPath("sandbox", what).String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("no fake workspace answers at %s: start one with --sandbox or the command sandbox, which print their address, and name it with --workspace: %w", at, err)
	}
	defer resp.Body.Close()
	said, err = io.ReadAll(io.LimitReader(resp.Body, maxActReply))
	return resp.StatusCode, said, err
}

// newSandboxSay lets a person say something in a running workspace.
func newSandboxSay(w world) *cobra.Command {
	var o personOptions
	cmd := &cobra.Command{
		Use:   "say [flags] <text>",
		Short: "Say something in a running fake workspace",
		Long: `Say something in a running fake workspace, as a person does there: the message stands in
its channel, where an assistant finds and answers it, and the workspace delivers the event
to its server.`,
		Example: `  # In #general of the server that runs here with --sandbox
  slack-webhook-server sandbox say "hello, assistant"

  # As Alice, in a thread of another channel
  slack-webhook-server sandbox say --as alice --in random --thread 1700000000.000100 "not yet"`,
		Args: exactly(1, "what is said, in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.say(cmd, w, args[0]) },
	}
	f := cmd.Flags()
	o.addWorkspace(cmd)
	f.StringVar(&o.user, "as", "bob", "Who says it: a `name` or an id")
	f.StringVar(&o.channel, "in", "general", "Where: a `channel`'s name or id")
	f.StringVar(&o.ts, "thread", "", "The `ts` of the message that it answers in a thread")
	f.BoolVar(&o.json, "json", false, "Print the answer as one JSON object")
	return cmd
}

// say says something and prints where it stands.
func (o *personOptions) say(cmd *cobra.Command, w world, text string) error {
	status, said, err := o.ask(cmd, w, "messages", map[string]string{"user": o.user, "channel": named(o.channel), "text": text, "thread_ts": o.ts})
	if err != nil {
		return err
	}
	var answer struct {
		TS     string `json:"ts"`
		Detail string `json:"detail"`
	}
	switch {
	case json.Unmarshal(said, &answer) != nil:
		return errors.New("what answers there is no fake workspace")
	case status != http.StatusOK:
		return errors.New("the workspace refuses: " + answer.Detail)
	case o.json:
		_, err = fmt.Fprintln(w.stdout, strings.TrimSpace(string(said)))
	default:
		_, err = fmt.Fprintf(w.stdout, "%s said it in %s at %s; the workspace delivers the event\n", o.user, named(o.channel), answer.TS)
	}
	return err
}

// named is a channel as the workspace takes it: an id as it is, and a name behind "#".
func named(channel string) string {
	if channel == strings.ToLower(channel) && !strings.HasPrefix(channel, "#") {
		return "#" + channel
	}
	return channel
}

// print shows what the server answered to what the person did.
func (o *personOptions) print(out io.Writer, status int, said []byte) error {
	var answer struct {
		Status int    `json:"status"`
		Reason string `json:"reason"`
		Body   []byte `json:"body"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		return errors.New("what answers there is no fake workspace")
	}
	if status != http.StatusOK {
		return errors.New("the workspace refuses: " + answer.Detail)
	}
	if o.json {
		_, err := fmt.Fprintln(out, strings.TrimSpace(string(said)))
		return err
	}
	if answer.Reason != "" {
		return fmt.Errorf("the server did not take it: %s (status %d)", answer.Reason, answer.Status)
	}
	line := fmt.Sprintf("The server answered %d", answer.Status)
	if len(answer.Body) > 0 {
		line += ": " + string(answer.Body)
	}
	_, err := fmt.Fprintln(out, line)
	return err
}
