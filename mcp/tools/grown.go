package tools

import (
	"cmp"
	"context"
	"slices"
	"time"

	"slackmcp/mcp/sight"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// A grownThread is a thread that began before a time and got replies since then.
type grownThread struct {
	ThreadTS    string     `json:"thread_ts" doc:"of its first message"`
	Replies     int        `json:"replies,omitempty" doc:"how many came since, where known"`
	LatestReply string     `json:"latest_reply" doc:"ts of the newest of them"`
	Time        string     `json:"time,omitempty" doc:"of latest_reply"`
	Users       []string   `json:"users,omitempty" doc:"who wrote them: @name, whose id is in people, or an id"`
	Flags       view.Flags `json:"flags,omitempty"`
}

// named are threads with the names of who wrote in them, and when.
func named(r *view.Reading, threads []grownThread) []grownThread {
	threads = slices.Clone(threads) // a reading may be repeated
	for i := range threads {
		t := &threads[i]
		t.Time = r.ClockTS(t.LatestReply)
		ids := t.Users
		t.Users = make([]string, len(ids))
		for j, id := range ids {
			t.Users[j] = r.Called(id, &t.Flags)
		}
	}
	return threads
}

// grownThreads are the threads of one conversation that grew, as far as the event log tells.
type grownThreads struct {
	// Threads are those with the newest reply first.
	Threads []grownThread
	// From is the time from which on the log was read; zero where it has nothing. Where it is later
	// than the time that was asked for, threads that grew before it may be missing.
	From time.Time
	// More reports that there are more threads than were returned.
	More bool
}

// Bounds of [kit.grown].
const (
	maxGrown      = 50     // threads
	maxGrownUsers = 10     // of each one's writers
	maxGrownScan  = 20_000 // events of the conversation that are looked at
)

// grown returns, from the event log, which threads of a conversation began before a time and
// got replies since then. Replies that were deleted do not count. It looks at 20,000 events and for
// 3 seconds at most, newest first, and says in From how far it came; for a conversation the log
// begins when the bot joined it. Gaps in which nothing could be received are not known to it. Without
// a log it returns nothing.
func (k *kit) grown(ctx context.Context, channel string, since time.Time) (grownThreads, error) {
	if k.Events == nil {
		return grownThreads{}, nil
	}
	kinds, err := event.ParsePatterns("message/", "message/file_share", "message/bot_message", "message/me_message",
		"message/thread_broadcast", "message/message_deleted", "app_mention", "member_joined_channel")
	if err != nil {
		return grownThreads{}, err
	}
	g := growth{since: since, self: k.self(ctx).UserID, threads: map[string]*grownThread{}, gone: map[string]bool{}}
	q := event.Query{Filter: event.Filter{Source: event.SourceSlack, Channel: channel, Patterns: kinds, Since: since}, Limit: event.MaxLimit}
	ended, err := k.scan(ctx, k.aid, q, maxGrownScan, func(e *event.Event) bool {
		g.add(e)
		return !g.joined
	})
	if err == nil && ended {
		g.from, err = k.reaches(ctx, k.aid, since)
	}
	return g.result(), err
}

// scan hands the events that a query selects of a log to use, which keeps nothing of them, until use returns
// false. It also ends after most events or 3 seconds, and reports whether it came to the end of the log.
func (k *kit) scan(ctx context.Context, log sight.Log, q event.Query, most int, use func(*event.Event) bool) (ended bool, err error) {
	goOn := true
	for began := k.now(); goOn && !ended && most > 0 && k.now().Sub(began) < listPatience; {
		err = log.Query(ctx, q, func(page event.Page) error {
			for i := 0; i < len(page.Events) && goOn; i++ {
				goOn = use(&page.Events[i])
			}
			q.After, ended = page.Next, goOn && !page.More
			most -= max(1, len(page.Events))
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return ended, nil
}

// reaches returns since when a log has what was received since a time: that time, or
// when its oldest event came; the zero time where the log is empty.
func (k *kit) reaches(ctx context.Context, log sight.Log, since time.Time) (from time.Time, err error) {
	err = log.Query(ctx, event.Query{Order: event.OldestFirst, Limit: 1, NoBodies: true}, func(page event.Page) error {
		for i := range page.Events {
			from = page.Events[i].ReceivedAt
		}
		return nil
	})
	if from.Before(since) && !from.IsZero() {
		from = since
	}
	return from, err
}

// A growth collects replies from events, newest first.
type growth struct {
	since   time.Time
	self    string // our bot's user
	from    time.Time
	joined  bool // the bot joined the conversation then: there is nothing before
	threads map[string]*grownThread
	gone    map[string]bool // ts of replies that were deleted, or are counted
}

func (g *growth) add(e *event.Event) {
	if g.joined {
		return
	}
	g.from = e.ReceivedAt
	switch {
	case e.Kind.Type == "member_joined_channel":
		g.joined = g.self != "" && e.User == g.self
		return
	case e.Kind.Subtype == "message_deleted":
		in, err := event.Inner[struct {
			Deleted string `json:"deleted_ts"`
		}](e)
		g.gone[in.Deleted] = err == nil
		return
	}
	began, ok := fromTS(e.Thread)
	ts := event.TS(e.At) // of a message's own delivery
	if !ok || !began.Before(g.since) || e.At.Before(g.since) || ts == e.Thread || g.gone[ts] {
		return
	}
	g.gone[ts] = true // a second delivery of it does not count
	t := g.threads[e.Thread]
	if t == nil {
		t = &grownThread{ThreadTS: e.Thread, LatestReply: ts}
		g.threads[e.Thread] = t
	}
	t.Replies++
	t.LatestReply = max(t.LatestReply, ts)
	if e.User != "" && len(t.Users) < maxGrownUsers && !slices.Contains(t.Users, e.User) {
		t.Users = append(t.Users, e.User)
	}
}

func (g *growth) result() grownThreads {
	out := grownThreads{From: g.from}
	for _, t := range g.threads {
		out.Threads = append(out.Threads, *t)
	}
	slices.SortFunc(out.Threads, func(a, b grownThread) int {
		return cmp.Or(cmp.Compare(b.LatestReply, a.LatestReply), cmp.Compare(a.ThreadTS, b.ThreadTS))
	})
	if len(out.Threads) > maxGrown {
		out.Threads, out.More = out.Threads[:maxGrown], true
	}
	return out
}
