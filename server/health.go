package server

import (
	"fmt"
	"time"

	"slackmcp/config"
	"slackmcp/internal/clock"
	"slackmcp/server/web"
	"slackmcp/slackapi/socketmode"
	"slackmcp/webhook/rule"
)

// socketGrace is for how long there may be no connection of Socket Mode before that is a
// problem: a connection that breaks is opened again within it, also after a few failures.
const socketGrace = 30 * time.Second

// newHealth says what health answers show.
func newHealth(cfg config.Config, store *watchedStore, keeper *gapKeeper, a assistantSide, slackSocket *socketmode.Client, who *identity, rules *rule.Runner) *web.Health {
	o := web.HealthOptions{
		Store: store, Trouble: store.troubled, Slack: who.String, Notes: notes(cfg), AdminToken: cfg.Admin.Token.Reveal(),
	}
	o.Problems = append(o.Problems, store.damaged)
	if store.clock != nil {
		o.Problems = append(o.Problems, func() web.Problem { return wrongClock(store.clock) })
	}
	if store.backups != nil {
		o.Problems = append(o.Problems, store.backups.problem)
	}
	if a.journal != nil {
		o.Newest = a.journal.Newest
	}
	if keeper != nil {
		o.OpenGaps = keeper.ledger.OpenGaps
		o.Problems = append(o.Problems, keeper.refusing)
	}
	if rules != nil {
		o.Problems = append(o.Problems, func() web.Problem { return refusing(rules) })
	}
	if who != nil {
		o.Problems = append(o.Problems, who.problem)
	}
	if slackSocket != nil {
		o.SocketMode = func() string { s, _ := slackSocket.State(); return string(s) }
		grace := min(socketGrace, cfg.Receive.GapAfter)
		o.Problems = append(o.Problems, func() web.Problem { return noConnection(slackSocket, grace) })
	}
	return web.NewHealth(o)
}

// wrongClock is the problem that a clock is not to be believed.
func wrongClock(guard *clock.Guard) (p web.Problem) {
	for _, d := range guard.Doubts() {
		way, witness := "ahead of", "the time that has passed since the start"
		if d.Differs < 0 {
			way = "behind"
		}
		if d.Slack {
			witness = "Slack's"
		}
		p.What = fmt.Sprintf("%s is %s %s %s", d.Of, d.Differs.Abs().Round(time.Minute), way, witness)
		if d.Left > 0 {
			p.What += fmt.Sprintf(": for %s nothing is removed because of its age, and no id is forgotten", d.Left.Round(time.Hour))
		}
		p.Remedy = "set the clock, and let it be kept right (NTP); where it is right, restart the server"
	}
	return p
}

// refusing is the problem that Slack's deliveries have been refused for long.
func (k *gapKeeper) refusing() (p web.Problem) {
	if d := k.ledger.Refusing(); d > 0 {
		p.What = fmt.Sprintf("for %s every delivery of Slack's, or what may be one, has been answered 429 or 503", d.Round(time.Second))
		p.Remedy = "look at deliveries_total and the log for the reason: a store that takes nothing, or a server that is too busy; behind a proxy, set TRUSTED_PROXIES"
	}
	return p
}

// noConnection is the problem that Slack can deliver over no connection.
func noConnection(c *socketmode.Client, grace time.Duration) (p web.Problem) {
	if state, without := c.State(); without > grace {
		p.What = fmt.Sprintf("for %s there has been no Socket Mode connection (%s)", without.Round(time.Second), state)
		p.Remedy = state.Remedy()
	}
	return p
}
