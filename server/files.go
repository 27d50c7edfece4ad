package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slackmcp/config"
	"slackmcp/internal/yamldoc"
	"slackmcp/mcp"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
	"slackmcp/webhook/signature"
	"slackmcp/webhook/worker"
)

// An Entry is one rule or one source of a file.
type Entry struct {
	Name string `json:"name"`
	// Does says in words what it does, or where it is served and how it signs.
	Does string `json:"does"`
}

// ValidateFiles looks at the files that a configuration names and returns everything that is
// wrong with them. It is what [config.Sources] takes as ValidateFiles.
func ValidateFiles(c config.Config) []config.Problem {
	if c.Mode == config.ModeMCP {
		return problemsOfChoice(c)
	}
	_, rulesErr := readRules(c, env(c))
	_, sourcesErr := readSources(c, env(c))
	return slices.Concat(problemsOf("SOURCES_FILE", sourcesErr), problemsOf("RULES_FILE", rulesErr), problemsOfWriting(c), problemsOfChoice(c))
}

// problemsOfChoice finds toolsets and tools that are chosen, and that there are not.
func problemsOfChoice(c config.Config) (problems []config.Problem) {
	if !c.Mode.MCP() {
		return nil
	}
	for _, part := range []struct {
		key string
		of  toolset.Choice
	}{{"TOOLSETS", toolset.Choice{Toolsets: c.MCP.Toolsets}}, {"TOOLS", toolset.Choice{Tools: c.MCP.Tools}}} {
		_, err := mcp.Offer(part.of, true, c.Mode.Webhook() || c.Mode == config.ModeMCP, toolset.Grant{})
		if err == nil {
			continue
		}
		for line := range strings.Lines(err.Error()) {
			what, remedy, _ := strings.Cut(strings.TrimSpace(line), ": ")
			problems = append(problems, config.Problem{Setting: part.key, What: "has an " + what, Remedy: remedy})
		}
	}
	return problems
}

// problemsOfWriting finds rules of writing that no conversation can match.
func problemsOfWriting(c config.Config) (problems []config.Problem) {
	for _, list := range []struct {
		setting string
		rules   []string
	}{{"CHANNELS_ALLOW", c.MCP.ChannelsAllow}, {"CHANNELS_DENY", c.MCP.ChannelsDeny}} {
		for _, s := range list.rules {
			if _, err := guard.ParseRule(s); err != nil {
				problems = append(problems, config.Problem{Setting: list.setting, What: fmt.Sprintf("has %q, which matches no conversation", s), Remedy: err.Error()})
			}
		}
	}
	return problems
}

// CheckRules reads a rules file as a server does. The error is a *config.Error.
func CheckRules(c config.Config, file string) ([]Entry, error) {
	rules, err := parseRules(c, file, env(c))
	if err != nil {
		return nil, &config.Error{Problems: problemsOf("RULES_FILE", err)}
	}
	list := []Entry{}
	for _, one := range rules {
		list = append(list, Entry{one.Name(), one.Action() + ", group " + one.Group()})
	}
	return list, nil
}

// RulesNeed returns what the file of RULES_FILE wants of the Slack app: types of events, and whether it posts.
// The error is a *config.Error.
func RulesNeed(c config.Config) (types []string, posts bool, err error) {
	if c.Worker.RulesFile == "" {
		return nil, false, nil
	}
	rules, err := parseRules(c, c.Worker.RulesFile, env(c))
	if err != nil {
		return nil, false, &config.Error{Problems: problemsOf("RULES_FILE", err)}
	}
	for _, one := range rules {
		types, posts = append(types, one.SlackTypes()...), posts || one.CallsSlack()
	}
	return types, posts, nil
}

// CheckSources reads a sources file as a server does. The error is a *config.Error.
func CheckSources(c config.Config, file string) ([]Entry, error) {
	sources, err := parseSources(c, file, env(c))
	if err != nil {
		return nil, &config.Error{Problems: problemsOf("SOURCES_FILE", err)}
	}
	list := []Entry{}
	for _, s := range sources {
		does := webhook.SourcePath + s.Name + ", signed as " + signedAs(s)
		if n := s.LongestBody(); n > 0 {
			does += fmt.Sprintf("; bodies of up to %d bytes are taken", n)
		}
		list = append(list, Entry{s.Name, does})
	}
	return list, nil
}

// RulesSchema is the JSON Schema of rules files.
func RulesSchema() ([]byte, error) { return rule.Schema() }

// SourcesSchema is the JSON Schema of sources files.
func SourcesSchema() ([]byte, error) { return webhook.SourcesSchema() }

// problemsOf says what is wrong with a file in a configuration's words.
func problemsOf(setting string, err error) []config.Problem {
	if err == nil {
		return nil
	}
	doc, ok := errors.AsType[*yamldoc.Error](err)
	if !ok {
		return []config.Problem{{Setting: setting, What: "cannot be used (" + err.Error() + ")", Remedy: "correct the file, or name another"}}
	}
	var list []config.Problem
	for _, p := range doc.Problems {
		list = append(list, config.Problem{Setting: doc.File, What: p.String()})
	}
	return list
}

// env is where files find the variables that they name. What they find is kept out of the
// logs of the configuration.
func env(c config.Config) yamldoc.Env {
	return yamldoc.Env{Lookup: c.Variable, ReadFile: config.ReadFile, OnSecret: c.Learn}
}

// readRules reads the rules file; no file is no rules.
func readRules(c config.Config, e yamldoc.Env) ([]*rule.Rule, error) {
	if c.Worker.RulesFile == "" || !c.Mode.Webhook() {
		return nil, nil
	}
	rules, err := parseRules(c, c.Worker.RulesFile, e)
	if err != nil {
		return nil, err
	}
	for _, one := range rules {
		if one.CallsSlack() && !c.Slack.BotToken.IsSet() && !c.Sandbox {
			return nil, fmt.Errorf("rule %s posts to Slack, and SLACK_BOT_TOKEN is not set", one.Name())
		}
	}
	return rules, nil
}

func parseRules(c config.Config, file string, e yamldoc.Env) ([]*rule.Rule, error) {
	content, err := config.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return rule.Parse(file, content, e, senders(c, e))
}

// senders are the sources that rules may name, beside those of Slack: also those whose secret is
// missing where only the rules are looked at.
func senders(c config.Config, e yamldoc.Env) []rule.Sender {
	list := []rule.Sender{}
	further := []webhook.Source{{Name: sourceContact}, {Name: sourceStripe, Scheme: signature.HexOrStripe}}
	if c.Senders.SourcesFile != "" {
		named, _ := parseSources(c, c.Senders.SourcesFile, e) // Its problems are told where it is served.
		further = append(named, further...)
	}
	for _, s := range further {
		if slices.ContainsFunc(list, func(one rule.Sender) bool { return one.Name == s.Name }) {
			continue // The file's replaces it.
		}
		one := rule.Sender{Name: s.Name, Typed: s.Typed()}
		one.Headers, _ = s.KeptHeaders() // Its problems are told where it is served.
		list = append(list, one)
	}
	return list
}

// readSources reads the sources file; no file is no sources.
func readSources(c config.Config, e yamldoc.Env) ([]webhook.Source, error) {
	if c.Senders.SourcesFile == "" || !c.Mode.Webhook() {
		return nil, nil
	}
	return parseSources(c, c.Senders.SourcesFile, e)
}

func parseSources(c config.Config, file string, e yamldoc.Env) ([]webhook.Source, error) {
	content, err := config.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return webhook.ParseSources(file, content, e, c.Listen.PublicURL)
}

// newRules builds the runner of the rules; nil without a webhook side. Without a file it only
// logs the groups that are left over.
func newRules(cfg config.Config, store queue.Queue, receiver *webhook.Receiver, client *slackapi.Client, who *identity, h *hooks) (*rule.Runner, error) {
	if !cfg.Mode.Webhook() {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	rules, err := readRules(cfg, env(cfg))
	if problems := problemsOf("RULES_FILE", err); problems != nil {
		return nil, &config.Error{Problems: problems}
	}
	o := rule.Options{
		Queue: store,
		Group: queue.Group{
			Workers: cfg.Worker.Workers, Drain: cfg.Drain,
			Policy: queue.Policy{MaxAttempts: cfg.Worker.MaxAttempts},
		},
		// Without a file nobody has said that the rules are gone.
		Exclusive: cfg.Queue.Backend.Embedded() && cfg.Worker.RulesFile != "",
		Logger:    h.log,
		OnAttempt: func(o rule.Observation) {
			w := worker.Observation{
				Group: o.Group, Pattern: o.Action, Source: o.Source, ID: o.ID, Attempt: o.Attempt, Err: o.Err, Duration: o.Duration,
			}
			h.metrics.Handlers.Observe(w)
			h.tried(attemptOf(w), w.Err)
		},
		OnBreaker: h.metrics.Handlers.Breaker,
		Patience:  cfg.Worker.TargetPatience,
		Backlog:   int64(max(1, cfg.Queue.RetentionCount/backlogShare)),
		Longest:   receiver.LongestBody,
	}
	o.Assistant = func(ctx context.Context, e *event.Event) (bool, error) { return h.posts.Assistant(ctx, e, who.botUser) }
	if client != nil {
		o.Poster, o.Self = poster{client, h.posts}, who.self
	}
	runner, err := rule.NewRunner(o, rules)
	if err != nil {
		return nil, &config.Error{Problems: problemsOf("RULES_FILE", err)}
	}
	return runner, nil
}

// backlogShare is which share of RETENTION_COUNT may wait for a rule whose target refuses.
const backlogShare = 10

// refusing is the problem that targets of rules refuse.
func refusing(rules *rule.Runner) (p web.Problem) {
	list := rules.Refusing()
	for i, r := range list {
		if i > 0 {
			p.What += "; "
		}
		p.What += fmt.Sprintf("the target of the rule %s has refused since %s", r.Rule, r.Since.UTC().Format(time.RFC3339))
		if r.DeadLetters > 0 {
			p.What += fmt.Sprintf(", and %d events became dead letters", r.DeadLetters)
		}
	}
	if len(list) > 0 {
		p.Remedy = "mend the target, or change or remove the rule; dead letters are given back by: slack-webhook-server dead-letters redrive"
	}
	return p
}

// listed is a list that is written as one when it is empty, too.
func listed(names []string) []string { return append([]string{}, names...) }

// poster posts to Slack for rules, and says what another try is good for.
type poster struct {
	slack *slackapi.Client
	posts *view.Posts
}

// Post implements rule.Poster.
func (p poster) Post(ctx context.Context, m rule.Message) error {
	posted, err := p.slack.PostMessage(ctx, slackapi.Post{Channel: m.Channel, Text: m.Text, Blocks: m.Blocks, ThreadTS: m.Thread})
	if err != nil {
		return tried(err)
	}
	switch m.Words {
	case rule.WordsFixed:
		p.posts.Fixed(ctx, posted.Channel, posted.TS)
	case rule.WordsOfEvent:
		p.posts.Told(ctx, posted.Channel, posted.TS, m.Event)
	case rule.WordsUnknown: // and so is the post's author
	}
	return nil
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
	case slackapi.Unavailable:
		return rule.Refused(err)
	case slackapi.Canceled, slackapi.Internal:
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
