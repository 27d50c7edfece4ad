package tools

import (
	"context"
	"slices"
	"strings"
	"time"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Bounds of the messages among which threads that grew are looked for in Slack: one call.
const (
	grownParents = 200
	grownAge     = 7 * 24 * time.Hour
)

// missed puts into what was read of a channel since a time the threads that began before it and got
// replies since: from the event log where that reaches back so far, else also from one page of the
// channel's messages before that time. Note and threadsSince say where it stopped. What cannot be found out fails
// nothing.
func (k *kit) missed(ctx context.Context, by *reader, oldest string, o *messagesOut) {
	since, ok := fromTS(oldest)
	if !ok {
		return
	}
	var g grownThreads
	var err error
	if by.ReadAs == "" && !k.person { // of a conversation that the bot is not in the log has nothing
		g, err = k.grown(ctx, o.Channel, since)
	}
	said := ""
	if err == nil && (g.From.IsZero() || g.From.After(since)) {
		o.threadsSince, err = k.grownInSlack(ctx, by.api, o.Channel, oldest, since, &g)
	}
	if err != nil {
		o.threadsSince = time.Time{}
		said = "Which older threads got replies could not be found out wholly: " + k.fault(err)
	}
	if g.More {
		said += " There are more older_threads than are listed."
	}
	o.OlderThreads, o.Note = g.Threads, strings.TrimSpace(o.Note+" "+said)
}

// grownInSlack adds the threads whose first message is among the 200 before a time, and of the 7 days
// before it, and says since when these are. An app that Slack lets read once a minute does not look.
func (k *kit) grownInSlack(ctx context.Context, api *slackapi.Client, channel, oldest string, since time.Time, g *grownThreads) (from time.Time, err error) {
	if k.Slack.Capped() {
		return from, fault("rate_limited: Slack allows this app one such request a minute.")
	}
	if from = since.Add(-grownAge); from.Unix() < 0 {
		from = time.Unix(0, 0)
	}
	q := slackapi.HistoryQuery{Channel: channel, Oldest: event.TS(from), Latest: oldest, Limit: grownParents}
	page, err := api.History(ctx, q)
	if err != nil {
		return from, err
	}
	for i := range page.Messages {
		m := &page.Messages[i]
		known := slices.ContainsFunc(g.Threads, func(t grownThread) bool { return t.ThreadTS == m.TS })
		switch {
		case m.LatestReply <= oldest || known:
		case len(g.Threads) >= maxGrown:
			g.More = true
		default:
			g.Threads = append(g.Threads, grownThread{ThreadTS: m.TS, LatestReply: m.LatestReply})
		}
	}
	slices.SortFunc(g.Threads, func(a, b grownThread) int { return strings.Compare(b.LatestReply, a.LatestReply) })
	if n := len(page.Messages); page.HasMore && n > 0 {
		if t, ok := fromTS(page.Messages[n-1].TS); ok {
			from = t
		}
	}
	return from, nil
}
