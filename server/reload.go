package server

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"slackmcp/config"
	"slackmcp/internal/yamldoc"
	"slackmcp/mcp/access"
	"slackmcp/server/audit"
	"slackmcp/server/console"
	"slackmcp/server/metrics"
	"slackmcp/server/web"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// A reloader reads again what is kept in files and may change while the server runs.
type reloader struct {
	cfg     config.Config // as the server runs with it
	reread  func() (config.Config, error)
	log     *slog.Logger
	sandbox bool // keeps its own secrets
	// What is reloaded; each may be nil.
	audit       *audit.Log
	certificate *web.Certificate
	receiver    *webhook.Receiver
	deliveries  *metrics.Receive
	reads       *reads
	assistants  assistantSide
	rules       *rule.Runner
	health      *web.Health
	console     *console.Console
	// served are the sources whose secrets are asked for.
	served []string

	mu           sync.Mutex
	latest       config.Config // as it was read last; guarded by mu, as is what follows
	slackSecrets int           // how many are in force
	signers      []signer      // the senders with the secrets in force
	outcome      audit.Outcome // of this reload
}

// servedSources are the sources whose secrets are asked for; Socket Mode needs none.
func servedSources(names []string, slack slackAccess) []string {
	return slices.DeleteFunc(names, func(name string) bool { return name == event.SourceSlack && len(slack.signingSecrets) == 0 })
}

// Reload reads again what is kept in files and may change while the server runs: the
// certificate, the rules, the secrets of senders, and the bearer tokens, of which those
// that are gone end what they have open; the audit trail's file is opened again. What
// cannot be read stays as it was, and is logged. It may be called at any time.
func (s *Server) Reload(ctx context.Context) { s.reloader.reload(ctx) }

func (r *reloader) reload(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome = audit.OK
	r.audit.Reopen(ctx)
	if r.certificate != nil {
		r.certificate.Reload(ctx)
	}
	// Rules name variables, which may be in the .env file: the settings come first.
	if r.reread != nil {
		r.reloadSettings(ctx)
	}
	if r.rules != nil && r.cfg.Worker.RulesFile != "" {
		r.reloadRules(ctx)
	}
	r.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: r.outcome, Operation: "reload"})
}

// reloadSettings reads the configuration again and puts the secrets of senders and the
// bearer tokens in force that are in it now: all of them, or with any problem none.
// Requests that are under way are judged by the old or the new secrets; those of a token
// that is gone are ended. It requires r.mu.
func (r *reloader) reloadSettings(ctx context.Context) {
	if r.receiver == nil && r.assistants.tokens == nil && r.console == nil {
		return // neither secrets nor tokens are asked for
	}
	c, err := r.reread()
	r.cfg.LearnFrom(c) // before an error can quote it
	var senders webhook.Replacement
	var opened, closed []string
	var now []signer
	var warnings []string
	var tokens []access.Token
	var path string
	if err == nil {
		senders, now, err = r.sendersOf(c)
	}
	if now = inForce(r.signers, now); err == nil {
		warnings, err = sharedSecrets(now)
	}
	if err == nil && r.assistants.tokens != nil {
		if tokens, path, err = bearers(r.cfg, c); err == nil {
			_, err = access.NewTokens(tokens...) // would Replace take them?
		}
	}
	if err == nil && r.receiver != nil {
		opened, closed, err = r.receiver.Replace(senders)
	}
	if err != nil {
		r.refuse(ctx, "reload_settings", "the settings cannot be used; the old secrets and tokens stay in force", err)
		return
	}
	r.latest, r.signers = c, now
	if r.receiver != nil {
		r.deliveries.Replace(opened, closed)
		r.reads.fit(r.receiver.LongestBody())
		warnLong(r.log, r.cfg, r.receiver.LongestBody(), debug.SetMemoryLimit(-1))
		r.assistants.judge.SetSources(sourceRules(senders.Sources))
		r.logSenders(ctx, senders, opened, closed)
		warnShared(r.log, warnings)
	}
	if r.assistants.tokens != nil {
		r.replaceTokens(ctx, tokens, path)
	}
	r.assistants.people.allow(ctx, c.SignIn)
	r.health.SetToken(c.Admin.Token.Reveal())
	if r.console != nil {
		r.console.SetToken(ctx, consoleToken(r.log, c))
	}
}

// refuse logs files that changed nothing. It requires r.mu.
func (r *reloader) refuse(ctx context.Context, operation, message string, err error) {
	//nolint:sloglint // each caller's message is a constant
	r.log.LogAttrs(ctx, slog.LevelError, message, slog.String("error", err.Error()),
		slog.String("remedy", "mend what the error names; the command check, with the settings of this server, tells when all is well; then send SIGHUP again"))
	r.outcome = audit.Failed
	r.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.Failed, Reason: "invalid", Operation: operation})
}

// envOf is where files find what they name while the server runs: in the latest settings.
func (r *reloader) envOf(c config.Config) yamldoc.Env {
	e := env(c)
	e.OnSecret = r.cfg.Learn
	return e
}

// sendersOf gathers the senders with their secrets, and lists who signs. The sandbox's own secret stays.
func (r *reloader) sendersOf(c config.Config) (webhook.Replacement, []signer, error) {
	now := webhook.Replacement{Receipts: one(c.Senders.Webhook), Keep: hasVariable}
	if r.receiver == nil {
		return now, nil, nil
	}
	further, err := readSources(c, r.envOf(c))
	if err != nil {
		return now, nil, err
	}
	if c.Slack.SigningSecrets.IsSet() && !r.sandbox {
		now.Slack = c.Slack.SigningSecrets.Reveal()
	}
	now.Sources = withFurther(c, further)
	return now, signers(c, now.Slack, now.Sources), nil
}

// logSenders says how many secrets are in force now, which routes are new and which are closed, and which
// senders are served with the secrets from before, because the settings no longer have any.
func (r *reloader) logSenders(ctx context.Context, now webhook.Replacement, opened, closed []string) {
	if now.Slack != nil {
		r.slackSecrets = len(now.Slack)
	}
	attrs := []slog.Attr{slog.Int("slack_signing_secrets", r.slackSecrets), slog.Int("sources", len(now.Sources))}
	if len(opened)+len(closed) > 0 {
		attrs = append(attrs, slog.Any("added", listed(opened)), slog.Any("removed", listed(closed)))
	}
	if r.sandbox {
		attrs = append(attrs, slog.String("slack_signing_secrets_of", "the sandbox, which keeps its own"))
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "secrets reloaded", attrs...)
	for _, name := range r.served {
		if !signed(now, name) && (name != event.SourceSlack || !r.sandbox) && (name == event.SourceSlack || name == event.SourceReceipts || hasVariable(name)) {
			r.log.LogAttrs(ctx, slog.LevelWarn, "a source is no longer in the settings and is served with its old secrets",
				slog.String("source", name), slog.String("remedy", "restart the server to close its route"))
		}
	}
}

// signed reports whether there are secrets of a source.
func signed(now webhook.Replacement, source string) bool {
	switch source {
	case event.SourceSlack:
		return len(now.Slack) > 0
	case event.SourceReceipts:
		return len(now.Receipts) > 0
	}
	return slices.ContainsFunc(now.Sources, func(s webhook.Source) bool { return s.Name == source })
}

// replaceTokens puts the bearers in force, which have been checked, and ends what those
// that are gone have open. One of them may be in the file at path.
func (r *reloader) replaceTokens(ctx context.Context, tokens []access.Token, path string) {
	change, err := r.assistants.tokens.Replace(tokens...)
	for _, name := range change.Removed {
		err = errors.Join(err, r.assistants.mcp.Transport().EndSessions(ctx, "token:"+name))
	}
	if err != nil {
		r.log.LogAttrs(ctx, slog.LevelError, "sessions of a removed token could not be ended in the store; without the token they are of no use", slog.String("error", err.Error()))
	}
	attrs := []slog.Attr{
		slog.Any("added", listed(change.Added)), slog.Any("changed", listed(change.Changed)),
		slog.Any("removed", listed(change.Removed)), slog.Any("kept", listed(change.Kept)),
	}
	if path != "" {
		attrs = append(attrs, slog.String("token_file", path))
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "mcp tokens reloaded", attrs...)
	for operation, names := range map[string][]string{"token_added": change.Added, "token_changed": change.Changed, "token_removed": change.Removed} {
		for _, name := range names {
			r.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: operation, Target: "token:" + name})
		}
	}
	r.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: "reload_tokens", Count: len(tokens)})
}

// reloadRules reads the rules file again and puts it in force. Rules that have not changed go
// on undisturbed. When the file is wrong the old rules stay in force, and the log says
// why. It requires r.mu.
func (r *reloader) reloadRules(ctx context.Context) {
	rules, err := readRules(r.cfg, r.envOf(r.latest))
	var change rule.Change
	if err == nil {
		change, err = r.rules.Replace(ctx, rules)
	}
	if err != nil {
		r.refuse(ctx, "reload_rules", "the rules file cannot be used; the old rules stay in force", err)
		return
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "rules reloaded", slog.Any("added", listed(change.Added)), slog.Any("changed", listed(change.Changed)),
		slog.Any("removed", listed(change.Removed)), slog.Any("kept", listed(change.Kept)))
}
