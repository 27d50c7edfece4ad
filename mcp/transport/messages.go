package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/webhook/event"
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
	errNotJSON    = errors.New("the body is not valid JSON in UTF-8")
	errBatch      = errors.New("only sessions of 2025-03-26 take batches, of at most 32 messages: send one message a request")
	errNotMessage = errors.New("the body is not a JSON-RPC 2.0 message")
	errBadID      = errors.New("id must be a string or a number")
)

func parseMessage(raw []byte) (*message, error) {
	m := &message{raw: raw}
	if !utf8.Valid(raw) { // package json would put replacement characters in its place
		return nil, errNotJSON
	}
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

// tool is the tool that the message names, or "".
func (m *message) tool() string {
	var p struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(m.Params, &p)
	return p.Name
}

// framing says how messages are put on a wire: as server-sent events, or one a line.
type framing bool

const (
	events framing = true
	lines  framing = false
)

const (
	jsonHead    = `{"jsonrpc":"2.0","method":"`
	updatedHead = jsonHead + `notifications/resources/updated","params":{`
)

// message appends one framed message. JSON as encoding/json writes it has no line
// break, which both framings rely on; a client's own bytes are never passed through.
func (f framing) message(dst []byte, id string, msg []byte) []byte {
	dst = f.open(dst, id)
	dst = append(dst, msg...)
	return f.end(dst)
}

func (f framing) updated(dst []byte, id string, s *subscription) []byte {
	dst = f.open(dst, id)
	dst = append(dst, updatedHead...)
	dst = append(dst, s.meta...)
	dst = append(dst, s.topic.param...)
	dst = append(dst, "}}"...)
	return f.end(dst)
}

func (f framing) listChanged(dst []byte, id, method string, meta []byte) []byte {
	dst = f.open(dst, id)
	dst = append(dst, jsonHead...)
	dst = append(dst, method...)
	dst = append(dst, '"')
	if meta != nil {
		// meta ends with the comma that separates it from a further parameter.
		dst = append(dst, `,"params":{`...)
		dst = append(dst, meta[:len(meta)-1]...)
		dst = append(dst, '}')
	}
	dst = append(dst, '}')
	return f.end(dst)
}

func (f framing) open(dst []byte, id string) []byte {
	if f == lines {
		return dst
	}
	if id != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		dst = append(dst, '\n')
	}
	return append(dst, "event: message\ndata: "...)
}

func (f framing) end(dst []byte) []byte {
	if f == lines {
		return append(dst, '\n')
	}
	return append(dst, "\n\n"...)
}

// maxBatch bounds the messages of one batch, all of whose requests run at once.
const maxBatch = 32

// postBatch serves a JSON-RPC batch, which only 2025-03-26 has. Its requests run side by
// side and are answered by one array: alone, or as the last event where one of them
// said something on the way.
func (t *Transport) postBatch(w http.ResponseWriter, r *http.Request, raw []byte) {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		replyRPC(w, http.StatusBadRequest, nil, mcp.PARSE_ERROR, errNotJSON.Error(), nil)
		return
	}
	ses, ok := t.session(w, r)
	if !ok {
		return
	}
	ses.use()
	ses.mu.Lock()
	version := ses.version
	ses.mu.Unlock()
	if version != mcp.ProtocolVersion20250326 || len(parts) == 0 || len(parts) > maxBatch {
		replyRPC(w, http.StatusBadRequest, nil, mcp.INVALID_REQUEST, errBatch.Error(), nil)
		return
	}
	b := &batch{t: t, ses: ses, r: r, answers: make([][]byte, len(parts))}
	b.response = t.newResponse(w, r, nil, b.cancelAll)
	b.response.beats()
	for i, part := range parts {
		b.add(i, part)
	}
	b.finish(w)
}

// A batch is several messages that are answered together.
type batch struct {
	t        *Transport
	ses      *session
	r        *http.Request
	response *response
	answers  [][]byte // in the order of the requests; nil for what is not answered
	running  sync.WaitGroup

	mu    sync.Mutex
	calls []*call
}

func (b *batch) add(i int, part []byte) {
	m, err := parseMessage(part)
	switch {
	case err != nil:
		b.answers[i], _ = encode(nil, rpcError(nil, parseCode(err), err.Error(), nil))
		return
	case !m.isRequest():
		if err := b.t.take(b.r.Context(), b.ses, m); err != nil {
			b.t.log.Warn("an answer or a cancellation did not reach the other replicas", slog.Any("error", err))
		}
		return
	case m.Method == string(mcp.MethodInitialize):
		b.answers[i], _ = encode(m.ID, rpcError(m.ID, mcp.INVALID_REQUEST, "initialize cannot be part of a batch", nil))
		return
	}
	c, err := b.t.begin(b.r.Context(), b.ses, m)
	if err != nil {
		b.answers[i], _ = encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, err.Error(), nil))
		return
	}
	c.out = b.response
	b.mu.Lock()
	b.calls = append(b.calls, c)
	b.mu.Unlock()
	b.running.Go(func() { b.answers[i], _ = b.t.serve(c, m) })
}

func (b *batch) cancelAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		c.cancel(errGone)
	}
}

// finish waits for the answers and sends them.
func (b *batch) finish(w http.ResponseWriter) {
	b.running.Wait()
	defer func() {
		for _, c := range b.calls {
			c.release()
		}
	}()
	var answers [][]byte
	for _, a := range b.answers {
		if a != nil {
			answers = append(answers, a)
		}
	}
	if len(answers) == 0 {
		b.response.abandon()
		w.WriteHeader(http.StatusAccepted)
		return
	}
	b.response.finish(http.StatusOK, append(append([]byte("["), bytes.Join(answers, []byte(","))...), ']'))
}

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

// encodeNotification writes a notification to a client as JSON.
func encodeNotification(method string, params any) ([]byte, error) {
	body, err := json.Marshal(struct {
		JSONRPC string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{mcp.JSONRPC_VERSION, method, params})
	if err != nil {
		return nil, fmt.Errorf("transport: encode %s: %w", method, err)
	}
	return body, nil
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
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a peer that left needs no answer
	if len(body) > pieceSize {
		_ = http.NewResponseController(w).Flush() // The end of it has a deadline, too.
	}
}

// methodNotAllowed answers 405 with what the path does take.
func methodNotAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	reply(w, http.StatusMethodNotAllowed, "method_not_allowed", "allowed: "+allow)
}

// A ProtocolError is an error that a handler wants its client to see as it is, with a
// JSON-RPC code. Every other error that a handler returns is answered as an internal
// one, and only logged.
type ProtocolError struct {
	Code    int
	Message string
	// Data is sent beside the message when it is not nil. It must encode as JSON.
	Data any
}

func (e *ProtocolError) Error() string { return e.Message }

// faultOf returns what a client sees of a handler's error, if it may see anything.
func faultOf(err error) (*ProtocolError, bool) {
	if fault, ok := errors.AsType[*ProtocolError](err); ok {
		return fault, true
	}
	if errors.Is(err, event.ErrBusy) {
		return &ProtocolError{Code: mcp.INTERNAL_ERROR, Message: event.ErrBusy.Error()}, true
	}
	return nil, false
}

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
	if !ok {
		return
	}
	if fault, ok := faultOf(err); ok {
		c.fault = fault
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
		if err != nil {
			explain(ctx, req.Params.URI, err)
		}
		return contents, err
	}
}

func (t *Transport) watchTool(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		result, err := next(ctx, req)
		if err != nil {
			explain(ctx, "", err)
		}
		return result, err
	}
}

func (t *Transport) watchPrompt(next server.PromptHandlerFunc) server.PromptHandlerFunc {
	return func(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		result, err := next(ctx, req)
		if err != nil {
			explain(ctx, "", err)
		}
		return result, err
	}
}
