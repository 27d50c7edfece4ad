// Package rule executes a rules file, which people write instead of a program: each rule
// matches events and acts on them, by a message to Slack, a signed webhook, a command or
// a line in the log.
//
// A rule is a consumer group of its own ("rule." and its name): its finished events, its
// retries and its dead letters outlive the process, and no rule delays another. A new rule
// begins with the events that are received from then on, unless it says start: oldest.
//
// [Parse] reads a file and finds every problem with its line. A [Runner] works a set of
// rules, which can be replaced while it runs: an unchanged rule is not interrupted, a
// changed rule continues with its group, and the group of a removed rule is dropped.
//
// Loops are prevented in three ways. No rule gets a message that a tool wrote in a person's name. A rule gets
// no event of our own bot, unless it says include_self; until Slack has answered who our bot is, no rule acts on Slack's events. A
// rule that acts too often on the messages of other bots is stopped by its breaker; the
// events that it gets meanwhile become dead letters.
//
// The content of an event is untrusted. It is escaped in a message and quoted in a log
// line; a command gets it on its standard input and never as an argument; a forwarded body
// holds no credential.
package rule

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
	"slackmcp/webhook/worker"
)

// A Rule is a Spec that can be worked. It is not changed after Parse.
type Rule struct {
	spec    Spec
	match   *matcher
	act     func(tools) (action, error)
	breaker Breaker
	each    *each // nil acts on the event itself
	// fingerprint is equal for two rules of one name that are the same rule, with the same
	// secrets.
	fingerprint [sha256.Size]byte
}

// An action acts on an event that the rule matches.
type action interface {
	do(ctx context.Context, d queue.Delivery) error
}

// Name returns the rule's name.
func (r *Rule) Name() string { return r.spec.Name }

// Group returns the name of its consumer group: that of the name which it had before, if it says so.
func (r *Rule) Group() string { return GroupOf(cmp.Or(r.spec.Was, r.spec.Name)) }

// GroupOf returns the name of the consumer group of the rule with a name.
func GroupOf(name string) string { return groupPrefix + name }

// Action returns what the rule does: "post", "forward", "run" or "log".
func (r *Rule) Action() string {
	switch {
	case r.spec.Post != nil:
		return "post"
	case r.spec.Forward != nil:
		return "forward"
	case r.spec.Run != nil:
		return "run"
	}
	return "log"
}

// CallsSlack reports whether the rule needs a bot token.
func (r *Rule) CallsSlack() bool { return r.spec.Post != nil }

// SlackTypes returns the types of Slack's events that the rule names; none where it is for others' events, or
// for whatever type comes.
func (r *Rule) SlackTypes() []string {
	w := r.match.when
	if len(w.Source) > 0 && !slices.Contains(w.Source, event.SourceSlack) {
		return nil
	}
	types := slices.Clone(w.Type)
	for _, one := range w.Any {
		if len(one.Source) == 0 || slices.Contains(one.Source, event.SourceSlack) {
			types = append(types, one.Type...)
		}
	}
	return types
}

// Matches reports whether the rule matches an event. It does not judge whether our own
// app has caused the event.
func (r *Rule) Matches(e *event.Event) bool { return r.match.match(e) }

// needsSelf reports whether the rule has to know who our bot is before it may act.
func (r *Rule) needsSelf() bool {
	return !r.spec.IncludeSelf && (len(r.match.when.Source) == 0 || slices.Contains(r.match.when.Source, event.SourceSlack))
}

func newRule(s Spec, env yamldoc.Env) (*Rule, error) {
	m, err := newMatcher(s.When)
	if err != nil {
		return nil, err
	}
	r := &Rule{spec: s, match: m, breaker: s.breaker()}
	var secrets []string
	switch {
	case s.Post != nil:
		r.act = func(t tools) (action, error) { return newPost(*s.Post, t) }
	case s.Forward != nil:
		if secrets, err = s.Forward.found(env); err != nil {
			return nil, err
		}
		r.act = func(t tools) (action, error) { return newForward(*s.Forward, env, t) }
	case s.Run != nil:
		values := map[string]string{}
		for _, name := range s.Run.Env {
			values[name] = env.Variable(name)
			secrets = append(secrets, values[name])
		}
		r.act = func(t tools) (action, error) { return newRun(s.Name, *s.Run, values, t) }
	case s.Log != nil:
		r.act = func(t tools) (action, error) { return newLog(s.Name, *s.Log, t) }
	default:
		return nil, errors.New("it has no action")
	}
	if s.Each != nil {
		if r.each, err = newEach(*s.Each); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal([]any{s, secrets})
	if err != nil {
		return nil, err
	}
	r.fingerprint = sha256.Sum256(text)
	return r, nil
}

func (s Spec) breaker() Breaker {
	var b Breaker
	if s.Breaker != nil {
		b = *s.Breaker
	}
	return Breaker{
		Limit: cmp.Or(b.Limit, 20), Within: cmp.Or(b.Within, time.Minute),
		Pause: cmp.Or(b.Pause, 5*time.Minute), Counts: cmp.Or(b.Counts, countsBots),
	}
}

// group describes the rule's consumer group to the queue; since is when the rule was
// loaded first.
func (r *Rule) group(base queue.Group, since time.Time) queue.Group {
	g := base
	g.Name = r.Group()
	g.Filter = r.match.filter(r.spec.IncludeSelf)
	g.Workers = cmp.Or(r.spec.Workers, g.Workers)
	r.spec.policy(&g.Policy)
	g.Deadline = r.deadline()
	if r.spec.Ordered == byChannel {
		g.Key = worker.ByChannel
	}
	if r.spec.Start != startOldest {
		g.Start = queue.Start{Since: since}
	}
	return g
}

// policy puts in what the rule says of its attempts. Pauses that the rule names one by one are
// asked for with each failure.
func (s *Spec) policy(p *queue.Policy) {
	if t := s.Retry; t != nil {
		p.Base, p.Cap = cmp.Or(t.First, p.Base), cmp.Or(t.Most, p.Cap)
		if n := len(t.Pauses); n > 0 {
			p.MaxAttempts, p.Base, p.Cap, p.MaxAsked = n+1, 1, 1, slices.Max(t.Pauses)
		}
	}
	p.MaxAttempts = cmp.Or(s.Attempts, p.MaxAttempts)
}

// again gives a failed attempt the pause that the rule names for it.
func (s *Spec) again(attempt int, err error) error {
	if err == nil || s.Retry == nil || len(s.Retry.Pauses) == 0 || queue.IsPermanent(err) {
		return err
	}
	if _, held := queue.Postponed(err); held {
		return err
	}
	pauses := s.Retry.Pauses
	return queue.RetryAfter(err, max(pauses[min(attempt, len(pauses))-1], queue.Pause(err)))
}

// deadline is the longest time of one attempt. It is never shorter than the timeout of
// the action, and five seconds more.
func (r *Rule) deadline() time.Duration {
	least := time.Duration(0)
	switch {
	case r.spec.Run != nil:
		least = cmp.Or(r.spec.Run.Timeout, runLimit) + 5*time.Second
	case r.spec.Forward != nil:
		least = cmp.Or(r.spec.Forward.Timeout, forwardLimit) + 5*time.Second
	}
	return max(cmp.Or(r.spec.Deadline, time.Minute), least)
}

// RunHandler returns a handler that runs a command for each event, as a rule of that name
// does. values holds the variables that s.Env names.
func RunHandler(name string, s Run, values map[string]string, log *slog.Logger) (queue.Handler, error) {
	a, err := newRun(name, s, values, tools{log: log, now: time.Now})
	if err != nil {
		return nil, err
	}
	return a.do, nil
}

// ForwardHandler returns a handler that posts each event as a signed webhook, as a rule
// does. The caller must call release when no attempt runs any more.
func ForwardHandler(s Forward, secrets []string) (h queue.Handler, release func(), err error) {
	if err := signature.CheckStandard(secrets); err != nil {
		return nil, nil, err
	}
	client, err := s.client(yamldoc.Env{})
	if err != nil {
		return nil, nil, err
	}
	if err := client.Check(s.URL); err != nil {
		return nil, nil, err
	}
	a := &forward{spec: s, secrets: secrets, client: client, now: time.Now}
	return a.do, a.close, nil
}
