package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
	"slackmcp/webhook/journal"
)

// assist builds the assistant's side: the journal, who may connect, and what it sees.
func (b *builder) assist(ctx context.Context) error {
	if !b.cfg.Mode.MCP() {
		return nil
	}
	events, err := b.follow()
	if err != nil {
		return err
	}
	authenticate, err := b.access(ctx)
	if err != nil {
		return err
	}
	m := b.cfg.MCP
	o := mcp.Options{
		Name: serviceName, Version: b.version,
		Choice: toolset.Choice{Toolsets: m.Toolsets, Tools: m.Tools, ReadOnly: m.ReadOnly},
		Slack:  b.slack,
		Logger: b.log,
		Transport: transport.Options{
			Mount: m.MountPath, Default: transport.Kind(m.Transport),
			PublicURL: b.cfg.Listen.PublicURL, AllowedOrigins: m.AllowedOrigins, AllowedHosts: m.AllowedHosts,
			Authenticate: authenticate, Logger: b.log,
		},
	}
	if m.Transport == config.Stdio {
		o.Transport.Default = transport.SSE // nobody connects over HTTP then
	}
	if events != nil {
		o.Events = events
	}
	if b.mcp, err = mcp.New(o); err != nil {
		return fmt.Errorf("mcp: %w", err)
	}
	b.assistants = append(b.assistants, part{"mcp", b.mcp.Run})
	if b.identity != nil {
		b.identity.grant = b.mcp.SetGrant
	}
	return nil
}

// follow builds the journal and the log that assistants read. Without a webhook side
// no events arrive, and there is no log.
func (b *builder) follow() (*eventLog, error) {
	if !b.cfg.Mode.Webhook() {
		return nil, nil //nolint:nilnil // there is no log, and that is no error
	}
	j, err := journal.New(journal.Options{
		MaxEvents: b.cfg.Journal.Events, MaxBytes: int(b.cfg.Journal.Bytes), Logger: b.log,
	})
	if err != nil {
		return nil, err
	}
	b.journal = j
	b.readers = append(b.readers, part{"journal", func(ctx context.Context) error { return j.Run(ctx, b.store) }})
	return &eventLog{Journal: j, store: b.store}, nil
}

// access builds what stands in front of every MCP route. It is closed unless the
// operator opened it.
func (b *builder) access(ctx context.Context) (func(http.Handler) http.Handler, error) {
	m := b.cfg.MCP
	if m.NoAuth {
		b.log.LogAttrs(ctx, slog.LevelWarn, "mcp is open to everyone who can connect")
		return access.As(&access.Principal{Name: "anyone", Scopes: []access.Scope{access.Read, access.Events, access.Write}}), nil
	}
	if m.Transport == config.Stdio {
		return nil, nil //nolint:nilnil // whoever started the process is its only client
	}
	b.token = m.AuthToken.Reveal()
	if b.token == "" {
		token, path, _, err := ownToken(b.cfg.Queue.DataDir)
		if err != nil {
			return nil, err
		}
		b.token, b.tokenPath = token, path
	}
	tokens := []access.Token{{Name: "default", Secret: b.token, Scopes: []access.Scope{access.Read, access.Events, access.Write}}}
	for _, t := range m.Tokens {
		scopes := make([]access.Scope, len(t.Scopes))
		for i, s := range t.Scopes {
			scopes[i] = access.Scope(s)
		}
		tokens = append(tokens, access.Token{Name: t.Name, Secret: t.Secret.Reveal(), Scopes: scopes})
	}
	authenticator, err := access.NewTokens(tokens...)
	if err != nil {
		return nil, err
	}
	return access.Require(access.RequireOptions{Authenticator: authenticator, Refused: b.refused})
}

// refused writes a line for each caller that was turned away: address and reason, never
// what it sent.
func (s *Server) refused(r *http.Request, status int, reason string) {
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "mcp caller refused",
		slog.String("request_id", r.Header.Get(requestIDHeader)), slog.String("remote", r.RemoteAddr),
		slog.Int("status", status), slog.String("reason", reason))
}

// endpointURL is where a client on this machine, or through the proxy, finds MCP.
func (s *Server) endpointURL() string {
	base := s.cfg.Listen.PublicURL
	if base == "" {
		base = "http://" + s.localAddr()
	}
	return strings.TrimSuffix(base, "/") + s.cfg.MCP.MountPath
}
