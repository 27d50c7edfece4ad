package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/mark3labs/mcp-go/mcp"
)

// An Extension serves methods of the protocol that mcp-go does not know. It is safe for
// concurrent use.
type Extension interface {
	// For reports whether the caller in ctx is served anything.
	For(ctx context.Context) bool
	// Serves reports whether a method is the extension's.
	Serves(method string) bool
	// Capabilities are members of the server's capabilities that mcp-go's type has no
	// place for; clients of every era get them. They must encode as JSON.
	Capabilities() map[string]any
	// Call answers a request; ctx carries its principal, and ends with its client. An
	// error that is a *ProtocolError is answered as it is, over HTTP with status 200: the
	// client is to see its code and data. Any other is an internal one.
	Call(ctx context.Context, r *Request) (result any, err error)
}

// A Request is one call of an extension's method.
type Request struct {
	// ID is the request's id as the client wrote it.
	ID     json.RawMessage
	Method string
	Params json.RawMessage

	call   *call
	stream bool
}

// Notify sends a notification on the request's own stream, before its result. It waits
// for a slow client, and returns an error when there is none any more.
func (r *Request) Notify(ctx context.Context, method string, params any) error {
	return r.NotifyWhile(ctx, nil, method, params)
}

// NotifyWhile is Notify for what is not sent any more when still is false by the time that it is its turn; nil
// is always true. It must not wait.
func (r *Request) NotifyWhile(ctx context.Context, still func() bool, method string, params any) error {
	msg, err := encodeNotification(method, params)
	if err != nil {
		return err
	}
	if b, ok := r.call.out.(boxSink); ok {
		err = b.box.pushWhile(ctx, msg, still)
	} else if still == nil || still() {
		err = r.call.out.send(ctx, msg)
	}
	if err != nil {
		r.call.cancel(errGone)
		return err
	}
	return nil
}

// Stream says that the call will last: it counts as a stream from now on and no longer
// against the bounds of running calls. The channel is closed when the server stops; the
// call has to return then.
func (r *Request) Stream() (stopping <-chan struct{}, err error) {
	t := r.call.t
	if p, ok := r.call.out.(*response); ok && !p.streams {
		return nil, &ProtocolError{Code: mcp.INVALID_REQUEST, Message: "accept " + eventStream + ": the answer is a stream"}
	}
	if err := t.quotas.streams.take(r.call.account, 1); err != nil {
		t.noteQuota(r.call.ctx, err)
		return nil, &ProtocolError{Code: mcp.INTERNAL_ERROR, Message: err.Error()}
	}
	t.count.streamsOpened.Add(1)
	t.quotas.calls.give(r.call.account, 1)
	if r.call.ses != nil {
		r.call.ses.addStreams(1)
	}
	r.stream = true
	return t.stopping, nil
}

// end takes back what Stream did.
func (r *Request) end() {
	if !r.stream {
		return
	}
	t := r.call.t
	t.quotas.streams.give(r.call.account, 1)
	t.quotas.calls.force(r.call.account, 1)
	if r.call.ses != nil {
		r.call.ses.addStreams(-1)
	}
}

// extend lets the extension answer. A client sees neither panics nor internal errors.
func (t *Transport) extend(c *call, m *message) (resp mcp.JSONRPCMessage) {
	r := &Request{ID: m.ID, Method: m.Method, Params: m.Params, call: c}
	defer r.end()
	defer func() {
		if p := recover(); p != nil {
			t.count.panics.Add(1)
			t.log.Error("extension panicked", slog.String("method", c.method), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			resp = rpcError(c.id, mcp.INTERNAL_ERROR, internalError, nil)
		}
	}()
	result, err := t.opt.Extension.Call(c.ctx, r)
	fault, ok := faultOf(err)
	switch {
	case err == nil:
		return mcp.JSONRPCResponse{JSONRPC: mcp.JSONRPC_VERSION, ID: requestID(c.id), Result: result}
	case ok:
		return rpcError(c.id, fault.Code, fault.Message, fault.Data)
	case c.ctx.Err() != nil:
		return rpcError(c.id, mcp.REQUEST_INTERRUPTED, interrupted(c.ctx), nil)
	case errors.Is(err, errBusy):
		return rpcError(c.id, mcp.INTERNAL_ERROR, errBusy.Error(), nil)
	}
	t.log.Error("request failed", slog.String("method", c.method), slog.Any("error", err))
	return rpcError(c.id, mcp.INTERNAL_ERROR, internalError, nil)
}

// declare adds the extension's capabilities to an answer that describes the server, for callers whom it serves.
func (t *Transport) declare(ctx context.Context, resp mcp.JSONRPCMessage) mcp.JSONRPCMessage {
	r, ok := resp.(mcp.JSONRPCResponse)
	if !ok || !t.opt.Extension.For(ctx) {
		return resp
	}
	result, err := withCapabilities(r.Result, t.opt.Extension.Capabilities())
	if err != nil {
		t.log.Error("capabilities were not declared", slog.Any("error", err))
		return resp
	}
	r.Result = result
	return r
}

func withCapabilities(result any, more map[string]any) (json.RawMessage, error) {
	raw, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	var members, capabilities map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(members["capabilities"], &capabilities); err != nil {
		return nil, err
	}
	for name, value := range more {
		if capabilities[name], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	if members["capabilities"], err = json.Marshal(capabilities); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
