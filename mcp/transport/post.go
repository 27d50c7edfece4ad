package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// post serves a message of any era.
func (t *Transport) post(w http.ResponseWriter, r *http.Request) {
	if !accepts(r, jsonMedia) && !accepts(r, eventStream) {
		reply(w, http.StatusNotAcceptable, "not_acceptable", "accept "+jsonMedia+" and "+eventStream)
		return
	}
	raw, ok := t.readJSON(w, r)
	if !ok {
		return
	}
	if isBatch(raw) {
		t.postBatch(w, r, raw) //nolint:contextcheck // each call of a batch carries its own
		return
	}
	m, ok := parsed(w, raw)
	if !ok {
		return
	}
	switch {
	case m.isStateless(r.Header):
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
	ses := t.sessions.fresh(sign.mint(name), name)
	c, err := t.begin(r.Context(), ses, m)
	if err != nil {
		t.refuseCall(w, m, err)
		return
	}
	defer c.release()
	p := t.newResponse(w, r, func() { c.cancel(errGone) })
	p.calm()
	c.out = p
	body, code := t.serve(c, m)
	if code == 0 {
		if err := t.sessions.open(r.Context(), ses); err != nil {
			t.refuseSession(w, p, m, err)
			return
		}
		t.count.sessionsOpened.Add(1)
		p.header = func() { w.Header().Set(mcp.HeaderSessionID, ses.id) }
	}
	p.finish(http.StatusOK, body)
}

func (t *Transport) refuseSession(w http.ResponseWriter, p *response, m *message, err error) {
	code := internalError
	if errors.Is(err, ErrTooManySessions) {
		t.count.sessionsFull.Add(1)
		code = ErrTooManySessions.Error()
	} else {
		t.log.Error("session was not stored", slog.Any("error", err))
	}
	body, _ := encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, code, nil))
	p.header = func() { w.Header().Set("Retry-After", retryAfter) }
	p.finish(http.StatusServiceUnavailable, body)
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
	t.respond(w, r, c, m, func(int) int { return http.StatusOK })
}

// respond serves a call and answers it on its own response.
func (t *Transport) respond(w http.ResponseWriter, r *http.Request, c *call, m *message, status func(code int) int) {
	p := t.newResponse(w, r, func() { c.cancel(errGone) })
	c.out = p
	body, code := t.serve(c, m)
	p.finish(status(code), body)
}

// take serves what is not answered: a client's answer to us, or a notification. What is
// for a call that does not run here is told to the other replicas, which can fail.
func (t *Transport) take(ctx context.Context, ses *session, m *message) error {
	switch {
	case m.Method == "":
		if !ses.answer(m) && ses.stored {
			return t.relay.tell(ctx, ses.id, m.raw)
		}
	case m.Method == string(mcp.MethodNotificationCancelled):
		if id := m.cancelledID(); id != nil && !ses.cancel(id) && ses.stored {
			return t.relay.tell(ctx, ses.id, m.raw)
		}
	default:
		// Whatever a handler was registered for. mcp-go answers nothing.
		c := &call{t: t, ses: ses, ctx: ctx, cancel: func(error) {}, method: m.Method, out: nobody{}}
		t.handle(c, m)
		c.finish()
	}
	return nil
}

// refuseCall answers a request that was not begun.
func (t *Transport) refuseCall(w http.ResponseWriter, m *message, err error) {
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		replyRPC(w, http.StatusTooManyRequests, m.ID, mcp.INTERNAL_ERROR, errBusy.Error(), nil)
	case errors.Is(err, errClosed):
		replyRPC(w, http.StatusNotFound, m.ID, sessionNotFound, "session not found: send initialize again", nil)
	default:
		t.unavailable(w, "stopping")
	}
}
