package transport

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
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
	if t.stepUp(w, r, m) {
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
	p := t.newResponse(w, r, m.ID, func() { c.cancel(errGone) })
	c.out = p
	p.beats()
	body, code := t.serve(c, m)
	status := statelessStatus(code)
	if x := t.opt.Extension; x != nil && x.Serves(m.Method) {
		status = http.StatusOK // the codes of an extension mean nothing to a proxy
	}
	p.finish(status, body)
}

// stepUp answers a person's call of a tool for which they have to give the client more: the client leads
// them there, and calls again.
func (t *Transport) stepUp(w http.ResponseWriter, r *http.Request, m *message) bool {
	if t.opt.NeedsScope == nil || m.Method != string(mcp.MethodToolsCall) {
		return false
	}
	scope := t.opt.NeedsScope(r.Context(), m.tool())
	return scope != "" && access.StepUp(w, r, scope)
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

// A listener is a subscriptions/listen that was granted.
type listener struct {
	box    *outbox
	subs   []*subscription
	ack    []byte // the first message of the stream
	result []byte // the last
	empty  bool   // nothing to listen to
}

// grant lets mcp-go decide on a subscriptions/listen and takes the stream over from it:
// mcp-go holds a goroutine until the client leaves and delivers no updates. With a
// context that is over it answers at once, and what it would have sent is the
// acknowledgement. The listener is nil when it refused; the response says why. What
// waits for the listener wakes the reader of wake.
func (t *Transport) grant(c *call, m *message, wake chan struct{}) (*listener, []byte, int) {
	over, cancel := context.WithCancel(c.ctx)
	cancel()
	granted := &ackSession{call: c}
	resp := t.handle(over, granted, c, m)
	c.finish()
	body, code := encode(c.id, resp)
	if code != 0 || granted.ack == nil {
		return nil, body, code
	}
	l := &listener{box: newOutbox(t.opt.MaxQueueBytes, wake), result: body}
	l.box.of(access.From(c.ctx))
	filter := granted.filter
	filter.ResourceSubscriptions = granted.allowed
	var err error
	if l.ack, err = json.Marshal(acknowledgement(c.id, filter)); err != nil {
		body, code := encode(c.id, rpcError(c.id, mcp.INTERNAL_ERROR, internalError, nil))
		return nil, body, code
	}
	meta := append([]byte(`"_meta":{"`+mcp.MetaKeySubscriptionID+`":`), c.id...)
	meta = append(meta, "},"...)
	l.box.listMeta = meta
	l.box.wants = wanted(filter)
	l.empty = filter.IsEmpty()
	for _, uri := range granted.allowed {
		l.subs = append(l.subs, t.table.follow(l.box, uri, meta))
	}
	t.listen.Store(l.box, struct{}{})
	return l, nil, 0
}

// dismiss ends a listener.
func (t *Transport) dismiss(l *listener) {
	t.listen.Delete(l.box)
	for _, s := range l.subs {
		t.table.leave(s)
	}
	l.box.close()
}

// postListen serves subscriptions/listen: its response is the stream. It releases c.
func (t *Transport) postListen(w http.ResponseWriter, r *http.Request, c *call, m *message) {
	l, body, code := t.grant(c, m, make(chan struct{}, 1)) //nolint:contextcheck // a call carries its own
	c.release()                                            // a stream is not a running call
	if l == nil {
		writeJSON(w, statelessStatus(code), body)
		return
	}
	defer t.dismiss(l)
	if !accepts(r, eventStream) {
		reply(w, http.StatusNotAcceptable, "not_acceptable", "accept "+eventStream)
		return
	}
	if !t.enterStream(w, r) {
		return
	}
	defer t.leaveStream(r)
	s := openWire(w, http.NewResponseController(w))
	if err := s.write(events.message(nil, "", l.ack)); err != nil {
		return
	}
	if !l.empty {
		t.carry(r.Context(), s, l.box, nil, nil)
	}
	if r.Context().Err() == nil {
		_ = s.write(events.message(nil, "", l.result)) // the stream is over by our will
	}
}

func acknowledgement(id json.RawMessage, granted mcp.SubscriptionFilter) mcp.JSONRPCNotification {
	return mcp.JSONRPCNotification{
		JSONRPC: mcp.JSONRPC_VERSION,
		Notification: mcp.Notification{
			Method: mcp.MethodNotificationSubscriptionsAcknowledged,
			Params: mcp.NotificationParams{
				Meta:             map[string]any{mcp.MetaKeySubscriptionID: id},
				AdditionalFields: map[string]any{"notifications": granted},
			},
		},
	}
}

func wanted(f mcp.SubscriptionFilter) listKind {
	var k listKind
	if f.ToolsListChanged {
		k |= toolsList
	}
	if f.PromptsListChanged {
		k |= promptsList
	}
	if f.ResourcesListChanged {
		k |= resourcesList
	}
	return k
}

// An ackSession is the session of a subscriptions/listen while mcp-go decides on it.
type ackSession struct {
	*call
	filter  mcp.SubscriptionFilter
	allowed []string
	weight  int64 // of what is allowed
	ack     chan mcp.JSONRPCNotification
}

// NotificationChannel takes mcp-go's acknowledgement, which is written anew: it cannot
// know what was refused here.
func (a *ackSession) NotificationChannel() chan<- mcp.JSONRPCNotification {
	if a.ack == nil {
		a.ack = make(chan mcp.JSONRPCNotification, 1)
	}
	return a.ack
}

// SetSubscriptionFilter implements server.SessionWithSubscriptionFilter. The last call
// clears the filter, when the request ends.
func (a *ackSession) SetSubscriptionFilter(f mcp.SubscriptionFilter) {
	if !f.IsEmpty() {
		a.filter = f
	}
}

// SubscriptionFilter implements server.SessionWithSubscriptionFilter.
func (a *ackSession) SubscriptionFilter() (mcp.SubscriptionFilter, bool) { return a.filter, true }

// SubscribeToResourceErr collects what is granted. A resource that is refused is left
// out of the acknowledgement, as the specification has it.
func (a *ackSession) SubscribeToResourceErr(uri string) error {
	if len(uri) <= maxURI && len(a.allowed) < a.t.opt.MaxSubscriptions &&
		a.t.quotas.subscriptions.room(a.account, a.weight+weight(uri)) == nil && a.t.opt.Subscribable(a.ctx, uri) == nil {
		a.allowed = append(a.allowed, uri)
		a.weight += weight(uri)
	}
	return nil
}

// UnsubscribeFromResource is called for all when the request ends.
func (a *ackSession) UnsubscribeFromResource(string) {}
