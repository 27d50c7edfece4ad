package events

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// Name is the extension's identifier among a server's capabilities.
const Name = "io.modelcontextprotocol/events"

const prefix = "events/"

// Options configure the extension.
type Options struct {
	// Catalog is the types that there are. Required.
	Catalog *Catalog
	// Reader reads the log. Required.
	Reader *Reader
	// Subscriptions keeps webhook subscriptions; nil offers polling and streams only.
	Subscriptions Subscriptions
	// Codes are the errors' codes; DeployedCodes when zero.
	Codes Codes
	// StrictUnsubscribe answers NotFound to the end of a subscription that there is not,
	// as the proposal has it. Deployed clients want success.
	StrictUnsubscribe bool
	// MaxStreams bounds the open streams of one principal; 100 when zero.
	MaxStreams int
	// Heartbeat is the longest silence on a stream; 10 s when zero.
	Heartbeat time.Duration
}

// An Extension serves the methods events/*. It implements [transport.Extension].
type Extension struct {
	catalog       *Catalog
	reader        *Reader
	subscriptions Subscriptions
	codes         Codes
	strict        bool
	streams       *counter
	heartbeat     time.Duration
}

// New returns the extension.
func New(o Options) (*Extension, error) {
	if o.Catalog == nil || o.Reader == nil {
		return nil, errors.New("events: Catalog and Reader are required")
	}
	if o.Codes == (Codes{}) {
		o.Codes = DeployedCodes()
	}
	return &Extension{
		catalog: o.Catalog, reader: o.Reader, subscriptions: o.Subscriptions, codes: o.Codes, strict: o.StrictUnsubscribe,
		streams: newCounter(cmp.Or(o.MaxStreams, 100)), heartbeat: cmp.Or(o.Heartbeat, 10*time.Second),
	}, nil
}

// Capabilities implements [transport.Extension]: deployed clients look for the extension
// at the top, where an earlier draft had it, and the proposal among the extensions.
func (x *Extension) Capabilities() map[string]any {
	return map[string]any{"events": struct{}{}}
}

// Serves implements [transport.Extension].
func (x *Extension) Serves(method string) bool {
	switch strings.TrimPrefix(method, prefix) {
	case "list", "poll", "stream", "subscribe", "unsubscribe":
		return strings.HasPrefix(method, prefix)
	}
	return false
}

// Call implements [transport.Extension].
func (x *Extension) Call(ctx context.Context, r *transport.Request) (any, error) {
	p := access.From(ctx)
	if p != nil && !p.Has(access.Events) {
		return nil, x.forbidden("the token lacks the scope " + string(access.Events))
	}
	switch strings.TrimPrefix(r.Method, prefix) {
	case "list":
		return x.list(r)
	case "poll":
		return x.poll(ctx, r)
	case "stream":
		return x.stream(ctx, p, r)
	case "subscribe":
		return x.subscribe(ctx, p, r)
	default:
		return x.unsubscribe(ctx, p, r)
	}
}

// complete is the kind of every result of the extension.
const complete = "complete"

// listResult is the answer to events/list.
type listResult struct {
	ResultType string       `json:"resultType"`
	Events     []descriptor `json:"events"`
}

type descriptor struct {
	Name          string          `json:"name"`
	Description   string          `json:"description"`
	Delivery      []string        `json:"delivery"`
	InputSchema   json.RawMessage `json:"inputSchema"`
	PayloadSchema json.RawMessage `json:"payloadSchema"`
}

func (x *Extension) list(r *transport.Request) (any, error) {
	var in struct {
		Cursor *string `json:"cursor"`
	}
	if err := params(r, &in); err != nil {
		return nil, err
	}
	if in.Cursor != nil {
		return nil, invalid("cursor", "the list has one page: leave it out")
	}
	modes := []string{"poll", "push"}
	if x.subscriptions != nil {
		modes = []string{"webhook", "push", "poll"}
	}
	out := listResult{ResultType: complete, Events: []descriptor{}}
	for _, t := range x.catalog.types {
		out.Events = append(out.Events, descriptor{t.Name, t.Description, modes, t.InputSchema, t.PayloadSchema})
	}
	return out, nil
}

// params decodes a request's parameters.
func params(r *transport.Request, into any) error {
	if len(bytes.TrimSpace(r.Params)) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Params, into); err != nil {
		wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
		if ok && wrong.Field != "" {
			return invalid(wrong.Field, "it has the wrong type")
		}
		return invalid("params", "they must be one JSON object")
	}
	return nil
}

// asked are the parameters that polls, streams and subscriptions share.
type asked struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Cursor    *string         `json:"cursor"`
	MaxAgeMs  *int64          `json:"maxAgeMs"`
}

func (x *Extension) selection(in *asked) (*Selection, error) {
	if in.Name == "" {
		return nil, invalid("name", "it is required; events/list has the names")
	}
	s, ok, err := x.catalog.Select(in.Name, in.Arguments)
	switch {
	case !ok:
		return nil, x.noSuchEvent()
	case err != nil:
		return nil, invalidArguments(err)
	}
	return s, nil
}

// since is the instant before which nothing is told; the zero time is none.
func (in *asked) since(now time.Time) (time.Time, error) {
	switch {
	case in.MaxAgeMs == nil || in.Cursor == nil:
		return time.Time{}, nil
	case *in.MaxAgeMs < 0:
		return time.Time{}, invalid("maxAgeMs", "it must not be negative")
	}
	return now.Add(-time.Duration(min(*in.MaxAgeMs, maxAgeMs)) * time.Millisecond), nil
}

// maxAgeMs keeps a far past within what a time can hold: a hundred years.
const maxAgeMs = 100 * 365 * 24 * 3_600_000
