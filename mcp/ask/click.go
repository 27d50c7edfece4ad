package ask

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// A Click is a person's use of a question's button.
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

// kind is that of the events that report clicks.
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
	err = clicks.Read(ctx, func(page event.Page) error {
		more = page.More
		for i := range page.Events {
			if click, ok := ReadClick(&page.Events[i]); ok && click.ID.TS == id.TS && click.Counts() {
				c, more = &click, false
				return nil
			}
		}
		return nil
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired && clicks.Position() != "" {
		clicks.Seek("")
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return c, more, nil
}

// A Slack changes the message of a question, and answers a click; a [slackapi.Client]
// is one.
type Slack interface {
	UpdateMessage(ctx context.Context, u slackapi.Update) (slackapi.Posted, error)
	Respond(ctx context.Context, responseURL string, r slackapi.Response) error
}

// errBehind says that the log does not show yet what is being handled.
var errBehind = errors.New("the log of events has not reached this click yet")

// Settle handles one event. A click that answers a question takes the buttons out of its
// message and puts the answer there, so that it cannot be clicked again; a person whose
// click does not count is answered why. To settle an event twice is the same as once. An
// event that is no click changes nothing.
func Settle(ctx context.Context, log event.Log, slack Slack, e *event.Event) error {
	c, ok := ReadClick(e)
	if !ok {
		return nil
	}
	if !c.Counts() {
		return answer(ctx, slack, &c, "This question is for "+mentions(c.Who)+".")
	}
	clicks := Clicks(log, c.ID)
	defer clicks.Close()
	var first *Click
	for more := true; first == nil && more; {
		var err error
		if first, more, err = First(ctx, clicks, c.ID); err != nil {
			return err
		}
	}
	if first == nil {
		return errBehind
	}
	if err := show(ctx, slack, first); err != nil {
		return err
	}
	if first.EventID == c.EventID {
		return nil
	}
	return answer(ctx, slack, &c, "<@"+first.User+"> has answered already: "+escape(first.Choice))
}

// show puts the answer in the place of the buttons. A message that is gone needs no change.
func show(ctx context.Context, slack Slack, c *Click) error {
	in, err := event.Inner[event.Interaction](&c.Event)
	if err != nil {
		return err
	}
	var message struct {
		Text   string `json:"text"`
		Blocks []struct {
			ID   string          `json:"block_id"`
			Text json.RawMessage `json:"text"`
		} `json:"blocks"`
	}
	if len(in.Message) > 0 {
		if err := json.Unmarshal(in.Message, &message); err != nil {
			return err
		}
	}
	blocks := []object{}
	for _, b := range message.Blocks {
		if b.ID == questionBlock && len(b.Text) > 0 {
			blocks = append(blocks, object{"type": "section", "block_id": questionBlock, "text": b.Text})
		}
	}
	said := ":white_check_mark: *" + escape(c.Choice) + "* (answered by <@" + c.User + ">)"
	raw, err := json.Marshal(append(blocks, note(said)))
	if err != nil {
		return err
	}
	_, err = slack.UpdateMessage(ctx, slackapi.Update{Channel: c.ID.Channel, TS: c.ID.TS, Text: message.Text + "\n" + said, Blocks: raw})
	return unlessGone(err)
}

// answer writes to the person who clicked, and to no other. An address that is used up
// or too old is no reason to try again.
func answer(ctx context.Context, slack Slack, c *Click, text string) error {
	for _, url := range event.ResponseURLs(&c.Event) {
		return unlessGone(slack.Respond(ctx, url, slackapi.Response{Text: text}))
	}
	return nil
}

// unlessGone drops the errors that no other attempt would cure.
func unlessGone(err error) error {
	fault, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return err
	}
	switch fault.Kind { //nolint:exhaustive // the others are worth another attempt
	case slackapi.NotFound, slackapi.InvalidArgument, slackapi.Forbidden, slackapi.Conflict, slackapi.Ambiguous, slackapi.Internal:
		return nil
	}
	return err
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "\u2217")

// escape keeps a label from being read as markup.
func escape(s string) string { return escaper.Replace(s) }
