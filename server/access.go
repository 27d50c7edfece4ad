package server

import (
	"context"
	"log/slog"
	"net/http"

	"slackmcp/config"
	"slackmcp/mcp/access"
	"slackmcp/server/audit"
	"slackmcp/server/web"
)

// assistantScopes are what the one token, and whoever started a stdio server, may do.
var assistantScopes = []access.Scope{access.Read, access.Events, access.Write}

// access builds what stands in front of every MCP route. It is closed unless the
// operator opened it.
func (b *builder) access(ctx context.Context) (func(http.Handler) http.Handler, error) {
	m := b.cfg.MCP
	switch {
	case m.Transport == config.Stdio:
		return nil, nil //nolint:nilnil // whoever started the process is its only client
	case m.NoAuth:
		b.log.LogAttrs(ctx, slog.LevelWarn, "mcp is open to everyone who can connect")
		return web.Unbounded(access.As(&access.Principal{Name: "anyone", Scopes: assistantScopes, Anonymous: true})), nil
	}
	list, path, err := b.bearers(b.cfg)
	if err != nil {
		return nil, err
	}
	b.token, b.tokenPath = list[0].Secret, path
	if b.tokens, err = access.NewTokens(list...); err != nil {
		return nil, err
	}
	o := access.RequireOptions{Authenticator: b.tokens, OnRefuse: b.refused, OnAccept: b.tokenUsed}
	if m.OAuth.Enabled() {
		if o, err = b.oauth(o); err != nil {
			return nil, err
		}
	}
	require, err := access.Require(o)
	if err != nil {
		return nil, err
	}
	return web.Unbounded(require), nil
}

// bearers are the static tokens of the settings: the one of them, or else the one in the
// data directory, whose path is then returned, and those with names.
func (s *Server) bearers(c config.Config) (list []access.Token, path string, err error) {
	token := c.MCP.AuthToken.Reveal()
	if token == "" {
		if token, path, _, err = ownToken(s.cfg.Queue.DataDir); err != nil {
			return nil, "", err
		}
		s.cfg.Learn(token)
	}
	list = []access.Token{{Name: "default", Secret: token, Scopes: assistantScopes}}
	for _, t := range c.MCP.Tokens {
		scopes := make([]access.Scope, len(t.Scopes))
		for i, s := range t.Scopes {
			scopes[i] = access.Scope(s)
		}
		list = append(list, access.Token{Name: t.Name, Secret: t.Secret.Reveal(), Scopes: scopes})
	}
	return list, path, nil
}

// oauth adds an authorization server's tokens to the static ones, and the document by
// which clients find that server.
func (b *builder) oauth(o access.RequireOptions) (access.RequireOptions, error) {
	settings := b.cfg.MCP.OAuth
	jwt, err := access.NewJWT(access.JWTOptions{
		Issuer: settings.Issuer, Audiences: []string{settings.Audience}, KeysURL: settings.JWKSURL, Logger: b.log,
	})
	if err != nil {
		return o, err
	}
	b.metadata, err = access.NewMetadata(access.MetadataOptions{
		Resource: settings.Audience, Issuers: []string{settings.Issuer}, Name: web.ServiceName,
		Scopes: []access.Scope{access.Read, access.Events, access.Write, access.Admin},
	})
	if err != nil {
		return o, err
	}
	o.Authenticator, o.MetadataURL = access.Any(o.Authenticator, jwt), b.metadata.URL()
	return o, nil
}

// refused writes a line for each caller that was turned away: address and reason, never
// what it sent.
func (s *Server) refused(r *http.Request, status int, reason string) {
	s.metrics.MCP.Unauthorized(reason)
	s.audit.Record(r.Context(), audit.Record{
		Event: audit.CallerRefused, Outcome: audit.Refused, Reason: reason, Address: web.AddressText(s.proxies.Client(r)),
		RequestID: r.Header.Get(web.RequestIDHeader), Status: status,
	})
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "mcp caller refused",
		slog.String("request_id", r.Header.Get(web.RequestIDHeader)), slog.String("remote", web.AddressText(s.proxies.Client(r))),
		slog.Int("status", status), slog.String("reason", reason))
}
