package ask

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Kinds are the patterns of the events that [Questions.Settle] has to see: clicks, and
// changes and deletions of messages.
func Kinds() []string {
	return []string{"block_actions", "message/message_deleted", "message/message_changed"}
}

// A click is a person's use of a question's button, as Slack's payload tells it.
type click struct {
	AppID string `json:"api_app_id"`
	Team  struct {
		ID string `json:"id"`
	} `json:"team"`
	Enterprise struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		Type      string `json:"type"`
		MessageTS string `json:"message_ts"`
		ChannelID string `json:"channel_id"`
		Ephemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Actions []event.Action `json:"actions"`
	Message shownMessage   `json:"message"`

	event *event.Event
}

// readClick reads a click on a question out of an event, and reports whether it is one.
func readClick(e *event.Event) (click, bool) {
	if e.Source != event.SourceSlack || e.Kind.Type != "block_actions" {
		return click{}, false
	}
	c, err := event.Inner[click](e)
	c.event = e
	reserved := func(a event.Action) bool { return strings.HasPrefix(a.ActionID, slackapi.ReservedID) }
	return c, err == nil && c.User.ID != "" && slices.ContainsFunc(c.Actions, reserved)
}

// What a person reads whose click did not count.
const (
	saidOld       = "This question was asked by an earlier version of the app, so your answer cannot be taken. Ask for the question to be asked again."
	saidUnknown   = "This question is not open any more. Ask for it to be asked again."
	saidAltered   = "This message is not the one that was posted: it was changed, or copied. Your answer was not taken, and the question has ended. It has to be asked again."
	saidElsewhere = "Your answer was not taken: it comes from another workspace than the question."
	saidBot       = "Answers of bots and of accounts that are switched off do not count."
	saidMembers   = "This question is for full members of the workspace."
	saidScope     = "Your answer was not taken: the app may not look up who you are. Its operator has to give it the scope users:read."
	saidWithdrawn = "This question was withdrawn."
	saidExpired   = "The time for this question is up. Ask for it to be asked again."
)

// boundWithin is how long a click waits for the answer to the post that it is a click on.
const (
	boundWithin = 10 * time.Second
	boundLook   = 100 * time.Millisecond
)

// Settle handles one event. A click that counts ends its question with an answer, and one in
// another message than the one that was posted ends it without; the message then says so,
// and has no buttons. A person whose click does not count is answered why. The deletion of
// a question's message withdraws it, and a change of it ends it without an answer. To settle an event twice is the same as once; other
// events change nothing.
func (q *Questions) Settle(ctx context.Context, e *event.Event) error {
	if c, ok := readClick(e); ok {
		said, err := q.click(ctx, &c)
		if err != nil || said == "" {
			return err
		}
		return q.answer(ctx, &c, said)
	}
	return q.change(ctx, e)
}

// click judges a click, and returns what its person is to be told.
func (q *Questions) click(ctx context.Context, c *click) (said string, err error) {
	id, choice, ok := parseButton(c.Actions[0].Value)
	if !ok {
		return saidOld, nil
	}
	r, err := q.bound(ctx, id, c.event.ReceivedAt)
	if errors.Is(err, ErrNotKept) {
		return saidUnknown, nil
	}
	if err != nil {
		return "", err
	}
	switch {
	case r.Status != Open:
		return q.over(ctx, &r, c)
	case !r.in(c):
		return saidElsewhere, nil
	case !r.shows(c, choice):
		return q.alter(ctx, &r, c)
	}
	if said, err = q.may(ctx, &r, c.User.ID); err != nil || said != "" {
		return said, err
	}
	if r, _, err = q.end(ctx, r.ID, func(r *Row) {
		r.Status = Answered
		r.Answer = &Answer{Choice: choice, User: c.User.ID, EventID: c.event.ID, At: c.event.ReceivedAt.UTC()}
	}); err != nil {
		return "", err
	}
	return q.over(ctx, &r, c)
}

// bound returns a question, once it is known where it stands or that it has ended. After
// ten seconds it returns it as it is.
func (q *Questions) bound(ctx context.Context, id string, received time.Time) (Row, error) {
	for {
		r, err := q.Read(ctx, id)
		if err != nil || r.TS != "" || r.Status != Open || q.now().Sub(received) >= boundWithin {
			return r, err
		}
		if err := wait.Sleep(ctx, boundLook); err != nil {
			return r, err
		}
	}
}

// in reports whether a click was made in the workspace, or the organisation, of the question.
func (r *Row) in(c *click) bool {
	return c.Team.ID != "" && c.Team.ID == r.Team || c.Enterprise.ID != "" && c.Enterprise.ID == r.Enterprise
}

// shows reports whether a click was made in the very message that was posted, as it was
// posted, and on the button that it says.
func (r *Row) shows(c *click, choice int) bool {
	switch {
	case r.TS == "" || c.AppID != r.App || c.Container.Ephemeral,
		c.Container.MessageTS != r.TS || c.Message.TS != r.TS,
		c.Container.ChannelID != r.Channel || c.Channel.ID != r.Channel,
		len(c.Actions) != 1 || choice < 0 || choice >= len(r.Choices),
		c.Actions[0].ActionID != actionID(choice) || c.Actions[0].BlockID != buttonsBlock:
		return false
	}
	shown, err := c.Message.fingerprint()
	return err == nil && shown == r.Shown
}

// may says why a user may not answer; "" where they may.
func (q *Questions) may(ctx context.Context, r *Row, user string) (said string, err error) {
	if len(r.Who) > 0 && !slices.Contains(r.Who, user) {
		return "This question is for " + mentions(r.Who) + ".", nil
	}
	u, err := q.o.Slack.UserInfo(ctx, user)
	if fault, ok := errors.AsType[*slackapi.Error](err); ok {
		switch fault.Kind { //nolint:exhaustive // the others are worth another attempt
		case slackapi.NotFound, slackapi.InvalidArgument:
			return saidBot, nil
		case slackapi.MissingScope:
			q.log.LogAttrs(ctx, slog.LevelWarn, "an answer to a question was not taken: give the app the scope users:read, and install it again", slog.String("user", user))
			return saidScope, nil
		}
	}
	switch {
	case err != nil:
		return "", err
	case u.ID != user || u.IsBot || u.Deleted || user == slackbot:
		return saidBot, nil
	case len(r.Who) > 0:
		return "", nil
	case u.IsRestricted || u.IsUltraRestricted || u.IsStranger || u.IsInvitedUser || !r.ours(&u):
		return saidMembers, nil
	}
	return "", nil
}

// slackbot is Slack's own bot, which Slack does not call one.
const slackbot = "USLACKBOT"

// ours reports whether a user is of the workspace, or of the organisation, that asks.
func (r *Row) ours(u *slackapi.User) bool {
	return u.TeamID != "" && u.TeamID == r.Team ||
		r.Enterprise != "" && (u.EnterpriseUser.EnterpriseID == r.Enterprise || u.TeamID == r.Enterprise)
}

// alter ends a question that was clicked in another message than the one that was posted.
func (q *Questions) alter(ctx context.Context, r *Row, c *click) (said string, err error) {
	kept, ended, err := q.end(ctx, r.ID, func(r *Row) { r.Status = Altered })
	if err != nil {
		return "", err
	}
	if ended {
		q.log.LogAttrs(ctx, slog.LevelWarn, "a question was altered",
			slog.String("principal", r.Principal), slog.String("channel", r.Channel), slog.String("ts", r.TS),
			slog.String("user", c.User.ID), slog.String("clicked_in", c.Container.ChannelID), slog.String("clicked_ts", c.Container.MessageTS))
	}
	return q.over(ctx, &kept, c)
}

// over shows in its message how a question has ended, and returns what a person who
// clicked is to be told: nothing where this click is the answer.
func (q *Questions) over(ctx context.Context, r *Row, c *click) (said string, err error) {
	if err := q.show(ctx, r); err != nil {
		return "", err
	}
	switch r.Status {
	case Answered:
		if r.Answer.EventID == c.event.ID {
			return "", nil
		}
		return "<@" + r.Answer.User + "> has answered already: " + escape(r.Choice()), nil
	case Altered:
		return saidAltered, nil
	case Withdrawn:
		return saidWithdrawn, nil
	case Expired:
		return saidExpired, nil
	case Open:
	}
	return saidUnknown, nil
}
