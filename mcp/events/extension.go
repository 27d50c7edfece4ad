// Package events is the extension io.modelcontextprotocol/events (SEP-3415): types of
// events that an assistant can ask for, and the ways in which they reach it: it polls,
// it holds a stream open, or it has them posted to an address of its own.
//
// An event type is a question to the log of received events: which of them, and what of
// each. All ways read the log by the same [Reader], so they agree on what happened and in
// which order. A cursor is a position in the log; it outlives the server, and what can
// no longer be told is said to be truncated.
//
// The payload of an event is small, follows its published schema, and holds what others
// wrote as untrusted content with its provenance. The whole event is a resource, whose
// address it names.
package events

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
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

// For implements [transport.Extension]: a person is told of it who sees events.
func (x *Extension) For(ctx context.Context) bool {
	p := access.From(ctx)
	_, person := p.SignIn()
	return !person || x.reader.log(p).Sees()
}

// Methods are those that the extension serves.
func Methods() []string {
	return []string{prefix + "list", prefix + "poll", prefix + "stream", prefix + "subscribe", prefix + "unsubscribe"}
}

// Serves implements [transport.Extension].
func (x *Extension) Serves(method string) bool { return slices.Contains(Methods(), method) }

// Call implements [transport.Extension].
func (x *Extension) Call(ctx context.Context, r *transport.Request) (any, error) {
	p := access.From(ctx)
	if p != nil && !p.Has(access.Events) && (!p.PersonMay(access.Events) || !x.For(ctx)) {
		return nil, x.forbidden("the token lacks the scope " + string(access.Events))
	}
	switch strings.TrimPrefix(r.Method, prefix) {
	case "list":
		return x.list(r)
	case "poll":
		return x.poll(ctx, p, r)
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

// since is the instant before which events are left out; the zero time is none.
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

// Codes are the JSON-RPC codes of the extension's errors. Sources differ on them; see
// docs/events.md.
type Codes struct {
	NotFound, Forbidden, ResourceExhausted, Unsupported, CallbackEndpointError int
}

// DeployedCodes are those that deployed clients know.
func DeployedCodes() Codes { return Codes{-32011, -32012, -32013, -32014, -32015} }

// DraftCodes are those of the proposal's text, which calls them provisional.
func DraftCodes() Codes { return Codes{-32023, -32024, -32025, -32026, -32027} }

func fault(code int, message string, data map[string]any) error {
	e := &transport.ProtocolError{Code: code, Message: message}
	if data != nil {
		e.Data = data
	}
	return e
}

func (x *Extension) noSuchEvent() error {
	return fault(x.codes.NotFound, "NotFound: there is no such event type; events/list has them", map[string]any{"kind": "event"})
}

func (x *Extension) forbidden(reason string) error {
	return fault(x.codes.Forbidden, "Forbidden: "+reason, map[string]any{"reason": reason})
}

func (x *Extension) exhausted(limit string, most int) error {
	return fault(x.codes.ResourceExhausted, "ResourceExhausted: "+limit, map[string]any{"limit": limit, "max": most})
}

func (x *Extension) unsupported(feature, value string) error {
	return fault(x.codes.Unsupported, "Unsupported: "+feature, map[string]any{"feature": feature, "value": value})
}

// invalid says which parameter is wrong and how to put it right.
func invalid(parameter, problem string) error {
	return fault(mcp.INVALID_PARAMS, "InvalidParams: "+parameter+": "+problem, map[string]any{"parameter": parameter})
}

// invalidArguments turns what a type says of its arguments into the protocol's error.
func invalidArguments(err error) error {
	if _, ok := errors.AsType[*toolset.ArgumentError](err); ok {
		return fault(mcp.INVALID_PARAMS, "InvalidParams: "+err.Error(), map[string]any{"parameter": "arguments"})
	}
	return err
}

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
func (x *Extension) poll(ctx context.Context, p *access.Principal, r *transport.Request) (any, error) {
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
		out.Cursor, err = x.reader.Now(ctx, p)
		out.Cursor = x.reader.pen(p, s).write(out.Cursor)
		return out, err
	}
	pen := x.reader.pen(p, s)
	f := x.reader.Follow(p, s, pen.read(*in.Cursor), limit, 0)
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
	out.Cursor = pen.write(out.Cursor)
	for i := range out.Events {
		out.Events[i].Cursor = "" // the answer has one for all
	}
	return out, nil
}
