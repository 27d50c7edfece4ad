package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
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
	account   string   // whose share it counts against
	stateless bool     // of 2026-07-28
	ctx       context.Context
	cancel    context.CancelCauseFunc
	release   func() // must be called when the call was answered
	read      func() // called when what was read for the answer is no longer held; may be nil
	unread    func() // gives back the bytes of the answer, which its client may read slowly
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
	taken    chan struct{} // capacity 1: a note was taken
	finished chan struct{} // closed when the handler returned
	pumped   chan struct{} // closed when the last note was sent
}

const (
	notesBuffer = 64
	// notesSlack is how many goroutines of one handler may send at once before a
	// notification could be lost between the look for space and its use.
	notesSlack = 16
)

// NotificationChannel returns the way to this call's stream. mcp-go asks for it
// before each notification and drops the notification when the channel is full, so
// this is where a handler waits for a slow client.
func (c *call) NotificationChannel() chan<- mcp.JSONRPCNotification {
	c.start.Do(func() {
		c.notes = make(chan mcp.JSONRPCNotification, notesBuffer)
		c.taken = make(chan struct{}, 1)
		c.finished = make(chan struct{})
		c.pumped = make(chan struct{})
		c.started.Store(true)
		go c.pump()
	})
	c.awaitSpace()
	return c.notes
}

func (c *call) awaitSpace() {
	for len(c.notes) >= notesBuffer-notesSlack {
		select {
		case <-c.taken:
			// Another sender may wait as well, and a note is taken only once.
			defer c.signalTaken()
		case <-c.finished:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *call) signalTaken() {
	select {
	case c.taken <- struct{}{}:
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
	c.signalTaken()
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
	c.start.Do(func() { c.notes = c.t.discard })
	if c.started.Load() {
		close(c.finished)
		<-c.pumped
	}
}

const (
	internalError = "internal error"
	notFoundText  = "resource not found"
)

type callKey struct{}

// Method is the method of the request that is being served in ctx; "" outside of one.
func Method(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.method
	}
	return ""
}

// begin registers a request that is to be served, with a context that ends with the
// client, its cancellation, its session, or the transport.
func (t *Transport) begin(ctx context.Context, ses *session, m *message) (*call, error) {
	if !t.gate.enter() {
		return nil, errStopping
	}
	who := account(ctx)
	if err := t.quotas.calls.take(who, 1); err != nil {
		t.gate.leave()
		t.count.busy.Add(1)
		t.noteQuota(ctx, err)
		return nil, err
	}
	c := &call{t: t, ses: ses, account: who, id: m.ID, method: m.Method, unread: func() {}}
	ctx, c.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.life, func() { c.cancel(errStopping) }) //nolint:contextcheck // a call ends with the transport as well as with its client
	if ses != nil {
		if err := ses.add(c, t.opt.MaxCallsPerSession); err != nil {
			stop()
			c.cancel(err)
			t.quotas.calls.give(who, 1)
			t.gate.leave()
			if errors.Is(err, errBusy) {
				t.count.busy.Add(1)
			}
			return nil, err
		}
	}
	if t.opt.OnServe != nil {
		ctx, c.read = t.opt.OnServe(ctx)
	}
	c.ctx = context.WithValue(ctx, callKey{}, c)
	c.release = func() {
		stop()
		c.cancel(nil)
		c.unread()
		if ses != nil {
			ses.remove(c)
		}
		t.quotas.calls.give(who, 1)
		t.gate.leave()
	}
	t.count.calls.Add(1)
	return c, nil
}

// serve runs a request to its end and returns the response, encoded, with its JSON-RPC
// error code or zero. Every notification of the call is on its stream by then, and the
// bytes of the response are counted until the call is released. What was read for it is
// held until they are, so that answers do not pile up in front of slow clients.
func (t *Transport) serve(c *call, m *message) ([]byte, int) {
	if c.read != nil {
		defer c.read()
	}
	var resp mcp.JSONRPCMessage
	if x := t.opt.Extension; x != nil && x.Serves(m.Method) {
		resp = t.extend(c, m)
	} else {
		resp = t.handle(c.ctx, c, c, m)
		if x != nil && (m.Method == string(mcp.MethodInitialize) || m.Method == string(mcp.MethodServerDiscover)) {
			resp = t.declare(c.ctx, resp)
		}
	}
	c.finish()
	body, code := encode(c.id, resp)
	if _, direct := c.out.(*response); !direct {
		return body, code // the stream of an SSE or stdio client counts what waits in it
	}
	unread, err := t.claim(c.ctx, len(body))
	if err != nil {
		return encode(c.id, rpcError(c.id, mcp.INTERNAL_ERROR, err.Error()+"; the request was carried out, and its answer is dropped", nil))
	}
	c.unread = unread
	return body, code
}

func encode(id json.RawMessage, resp mcp.JSONRPCMessage) ([]byte, int) {
	code := 0
	switch r := resp.(type) {
	case mcp.JSONRPCResponse:
		r.ID = mcp.NewRequestId(id)
		resp = r
	case mcp.JSONRPCError:
		r.ID = requestID(id)
		resp, code = r, r.Error.Code
	}
	body, err := json.Marshal(resp)
	if err != nil {
		body, _ = json.Marshal(rpcError(id, mcp.INTERNAL_ERROR, internalError, nil)) // plain strings and a checked id
		return body, mcp.INTERNAL_ERROR
	}
	return body, code
}

// handle lets mcp-go answer as to a session. A client sees neither panics nor internal
// errors.
func (t *Transport) handle(ctx context.Context, s server.ClientSession, c *call, m *message) (resp mcp.JSONRPCMessage) {
	defer func() {
		if p := recover(); p != nil {
			t.count.panics.Add(1)
			t.log.Error("handler panicked", slog.String("method", c.method), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			resp = rpcError(c.id, mcp.INTERNAL_ERROR, internalError, nil)
		}
	}()
	ctx = t.server.WithContext(ctx, s)
	ctx = server.WithSupportedProtocolVersions(ctx, t.versions)
	resp = t.server.HandleMessage(ctx, m.raw)
	if e, ok := resp.(mcp.JSONRPCError); ok {
		return t.refine(c, m, e)
	}
	return resp
}

// refine replaces the errors that mcp-go words or numbers otherwise than it should.
func (t *Transport) refine(c *call, m *message, e mcp.JSONRPCError) mcp.JSONRPCError {
	if m.Method == string(mcp.MethodResourcesRead) && c.fault == nil && strings.HasPrefix(e.Error.Message, "handler not found") {
		c.fault = c.notFound(m.uri())
	}
	switch {
	case m.Method == string(mcp.MethodToolsCall) && strings.HasSuffix(e.Error.Message, server.ErrToolNotFound.Error()) && t.opt.Absent != nil:
		e.Error = mcp.NewJSONRPCErrorDetails(mcp.INVALID_PARAMS, t.opt.Absent(c.ctx, m.tool()), nil)
	case c.fault != nil:
		e.Error = mcp.NewJSONRPCErrorDetails(c.fault.Code, c.fault.Message, c.fault.Data)
	case e.Error.Code == mcp.INTERNAL_ERROR && c.ctx.Err() != nil:
		e.Error = mcp.NewJSONRPCErrorDetails(mcp.REQUEST_INTERRUPTED, interrupted(c.ctx), nil)
	case e.Error.Code == mcp.INTERNAL_ERROR:
		t.log.Error("request failed", slog.String("method", c.method), slog.String("error", e.Error.Message))
		e.Error = mcp.NewJSONRPCErrorDetails(mcp.INTERNAL_ERROR, internalError, nil)
	case strings.HasPrefix(e.Error.Message, "unparsable "):
		// The text names Go types; the parameters are what is wrong.
		e.Error = mcp.NewJSONRPCErrorDetails(mcp.INVALID_PARAMS, "invalid parameters for "+c.method, nil)
	}
	return e
}

// interrupted says why a call was ended before it was done.
func interrupted(ctx context.Context) string {
	for _, known := range []error{errCancelled, errStopping} {
		if errors.Is(context.Cause(ctx), known) {
			return known.Error()
		}
	}
	return "the request was interrupted"
}

// errNoAnswers says that a client cannot be asked: it has no session, did not offer
// the capability, or takes no stream.
var errNoAnswers = errors.New("the client does not take requests of that kind")

// RequestElicitation asks the client's user, on this call's stream.
func (c *call) RequestElicitation(ctx context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	if c.GetClientCapabilities().Elicitation == nil {
		return nil, fmt.Errorf("elicitation: %w", errNoAnswers)
	}
	var result mcp.ElicitationResult
	return &result, c.ask(ctx, mcp.MethodElicitationCreate, req.Params, &result)
}

// RequestSampling asks the client's model, on this call's stream.
func (c *call) RequestSampling(ctx context.Context, req mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	if c.GetClientCapabilities().Sampling == nil {
		return nil, fmt.Errorf("sampling: %w", errNoAnswers)
	}
	var result mcp.CreateMessageResult
	if err := c.ask(ctx, mcp.MethodSamplingCreateMessage, req.CreateMessageParams, &result); err != nil {
		return nil, err
	}
	content, err := mcp.ParseSamplingContent(result.Content)
	if err != nil {
		return nil, fmt.Errorf("sampling: %w", err)
	}
	result.Content = content
	return &result, nil
}

// ListRoots asks for the client's roots, on this call's stream.
func (c *call) ListRoots(ctx context.Context, _ mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	if c.GetClientCapabilities().Roots == nil {
		return nil, fmt.Errorf("roots: %w", errNoAnswers)
	}
	var result mcp.ListRootsResult
	return &result, c.ask(ctx, mcp.MethodListRoots, nil, &result)
}

// ask sends a request to the client and waits for its answer, at most AnswerTimeout.
func (c *call) ask(ctx context.Context, method mcp.MCPMethod, params, result any) error {
	if c.ses == nil {
		return fmt.Errorf("%s: %w", method, errNoAnswers)
	}
	ctx, stop := context.WithTimeout(ctx, c.t.opt.AnswerTimeout)
	defer stop()
	id := c.t.asked.Add(1)
	answer := make(chan *message, 1)
	c.ses.expect(id, answer)
	defer c.ses.forget(id)
	msg, err := json.Marshal(mcp.JSONRPCRequest{
		JSONRPC: mcp.JSONRPC_VERSION, ID: mcp.NewRequestId(id),
		Request: mcp.Request{Method: string(method)}, Params: params,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	c.flush()
	if err := c.out.send(ctx, msg); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		return decodeAnswer(method, m, result)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

func decodeAnswer(method mcp.MCPMethod, m *message, result any) error {
	if len(m.Error) > 0 {
		var e struct {
			Code int `json:"code"`
		}
		// The client's own words stay with it: they would end in ours.
		_ = json.Unmarshal(m.Error, &e)
		return fmt.Errorf("%s: the client answered with error %d", method, e.Code)
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("%s: decode the client's answer: %w", method, err)
	}
	return nil
}

var errTooManySubscriptions = errors.New("too many subscriptions in one session")

// The methods below are mcp-go's view of a call as a client session. The state is the
// session's; a 2026-07-28 request has none but its own.

// SessionID implements server.ClientSession. It is empty in 2026-07-28.
func (c *call) SessionID() string {
	if c.ses == nil {
		return ""
	}
	return c.ses.id
}

// Initialize implements server.ClientSession.
func (c *call) Initialize() {}

// Initialized implements server.ClientSession: a call exists only for a client that
// may be answered.
func (c *call) Initialized() bool { return true }

// SetLogLevel implements server.SessionWithLogging.
func (c *call) SetLogLevel(level mcp.LoggingLevel) {
	if c.ses == nil {
		return
	}
	c.ses.mu.Lock()
	c.ses.level = level
	c.ses.mu.Unlock()
	if err := c.t.sessions.change(c.ctx, c.ses, func(r *Record) { r.LogLevel = string(level) }); err != nil {
		c.t.log.Warn("log level was not stored", slog.Any("error", err))
	}
}

// GetLogLevel implements server.SessionWithLogging.
func (c *call) GetLogLevel() mcp.LoggingLevel {
	if c.ses == nil {
		return mcp.LoggingLevelInfo
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.level
}

// GetClientInfo implements server.SessionWithClientInfo.
func (c *call) GetClientInfo() mcp.Implementation {
	if c.ses == nil {
		return c.client
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.client
}

// SetClientInfo implements server.SessionWithClientInfo.
func (c *call) SetClientInfo(info mcp.Implementation) {
	if c.ses == nil {
		c.client = info
		return
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.ses.client = keptInfo(info)
}

// GetClientCapabilities implements server.SessionWithClientInfo.
func (c *call) GetClientCapabilities() mcp.ClientCapabilities {
	if c.ses == nil {
		return c.caps
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.caps
}

// SetClientCapabilities implements server.SessionWithClientInfo.
func (c *call) SetClientCapabilities(caps mcp.ClientCapabilities) {
	if c.ses == nil {
		c.caps = caps
		return
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.ses.caps = keptCapabilities(caps)
}

// ProtocolVersion implements server.SessionWithProtocolVersion. Requests of 2026-07-28
// say theirs themselves.
func (c *call) ProtocolVersion() string {
	if c.ses == nil {
		return ""
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.ses.version
}

// SetProtocolVersion is called by mcp-go with what initialize negotiated.
func (c *call) SetProtocolVersion(version string) {
	if c.ses == nil {
		return
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.ses.version = version
}

// SubscribeToResourceErr implements server.SessionWithResourceSubscriptionsErr.
func (c *call) SubscribeToResourceErr(uri string) error {
	if len(uri) > maxURI {
		c.fault = &ProtocolError{Code: mcp.INVALID_PARAMS, Message: fmt.Sprintf("the uri has more than %d bytes", maxURI)}
		return c.fault
	}
	if err := c.t.opt.Subscribable(c.ctx, uri); err != nil {
		if errors.Is(err, server.ErrResourceNotFound) {
			c.fault = c.notFound(uri)
			return c.fault
		}
		c.t.log.Error("subscription was not decided", slog.Any("error", err))
		c.fault = &ProtocolError{Code: mcp.INTERNAL_ERROR, Message: internalError}
		return err
	}
	if c.ses == nil {
		return nil
	}
	err := c.t.sessions.subscribe(c.ctx, c.ses, uri)
	switch {
	case errors.Is(err, errTooManySubscriptions):
		c.fault = &ProtocolError{Code: mcp.INVALID_PARAMS, Message: err.Error()}
	case errors.As(err, new(*quotaError)):
		c.t.noteQuota(c.ctx, err)
		c.fault = &ProtocolError{Code: mcp.INVALID_PARAMS, Message: err.Error()}
	case err != nil:
		c.t.log.Error("subscription was not stored", slog.Any("error", err))
		c.fault = &ProtocolError{Code: mcp.INTERNAL_ERROR, Message: internalError}
	}
	return err
}

// SubscribeToResource implements server.SessionWithResourceSubscriptions; mcp-go calls
// SubscribeToResourceErr instead.
func (c *call) SubscribeToResource(uri string) { _ = c.SubscribeToResourceErr(uri) }

// UnsubscribeFromResource implements server.SessionWithResourceSubscriptions.
func (c *call) UnsubscribeFromResource(uri string) {
	if c.ses == nil {
		return
	}
	if err := c.t.sessions.unsubscribe(c.ctx, c.ses, uri); err != nil {
		c.t.log.Error("end of a subscription was not stored", slog.Any("error", err))
	}
}

// SubscribedResources implements server.SessionWithResourceSubscriptions.
func (c *call) SubscribedResources() []string {
	if c.ses == nil {
		return nil
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	uris := make([]string, 0, len(c.ses.subs))
	for uri := range c.ses.subs {
		uris = append(uris, uri)
	}
	slices.Sort(uris)
	return uris
}

// IsSubscribedToResource implements server.SessionWithResourceSubscriptions.
func (c *call) IsSubscribedToResource(uri string) bool {
	if c.ses == nil {
		return false
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	_, ok := c.ses.subs[uri]
	return ok
}
