package main

import (
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

	"slackmcp/config"
	"slackmcp/server"
)

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
