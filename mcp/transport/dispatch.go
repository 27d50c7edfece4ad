package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	internalError = "internal error"
	notFoundText  = "resource not found"
)

type callKey struct{}

// begin registers a request that is to be served, with a context that ends with the
// client, its cancellation, its session, or the transport.
func (t *Transport) begin(ctx context.Context, ses *session, m *message) (*call, error) {
	if !t.gate.enter() {
		return nil, errStopping
	}
	if t.running.Add(1) > int64(t.opt.MaxCalls) {
		t.running.Add(-1)
		t.gate.leave()
		t.count.busy.Add(1)
		return nil, errBusy
	}
	c := &call{t: t, ses: ses, id: m.ID, method: m.Method}
	ctx, c.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.hard, func() { c.cancel(errStopping) }) //nolint:contextcheck // a call ends with the transport as well as with its client
	if ses != nil {
		if err := ses.add(c, t.opt.MaxCallsPerSession); err != nil {
			stop()
			c.cancel(err)
			t.running.Add(-1)
			t.gate.leave()
			if errors.Is(err, errBusy) {
				t.count.busy.Add(1)
			}
			return nil, err
		}
	}
	c.ctx = context.WithValue(ctx, callKey{}, c)
	c.release = func() {
		stop()
		c.cancel(nil)
		if ses != nil {
			ses.remove(c)
		}
		t.running.Add(-1)
		t.gate.leave()
	}
	t.count.calls.Add(1)
	return c, nil
}

// serve runs a request to its end and returns the response, encoded, with its JSON-RPC
// error code or zero. Every notification of the call is on its stream by then.
func (t *Transport) serve(c *call, m *message) ([]byte, int) {
	resp := t.handle(c, m)
	c.finish()
	return encode(c.id, resp)
}

func encode(id json.RawMessage, resp mcp.JSONRPCMessage) ([]byte, int) {
	code := 0
	switch r := resp.(type) {
	case mcp.JSONRPCResponse:
		r.ID = requestID(id)
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

func (t *Transport) handle(c *call, m *message) mcp.JSONRPCMessage {
	if t.extends(m.Method) {
		return t.extend(c, m)
	}
	return t.declare(m, t.handleAs(c.ctx, c, c, m))
}

// handleAs lets mcp-go answer as to a session, and keeps panics and inner errors to
// ourselves.
func (t *Transport) handleAs(ctx context.Context, s server.ClientSession, c *call, m *message) (resp mcp.JSONRPCMessage) {
	defer func() {
		if p := recover(); p != nil {
			t.count.panics.Add(1)
			t.log.Error("handler panicked", slog.String("method", c.method), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			resp = rpcError(c.id, mcp.INTERNAL_ERROR, internalError, nil)
		}
	}()
	ctx = t.server.WithContext(ctx, s)
	ctx = server.WithSupportedProtocolVersions(ctx, t.versions)
	return t.refine(c, m, t.server.HandleMessage(ctx, m.raw))
}

// refine replaces the errors that mcp-go words or numbers otherwise than it should.
func (t *Transport) refine(c *call, m *message, resp mcp.JSONRPCMessage) mcp.JSONRPCMessage {
	e, ok := resp.(mcp.JSONRPCError)
	if !ok {
		return resp
	}
	if m.Method == string(mcp.MethodResourcesRead) && c.fault == nil && strings.HasPrefix(e.Error.Message, "handler not found") {
		c.fault = c.notFound(m.uri())
	}
	switch {
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
