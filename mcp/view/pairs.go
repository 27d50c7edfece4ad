package view

import (
	"bytes"
	"context"
	"time"

	"slackmcp/mcp/sight"
	"slackmcp/webhook/event"
)

// Pairs make one entry of the two events by which Slack tells of one message that mentions the app: a
// message and an app_mention of the same conversation and ts. The entry is the one of them that the log
// has first; the second is no entry of its own, on whichever page it comes. A filter that takes one of
// them alone knows no pair. It is used by one goroutine.
//
// Add is called for each event of a page, while it is held, and Resolve afterwards, because it reads
// the log.
type Pairs struct {
	log    sight.Log
	filter event.Filter
	added  []half
	rows   []Row
}

// NewPairs returns pairs among the events that a filter selects of a log.
func NewPairs(log sight.Log, f event.Filter) *Pairs { return &Pairs{log: log, filter: f} }

// A Row is an event of a page as it is shown.
type Row struct {
	// Event has the Types of both where it is of a pair.
	Event
	At event.Position
	// Second reports that the other event of the pair comes first in the log: this one is left out.
	Second bool
}

// A half is what of an event finds its pair.
type half struct {
	key      messageKey
	typ      string
	thread   string
	position event.Position
	received time.Time
	mentions bool // it may be one of a pair
}

type messageKey struct{ channel, ts string }

// pairPatience is how far apart the two events of a pair are received at most: Slack delivers one that
// was not taken again for about an hour.
const pairPatience = 90 * time.Minute

const (
	typeMessage = "message"
	typeMention = "app_mention"
)

// Add notes an event, which is shown as v.
func (p *Pairs) Add(e *event.Event, v Event) {
	p.rows = append(p.rows, Row{Event: v, At: e.Position})
	p.added = append(p.added, half{
		key: messageKey{e.Channel, event.TS(e.At)}, typ: e.Kind.Type, thread: e.Thread, position: e.Position,
		received: e.ReceivedAt, mentions: mayPair(e),
	})
}

// mayPair reports an event that may be one of a pair: a mention, or a message that mentions our app's
// user or, where it is not known who that is, anybody.
func mayPair(e *event.Event) bool {
	switch {
	case e.Source != event.SourceSlack, !tellsOfNew(e), e.At.IsZero():
		return false
	case e.Kind.Type == typeMention || e.Filled():
		return true
	case e.Encoding == event.JSON && !mentionsUser(e.Raw, ""):
		return false // most messages: they need not be read once more
	}
	inner, err := event.InnerJSON(e)
	if err != nil {
		return false
	}
	return mentionsUser(inner, sceneOf(e, inner).bot)
}

// mentionsUser reports whether JSON mentions a user, or anybody where user is "". An encoder may have escaped the bracket.
func mentionsUser(raw []byte, user string) bool {
	return bytes.Contains(raw, []byte("<@"+user)) || bytes.Contains(raw, []byte(`\u003c@`+user))
}

// tellsOfNew reports an event that tells of a new message.
func tellsOfNew(e *event.Event) bool {
	return isMessage(e) && e.Kind.Subtype != "message_changed" && e.Kind.Subtype != "message_deleted"
}

// Resolve returns the events that were added since the last call, in that order.
func (p *Pairs) Resolve(ctx context.Context) ([]Row, error) {
	added, rows := p.added, p.rows
	p.added, p.rows = nil, nil
	here := map[messageKey]map[string]event.Position{}
	for i := range added {
		if h := &added[i]; h.mentions && here[h.key] == nil {
			here[h.key] = map[string]event.Position{}
		}
		if h := &added[i]; h.mentions {
			here[h.key][h.typ] = h.position
		}
	}
	for i := range added {
		h := &added[i]
		if !h.mentions {
			continue
		}
		other, err := p.other(ctx, h, here[h.key])
		if err != nil {
			return nil, err
		}
		if other != "" {
			rows[i].Second, rows[i].Types = other < h.position, []string{typeMessage, typeMention}
		}
	}
	return rows, nil
}

func otherType(typ string) string {
	if typ == typeMention {
		return typeMessage
	}
	return typeMention
}

// other is the position of the other event of a pair, on this page or elsewhere in the log; "" where
// there is none.
func (p *Pairs) other(ctx context.Context, h *half, here map[string]event.Position) (at event.Position, err error) {
	if at = here[otherType(h.typ)]; at != "" {
		return at, nil
	}
	kind, err := event.ParsePattern(otherType(h.typ))
	if err != nil {
		return "", err
	}
	q := event.Query{Order: event.OldestFirst, Limit: event.MaxLimit, NoBodies: true, Filter: event.Filter{
		Source: event.SourceSlack, Channel: h.key.channel, Thread: h.thread, Patterns: []event.Pattern{kind},
		Since: h.received.Add(-pairPatience), Until: h.received.Add(pairPatience),
	}}
	err = p.log.Query(ctx, q, func(page event.Page) error {
		for i := range page.Events {
			e := &page.Events[i]
			if at == "" && event.TS(e.At) == h.key.ts && tellsOfNew(e) && p.filter.Match(e) {
				at = e.Position
			}
		}
		return nil
	})
	return at, err
}
