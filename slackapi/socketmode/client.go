// Package socketmode receives Slack's deliveries over WebSockets that the app opens, for apps that cannot be reached from outside
// (docs.slack.dev/apis/events-api/using-socket-mode).
//
// Several connections are kept at once. Slack sends each delivery over any one of them, and
// renews each of them every few hours: a connection is replaced as soon as Slack announces
// its end, and the old one is read until Slack closes it, so that Slack always has a
// connection to send over. A delivery is acknowledged only after it was handled, on the
// connection that it came by. Slack sends a delivery again that is not acknowledged.
package socketmode

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"slackmcp/internal/wait"
)

// The bounds and defaults of Options.
const (
	DefaultConnections = 2
	// MaxConnections is Slack's.
	MaxConnections  = 10
	DefaultMaxBytes = 1 << 20
)

// Options configure a [Client].
type Options struct {
	// Open returns the address of a new connection. Required.
	Open func(ctx context.Context) (string, error)
	// Handle takes one delivery and reports whether the delivery may be acknowledged.
	// answer is the JSON that answers an interaction, or empty. Handle is called
	// concurrently. Its context does not end with that of Run, so it has to return in time
	// by itself. Required.
	Handle func(ctx context.Context, e Envelope) (answer json.RawMessage, stored bool)
	// Permanent reports that an error of Open will not pass by itself; nil means that none is.
	Permanent func(error) bool
	// Wait returns how long an error of Open asks to wait; nil means that none does.
	Wait func(error) time.Duration
	// Connections is how many are kept; 0 means DefaultConnections.
	Connections int
	// MaxBytes bounds the payload of one delivery; 0 means DefaultMaxBytes. A longer one
	// ends its connection, as Slack would not stop sending it.
	MaxBytes int64
	// HTTPClient dials; nil is http.DefaultClient.
	HTTPClient *http.Client
	// Logger gets a line when a connection begins, ends or fails, without its address; nil
	// logs nothing.
	Logger *slog.Logger
}

// An Envelope is one delivery.
type Envelope struct {
	ID string
	// Type is events_api, interactive or slash_commands; others may come to be.
	Type string
	// Payload is the JSON that HTTP would carry as the body, or as the form's field payload.
	Payload json.RawMessage
	// AcceptsAnswer says that the acknowledgement may hold an answer.
	AcceptsAnswer bool
	// RetryAttempt and RetryReason are what Slack says of earlier deliveries.
	RetryAttempt int
	RetryReason  string
}

// A Client keeps the connections while Run runs. Its methods are safe for concurrent use.
type Client struct {
	opt Options

	mu   sync.Mutex
	live int // connections that Slack can send over; guarded by mu, as is what follows
	// since is when the last of them ended, or when New was called.
	since time.Time
	// lasting is why there is none, when the reason will not pass by itself.
	lasting State
}

// A State says whether Slack can deliver, and if not, why.
type State string

// The states.
const (
	Connected State = "connected"
	// Connecting is the state before the first connection, and while another is tried.
	Connecting State = "connecting"
	// Refused means that Slack refuses the token.
	Refused State = "refused"
	// Disabled means that Socket Mode is off in the app's settings.
	Disabled State = "disabled"
	// TooMany means that the app has as many connections as it may have, and none is ours.
	TooMany State = "too_many_connections"
)

// remedies are what an operator does about each state.
var remedies = map[State]string{
	Connecting: "look at the log for what fails; the way to slack.com and wss-primary.slack.com has to be open",
	Refused:    "check SLACK_APP_TOKEN: at api.slack.com/apps, Basic Information, App-Level Tokens, make one with connections:write; and turn Socket Mode on",
	Disabled:   "turn it on at api.slack.com/apps, Socket Mode; or start without --socket-mode",
	TooMany:    "an app has at most 10 connections: end the other programs that use its app token, start fewer replicas, or lower SOCKET_CONNECTIONS",
}

// Remedy is what an operator does about a state; empty for [Connected].
func (s State) Remedy() string { return remedies[s] }

// New checks the options.
func New(o Options) (*Client, error) {
	switch {
	case o.Open == nil || o.Handle == nil:
		return nil, errors.New("socketmode: Open and Handle are required")
	case o.Connections < 0 || o.Connections > MaxConnections:
		return nil, errors.New("socketmode: Connections must be 1 to 10")
	case o.MaxBytes < 0:
		return nil, errors.New("socketmode: MaxBytes is negative")
	}
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Permanent == nil {
		o.Permanent = func(error) bool { return false }
	}
	if o.Wait == nil {
		o.Wait = func(error) time.Duration { return 0 }
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{opt: o, since: time.Now()}, nil
}

// Connections returns how many connections Slack can send over now.
func (c *Client) Connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live
}

// State returns the state now, and for how long there has been no connection, which is 0
// in the state [Connected].
func (c *Client) State() (s State, without time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.live > 0:
		return Connected, 0
	case c.lasting != "":
		s = c.lasting
	default:
		s = Connecting
	}
	return s, time.Since(c.since)
}

// opened counts a connection that begins.
func (c *Client) opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live++
	c.lasting = ""
}

// ended counts a connection that has ended.
func (c *Client) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live--; c.live == 0 {
		c.since = time.Now()
	}
}

// note keeps why no connection was made; empty is a reason that passes.
func (c *Client) note(lasting State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lasting = lasting
}

// Run keeps the connections until ctx is done. Then it takes no more deliveries, waits until
// those that are being handled are acknowledged, closes the connections, and returns nil.
func (c *Client) Run(ctx context.Context) error {
	var slots sync.WaitGroup
	for range c.opt.Connections {
		slots.Go(func() { c.keep(ctx) })
	}
	slots.Wait()
	return nil
}

// How long to wait before another try.
const (
	firstPause     = 200 * time.Millisecond
	maxPause       = 30 * time.Second
	permanentPause = 5 * time.Minute // An operator may have corrected the settings.
	tooManyPause   = time.Minute     // Another program has the app's connections.
	// settled is the least life of a connection after which the pauses begin anew.
	settled = 10 * time.Second
)

// keep keeps one connection at a time, and the one that it replaces, until ctx is done.
func (c *Client) keep(ctx context.Context) {
	var old sync.WaitGroup
	defer old.Wait()
	backoff := wait.Backoff{First: firstPause, Most: maxPause}
	for ctx.Err() == nil {
		conn, err := c.connect(ctx)
		if err != nil {
			_ = wait.Sleep(ctx, c.failed(ctx, err, backoff.Next()))
			continue
		}
		began := time.Now()
		old.Go(func() { conn.serve(ctx) })
		select {
		case <-conn.retired:
		case <-conn.closed:
		case <-ctx.Done():
			return
		}
		if time.Since(began) >= settled {
			backoff.Reset()
		}
		_ = wait.Sleep(ctx, c.after(conn, backoff.Next()))
	}
}

// after returns the pause between a connection that ends and the next.
func (c *Client) after(conn *conn, pause time.Duration) time.Duration {
	switch conn.reason() {
	case reasonDisabled:
		c.note(Disabled)
		return permanentPause
	case reasonTooMany:
		c.note(TooMany)
		return tooManyPause
	case reasonWarning, reasonRefresh:
		return 0 // The old connection ends soon.
	}
	return pause
}

// failed logs why there is no connection and returns how long to wait.
func (c *Client) failed(ctx context.Context, err error, pause time.Duration) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	if c.opt.Permanent(err) {
		c.note(Refused)
		c.opt.Logger.LogAttrs(ctx, slog.LevelError, "slack refuses the app token", slog.String("error", err.Error()),
			slog.String("remedy", remedies[Refused]), slog.Float64("again_in_seconds", permanentPause.Seconds()))
		return permanentPause
	}
	c.note("")
	pause = max(pause, c.opt.Wait(err))
	c.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "no socket mode connection", slog.String("error", err.Error()), slog.Float64("again_in_seconds", pause.Seconds()))
	return pause
}
