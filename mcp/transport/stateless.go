package transport

import (
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// postStateless serves a message of 2026-07-28, where each request says everything
// itself: there is no session, and what its headers repeat must agree with it.
func (t *Transport) postStateless(w http.ResponseWriter, r *http.Request, m *message) {
	if m.Method == "" {
		replyRPC(w, http.StatusBadRequest, m.ID, mcp.INVALID_REQUEST, "2026-07-28 has no responses of clients: send the request again with its input responses", nil)
		return
	}
	if m.isNotification() {
		// The only one is notifications/cancelled, and a client cancels by closing its
		// request: an id without a session could be anybody's.
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if e := t.checkHeaders(r.Header, m); e != nil {
		replyRPC(w, statelessStatus(e.Code), m.ID, e.Code, e.Message, e.Data)
		return
	}
	c, err := t.begin(r.Context(), nil, m)
	if err != nil {
		t.refuseCall(w, m, err)
		return
	}
	c.stateless = true
	if m.Method == string(mcp.MethodSubscriptionsListen) {
		t.postListen(w, r, c, m)
		return
	}
	defer c.release()
	t.respond(w, r, c, m, t.statusOf(m.Method))
}

// statelessStatus is the HTTP status that 2026-07-28 gives a JSON-RPC error, so that
// proxies see what failed.
func statelessStatus(code int) int {
	switch code {
	case mcp.METHOD_NOT_FOUND:
		return http.StatusNotFound
	case mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION,
		mcp.INVALID_REQUEST, mcp.INVALID_PARAMS, mcp.PARSE_ERROR:
		return http.StatusBadRequest
	default:
		return http.StatusOK
	}
}

// checkHeaders compares what the headers say with the message.
func (t *Transport) checkHeaders(h http.Header, m *message) *mcp.JSONRPCErrorDetails {
	header, meta := h.Get(mcp.HeaderProtocolVersion), m.metaVersion()
	switch {
	case header == "":
		return mismatch(mcp.HeaderProtocolVersion, "missing required header")
	case meta == "":
		e := mcp.NewJSONRPCErrorDetails(mcp.INVALID_PARAMS, "missing or invalid _meta field "+mcp.MetaKeyProtocolVersion, nil)
		return &e
	case header != meta:
		return mismatch(mcp.HeaderProtocolVersion, "header and _meta name different versions")
	case !mcp.IsValidProtocolVersion(meta):
		e := mcp.UnsupportedProtocolVersionError{Version: meta, Supported: t.versions}.JSONRPCError().Error
		return &e
	}
	method := mcp.MCPMethod(m.Method)
	if err := mcp.ValidateStandardHeaders(h.Get, meta, method, m.Params); err != nil {
		e := mcp.NewJSONRPCErrorDetails(mcp.HEADER_MISMATCH, err.Error(), nil)
		return &e
	}
	if method != mcp.MethodToolsCall {
		return nil
	}
	return t.checkParamHeaders(h, m)
}

// checkParamHeaders compares the arguments that a tool wants in headers too.
func (t *Transport) checkParamHeaders(h http.Header, m *message) *mcp.JSONRPCErrorDetails {
	var p struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(m.Params, &p) != nil {
		return nil // mcp-go answers that
	}
	tool := t.server.GetTool(p.Name)
	if tool == nil {
		return nil
	}
	lookup := func(name string) (string, bool) {
		values := h.Values(name)
		if len(values) == 0 {
			return "", false
		}
		return values[0], true
	}
	if err := mcp.ValidateParamHeadersLookup(lookup, &tool.Tool, m.Params); err != nil {
		e := mcp.NewJSONRPCErrorDetails(mcp.HEADER_MISMATCH, err.Error(), nil)
		return &e
	}
	return nil
}

func mismatch(header, reason string) *mcp.JSONRPCErrorDetails {
	e := mcp.NewJSONRPCErrorDetails(mcp.HEADER_MISMATCH, mcp.HeaderMismatchError{Header: header, Reason: reason}.Error(), nil)
	return &e
}
