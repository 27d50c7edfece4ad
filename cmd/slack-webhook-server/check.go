package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/checkup"
	"slackmcp/config"
)

// A checkOptions is what the flags of check say beside the settings.
type checkOptions struct {
	online bool
	json   bool
	url    string
}

// newCheck says what the settings come to, without serving.
func newCheck(w world) *cobra.Command {
	settings := config.Settings()
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Show what the settings come to, and ask whether it would work",
		Long: `Load the settings as the server does and show each with where it came from, the queue,
the routes, the tools, and every problem at once. Nothing is opened and nobody is called.

With --online it also asks Slack who the tokens are, which tools their scopes hide and
whether the app token may open a Socket Mode connection, the store how it is, the public
address for a signed challenge, and the clock. Nothing is published and no such
connection opened. It takes at most ten seconds for each, and fails if one of them failed.`,
		Example: `  # What would a server with this .env file do?
  slack-webhook-server check --integrated

  # Would Slack reach it, and which tools would be hidden?
  slack-webhook-server check --integrated --online --url https://events.example.com`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE:        func(cmd *cobra.Command, _ []string) error { return check(cmd, w, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.online, "online", false, "Also ask Slack, the store and the public address")
	f.StringVar(&o.url, "url", "", "With --online, post the challenge to this `address`, not to PUBLIC_URL")
	f.BoolVar(&o.json, "json", false, "Print one JSON object")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// check writes the report, whatever is wrong, and then says what is wrong.
func check(cmd *cobra.Command, w world, o checkOptions) error {
	if err := o.valid(cmd); err != nil {
		return err
	}
	c, loaded := load(cmd, w, config.CommandServe)
	if _, problems := errors.AsType[*config.Error](loaded); loaded != nil && !problems {
		return loaded
	}
	ctx := cmd.Context()
	report, err := checkup.Foresee(ctx, c, loaded)
	if err == nil && o.online {
		online := checkup.Online{Config: c, URL: o.url}
		report.Online = online.Run(ctx)
		if n := checkup.Failures(report.Online); n > 0 {
			err = fmt.Errorf("%d of %d checks failed", n, len(report.Online))
		}
	}
	return errors.Join(o.write(c, w, report), err)
}

// write prints the report in one piece, without the secrets that an error may hold.
func (o checkOptions) write(c config.Config, w world, report checkup.Report) error {
	var out bytes.Buffer
	if o.json {
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	} else if err := report.Write(&out); err != nil {
		return err
	}
	_, err := c.Scrubbed(w.stdout).Write(out.Bytes())
	return err
}

// valid refuses flags that cannot be meant.
func (o checkOptions) valid(cmd *cobra.Command) error {
	if o.url == "" {
		return nil
	}
	if !o.online {
		return &usageError{"--url is for --online", cmd.CommandPath()}
	}
	if u, err := url.Parse(o.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &usageError{"--url is no address such as https://events.example.com", cmd.CommandPath()}
	}
	return nil
}
