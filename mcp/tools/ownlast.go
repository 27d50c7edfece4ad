package tools

import (
	"context"
	"sync"
	"time"

	"slackmcp/webhook/event"
)

// How far back a wait without a cursor looks for the bot's own last message: a thread has little
// else, a channel may have much.
const (
	ownInThread   = 24 * time.Hour
	ownInChannel  = time.Hour
	maxOwnScan    = 5000 // events
	maxOwnPosts   = 1000
	clockPatience = 10 * time.Minute // how much later than Slack's our clock may be
)

// ownPosts remembers the newest messages that this process posted: the event of one may come after the
// answer to it, or never. It is safe for concurrent use.
type ownPosts struct {
	mu   sync.Mutex
	list []ownPost // a ring; guarded by mu, as is next
	next int
}

// An ownPost is one of them. A message outside every thread is of the thread that it may get.
type ownPost struct{ channel, thread, ts string }

func (o *ownPosts) add(p ownPost) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) < maxOwnPosts {
		o.list = append(o.list, p)
		return
	}
	o.list[o.next] = p
	o.next = (o.next + 1) % maxOwnPosts
}

// last returns the time of the newest message that a filter's channel and thread take; the zero time
// where there is none.
func (o *ownPosts) last(f *event.Filter) (at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.list {
		if f.Channel != "" && f.Channel != p.channel || f.Thread != "" && f.Thread != p.thread {
			continue
		}
		if t, ok := fromTS(p.ts); ok && t.After(at) {
			at = t
		}
	}
	return at
}

// ownLast returns when our own app last posted in the channel or the thread that a filter names, by Slack's
// clock; the zero time where it did not within a day (of a thread) or an hour.
func (k *kit) ownLast(ctx context.Context, f event.Filter) (at time.Time, err error) {
	if f.Channel == "" && f.Thread == "" || f.Source != "" && f.Source != event.SourceSlack {
		return at, nil
	}
	since := k.now().Add(-ownInChannel)
	if f.Thread != "" {
		since = k.now().Add(-ownInThread)
	}
	at = k.own.last(&f)
	kinds, err := event.ParsePatterns("message")
	if err != nil {
		return at, err
	}
	f = event.Filter{Source: event.SourceSlack, Channel: f.Channel, Thread: f.Thread, Patterns: kinds, Since: since}
	self := k.self(ctx).UserID
	_, err = k.scan(ctx, k.log, event.Query{Filter: f, Limit: event.MaxLimit, NoBodies: true}, maxOwnScan, func(e *event.Event) bool {
		// Another user is a person in whose name a tool wrote.
		own := e.FromSelf && (e.User == "" || self == "" || e.User == self) && e.Kind.Subtype != "message_changed" && e.Kind.Subtype != "message_deleted"
		if own && e.At.After(at) {
			at = e.At
		}
		return !own
	})
	if at.Before(since) {
		at = time.Time{}
	}
	return at, err
}

// cursorNow is where a wait goes on that is to return what comes from now on; "" where the caller sees none.
func (k *kit) cursorNow() string {
	if !k.aid.Sees() {
		return ""
	}
	return placeAt(k.aid.Cursor(waitQuestion), k.aid.Newest())
}
