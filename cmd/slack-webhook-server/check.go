package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/checkup"
	"slackmcp/config"
	"slackmcp/server"
)

// A checkOptions is what the flags of check say beside the settings.
type checkOptions struct {
	online bool
	deep   bool
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
the routes, the tools, and every problem at once. No server is called. The files of an
embedded store are looked at, also while a server runs: whether they are whole, and whether
everything is there that was acknowledged. It reads a part of them within a second; --deep
reads them to the end, which takes as long as the disk needs for it.

With --online it also asks Slack who the tokens are, which tools their scopes hide and
whether the app token may open a Socket Mode connection, the store how it is, the public
address for a signed challenge, and the clock. Nothing is published and no such
connection opened. It takes at most ten seconds for each, and fails if one of them failed.`,
		Example: `  # What would a server with this .env file do?
  slack-webhook-server check --integrated

  # Is everything in the store readable?
  slack-webhook-server check --deep

  # Would Slack reach it, and which tools would be hidden?
  slack-webhook-server check --integrated --online --url https://events.example.com`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE:        func(cmd *cobra.Command, _ []string) error { return check(cmd, w, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.online, "online", false, "Also ask Slack, the store and the public address")
	f.BoolVar(&o.deep, "deep", false, "Read the whole of an embedded store, not a sample")
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
	report, err := checkup.Foresee(ctx, c, loaded, o.deep)
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

// A healthOptions is what the flags of health say.
type healthOptions struct {
	url     string
	live    bool
	timeout time.Duration
}

// newHealth asks a running server whether it is ready, for probes that run a command.
func newHealth(w world) *cobra.Command {
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return s.Section != config.SectionListen })
	var o healthOptions
	cmd := &cobra.Command{
		Use:   "health [flags]",
		Short: "Ask a running server whether it is ready",
		Long: `Ask the server that runs here with the same settings whether it is ready, and exit 0
if it is, 1 if not. It is the health check of a container, which needs no shell and no
curl for it. A server is not ready while it starts and while it drains.`,
		Example: `  # The server on this machine, on the port that PORT or the .env file names
  slack-webhook-server health

  # Another server, and only whether its process answers
  slack-webhook-server health --live --url http://10.0.0.7:3000`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return askHealth(cmd, w, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "Ask the server at this `address`; with a path, exactly there")
	f.BoolVar(&o.live, "live", false, "Ask only whether the process answers (/livez), not whether it is ready")
	f.DurationVar(&o.timeout, "timeout", 2*time.Second, "Wait at most this long for the answer")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// maxHealthBody bounds what is read of an answer.
const maxHealthBody = 64 << 10

// askHealth prints the status that came back.
func askHealth(cmd *cobra.Command, w world, o healthOptions) error {
	address, err := o.address(cmd, w)
	if err != nil {
		return err
	}
	if o.timeout <= 0 {
		return &usageError{"--timeout must be above zero", cmd.CommandPath()}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	client := server.ProbeClient()
	answer, err := client.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer from %s within %s", address, o.timeout)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var body struct {
		Status string `json:"status"`
	}
	// What is no JSON has no status to show; the code decides.
	_ = json.NewDecoder(io.LimitReader(answer.Body, maxHealthBody)).Decode(&body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d %s", address, answer.StatusCode, body.Status)
	}
	_, err = fmt.Fprintln(w.stdout, body.Status)
	return err
}

// address is what --url says, or follows from the settings.
func (o healthOptions) address(cmd *cobra.Command, w world) (string, error) {
	if o.url == "" {
		c, err := load(cmd, w, config.CommandHealth)
		if err != nil {
			return "", err
		}
		return known(cmd, server.ProbeURL(c, o.live))
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", &usageError{"--url is no address such as http://127.0.0.1:3000", cmd.CommandPath()}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/readyz"
		if o.live {
			u.Path = "/livez"
		}
	}
	return u.String(), nil
}

// here is how the server that runs here with the same settings is reached, without a path.
func here(cmd *cobra.Command, w world) (string, error) {
	c, err := load(cmd, w, config.CommandHealth)
	if err != nil {
		return "", err
	}
	return known(cmd, server.BaseURL(c))
}

// known is the address, unless the settings leave it to the start of the server.
func known(cmd *cobra.Command, address string) (string, error) {
	if address == "" {
		return "", &usageError{"PORT is 0, so the port is not known: give --url", cmd.CommandPath()}
	}
	return address, nil
}
