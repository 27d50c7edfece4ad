package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/server/operate"
	"slackmcp/signin"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/operator"
)

// judge builds what decides which events people see, and lets it hear of each event of the log before
// readers do; nil where nobody signs in, and where there is no bot that could ask who is a member.
func (s *signInSide) judge(client *slackapi.Client, log *eventLog, others []webhook.Source, h *hooks) (*visibility.Judge, error) {
	if s == nil || client == nil || client.Personal() || h.identity == nil {
		return nil, nil //nolint:nilnil // people see no events, and that is no error
	}
	j, err := visibility.New(visibility.Options{
		Bot: client, People: asPeople{personCalls{s, client}}, Self: h.identity.install(s.host),
		State: s.sealed, Log: log, Sources: sourceRules(others),
		OnUnknown: h.metrics.MCP.Unknown, Logger: h.log,
	})
	if err != nil {
		return nil, err
	}
	log.window.Before(j.Apply, j.Forget)
	h.metrics.MCP.WatchVisibility(j)
	return j, nil
}

// sourceRules says who sees the events of the senders other than Slack.
func sourceRules(others []webhook.Source) map[string]visibility.SourceRule {
	rules := map[string]visibility.SourceRule{}
	for _, s := range others {
		rules[s.Name] = visibility.SourceRule{All: slices.Contains(s.People, webhook.AllPeople), List: s.People}
	}
	return rules
}

// install says where the bot is installed, once Slack has.
func (i *identity) install(host string) func() (visibility.Install, bool) {
	return func() (visibility.Install, bool) {
		select {
		case <-i.known:
		default:
			return visibility.Install{}, false
		}
		in := visibility.Install{Host: host, Enterprise: i.bot.EnterpriseID, Team: i.bot.TeamID, Bot: i.bot.UserID}
		if i.bot.EnterpriseInstall {
			in.Team = ""
		}
		return in, true
	}
}

// asPeople asks Slack as people do. It is a visibility.People.
type asPeople struct{ personCalls }

// Conversation implements visibility.People.
func (a asPeople) Conversation(ctx context.Context, p access.Person, channel string) (slackapi.Channel, error) {
	s, err := a.as(p)
	if err != nil {
		return slackapi.Channel{}, err
	}
	return s.Client().ConversationInfo(ctx, channel)
}

// Holds implements visibility.People.
func (a asPeople) Holds(ctx context.Context, p access.Person) error {
	err := a.slack.Test(ctx, p)
	if errors.As(err, new(*signin.RefusedError)) {
		return fmt.Errorf("%w: %w", access.ErrRevoked, err)
	}
	return err
}

const (
	routeExplain = "visibility/explain"
	noJudge      = "nobody is shown events by what they may see in Slack: people sign in at a server with --integrated, SIGN_IN_TEAMS and SLACK_BOT_TOKEN"
)

// An Explained is why a person sees an event or not. It has nothing of what the event says.
type Explained struct {
	visibility.Explanation

	Source  string `json:"source"`
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	Subtype string `json:"subtype,omitempty"`
}

// explain asks why a person sees an event.
type explain struct {
	Who    string `json:"who"`
	ID     string `json:"id"`
	Source string `json:"source"`
}

// serveVisibility lets an operator ask why somebody sees an event or not.
func serveVisibility(socket *operate.Server, people *signInSide, j *visibility.Judge, store queue.Queue, h *hooks) {
	socket.Handle(routeExplain, operate.Call(func(ctx context.Context, in explain) (Explained, error) {
		if j == nil {
			return Explained{}, errors.New(noJudge)
		}
		out, err := people.explain(ctx, j, store, in)
		h.operated(ctx, "visibility_explain", strings.TrimSpace(in.Who+" "+in.ID), err)
		return out, err
	}))
}

func (s *signInSide) explain(ctx context.Context, j *visibility.Judge, store queue.Queue, in explain) (Explained, error) {
	p, err := s.find(ctx, in.Who)
	if err != nil {
		return Explained{}, err
	}
	e, err := operator.Find(ctx, store, in.ID, in.Source)
	if err != nil {
		return Explained{}, err
	}
	return Explained{Explanation: j.Explain(p, &e), Source: e.Source, EventID: e.ID, Type: e.Kind.Type, Subtype: e.Kind.Subtype}, nil
}

// Explain says why a person, as Show takes them, sees an event or not; source is Slack when it is empty.
func (p People) Explain(ctx context.Context, person, id, source string) (Explained, error) {
	return operate.Ask[Explained](ctx, p.client, routeExplain, explain{person, id, source})
}
