package transport

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
)

var (
	errCancelled = errors.New("the client cancelled the request")
	errGone      = errors.New("the client went away")
	errStopping  = errors.New("the server is stopping")
	errBusy      = errors.New("too many requests at once")
)

// A sink is where the messages of a call go: its own response stream, or the one
// stream of an SSE or stdio client. It keeps their order, and waits for a slow reader.
type sink interface {
	send(ctx context.Context, msg []byte) error
}

// A call is one request that is being served. To mcp-go it is the client's session:
// what a handler sends to "its session" thereby reaches the stream of its own call,
// and no other one.
type call struct {
	t         *Transport
	ses       *session // nil over HTTP in 2026-07-28
	stateless bool     // of 2026-07-28
	ctx       context.Context
	cancel    context.CancelCauseFunc
	release   func() // must be called when the call was answered
	id        json.RawMessage
	method    string
	out       sink
	fault     *ProtocolError // what to answer instead of mcp-go's own error

	// Of the request itself, in 2026-07-28.
	client mcp.Implementation
	caps   mcp.ClientCapabilities

	// Notifications go through a channel, because mcp-go sends them so. It and its
	// goroutine exist only once a handler asks for them.
	start    sync.Once
	started  atomic.Bool
	notes    chan mcp.JSONRPCNotification
	room     chan struct{} // capacity 1: a note was taken
	finished chan struct{} // closed when the handler returned
	pumped   chan struct{} // closed when the last note was sent
}

const (
	notesBuffer = 64
	// notesSlack is how many goroutines of one handler may send at once before a
	// notification could be lost between looking for room and using it.
	notesSlack = 16
)

// NotificationChannel returns the way to this call's stream. mcp-go asks for it
// before each notification and drops the notification when the channel is full, so
// this is where a handler waits for a slow client.
func (c *call) NotificationChannel() chan<- mcp.JSONRPCNotification {
	c.start.Do(func() {
		c.notes = make(chan mcp.JSONRPCNotification, notesBuffer)
		c.room = make(chan struct{}, 1)
		c.finished = make(chan struct{})
		c.pumped = make(chan struct{})
		c.started.Store(true)
		go c.pump()
	})
	c.awaitRoom()
	return c.notes
}

func (c *call) awaitRoom() {
	for len(c.notes) >= notesBuffer-notesSlack {
		select {
		case <-c.room:
			// Another sender may wait as well, and a note is taken only once.
			defer c.signalRoom()
		case <-c.finished:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *call) signalRoom() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// pump carries notes to the call's stream until the handler returned and none is
// left.
func (c *call) pump() {
	defer close(c.pumped)
	for {
		select {
		case n := <-c.notes:
			c.deliver(n)
		case <-c.finished:
			for {
				select {
				case n := <-c.notes:
					c.deliver(n)
				default:
					return
				}
			}
		}
	}
}

// flushed is the method of a note that is not sent: it says that those before it were.
const flushed = "transport/flushed"

func (c *call) deliver(n mcp.JSONRPCNotification) {
	c.signalRoom()
	if n.Method == flushed {
		close(n.Params.AdditionalFields[flushed].(chan struct{})) //nolint:forcetypeassert // flush below is the only sender
		return
	}
	if c.ctx.Err() != nil {
		return
	}
	msg, err := json.Marshal(n)
	if err != nil {
		c.t.log.Error("notification cannot be encoded", slog.String("method", n.Method), slog.Any("error", err))
		return
	}
	if err := c.out.send(c.ctx, msg); err != nil {
		c.cancel(errGone)
	}
}

// flush waits until every note so far is on the stream.
func (c *call) flush() {
	if !c.started.Load() {
		return
	}
	done := make(chan struct{})
	n := mcp.JSONRPCNotification{Notification: mcp.Notification{
		Method: flushed, Params: mcp.NotificationParams{AdditionalFields: map[string]any{flushed: done}},
	}}
	select {
	case c.notes <- n:
	case <-c.ctx.Done():
		return
	}
	select {
	case <-done:
	case <-c.pumped:
	}
}

// finish says that the handler returned, and waits until all that it sent is on the
// stream. Nothing of the call is sent afterwards but its result.
func (c *call) finish() {
	// A goroutine that a handler left behind must not start the pump from now on.
	c.start.Do(func() { c.notes = c.t.nowhere })
	if c.started.Load() {
		close(c.finished)
		<-c.pumped
	}
}
