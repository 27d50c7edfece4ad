package events

import (
	"errors"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
)

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
