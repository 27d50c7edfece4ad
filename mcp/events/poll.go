package events

import (
	"context"

	"slackmcp/mcp/transport"
)

// How many events an answer to a poll has.
const (
	defaultPoll = 50
	maxPoll     = 500
)

// nextPollMs is how long a client is asked to wait when there is nothing more.
const nextPollMs = 5000

// pollReads bounds the pages that one poll looks at, so that a question that matches
// little is answered in a bounded time.
const pollReads = 8

type pollResult struct {
	ResultType string       `json:"resultType"`
	Events     []Occurrence `json:"events"`
	Cursor     string       `json:"cursor"`
	Truncated  bool         `json:"truncated"`
	HasMore    bool         `json:"hasMore"`
	NextPollMs int          `json:"nextPollMs"`
}

// poll answers what happened since a cursor; without one, where "now" is.
func (x *Extension) poll(ctx context.Context, r *transport.Request) (any, error) {
	var in struct {
		asked
		MaxEvents *int `json:"maxEvents"`
	}
	if err := params(r, &in); err != nil {
		return nil, err
	}
	s, err := x.selection(&in.asked)
	if err != nil {
		return nil, err
	}
	limit := defaultPoll
	if in.MaxEvents != nil {
		if *in.MaxEvents < 1 {
			return nil, invalid("maxEvents", "it must be at least 1")
		}
		limit = min(*in.MaxEvents, maxPoll)
	}
	since, err := in.since(x.reader.now())
	if err != nil {
		return nil, err
	}
	out := pollResult{ResultType: complete, Events: []Occurrence{}, NextPollMs: nextPollMs}
	if in.Cursor == nil {
		out.Cursor, err = x.reader.Now(ctx)
		return out, err
	}
	f := x.reader.Follow(s, *in.Cursor, limit)
	defer f.Close()
	for range pollReads {
		b, err := f.Read(ctx, since)
		if err != nil {
			return nil, err
		}
		out.Events, out.Cursor, out.HasMore = append(out.Events, b.Occurrences...), b.Cursor, b.More
		out.Truncated = out.Truncated || b.Truncated
		if len(out.Events) > 0 || !b.More || b.Truncated {
			break
		}
	}
	for i := range out.Events {
		out.Events[i].Cursor = "" // the answer has one for all
	}
	return out, nil
}
