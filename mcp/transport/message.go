package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// A message is one JSON-RPC message, decoded no further than routing needs.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`

	raw []byte
}

var (
	errNotJSON    = errors.New("the body is not valid JSON")
	errBatch      = errors.New("only sessions of 2025-03-26 take batches, of at most 32 messages: send one message a request")
	errNotMessage = errors.New("the body is not a JSON-RPC 2.0 message")
	errBadID      = errors.New("id must be a string or a number")
)

func parseMessage(raw []byte) (*message, error) {
	m := &message{raw: raw}
	if isBatch(raw) {
		if json.Valid(raw) {
			return nil, errBatch
		}
		return nil, errNotJSON
	}
	if err := json.Unmarshal(raw, m); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || len(raw) == 0 {
			return nil, errNotJSON
		}
		return nil, errNotMessage
	}
	switch {
	case m.JSONRPC != mcp.JSONRPC_VERSION, m.Method == "" && m.Result == nil && m.Error == nil && m.ID == nil:
		return nil, errNotMessage
	case m.ID != nil && !validID(m.ID):
		return nil, errBadID
	}
	return m, nil
}

// parseCode is the JSON-RPC code of an error of parseMessage.
func parseCode(err error) int {
	if errors.Is(err, errNotJSON) {
		return mcp.PARSE_ERROR
	}
	return mcp.INVALID_REQUEST
}

func isBatch(raw []byte) bool {
	b := bytes.TrimLeft(raw, " \t\r\n")
	return len(b) > 0 && b[0] == '['
}

func validID(id json.RawMessage) bool {
	return id[0] == '"' || id[0] == '-' || (id[0] >= '0' && id[0] <= '9')
}

func (m *message) isRequest() bool      { return m.Method != "" && m.ID != nil }
func (m *message) isNotification() bool { return m.Method != "" && m.ID == nil }

// metaVersion is the protocol version that the message itself declares, or "". Most
// messages declare none and are spared the decoding; a key can hide in escapes.
func (m *message) metaVersion() string {
	if !bytes.Contains(m.Params, []byte(mcp.MetaKeyProtocolVersion)) && !bytes.Contains(m.Params, []byte(`\u`)) {
		return ""
	}
	var p struct {
		Meta *mcp.Meta `json:"_meta"`
	}
	if json.Unmarshal(m.Params, &p) != nil {
		return ""
	}
	return p.Meta.ProtocolVersion()
}

// isStateless reports whether a request belongs to 2026-07-28 or later: its header or
// its own metadata says so.
func (m *message) isStateless(h http.Header) bool {
	return mcp.IsModernProtocol(h.Get(mcp.HeaderProtocolVersion)) || mcp.IsModernProtocol(m.metaVersion())
}

// cancelledID is the id that a notifications/cancelled names, or nil.
func (m *message) cancelledID() json.RawMessage {
	var p struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(m.Params, &p) != nil || len(p.RequestID) == 0 || !validID(p.RequestID) {
		return nil
	}
	return p.RequestID
}

// uri is the resource that the message names, or "".
func (m *message) uri() string {
	var p struct {
		URI string `json:"uri"`
	}
	_ = json.Unmarshal(m.Params, &p)
	return p.URI
}
