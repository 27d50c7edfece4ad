package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

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

// write carries out, or rehearses, one call that changes something in Slack. Do gets
// the client to call; it returns its result and the ts of what it wrote.
func write[T any](ctx context.Context, k *kit, c *toolset.Call, w guard.Write, s safety, do func(api *slackapi.Client) (T, string, error)) (T, carried, error) {
	w.Tool, w.Principal, w.Key = c.Tool, c.Principal.Name, s.IdempotencyKey
	if s.DryRun {
		var zero T
		if err := k.Guard.Check(ctx, w.Channel); err != nil {
			return zero, carried{}, err
		}
		stage, requests := k.Slack.Rehearse()
		_, _, err := do(stage)
		return zero, carried{DryRun: true, Requests: requests()}, err
	}
	v, repeated, err := guard.Do(ctx, k.Guard, w, func() (T, string, error) { return do(k.Slack) })
	return v, carried{Repeated: repeated}, err
}

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
