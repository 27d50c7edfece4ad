package ask

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// AnswerInWords ends an open question with a choice that its person wrote, in an event. Who
// wrote is judged as for a click, and so is the message that they saw: it is read, and one
// that was changed ends the question without an answer. Where the app may not read it, words
// do not count, and buttons do. That the words belong to the question the caller has judged.
// It reports whether they are the answer.
func (q *Questions) AnswerInWords(ctx context.Context, id string, choice int, user, eventID string) (bool, error) {
	r, err := q.Read(ctx, id)
	if err != nil || r.Status != Open || r.TS == "" || choice < 0 || choice >= len(r.Choices) {
		return false, ignoreNotKept(err)
	}
	if said, err := q.may(ctx, &r, user); err != nil || said != "" {
		return false, err
	}
	if stands, err := q.stands(ctx, &r, user); err != nil || !stands {
		return false, err
	}
	r, ended, err := q.end(ctx, id, func(r *Row) {
		r.Status, r.Answer = Answered, &Answer{Choice: choice, User: user, EventID: eventID, At: q.now().UTC()}
	})
	if err != nil || !ended {
		return false, ignoreNotKept(err)
	}
	q.tryShow(ctx, &r)
	return true, nil
}

// stands reads the message of an open question, and reports whether it shows what was asked.
// One that shows anything else ends the question. The error is one that another attempt may
// cure.
func (q *Questions) stands(ctx context.Context, r *Row, user string) (bool, error) {
	m, err := q.message(ctx, r.Channel, r.TS)
	switch {
	case permanent(err):
		q.log.LogAttrs(ctx, slog.LevelWarn, "an answer in words was not taken, since the app may not read the question's message: press its button, or give the app the history scope of the conversation",
			slog.String("channel", r.Channel), slog.String("user", user), slog.String("error", err.Error()))
		return false, nil
	case err != nil, m == nil: // one that is gone was deleted, which withdraws the question
		return false, err
	}
	if shown, err := fingerprintOf(m); err == nil && shown == r.Shown {
		return true, nil
	}
	return false, q.changed(ctx, r, user)
}

// message reads the message of a question; nil where it is gone.
func (q *Questions) message(ctx context.Context, channel, ts string) (*slackapi.Message, error) {
	page, err := q.o.Slack.Replies(ctx, One(channel, ts))
	if err != nil {
		return nil, err
	}
	return find(page, ts), nil
}

// One asks for one message, which may stand in a thread.
func One(channel, ts string) slackapi.RepliesQuery {
	return slackapi.RepliesQuery{Channel: channel, ThreadTS: ts, Oldest: ts, Latest: ts, Inclusive: true, Limit: 1}
}

// find returns a message of a page; nil where it is not there.
func find(page slackapi.MessagePage, ts string) *slackapi.Message {
	for i := range page.Messages {
		if page.Messages[i].TS == ts {
			return &page.Messages[i]
		}
	}
	return nil
}

// Asks reports whether a message, as Slack answered [One], has the buttons of a question, also of
// one that is kept in another store. One that the app may not read has none. The error is one
// that another attempt may cure.
func Asks(page slackapi.MessagePage, failure error, ts string) (bool, error) {
	if permanent(failure) {
		return false, nil
	}
	m := find(page, ts)
	return failure == nil && m != nil && buttonsOf(m.Blocks) != "", failure
}

// permanent reports whether Slack refused to show a message, so that no other attempt would do.
func permanent(err error) bool {
	fault, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return false
	}
	switch fault.Kind { //nolint:exhaustive // the others are refusals
	case slackapi.RateLimited, slackapi.Unavailable, slackapi.Canceled, slackapi.Ambiguous:
		return false
	}
	return true
}

// fingerprintOf is the fingerprint of a message that was read.
func fingerprintOf(m *slackapi.Message) (string, error) {
	shown := shownMessage{TS: m.TS, Blocks: m.Blocks, Attachments: m.Attachments}
	if m.Edited != nil || len(m.Files) > 0 {
		return "", errChanged
	}
	return shown.fingerprint()
}

// changed ends a question whose message shows something else than what was asked.
func (q *Questions) changed(ctx context.Context, r *Row, user string) error {
	kept, ended, err := q.end(ctx, r.ID, func(r *Row) { r.Status = Altered })
	if err != nil || !ended {
		return ignoreNotKept(err)
	}
	q.log.LogAttrs(ctx, slog.LevelWarn, "a question was altered",
		slog.String("principal", r.Principal), slog.String("channel", r.Channel), slog.String("ts", r.TS), slog.String("user", user))
	q.tryShow(ctx, &kept)
	return nil
}

func ignoreNotKept(err error) error {
	if errors.Is(err, ErrNotKept) {
		return nil
	}
	return err
}

// A messageChange is what an event says of a message that was changed or deleted.
type messageChange struct {
	Subtype string `json:"subtype"`
	Channel string `json:"channel"`
	Message struct {
		shownMessage
		Subtype string `json:"subtype"`
	} `json:"message"`
	Previous struct {
		TS     string          `json:"ts"`
		Blocks json.RawMessage `json:"blocks"`
	} `json:"previous_message"`
}

// deleted reports whether the message is gone: one with replies leaves a tombstone in its place.
func (m *messageChange) deleted() bool {
	return m.Subtype == "message_deleted" || m.Message.Subtype == "tombstone"
}

// change withdraws the question whose message an event reports as deleted, and ends the one
// whose message was changed.
func (q *Questions) change(ctx context.Context, e *event.Event) error {
	if e.Source != event.SourceSlack || e.Kind.Type != "message" {
		return nil
	}
	m, err := event.Inner[messageChange](e)
	if err != nil || m.Subtype != "message_deleted" && m.Subtype != "message_changed" {
		return nil //nolint:nilerr // it is an event of another kind
	}
	id := buttonsOf(m.Previous.Blocks)
	if id == "" {
		return nil
	}
	r, err := q.bound(ctx, id, e.ReceivedAt)
	if err != nil || r.Status != Open || r.Channel != m.Channel || r.TS != m.Previous.TS {
		return ignoreNotKept(err)
	}
	if m.deleted() {
		_, _, err = q.end(ctx, id, func(r *Row) { r.Status = Withdrawn })
		return ignoreNotKept(err)
	}
	// Slack reports as a change also what changes nothing that is shown.
	if shown, err := m.Message.fingerprint(); m.Message.TS != r.TS || err == nil && shown == r.Shown {
		return nil
	}
	return q.changed(ctx, &r, e.User)
}

// buttonsOf returns the id of the row that the buttons of a message hold; "" without one.
func buttonsOf(raw json.RawMessage) string {
	var blocks []struct {
		BlockID  string `json:"block_id"`
		Elements []struct {
			Value string `json:"value"`
		} `json:"elements"`
	}
	_ = json.Unmarshal(raw, &blocks) // what cannot be read has none
	for _, b := range blocks {
		if b.BlockID == buttonsBlock && len(b.Elements) > 0 {
			id, _, _ := parseButton(b.Elements[0].Value)
			return id
		}
	}
	return ""
}
