package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/clients"
	"slackmcp/config"
	"slackmcp/server"
)

// A clientOptions is what the flags of client-config say beside the settings.
type clientOptions struct {
	url       string
	showToken bool
}

// newClientConfig says how an MCP client connects to the server.
func newClientConfig(w world) *cobra.Command {
	keys := []string{"SANDBOX", "HOST", "PORT", "PUBLIC_URL", "TLS_CERT_FILE", "TLS_KEY_FILE", "DATA_DIR", "MCP_MOUNT_PATH", "MCP_AUTH_TOKEN", "MCP_NO_AUTH", "SIGN_IN_TEAMS"}
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !slices.Contains(keys, s.Key) })
	var o clientOptions
	cmd := &cobra.Command{
		Use:   "client-config [flags] <client>",
		Short: "Print what connects an MCP client to this server",
		Long: `Print the file, the command or the program by which an MCP client connects to the server
with these settings, on stdout; what to do with it stands on stderr. The token is taken from
the environment of the client where the client can do that, and is never printed unless
--show-token is given. docs/clients.md shows all of them, and what works there.

Clients: ` + wrapped(clients.Names(), len("Clients: ")),
		Example: `  # Claude Code, for the project in this directory
  slack-webhook-server client-config claude-code > .mcp.json

  # Codex, with a server elsewhere
  slack-webhook-server client-config --url https://slack.example.com/mcp codex`,
		Args:        exactly(1, "a client: "+strings.Join(clients.Names(), ", ")),
		ValidArgs:   clients.Names(),
		Annotations: secretsOf(settings),
		RunE:        func(cmd *cobra.Command, args []string) error { return o.print(cmd, w, args[0]) },
	}
	cmd.Flags().StringVar(&o.url, "url", "", "The `address` of the MCP endpoint; unset: that of the server with these settings")
	cmd.Flags().BoolVar(&o.showToken, "show-token", false, "Write the token itself where a client cannot take it from its environment")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// wrapped joins words into lines as wide as the texts around them.
func wrapped(words []string, used int) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			word = " " + word
			b.WriteString(",")
		}
		if used += len(word) + 1; used > width-10 {
			word, used = "\n"+strings.TrimSpace(word), len(word)
		}
		b.WriteString(word)
	}
	return b.String()
}

// print writes what connects the client.
func (o clientOptions) print(cmd *cobra.Command, w world, name string) error {
	client, ok := clients.Find(name)
	if !ok {
		what := "there is no client " + name
		if near, ok := config.Nearest(name, clients.Names()); ok {
			what += " (did you mean " + near + "?)"
		}
		return &usageError{what + ": there are " + strings.Join(clients.Names(), ", "), cmd.CommandPath()}
	}
	c, err := load(cmd, w, config.CommandHealth)
	if err != nil {
		return err
	}
	s, read, err := o.server(cmd, c)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(w.stderr, client.Steps(s, read)+"\n"); err != nil {
		return err
	}
	_, err = fmt.Fprint(w.stdout, client.Text(s))
	return err
}

// server is what the client is told, and the shell's command that prints the token.
func (o clientOptions) server(cmd *cobra.Command, c config.Config) (s clients.Server, read string, err error) {
	if s.URL, err = o.endpoint(cmd, c); err != nil {
		return s, "", err
	}
	token, path, err := server.AssistantToken(c)
	if err != nil {
		return s, "", err
	}
	s.Token = path != "" || token != ""
	read = `printf %s "$MCP_AUTH_TOKEN"`
	if path != "" {
		read = "cat '" + absolute(path) + "'"
	}
	if o.showToken && s.Token {
		if s.Secret = token; token == "" {
			return s, "", fmt.Errorf("there is no token in %s yet: the server makes it when it starts", path)
		}
	}
	return s, read, nil
}

// endpoint is the address of the MCP endpoint.
func (o clientOptions) endpoint(cmd *cobra.Command, c config.Config) (string, error) {
	if o.url == "" {
		base := c.Listen.PublicURL
		if base == "" {
			var err error
			if base, err = known(cmd, server.BaseURL(c)); err != nil {
				return "", err
			}
		}
		return base + c.MCP.MountPath, nil
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.ContainsAny(o.url, "\"'\\`$ \n") {
		return "", &usageError{"--url is no address such as https://slack.example.com/mcp", cmd.CommandPath()}
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = c.MCP.MountPath
	}
	return u.String(), nil
}

// absolute is a path as another program finds it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
