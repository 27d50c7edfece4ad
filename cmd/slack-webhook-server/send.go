package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/sender"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/signature"
)

// A sendOptions is what the flags of send say.
type sendOptions struct {
	url         string
	message     sender.Message
	count       int
	repeat      int
	headers     []string
	form        bool
	sandbox     bool
	json        bool
	payloadFile string // "" makes a message up, "-" is stdin
}

// newSend signs an event and posts it.
func newSend(w world) *cobra.Command {
	var o sendOptions
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool {
		return s.Section != config.SectionSenders && s.Key != "SLACK_SIGNING_SECRET"
	})
	cmd := &cobra.Command{
		Use:   "send [flags] [<payload-file> | -]",
		Short: "Sign an event as Slack does and post it to a server",
		Long: `Sign an event as its sender does and post it to a server: the payload of a file, of
stdin (-), or a made-up Slack event. The address decides the signature: Slack's, or for
/events/<name> and /webhooks that of the other senders, of the sources file too, with the
secret that the server reads. Of a sender that signs with a private key, a delivery of its
own has to be posted. Anything but a 2xx answer is a failure.`,
		Example: `  # A made-up message, to the server on this machine, on the port that PORT or .env names
  slack-webhook-server send --text "hello" --channel C0123456789

  # A recorded payload, three times over, as Slack repeats what was not answered
  slack-webhook-server send --repeat 3 --url https://events.example.com/slack/events payload.json

  # A delivery of a source, signed as its provider does
  slack-webhook-server send --url http://127.0.0.1:3000/events/a --header "X-Event: push" push.json`,
		Args:        atMost(1),
		Annotations: secretsOf(settings),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.payloadFile = args[0]
			}
			switch here, err := o.saidHere(cmd, w); {
			case err != nil:
				return err
			case here:
				return o.say(cmd, w)
			}
			return send(cmd.Context(), cmd, w, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "Post to this `address`; unset: /slack/events of the server here, on the port of PORT")
	f.StringVar(&o.message.Type, "type", "message", "Event `type`, or type/subtype, of a made-up event")
	f.StringVar(&o.message.Text, "text", "hello", "Its `text`; for a reaction the emoji")
	f.StringVar(&o.message.Channel, "channel", "C0SENDER00", "Its `channel` id")
	f.StringVar(&o.message.User, "user", "U0SENDER00", "Its `user` id")
	f.StringVar(&o.message.Team, "team", "T0SENDER00", "Its `team` id")
	f.IntVar(&o.count, "count", 1, "How many made-up events to send")
	f.IntVar(&o.repeat, "repeat", 1, "How often to send each, as Slack does when no answer came")
	f.StringArrayVar(&o.headers, "header", nil, "Send this `header`, too, such as X-GitHub-Event: push; several times for several")
	f.BoolVar(&o.form, "form", false, "Send the payload as the form field payload, as Slack sends interactions")
	f.BoolVar(&o.sandbox, "sandbox", false, "Sign with the secret of --sandbox")
	f.BoolVar(&o.json, "json", false, "Print one JSON object for each answer")
	addEnvFile(cmd)
	return cmd
}

// send reads the payload and the secret, and posts.
func send(ctx context.Context, cmd *cobra.Command, w world, o sendOptions) error {
	if o.count < 1 || o.repeat < 1 {
		return &usageError{"--count and --repeat begin at 1", cmd.CommandPath()}
	}
	if o.payloadFile != "" && cmd.Flags().Changed("count") {
		return &usageError{"--count is for made-up events; --repeat sends a payload again", cmd.CommandPath()}
	}
	if o.url == "" {
		base, err := here(cmd, w)
		if err != nil {
			return err
		}
		o.url = base + "/slack/events"
	}
	target, err := url.Parse(o.url)
	if err != nil || target.Host == "" {
		return &usageError{"--url is no address such as http://127.0.0.1:3000/slack/events", cmd.CommandPath()}
	}
	payload, err := o.payload(w.stdin)
	if err != nil {
		return err
	}
	header, err := o.header(cmd)
	if err != nil {
		return err
	}
	by, err := o.signing(cmd, w, target.Path)
	if err != nil {
		return err
	}
	s, err := sender.New(sender.Options{URL: o.url, Scheme: by.Scheme, Secret: by.Secret, SignedURL: by.URL, Header: header, Form: o.form})
	if err != nil {
		return err
	}
	return sender.Batch{
		Sender: s, Payload: payload, Message: o.message, Count: o.count, Repeat: o.repeat, JSON: o.json,
	}.Send(ctx, w.stdout)
}

// saidHere reports that a made-up message is sent as it comes, and that the workspace where somebody can
// say it runs here.
func (o sendOptions) saidHere(cmd *cobra.Command, w world) (bool, error) {
	if o.url != "" || !o.sandbox || o.payloadFile != "" || o.message.Type != "message" || o.repeat != 1 || o.form || cmd.Flags().Changed("team") {
		return false, nil
	}
	_, served, err := workspaceHere(cmd, w)
	return served, err
}

// say lets somebody of the workspace that runs here say the message, so that it stands there, too, for an
// assistant to answer.
func (o sendOptions) say(cmd *cobra.Command, w world) error {
	p := personOptions{user: "bob", channel: "#general", json: o.json}
	if cmd.Flags().Changed("user") {
		p.user = o.message.User
	}
	if cmd.Flags().Changed("channel") {
		p.channel = o.message.Channel
	}
	for range o.count {
		if err := p.say(cmd, w, o.message.Text); err != nil {
			return err
		}
	}
	return nil
}

// payload is the content of the file or of stdin; nil when a message is to be made up.
func (o sendOptions) payload(stdin io.Reader) ([]byte, error) {
	const most = 64 << 20
	var source io.Reader
	switch o.payloadFile {
	case "":
		return nil, nil
	case "-":
		source = stdin
	default:
		f, err := os.Open(o.payloadFile)
		if err != nil {
			return nil, fmt.Errorf("read the payload: %w", err)
		}
		defer func() { _ = f.Close() }() // read only: there is nothing to lose
		source = f
	}
	content, err := io.ReadAll(io.LimitReader(source, most))
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	return content, nil
}

// signing chooses the signature and its secret for a path.
func (o sendOptions) signing(cmd *cobra.Command, w world, path string) (server.Signing, error) {
	if o.sandbox {
		return server.Signing{Scheme: signature.SlackV0, Secret: sandbox.DefaultSigningSecret}, nil
	}
	c, err := load(cmd, w, config.CommandSend)
	if err != nil {
		return server.Signing{}, err
	}
	return server.SigningOf(c, path)
}

// header reads the flag --header.
func (o sendOptions) header(cmd *cobra.Command) (http.Header, error) {
	h := http.Header{}
	for _, line := range o.headers {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(line, "\r\n") {
			return nil, &usageError{"--header is written as X-GitHub-Event: push", cmd.CommandPath()}
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}
