package socketmode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Deadlines of one connection.
const (
	dialTimeout = 15 * time.Second // with the hello
	pingEvery   = 10 * time.Second
	pongWithin  = 10 * time.Second
	ackTimeout  = 5 * time.Second
	// handlers is how many deliveries of one connection are handled at once. While all are
	// busy the connection is not read, and Slack sends over another one.
	handlers = 64
	// linger is how long a connection is still read after Slack has announced its end.
	linger = 30 * time.Second
	// envelopeBytes is the most that an envelope has around its payload.
	envelopeBytes = 16 << 10
)

// A conn is one connection on which Slack has sent its hello.
type conn struct {
	client *Client
	ws     *websocket.Conn
	log    *slog.Logger

	retired chan struct{} // closed when Slack has said that it will end
	closed  chan struct{} // closed when it has ended
	slots   chan struct{}
	busy    sync.WaitGroup

	mu     sync.Mutex
	leave  bool   // no more deliveries are taken
	ending string // Slack's reason; guarded by mu, as is leave
}

// connect opens a connection and waits for its hello.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	address, err := c.opt.Open(ctx)
	if err != nil {
		return nil, err
	}
	ws, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: c.opt.HTTPClient}) //nolint:bodyclose // The library closes it.
	if err != nil {
		return nil, errors.New("dial: the connection was refused") // The error itself holds the address, which is secret.
	}
	ws.SetReadLimit(c.opt.MaxBytes + envelopeBytes)
	_, data, err := ws.Read(ctx)
	if err != nil {
		_ = ws.CloseNow() // The connection cannot be used.
		return nil, fmt.Errorf("wait for hello: %w", err)
	}
	hello, err := parse(data)
	k := &conn{
		client: c, ws: ws, log: c.opt.Logger,
		retired: make(chan struct{}), closed: make(chan struct{}), slots: make(chan struct{}, handlers),
	}
	switch {
	case err != nil || hello.Type != typeHello && hello.Type != typeDisconnect:
		_ = ws.CloseNow()
		return nil, errors.New("the connection did not begin with hello")
	case hello.Type == typeDisconnect:
		_ = ws.CloseNow()
		k.retire(ctx, hello.Reason)
		close(k.closed)
		return k, nil
	}
	k.log.LogAttrs(ctx, slog.LevelInfo, "socket mode connected", slog.Int("connections", hello.Connections),
		slog.String("host", hello.Host), slog.Int("lifetime_seconds", hello.Lifetime))
	return k, nil
}

// serve reads the connection until it ends, or until ctx does and what is being handled
// was acknowledged.
func (k *conn) serve(ctx context.Context) {
	select {
	case <-k.closed:
		return // Slack refused it by its first message.
	default:
	}
	k.client.opened()
	defer k.client.ended()
	// Cancelling a read ends the connection, and with it the acknowledgements.
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	helpers.Go(func() { k.ping(reading) })
	helpers.Go(func() { k.end(ctx, reading) })
	err := k.read(reading)
	stop()
	close(k.closed)
	k.busy.Wait()
	_ = k.ws.CloseNow() // The connection has ended.
	level := slog.LevelInfo
	if k.reason() == "" && ctx.Err() == nil {
		level = slog.LevelWarn
	}
	k.log.LogAttrs(ctx, level, "socket mode connection ended", slog.String("reason", k.reason()), slog.Any("error", err))
}

// end closes the connection from our side: when ctx is done, after the deliveries that are
// being handled, or when Slack does not close the connection after it announced its end.
func (k *conn) end(ctx, reading context.Context) {
	select {
	case <-ctx.Done():
	case <-k.retired:
		select {
		case <-ctx.Done():
		case <-time.After(linger):
		case <-reading.Done():
			return
		}
	case <-reading.Done():
		return
	}
	k.mu.Lock()
	k.leave = true
	k.mu.Unlock()
	k.busy.Wait()
	_ = k.ws.Close(websocket.StatusNormalClosure, "") // This ends the reading.
}

// read takes messages until the connection ends.
func (k *conn) read(ctx context.Context) error {
	for {
		_, data, err := k.ws.Read(ctx)
		if err != nil {
			return err
		}
		m, err := parse(data)
		switch {
		case err != nil:
			k.log.LogAttrs(ctx, slog.LevelWarn, "socket mode message ignored", slog.String("error", err.Error()))
		case m.Type == typeHello:
		case m.Type == typeDisconnect:
			k.retire(ctx, m.Reason)
		case m.EnvelopeID != "":
			k.take(ctx, m)
		}
	}
}

// take starts the handling of one delivery, unless the connection is being closed: then
// Slack sends the delivery again over another one.
func (k *conn) take(ctx context.Context, m message) {
	select {
	case k.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leave {
		<-k.slots
		return
	}
	k.busy.Go(func() {
		defer func() { <-k.slots }()
		k.handle(context.WithoutCancel(ctx), m)
	})
}

func (k *conn) handle(ctx context.Context, m message) {
	answer, stored := k.client.opt.Handle(ctx, m.envelope())
	if !stored {
		return
	}
	if !m.Accepts || !json.Valid(answer) {
		answer = nil
	}
	ack, err := acknowledgement(m.EnvelopeID, answer)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, ackTimeout)
		defer cancel()
		err = k.ws.Write(ctx, websocket.MessageText, ack)
	}
	if err != nil {
		k.log.LogAttrs(ctx, slog.LevelWarn, "socket mode delivery was stored and not acknowledged; slack sends it again",
			slog.String("envelope_id", m.EnvelopeID), slog.Any("error", err))
	}
}

// ping closes a connection whose other end does not answer.
func (k *conn) ping(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		within, cancel := context.WithTimeout(ctx, pongWithin)
		err := k.ws.Ping(within)
		cancel()
		if err != nil {
			_ = k.ws.CloseNow() // This ends the reading.
			return
		}
	}
}

// retire notes that Slack will end the connection.
func (k *conn) retire(ctx context.Context, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	first := k.ending == ""
	k.ending = reason
	if !first {
		return
	}
	close(k.retired)
	switch reason {
	case reasonDisabled:
		k.log.LogAttrs(ctx, slog.LevelError, "socket mode is turned off in the app's settings", slog.String("remedy", remedies[Disabled]))
		return
	case reasonTooMany:
		k.log.LogAttrs(ctx, slog.LevelError, "slack refuses a socket mode connection: the app has as many as it may have", slog.String("remedy", remedies[TooMany]))
		return
	}
	k.log.LogAttrs(ctx, slog.LevelInfo, "slack will end a socket mode connection; another is opened", slog.String("reason", reason))
}

// reason returns why Slack ended the connection; empty when Slack gave no reason.
func (k *conn) reason() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ending
}
