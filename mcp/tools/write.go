package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// safety are the arguments of every tool that writes.
type safety struct {
	DryRun         bool   `json:"dry_run,omitempty" doc:"Send nothing, return the request"`
	IdempotencyKey string `json:"idempotency_key,omitempty" max:"200" doc:"A key that is repeated within an hour sends nothing and returns the first result"`
}

// part is the safety of one part of a call that does several things.
func (s safety) part(name string) safety {
	if s.IdempotencyKey != "" {
		s.IdempotencyKey += "#" + name
	}
	return s
}

// carried is what every writing tool tells about how it was carried out.
type carried struct {
	DryRun   bool               `json:"dry_run,omitempty"`
	Requests []slackapi.Request `json:"requests,omitempty" opaque:"1" doc:"of dry_run: method and params"`
	Repeated bool               `json:"repeated,omitempty" doc:"by idempotency_key"`
	Note     string             `json:"note,omitempty"`
}

// noteMentions is what a result says about a call to everybody that was taken out.
const noteMentions = "Mass mentions (@channel, @here, @everyone) were turned into plain text: the operator does not allow them."

// A writing is one call that changes something in Slack, on its way.
type writing struct {
	carried
	// due reports that slack is to be called, once, and that end is to follow.
	due   bool
	slack *slackapi.Client

	permit   *guard.Permit
	requests func() []slackapi.Request // of a rehearsal
}

// begin prepares a call that changes something in Slack, or its rehearsal. When it is not
// due, begin returns what became of it: a rule forbids it, or its key is known.
func begin[T any](ctx context.Context, k *kit, c *toolset.Call, w guard.Write, s safety) (result T, on *writing, err error) {
	w.Tool, w.Principal, w.Key = c.Tool, c.Principal.Name, s.IdempotencyKey
	on = &writing{slack: k.Slack}
	if s.DryRun {
		if err := k.Guard.Check(ctx, w.Channel); err != nil {
			return result, on, err
		}
		on.due, on.DryRun = true, true
		on.slack, on.requests = k.Slack.Rehearse()
		return result, on, nil
	}
	if on.permit, err = k.Guard.Begin(ctx, w); err != nil {
		return result, on, err
	}
	if on.Repeated = on.permit.Repeated; !on.Repeated {
		on.due = true
		return result, on, nil
	}
	result, ok := on.permit.Result.(T)
	if err = on.permit.Err; err == nil && !ok {
		err = fmt.Errorf("remembered result of %s has another type", w.Tool)
	}
	return result, on, err
}

// end keeps what became of the call: its result, the ts of what it wrote, "" for nothing,
// and its error.
func (w *writing) end(ctx context.Context, result any, ts string, err error) {
	if w.DryRun {
		w.Requests = w.requests()
		return
	}
	w.permit.End(ctx, result, ts, err)
}

// nothing is the result of a call of which only the error counts.
type nothing struct{}

// stops reports an error after which the other parts of a call would fail as well, or
// would come out of order.
func stops(err error) bool {
	var slack *slackapi.Error
	if !errors.As(err, &slack) {
		return true
	}
	switch slack.Kind {
	case slackapi.Auth, slackapi.MissingScope, slackapi.NotInChannel, slackapi.RateLimited, slackapi.Ambiguous,
		slackapi.Unavailable, slackapi.Canceled, slackapi.Forbidden:
		return true
	case slackapi.NotFound, slackapi.InvalidArgument, slackapi.Conflict, slackapi.TooLarge, slackapi.Internal:
	}
	return false
}

// is reports one of Slack's own error codes.
func is(err error, code string) bool {
	var slack *slackapi.Error
	return errors.As(err, &slack) && slack.Code == code
}

// blocksOf reads blocks that may have been sent as text, and takes mass mentions out.
func (k *kit) blocksOf(raw json.RawMessage) (json.RawMessage, bool, error) {
	raw = bytes.TrimSpace(raw)
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		raw = json.RawMessage(s)
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, false, nil
	}
	if raw[0] != '[' || !json.Valid(raw) {
		return nil, false, &toolset.ArgumentError{Argument: "blocks", Problem: "must be a JSON array of Block Kit blocks"}
	}
	return k.Guard.Blocks(raw)
}
