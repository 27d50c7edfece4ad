package events

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// streamBatch is how many events a stream reads at once.
const streamBatch = 100

// The notifications of a stream.
const (
	noteActive    = "notifications/events/active"
	noteEvent     = "notifications/events/event"
	noteHeartbeat = "notifications/events/heartbeat"
	noteError     = "notifications/events/error"
)

// streamPause is how long a stream waits before it turns to the log again after that
// failed.
const streamPause = 2 * time.Second

// meta names the stream's request on each of its messages.
type meta struct {
	SubscriptionID json.RawMessage `json:"io.modelcontextprotocol/subscriptionId"`
}

type streamResult struct {
	ResultType string `json:"resultType"`
	Meta       meta   `json:"_meta"`
}

type activeNote struct {
	Cursor    string `json:"cursor"`
	Truncated bool   `json:"truncated"`
	Meta      meta   `json:"_meta"`
}

type eventNote struct {
	Occurrence
	Meta meta `json:"_meta"`
}

type heartbeatNote struct {
	Cursor string `json:"cursor"`
	Meta   meta   `json:"_meta"`
}

type errorNote struct {
	Error upstream `json:"error"`
	Meta  meta     `json:"_meta"`
}

// upstream is an error after which the stream goes on.
type upstream struct {
	Code    int            `json:"code"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data"`
}

// stream sends events as they come, until its client leaves or the server stops.
func (x *Extension) stream(ctx context.Context, p *access.Principal, r *transport.Request) (any, error) {
	var in asked
	if err := params(r, &in); err != nil {
		return nil, err
	}
	sel, err := x.selection(&in)
	if err != nil {
		return nil, err
	}
	since, err := in.since(x.reader.now())
	if err != nil {
		return nil, err
	}
	who := ""
	if p != nil {
		who = p.Name
	}
	if !x.streams.enter(who) {
		return nil, x.exhausted("streams", x.streams.limit)
	}
	defer x.streams.leave(who)
	stopping, err := r.Stream()
	if err != nil {
		return nil, err
	}
	s := &stream{since: since, request: r, meta: meta{r.ID}, pen: x.reader.pen(p, sel)}
	if in.Cursor != nil {
		s.cursor = s.pen.read(*in.Cursor)
	} else if s.cursor, err = x.reader.Now(ctx, p); err != nil {
		return nil, err
	}
	s.events = x.reader.Follow(p, sel, s.cursor, streamBatch, followBytes)
	defer s.events.Close()
	if err := s.run(ctx, stopping, x.heartbeat); err != nil {
		return nil, err
	}
	return streamResult{ResultType: complete, Meta: s.meta}, nil
}

// A stream is one events/stream that is open.
type stream struct {
	events  *Follower
	since   time.Time
	request *transport.Request
	meta    meta
	cursor  string
	active  bool // the client was sent "active"
	pen     pen
}

// run reads what is there and then waits for more. It returns nil when the server stops.
func (s *stream) run(ctx context.Context, stopping <-chan struct{}, heartbeat time.Duration) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		retry, err := s.advance(ctx)
		if err != nil {
			return err
		}
		select {
		case <-stopping:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-beat.C:
			if err := s.request.Notify(ctx, noteHeartbeat, heartbeatNote{s.pen.write(s.cursor), s.meta}); err != nil {
				return err
			}
		case <-retry:
		case <-s.events.Ready():
		}
	}
}

// advance sends one batch. A batch that lost something is preceded by another "active".
// When the log cannot be read the client is notified, and the returned channel says when
// to try again; otherwise it is nil. An error says that the client cannot be reached.
func (s *stream) advance(ctx context.Context) (retry <-chan time.Time, err error) {
	b, err := s.events.Read(ctx, s.since)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		note := errorNote{upstream{mcp.INTERNAL_ERROR, "UpstreamError", map[string]any{"reason": "store_unavailable"}}, s.meta}
		return time.After(streamPause), s.request.Notify(ctx, noteError, note)
	}
	if b.Truncated || !s.active {
		if err := s.request.Notify(ctx, noteActive, activeNote{s.pen.write(b.From), b.Truncated, s.meta}); err != nil {
			return nil, err
		}
		s.active = true
	}
	for _, o := range b.Occurrences {
		o.Cursor = s.pen.write(o.Cursor)
		if err := s.request.NotifyWhile(ctx, o.still, noteEvent, eventNote{o, s.meta}); err != nil {
			return nil, err
		}
	}
	s.cursor = b.Cursor
	return nil, nil
}

// A counter bounds what each principal holds at once.
type counter struct {
	limit int

	mu   sync.Mutex
	held map[string]int // by principal
}

func newCounter(limit int) *counter { return &counter{limit: limit, held: map[string]int{}} }

func (c *counter) enter(who string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[who] >= c.limit {
		return false
	}
	c.held[who]++
	return true
}

func (c *counter) leave(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[who]--; c.held[who] == 0 {
		delete(c.held, who)
	}
}
