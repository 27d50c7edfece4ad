package ask

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"slackmcp/webhook/event"
)

// A Click is somebody's use of a question's button.
type Click struct {
	ID      ID
	EventID string
	User    string // id
	// Choice is the label of the button; Who are those whose click counts, empty is all.
	Choice string
	Who    []string
	// Event is what was received; it holds the response URL.
	Event event.Event
}

// Counts reports whether the click answers the question.
func (c *Click) Counts() bool { return len(c.Who) == 0 || slices.Contains(c.Who, c.User) }

// kind is that of the events that tell of clicks.
const kind = "block_actions"

// ReadClick reads a click on a question out of an event, and reports whether it is one.
func ReadClick(e *event.Event) (Click, bool) {
	if e.Source != event.SourceSlack || e.Kind.Type != kind {
		return Click{}, false
	}
	in, err := event.Inner[event.Interaction](e)
	if err != nil || len(in.Actions) == 0 || in.User.ID == "" {
		return Click{}, false
	}
	a := in.Actions[0]
	var t terms
	if !strings.HasPrefix(a.ActionID, actionPrefix) || json.Unmarshal([]byte(a.Value), &t) != nil {
		return Click{}, false
	}
	return Click{
		ID:      ID{Channel: e.Channel, TS: in.Container.MessageTS, After: t.After},
		EventID: e.ID, User: in.User.ID, Choice: t.Choice, Who: t.Who, Event: *e,
	}, true
}

// pageSize is how many clicks of a channel are looked at in one query.
const pageSize = 100

// First looks for the first click that answers a question, from a position on, and
// returns the position up to which it has looked. A position that the store no longer
// knows is the store's beginning. nil is no answer yet; more reports that the store has
// events that were not looked at.
func First(ctx context.Context, log event.Log, id ID, after event.Position) (c *Click, next event.Position, more bool, err error) {
	pattern, err := event.ParsePattern(kind)
	if err != nil {
		return nil, after, false, err
	}
	page, err := log.Query(ctx, event.Query{
		Filter: event.Filter{Source: event.SourceSlack, Channel: id.Channel, Patterns: []event.Pattern{pattern}},
		After:  after, Order: event.OldestFirst, Limit: pageSize,
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired && after != "" {
		return nil, "", true, nil
	}
	if err != nil {
		return nil, after, false, err
	}
	next = after
	if page.Next != "" {
		next = page.Next
	}
	for i := range page.Events {
		if c, ok := ReadClick(&page.Events[i]); ok && c.ID.TS == id.TS && c.Counts() {
			return &c, next, false, nil
		}
	}
	return nil, next, page.More, nil
}
