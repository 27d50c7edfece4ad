package transport

import (
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// errorBody is how every refusal that is not yet MCP reads.
type errorBody struct {
	Error  string `json:"error"`
	Detail string `json:"detail,omitempty"`
}

// reply refuses a request at the HTTP level.
func reply(w http.ResponseWriter, status int, code, detail string) {
	body, _ := json.Marshal(errorBody{Error: code, Detail: detail}) // two strings always encode
	writeJSON(w, status, body)
}

// replyRPC refuses a message at the JSON-RPC level. A nil id is sent as null.
func replyRPC(w http.ResponseWriter, status int, id json.RawMessage, code int, message string, data any) {
	body, err := json.Marshal(rpcError(id, code, message, data))
	if err != nil {
		reply(w, http.StatusInternalServerError, "internal", "")
		return
	}
	writeJSON(w, status, body)
}

func rpcError(id json.RawMessage, code int, message string, data any) mcp.JSONRPCError {
	return mcp.JSONRPCError{
		JSONRPC: mcp.JSONRPC_VERSION,
		ID:      requestID(id),
		Error:   mcp.NewJSONRPCErrorDetails(code, message, data),
	}
}

// requestID returns an id as the client wrote it: through a float64 a large one would
// come back as another.
func requestID(id json.RawMessage) mcp.RequestId {
	if len(id) == 0 {
		return mcp.NewRequestId(nil)
	}
	return mcp.NewRequestId(id)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a peer that left needs no answer
}

// methodNotAllowed answers 405 with what the path does take.
func methodNotAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	reply(w, http.StatusMethodNotAllowed, "method_not_allowed", "allowed: "+allow)
}
