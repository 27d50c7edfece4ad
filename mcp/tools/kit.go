package tools

import (
	"cmp"
	"errors"
	"time"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// Options configure the tools.
type Options struct {
	// Events is the log of received events. Without it the events tools are left out.
	Events event.Log
	// Operator works the queue; without it the admin tools are left out.
	Operator operator.Store
	// Slack makes the calls. Without it all tools but those of events are left out,
	// and names cannot be resolved.
	Slack *slackapi.Client
	// Names and Guard are required with Slack.
	Names *names.Resolver
	Guard *guard.Guard
	// Lockdown withholds the words of authors who are not known to be of the workspace.
	Lockdown bool
	// MaxWaits bounds the calls that wait for events at once; 0 is 200. One principal
	// may hold a quarter of them.
	MaxWaits int
	// Asked is told that somebody asks people with buttons, before they can click; nil is
	// nobody. It must return at once.
	Asked func()
}

const defaultMaxWaits = 200

// A kit is what the tools share.
type kit struct {
	Options
	waits *waitingRoom
	now   func() time.Time
}

func newKit(o Options) (*kit, error) {
	switch {
	case o.MaxWaits < 0:
		return nil, errors.New("tools: MaxWaits is negative")
	case o.Slack != nil && o.Names == nil:
		return nil, errors.New("tools: Names is required with Slack")
	case o.Slack != nil && o.Guard == nil:
		return nil, errors.New("tools: Guard is required with Slack")
	}
	o.MaxWaits = cmp.Or(o.MaxWaits, defaultMaxWaits)
	return &kit{Options: o, waits: newWaitingRoom(o.MaxWaits), now: time.Now}, nil
}
