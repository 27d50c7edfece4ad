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

// Clicks follows the events that may be clicks on a question. The follower has to be
// closed.
func Clicks(log event.Log, id ID) *event.Follower {
	pattern, _ := event.ParsePattern(kind) // it is a plain word
	return event.Follow(log, event.Query{
		Filter: event.Filter{Source: event.SourceSlack, Channel: id.Channel, Patterns: []event.Pattern{pattern}},
		After:  id.After, Limit: pageSize,
	})
}

// First reads a page of [Clicks] and returns the first click that answers the question;
// nil is no answer yet. A position that the store does not know any more is the store's
// beginning. more reports that the store has events that were not looked at.
func First(ctx context.Context, clicks *event.Follower, id ID) (c *Click, more bool, err error) {
	page, err := clicks.Read(ctx)
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired && clicks.Position() != "" {
		clicks.Seek("")
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	for i := range page.Events {
		if c, ok := ReadClick(&page.Events[i]); ok && c.ID.TS == id.TS && c.Counts() {
			return &c, false, nil
		}
	}
	return nil, page.More, nil
}
