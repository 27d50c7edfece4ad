package server

import (
	"context"
	"errors"
	"log/slog"

	"slackmcp/config"
	"slackmcp/internal/yamldoc"
	"slackmcp/mcp/access"
	"slackmcp/server/audit"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// reloadable has the settings read again, before the rules: those name variables, which
// may be in the .env file.
func (b *builder) reloadable(context.Context) error {
	b.latest = b.cfg
	b.slackSecrets = len(b.signingSecrets)
	for _, name := range b.sourceNames() {
		if name != event.SourceSlack || b.slackSecrets > 0 { // Socket Mode needs none
			b.served = append(b.served, name)
		}
	}
	if b.reread != nil {
		b.reloads = append(b.reloads, b.reloadSettings)
	}
	return nil
}

// reloadSettings reads the configuration again and puts the secrets of senders and the
// bearer tokens in force that are in it now: all of them, or with any problem none.
// Requests that are under way are judged by the old or the new secrets; those of a token
// that is gone are ended. It requires s.reloading.
func (s *Server) reloadSettings(ctx context.Context) {
	if s.receiver == nil && s.tokens == nil {
		return // nobody is asked for either
	}
	c, err := s.reread()
	s.cfg.LearnFrom(c) // before anybody can quote it in an error
	var secrets webhook.Secrets
	var tokens []access.Token
	var path string
	if err == nil {
		secrets, err = s.secretsOf(c)
	}
	if err == nil && s.tokens != nil {
		if tokens, path, err = s.bearers(c); err == nil {
			_, err = access.NewTokens(tokens...) // would Replace take them?
		}
	}
	if err == nil && s.receiver != nil {
		err = s.receiver.ReplaceSecrets(secrets)
	}
	if err != nil {
		s.refuseReload(ctx, "reload_settings", "the settings cannot be used; the old secrets and tokens stay in force", err)
		return
	}
	s.latest = c
	if s.receiver != nil {
		s.tellSecrets(ctx, secrets)
	}
	if s.tokens != nil {
		s.replaceTokens(ctx, tokens, path)
	}
}

// refuseReload tells of files that changed nothing. It requires s.reloading.
func (s *Server) refuseReload(ctx context.Context, operation, message string, err error) {
	//nolint:sloglint // each caller's message is a constant
	s.log.LogAttrs(ctx, slog.LevelError, message, slog.String("error", err.Error()),
		slog.String("remedy", "mend what the error names; the command check, with the settings of this server, tells when all is well; then send SIGHUP again"))
	s.reloaded = audit.Failed
	s.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.Failed, Reason: "invalid", Operation: operation})
}

// envOf is where files find what they name while the server runs: in the latest settings.
func (s *Server) envOf(c config.Config) yamldoc.Env {
	e := env(c)
	e.OnSecret = s.cfg.Learn
	return e
}

// secretsOf gathers the secrets of senders. The sandbox's own stay.
func (s *Server) secretsOf(c config.Config) (webhook.Secrets, error) {
	secrets := webhook.Secrets{Receipts: one(c.Senders.Webhook), Sources: map[string][]string{}}
	if s.receiver == nil {
		return secrets, nil
	}
	further, err := readSources(c, s.envOf(c))
	if err != nil {
		return secrets, err
	}
	if c.Slack.SigningSecrets.IsSet() && s.sandbox == nil {
		secrets.Slack = c.Slack.SigningSecrets.Reveal()
	}
	for _, source := range append(sources(c.Senders), further...) {
		secrets.Sources[source.Name] = source.Secrets
	}
	return secrets, nil
}

// tellSecrets says how many secrets are in force now, and which senders are served with
// those from before, because the settings no longer have any.
func (s *Server) tellSecrets(ctx context.Context, secrets webhook.Secrets) {
	if secrets.Slack != nil {
		s.slackSecrets = len(secrets.Slack)
	}
	attrs := []slog.Attr{slog.Int("slack_signing_secrets", s.slackSecrets), slog.Int("sources", len(secrets.Sources))}
	if s.sandbox != nil {
		attrs = append(attrs, slog.String("slack_signing_secrets_of", "the sandbox, which keeps its own"))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "secrets reloaded", attrs...)
	for _, name := range s.served {
		if !signed(secrets, name) && (name != event.SourceSlack || s.sandbox == nil) {
			s.log.LogAttrs(ctx, slog.LevelWarn, "a source is no longer in the settings and is served with its old secrets",
				slog.String("source", name), slog.String("remedy", "restart the server to close its route"))
		}
	}
}

// signed reports whether there are secrets of a source.
func signed(secrets webhook.Secrets, source string) bool {
	switch source {
	case event.SourceSlack:
		return len(secrets.Slack) > 0
	case event.SourceReceipts:
		return len(secrets.Receipts) > 0
	}
	return len(secrets.Sources[source]) > 0
}

// replaceTokens puts the bearers in force, which have been checked, and ends what those
// that are gone have open. One of them may be in the file at path.
func (s *Server) replaceTokens(ctx context.Context, tokens []access.Token, path string) {
	change, err := s.tokens.Replace(tokens...)
	for _, name := range change.Removed {
		err = errors.Join(err, s.mcp.Transport().EndSessions(ctx, "token:"+name))
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "sessions of a removed token could not be ended in the store; without the token they are of no use", slog.String("error", err.Error()))
	}
	attrs := []slog.Attr{
		slog.Any("added", listed(change.Added)), slog.Any("changed", listed(change.Changed)),
		slog.Any("removed", listed(change.Removed)), slog.Any("kept", listed(change.Kept)),
	}
	if path != "" {
		attrs = append(attrs, slog.String("token_file", path))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "mcp tokens reloaded", attrs...)
	for operation, names := range map[string][]string{"token_added": change.Added, "token_changed": change.Changed, "token_removed": change.Removed} {
		for _, name := range names {
			s.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: operation, Target: "token:" + name})
		}
	}
	s.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: "reload_tokens", Count: len(tokens)})
}
