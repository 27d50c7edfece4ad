package ask

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// actionID is that of a button.
func actionID(choice int) string { return actionPrefix + strconv.Itoa(choice) }

// show puts the end of a question in the place of its buttons. A message that is gone
// needs no change.
func (q *Questions) show(ctx context.Context, r *Row) error {
	if r.TS == "" {
		return nil // where it stands is not known
	}
	said := ""
	switch r.Status {
	case Answered:
		said = ":white_check_mark: *" + escape(r.Choice()) + "* (answered by <@" + r.Answer.User + ">)"
	case Withdrawn:
		said = ":no_entry_sign: This question was withdrawn."
	case Expired:
		said = ":hourglass: The time for this question is up."
	case Altered:
		said = ":warning: This message was changed after it was posted, so no answer to it counts. It has to be asked again."
	case Open:
		return nil
	}
	notes := []object{literal(said)}
	if r.For != "" {
		notes = append([]object{plain(r.For)}, notes...)
	}
	raw, err := json.Marshal([]object{
		{"type": "section", "block_id": questionBlock, "text": literal(r.Text)},
		note(notes...),
	})
	if err != nil {
		return err
	}
	_, err = q.o.Slack.UpdateMessage(ctx, slackapi.Update{Channel: r.Channel, TS: r.TS, Text: r.Text + "\n" + said, Blocks: raw, Question: true, NoLinks: true})
	return unlessGone(err)
}

// literal is a text in which Slack makes no links of what is not written as one: when a message is
// changed it takes no word about previews, and fetches what is a link.
func literal(text string) object {
	return object{"type": "mrkdwn", "text": text, "verbatim": true}
}

// tryShow is show where the end of the question matters more than its message.
func (q *Questions) tryShow(ctx context.Context, r *Row) {
	if err := q.show(ctx, r); err != nil {
		q.log.LogAttrs(ctx, slog.LevelWarn, "a question that has ended still shows its buttons", slog.String("error", err.Error()))
	}
}

// answer writes to the person who clicked, and to no other. An address that is used up
// or too old is no reason to try again.
func (q *Questions) answer(ctx context.Context, c *click, text string) error {
	for _, url := range event.ResponseURLs(c.event) {
		return unlessGone(q.o.Slack.Respond(ctx, url, slackapi.Response{Text: text}))
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
