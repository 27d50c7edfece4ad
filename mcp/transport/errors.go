package transport

import (
	"context"
	"errors"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// A ProtocolError is an error that a handler wants its client to see as it is, with a
// JSON-RPC code. Every other error that a handler returns is answered as an internal
// one, and told to the log alone.
type ProtocolError struct {
	Code    int
	Message string
	// Data is sent beside the message when it is not nil. It must encode as JSON.
	Data any
}

func (e *ProtocolError) Error() string { return e.Message }

// capabilityMissing is what 2026-07-28 answers to a client that did not declare what a
// request needs, by name: the error data has an object of capabilities.
func capabilityMissing(e mcp.MissingRequiredClientCapabilityError) *ProtocolError {
	data := map[string]any{}
	if e.Capability != "" {
		data["requiredCapabilities"] = map[string]any{e.Capability: map[string]any{}}
	}
	return &ProtocolError{Code: mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, Message: e.Error(), Data: data}
}

// explain keeps an error of a handler that its client may see: mcp-go would answer all
// of them as internal ones.
func explain(ctx context.Context, uri string, err error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || err == nil {
		return
	}
	if told, ok := errors.AsType[*ProtocolError](err); ok {
		c.fault = told
		return
	}
	if missing, ok := errors.AsType[mcp.MissingRequiredClientCapabilityError](err); ok {
		c.fault = capabilityMissing(missing)
		return
	}
	if uri != "" && errors.Is(err, server.ErrResourceNotFound) {
		c.fault = c.notFound(uri)
	}
}

// notFound says that there is no such resource, with the code of the call's era.
func (c *call) notFound(uri string) *ProtocolError {
	code := mcp.RESOURCE_NOT_FOUND
	if c.stateless {
		code = mcp.INVALID_PARAMS
	}
	return &ProtocolError{Code: code, Message: notFoundText, Data: map[string]any{"uri": uri}}
}

func (t *Transport) watchRead(next server.ResourceHandlerFunc) server.ResourceHandlerFunc {
	return func(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		contents, err := next(ctx, req)
		explain(ctx, req.Params.URI, err)
		return contents, err
	}
}

func (t *Transport) watchTool(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		result, err := next(ctx, req)
		explain(ctx, "", err)
		return result, err
	}
}

func (t *Transport) watchPrompt(next server.PromptHandlerFunc) server.PromptHandlerFunc {
	return func(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		result, err := next(ctx, req)
		explain(ctx, "", err)
		return result, err
	}
}
