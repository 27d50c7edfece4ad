package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

const (
	ssePath     = "/sse"
	messagePath = "/message"
	sessionKey  = "sessionId" // in the query of messagePath, as SDKs have it
)

// route serves a request that may come in: what it asks for under the mount.
func (t *Transport) route(w http.ResponseWriter, r *http.Request) {
	select {
	case <-t.stopping:
		t.unavailable(w, "stopping")
		return
	default:
		if t.server == nil {
			t.unavailable(w, "stopping")
			return
		}
	}
	paced := newPacedWriter(w, t.opt.WriteTimeout)
	defer paced.rest()
	w = paced
	who := account(r.Context())
	if e, ok := errors.AsType[*quotaError](t.quotas.connections.take(who, 1)); ok {
		w.Header().Set("Connection", "close")
		t.refuseQuota(w, r, e)
		return
	}
	defer t.quotas.connections.give(who, 1)
	rest, ok := strings.CutPrefix(r.URL.Path, t.opt.Mount)
	if !ok {
		reply(w, http.StatusNotFound, "not_found", "")
		return
	}
	switch rest {
	case "", "/":
		t.endpoint(w, r)
	case ssePath:
		t.only(http.MethodGet, t.openSSE, w, r)
	case messagePath:
		t.only(http.MethodPost, t.messageSSE, w, r)
	default:
		reply(w, http.StatusNotFound, "not_found", "")
	}
}

func (t *Transport) only(method string, h http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	if r.Method != method {
		methodNotAllowed(w, method)
		return
	}
	h(w, r)
}

// endpoint serves the mount itself.
func (t *Transport) endpoint(w http.ResponseWriter, r *http.Request) {
	stateless := mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion))
	switch r.Method {
	case http.MethodPost:
		t.post(w, r)
	case http.MethodGet:
		switch {
		case stateless:
			methodNotAllowed(w, http.MethodPost)
		case r.Header.Get(mcp.HeaderSessionID) == "" && t.opt.Default == SSE:
			t.openSSE(w, r)
		default:
			t.get(w, r)
		}
	case http.MethodDelete:
		if stateless {
			methodNotAllowed(w, http.MethodPost)
			return
		}
		t.delete(w, r)
	default:
		methodNotAllowed(w, corsMethods)
	}
}

// principal is the name that sessions are bound to; "" where no caller has to
// authenticate.
func principal(r *http.Request) string {
	if p := access.From(r.Context()); p != nil {
		return p.Name
	}
	return ""
}

// accepts reports whether the client takes a media type. One that says nothing takes
// everything.
func accepts(r *http.Request, media string) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return true
	}
	major, _, _ := strings.Cut(media, "/")
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case media, major + "/*", "*/*":
				return true
			}
		}
	}
	return false
}

// A guard decides by Host and Origin who may speak to us at all, before anything else
// of a request is looked at, and answers browsers' preflights.
type guard struct {
	origins map[string]bool // normal form
	hosts   map[string]bool // lower case, as configured
}

func newGuard(o Options) guard {
	g := guard{origins: map[string]bool{}, hosts: map[string]bool{}}
	for _, origin := range o.AllowedOrigins {
		if n, err := normalOrigin(origin); err == nil {
			g.origins[n] = true
		}
	}
	for _, host := range o.AllowedHosts {
		g.hosts[strings.ToLower(host)] = true
	}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Host != "" {
		g.hosts[strings.ToLower(u.Host)] = true
		if n, err := normalOrigin(u.Scheme + "://" + u.Host); err == nil {
			g.origins[n] = true
		}
	}
	return g
}

const (
	corsMethods = "GET, POST, DELETE"
	corsExposed = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
	// corsHeaders are what MCP clients send; Mcp-Param-* are added from the preflight.
	corsHeaders = "Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id"
	// corsMaxAge is two hours in seconds, the most that Chromium honours.
	corsMaxAge = "7200"
)

func (g guard) wrap(refuse func(r *http.Request, reason string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.hostAllowed(r) {
			refuse(r, "host")
			reply(w, http.StatusForbidden, "host_not_allowed", "this server does not answer to that Host; behind a proxy set PUBLIC_URL to the address that clients use")
			return
		}
		if !g.originAllowed(r) {
			refuse(r, "origin")
			reply(w, http.StatusForbidden, "origin_not_allowed", "pages of that origin may not call this server; the operator can allow it")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			h := w.Header()
			h.Add("Vary", "Origin")
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposed)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders+paramHeaders(r))
				h.Set("Access-Control-Max-Age", corsMaxAge)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// paramHeaders returns the Mcp-Param-* headers that a preflight asks for: tools name
// them, so no list can.
func paramHeaders(r *http.Request) string {
	var b strings.Builder
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.TrimSpace(name)
		if strings.HasPrefix(strings.ToLower(name), "mcp-param-") && !strings.ContainsAny(name, "\r\n") {
			b.WriteString(", " + name)
		}
	}
	return b.String()
}

// hostAllowed stops DNS rebinding: a page whose name was rebound to a loopback
// address still sends that name. Where the connection did not come over loopback and
// nothing was configured, any name may be right: a cluster gives us many.
func (g guard) hostAllowed(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if isLoopback(host) || g.hosts[host] || g.hosts[hostOnly(host)] {
		return true
	}
	local := localAddr(r)
	if isLoopback(local) {
		return false
	}
	return len(g.hosts) == 0 || hostOnly(host) == hostOnly(local)
}

// originAllowed lets requests without an Origin pass: they do not come from a page.
func (g guard) originAllowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	origin, err := normalOrigin(values[0])
	if err != nil {
		return false
	}
	if g.origins[origin] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && isLoopback(u.Host) && isLoopback(r.Host)
}

var errNotOrigin = errors.New("not an origin")

// normalOrigin returns scheme://host[:port] in lower case without a default port.
func normalOrigin(s string) (string, error) {
	u, err := url.Parse(strings.ToLower(strings.TrimSuffix(s, "/")))
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || strings.Contains(u.Host, "*") {
		return "", errNotOrigin
	}
	host := u.Host
	switch {
	case u.Scheme == "http" && u.Port() == "80", u.Scheme == "https" && u.Port() == "443":
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return u.Scheme + "://" + host, nil
}

func localAddr(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}

func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

func isLoopback(hostport string) bool {
	host := strings.ToLower(hostOnly(hostport))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// post serves a message of any era.
func (t *Transport) post(w http.ResponseWriter, r *http.Request) {
	if !accepts(r, jsonMedia) && !accepts(r, eventStream) {
		reply(w, http.StatusNotAcceptable, "not_acceptable", "accept "+jsonMedia+" and "+eventStream)
		return
	}
	raw, done, ok := t.readJSON(w, r)
	if !ok {
		return
	}
	defer done()
	if isBatch(raw) {
		t.postBatch(w, r, raw) //nolint:contextcheck // each call of a batch carries its own
		return
	}
	m, err := parseMessage(raw)
	if err != nil {
		replyRPC(w, http.StatusBadRequest, nil, parseCode(err), err.Error(), nil)
		return
	}
	switch {
	case mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion)), mcp.IsModernProtocol(m.metaVersion()):
		t.postStateless(w, r, m)
	case m.isRequest() && m.Method == string(mcp.MethodInitialize):
		t.postInitialize(w, r, m)
	default:
		t.postToSession(w, r, m)
	}
}

// postInitialize opens a session. An id that the request carries is of an older one.
func (t *Transport) postInitialize(w http.ResponseWriter, r *http.Request, m *message) {
	name := principal(r)
	sign, err := t.sessions.sign.signer(r.Context())
	if err != nil {
		t.unavailableSessions(w, err)
		return
	}
	ses := t.sessions.fresh(sign.mint(name), name, access.From(r.Context()))
	c, err := t.begin(r.Context(), ses, m)
	if err != nil {
		t.refuseCall(w, m, err)
		return
	}
	defer c.release()
	p := t.newResponse(w, r, m.ID, func() { c.cancel(errGone) })
	c.out = p
	body, code := t.serve(c, m)
	if code == 0 {
		if err := t.sessions.open(r.Context(), ses); err != nil {
			t.refuseSession(w, r, p, m, err)
			return
		}
		t.count.sessionsOpened.Add(1)
		p.before(func() { w.Header().Set(mcp.HeaderSessionID, ses.id) })
	}
	p.finish(http.StatusOK, body)
}

func (t *Transport) refuseSession(w http.ResponseWriter, r *http.Request, p *response, m *message, err error) {
	if errors.Is(err, ErrTooManySessions) {
		err = &quotaError{ofSessions, false, int64(t.opt.MaxSessions)}
	}
	why, status := internalError, http.StatusServiceUnavailable
	if e, ok := errors.AsType[*quotaError](err); ok {
		t.quotaRefused(r.Context(), e)
		why, status = e.Error(), e.status()
	} else {
		t.log.Error("session was not stored", slog.Any("error", err))
	}
	body, _ := encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, why, nil))
	p.before(func() { w.Header().Set("Retry-After", retryAfter) })
	p.finish(status, body)
}

// session finds the session that a request names, or answers 400 without one and 404
// for one that there is not, to this principal.
func (t *Transport) session(w http.ResponseWriter, r *http.Request) (*session, bool) {
	if v := r.Header.Get(mcp.HeaderProtocolVersion); v != "" && !mcp.IsValidProtocolVersion(v) {
		replyRPC(w, http.StatusBadRequest, nil, mcp.INVALID_REQUEST, "unsupported protocol version", mcp.UnsupportedProtocolVersionData{Supported: t.versions, Requested: v})
		return nil, false
	}
	id := r.Header.Get(mcp.HeaderSessionID)
	if id == "" {
		replyRPC(w, http.StatusBadRequest, nil, mcp.INVALID_REQUEST, "missing "+mcp.HeaderSessionID+": send initialize first", nil)
		return nil, false
	}
	ses, err := t.sessions.find(r.Context(), id, principal(r))
	switch {
	case err == nil && ses.stored:
		return ses, true
	case err == nil, errors.Is(err, ErrNoSession):
		replyRPC(w, http.StatusNotFound, nil, sessionNotFound, "session not found: send initialize again", nil)
	default:
		t.unavailableSessions(w, err)
	}
	return nil, false
}

// unavailableSessions answers what cannot be decided while the sessions' store is away.
func (t *Transport) unavailableSessions(w http.ResponseWriter, err error) {
	t.log.Error("sessions cannot be reached", slog.Any("error", err))
	t.unavailable(w, "sessions_unavailable")
}

// sessionNotFound is the code that SDKs use for it.
const sessionNotFound = -32001

// postToSession serves a message of a session.
func (t *Transport) postToSession(w http.ResponseWriter, r *http.Request, m *message) {
	ses, ok := t.session(w, r)
	if !ok {
		return
	}
	if !m.isRequest() {
		ses.use()
		if err := t.take(r.Context(), ses, m); err != nil {
			t.unavailableSessions(w, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	c, err := t.begin(r.Context(), ses, m)
	if err != nil {
		t.refuseCall(w, m, err)
		return
	}
	defer c.release()
	p := t.newResponse(w, r, m.ID, func() { c.cancel(errGone) })
	c.out = p
	p.beats()
	body, _ := t.serve(c, m)
	p.finish(http.StatusOK, body)
}

// take serves what is not answered: a client's answer to us, or a notification. What is
// for a call that does not run here is sent to the other replicas, which can fail.
func (t *Transport) take(ctx context.Context, ses *session, m *message) error {
	switch {
	case m.Method == "":
		if !ses.answer(m) && ses.stored {
			return t.relay.sendToAll(ctx, ses.id, m.raw)
		}
	case m.Method == string(mcp.MethodNotificationCancelled):
		if id := m.cancelledID(); id != nil && !ses.cancel(id) && ses.stored {
			return t.relay.sendToAll(ctx, ses.id, m.raw)
		}
	default:
		// Whatever a handler was registered for. mcp-go answers nothing.
		c := &call{t: t, ses: ses, ctx: ctx, cancel: func(error) {}, method: m.Method, out: noSink{}}
		_, _ = t.serve(c, m)
	}
	return nil
}

// refuseCall answers a request that was not begun.
func (t *Transport) refuseCall(w http.ResponseWriter, m *message, err error) {
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		replyRPC(w, http.StatusTooManyRequests, m.ID, mcp.INTERNAL_ERROR, err.Error(), nil)
	case errors.Is(err, errClosed):
		replyRPC(w, http.StatusNotFound, m.ID, sessionNotFound, "session not found: send initialize again", nil)
	default:
		t.unavailable(w, "stopping")
	}
}

// get opens a session's stream. What waited for the client meanwhile is sent first.
func (t *Transport) get(w http.ResponseWriter, r *http.Request) {
	if !accepts(r, eventStream) {
		reply(w, http.StatusNotAcceptable, "not_acceptable", "accept "+eventStream)
		return
	}
	ses, ok := t.session(w, r)
	if !ok || !t.enterStream(w, r) {
		return
	}
	defer t.leaveStream(r)
	rc := http.NewResponseController(w)
	a := &attachment{replaced: make(chan struct{}), left: make(chan struct{})}
	a.abort = func() { _ = rc.SetWriteDeadline(past) }
	if err := ses.attach(r.Context(), a); err != nil {
		if errors.Is(err, errClosed) {
			replyRPC(w, http.StatusNotFound, nil, sessionNotFound, "session not found: send initialize again", nil)
		}
		return
	}
	defer ses.detach(a)
	last, elsewhere := r.Header.Get(mcp.HeaderLastEventID), ses.wasElsewhere()
	switch {
	case last != "":
		ses.box.resume(last, ses.subscriptions())
	case elsewhere:
		ses.box.resumeUpdates(ses.subscriptions())
	}
	s := openWire(w, rc)
	if err := s.write([]byte(greeting(ses))); err != nil {
		return
	}
	ses.box.signal()
	t.carry(r.Context(), s, ses.box, a.replaced, ses.done)
}

// greeting is the first thing on a stream, which also sends the headers off. A client
// of 2025-11-25 gets its position, so that it can resume before anything
// happened; earlier ones do not expect an event without data.
func greeting(s *session) string {
	s.mu.Lock()
	version := s.version
	s.mu.Unlock()
	if version < mcp.ProtocolVersion20251125 {
		return heartbeatFrame
	}
	return "id: " + s.box.lastEvent() + "\nretry: 1000\ndata: \n\n"
}

// delete ends a session.
func (t *Transport) delete(w http.ResponseWriter, r *http.Request) {
	ses, ok := t.session(w, r)
	if !ok {
		return
	}
	if err := t.sessions.close(r.Context(), ses, ErrNoSession); err != nil && !errors.Is(err, ErrNoSession) {
		t.log.Error("session was not deleted", slog.Any("error", err))
		t.unavailable(w, "sessions_unavailable")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

const jsonMedia = "application/json"

// readJSON reads a body, or answers why not. The body counts against its caller's share
// until done is called.
func (t *Transport) readJSON(w http.ResponseWriter, r *http.Request) (raw []byte, done func(), ok bool) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != jsonMedia {
		w.Header().Set("Accept-Post", jsonMedia)
		reply(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "send "+jsonMedia)
		return nil, nil, false
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		reply(w, http.StatusUnsupportedMediaType, "unsupported_content_encoding", "send the body uncompressed")
		return nil, nil, false
	}
	if r.ContentLength > t.opt.MaxBodyBytes {
		// Unread, the connection cannot be used again; reading on is what the limit forbids.
		w.Header().Set("Connection", "close")
		reply(w, http.StatusRequestEntityTooLarge, "body_too_large", "")
		return nil, nil, false
	}
	rc := http.NewResponseController(w)
	if rc.SetReadDeadline(time.Now().Add(t.opt.ReadTimeout)) == nil {
		defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	}
	var body bytes.Buffer
	in := &countedReader{in: http.MaxBytesReader(w, r.Body, t.opt.MaxBodyBytes), quota: t.quotas.bodies, account: account(r.Context())}
	_, err := io.Copy(&body, in)
	if err == nil {
		return body.Bytes(), in.done, true
	}
	in.done()
	if e, ok := errors.AsType[*quotaError](err); ok {
		w.Header().Set("Connection", "close")
		t.refuseQuota(w, r, e)
		return nil, nil, false
	}
	if errors.As(err, new(*http.MaxBytesError)) {
		w.Header().Set("Connection", "close")
		reply(w, http.StatusRequestEntityTooLarge, "body_too_large", "")
	} else {
		reply(w, http.StatusBadRequest, "body_not_read", "")
	}
	return nil, nil, false
}

// A countedReader counts what is read against a quota, as it arrives.
type countedReader struct {
	in      io.Reader
	quota   *quota
	account string
	n       int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if n == 0 {
		return n, err
	}
	if full := c.quota.take(c.account, int64(n)); full != nil {
		return 0, full
	}
	c.n += int64(n)
	return n, err
}

// done gives back all that was counted. It is called once.
func (c *countedReader) done() { c.quota.give(c.account, c.n) }
