package server

import (
	"context"
	"log/slog"

	"slackmcp/config"
	"slackmcp/webhook"
)

// reloadSecrets reads the configuration again and puts the secrets of senders in force
// that are in it now: those of the .env file, of files that a NAME_FILE names, and of
// the sources file. Requests that are under way are judged by the old or the new ones.
func (s *Server) reloadSecrets(ctx context.Context) {
	c, err := s.reread()
	if err == nil {
		err = s.replaceSecrets(c)
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "the configuration cannot be read again; the old secrets stay in force", slog.String("error", err.Error()))
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "secrets reloaded", slog.Int("slack_signing_secrets", len(c.Slack.SigningSecrets)))
}

func (s *Server) replaceSecrets(c config.Config) error {
	further, err := readSources(c)
	if err != nil {
		return err
	}
	secrets := webhook.Secrets{Receipts: one(c.Senders.Webhook), Sources: map[string][]string{}}
	if c.Slack.SigningSecrets.IsSet() && s.sandbox == nil {
		secrets.Slack = c.Slack.SigningSecrets.Reveal()
	}
	for _, source := range append(sources(c.Senders), further...) {
		secrets.Sources[source.Name] = source.Secrets
	}
	return s.receiver.ReplaceSecrets(secrets)
}
