package server

import (
	"context"
	"errors"
	"log/slog"

	"slackmcp/config"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook/rule"
	"slackmcp/webhook/worker"
)

// ruled builds the runner of the rules. Without a file it only tells of groups that are
// left over.
func (b *builder) ruled(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil
	}
	rules, err := readRules(b.cfg, env(b.cfg))
	if problems := problemsOf("RULES_FILE", err); problems != nil {
		return &config.Error{Problems: problems}
	}
	o := rule.Options{
		Queue: b.store,
		Group: queue.Group{
			Workers: b.cfg.Worker.Workers, Drain: b.cfg.Drain,
			Policy: queue.Policy{MaxAttempts: b.cfg.Worker.MaxAttempts},
		},
		// Without a file nobody has said that the rules are gone.
		Exclusive: b.cfg.Queue.Backend.Embedded() && b.cfg.Worker.RulesFile != "",
		Logger:    b.log,
		OnAttempt: func(o rule.Observation) {
			b.metrics.Handlers.Observe(worker.Observation{
				Group: rule.GroupOf(o.Rule), Pattern: o.Action, Attempt: o.Attempt, Err: o.Err, Duration: o.Duration,
			})
		},
		OnBreaker: b.metrics.Handlers.Breaker,
	}
	if b.slack != nil {
		o.Poster, o.Self = poster{b.slack}, b.identity.self
	}
	if b.rules, err = rule.NewRunner(o, rules); err != nil {
		return &config.Error{Problems: problemsOf("RULES_FILE", err)}
	}
	b.workers = append(b.workers, part{"rules", b.rules.Run})
	if b.cfg.Worker.RulesFile != "" {
		b.reloads = append(b.reloads, b.reloadRules)
	}
	return nil
}

// reloadRules reads the rules file again and puts it in force. Rules that have not changed go
// on undisturbed. When the file is wrong the old rules stay in force, and the log says
// why. It requires s.reloading.
func (s *Server) reloadRules(ctx context.Context) {
	rules, err := readRules(s.cfg, s.envOf(s.latest))
	var change rule.Change
	if err == nil {
		change, err = s.rules.Replace(ctx, rules)
	}
	if err != nil {
		s.refuseReload(ctx, "reload_rules", "the rules file cannot be used; the old rules stay in force", err)
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "rules reloaded", slog.Any("added", listed(change.Added)), slog.Any("changed", listed(change.Changed)),
		slog.Any("removed", listed(change.Removed)), slog.Any("kept", listed(change.Kept)))
}

// listed is a list that is written as one when it is empty, too.
func listed(names []string) []string { return append([]string{}, names...) }

// poster posts to Slack for rules, and says what another try is good for.
type poster struct{ slack *slackapi.Client }

// Post implements rule.Poster.
func (p poster) Post(ctx context.Context, m rule.Message) error {
	_, err := p.slack.PostMessage(ctx, slackapi.Post{Channel: m.Channel, Text: m.Text, ThreadTS: m.Thread})
	return tried(err)
}

// tried marks a failed call of Slack's for the queue. What may have been carried out is
// not repeated.
func tried(err error) error {
	fault, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return err
	}
	switch fault.Kind {
	case slackapi.RateLimited:
		return queue.RetryAfter(err, fault.RetryAfter)
	case slackapi.Unavailable, slackapi.Canceled, slackapi.Internal:
		return err
	case slackapi.NotFound, slackapi.NotInChannel, slackapi.MissingScope, slackapi.Auth, slackapi.Forbidden,
		slackapi.InvalidArgument, slackapi.Conflict, slackapi.TooLarge, slackapi.Ambiguous:
	}
	return queue.Permanent(err)
}

// ruleNames lists the rules in force.
func (s *Server) ruleNames() []string {
	names := []string{}
	if s.rules != nil {
		for _, one := range s.rules.Rules() {
			names = append(names, one.Name())
		}
	}
	return names
}
