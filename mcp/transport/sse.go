package transport

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

// openSSE opens the HTTP+SSE transport of 2024-11-05: the stream is the session.
func (t *Transport) openSSE(w http.ResponseWriter, r *http.Request) {
	if !accepts(r, eventStream) {
		reply(w, http.StatusNotAcceptable, "not_acceptable", "accept "+eventStream)
		return
	}
	if t.sessions.count() >= t.opt.MaxSessions {
		t.refuseQuota(w, r, &quotaError{ofSessions, false, int64(t.opt.MaxSessions)})
		return
	}
	sign, err := t.sessions.sign.signer(r.Context())
	if err != nil {
		t.unavailableSessions(w, err)
		return
	}
	if !t.enterStream(w, r) {
		return
	}
	defer t.leaveStream(r)
	if err := t.sessions.admit(r.Context(), account(r.Context())); err != nil {
		if e, ok := errors.AsType[*quotaError](err); ok {
			t.refuseQuota(w, r, e)
			return
		}
		t.unavailableSessions(w, err)
		return
	}
	ses, end := t.pinned(sign.mint(principal(r)), access.From(r.Context()), account(r.Context()))
	defer end()
	ses.box.quota = t.quotas.queues
	release, err := t.relay.hold(r.Context(), ses.id)
	if err != nil {
		t.unavailableSessions(w, err)
		return
	}
	defer release()
	s := openWire(w, http.NewResponseController(w))
	// The path alone: a client resolves it against the address that it used, which a
	// proxy may have changed.
	endpoint := t.public + t.opt.Mount + messagePath + "?" + sessionKey + "=" + url.QueryEscape(ses.id)
	if err := s.write([]byte("event: endpoint\ndata: " + endpoint + "\n\n")); err != nil {
		return
	}
	t.carry(r.Context(), s, ses.box, nil, ses.done)
}

// pinned returns a session, which was counted, that lives with one stream. What it returns
// beside it ends the session, cancels its calls and waits for them.
func (t *Transport) pinned(id string, caller *access.Principal, account string) (*session, func()) {
	name := ""
	if caller != nil {
		name = caller.Name
	}
	ses := newSession(id, name, caller, t.opt.MaxQueueBytes)
	ses.box.account = account
	ses.box.wants = toolsList | promptsList | resourcesList
	ses.pin = &pin{calls: newGate(), caller: caller}
	t.sessions.keep(ses)
	t.count.sessionsOpened.Add(1)
	return ses, func() {
		t.sessions.drop(ses, errGone)
		ses.pin.calls.close()
		<-ses.pin.calls.empty
	}
}

// A pin is the stream that a session lives with.
type pin struct {
	calls  *gate
	caller *access.Principal // who opened it; nil where nobody authenticates
	anyEra bool              // 2026-07-28 is spoken too
}

// boxSink puts a call's messages on its session's stream.
type boxSink struct{ box *outbox }

func (s boxSink) send(ctx context.Context, msg []byte) error { return s.box.push(ctx, msg) }

// noSink is the sink of a message that cannot be answered.
type noSink struct{}

func (noSink) send(context.Context, []byte) error { return errNoAnswers }

// messageSSE takes a message for an SSE session. The answer goes onto its stream.
func (t *Transport) messageSSE(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get(sessionKey)
	if id == "" {
		replyRPC(w, http.StatusBadRequest, nil, mcp.INVALID_REQUEST, "missing "+sessionKey+": open the event stream first", nil)
		return
	}
	sign, err := t.sessions.sign.signer(r.Context())
	if err != nil {
		t.unavailableSessions(w, err)
		return
	}
	var ses *session
	valid := sign.valid(id, principal(r))
	if valid {
		ses = t.sessions.get(id)
	}
	if !valid || ses == nil && t.relay == nil || ses != nil && ses.pin == nil {
		noStream(w)
		return
	}
	raw, done, ok := t.readJSON(w, r)
	if !ok {
		return
	}
	started := false // the call counts the body, which it keeps
	defer func() {
		if !started {
			done()
		}
	}()
	m, err := parseMessage(raw)
	if err != nil {
		replyRPC(w, http.StatusBadRequest, nil, parseCode(err), err.Error(), nil)
		return
	}
	if ses == nil {
		t.forwardSSE(w, r, id, m)
		return
	}
	if !m.isRequest() {
		_ = t.take(r.Context(), ses, m) // its calls run here, all of them
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if err := t.start(r.Context(), ses, m, done); err != nil {
		t.refuseCall(w, m, err)
		return
	}
	started = true
	w.WriteHeader(http.StatusAccepted)
}

func noStream(w http.ResponseWriter) {
	replyRPC(w, http.StatusNotFound, nil, sessionNotFound, "session not found: open the event stream again", nil)
}

// forwardSSE hands a message to the replica that has the session's stream.
func (t *Transport) forwardSSE(w http.ResponseWriter, r *http.Request, id string, m *message) {
	switch err := t.relay.forward(r.Context(), id, m.raw); {
	case errors.Is(err, ErrNoSession):
		noStream(w)
	case err != nil:
		t.unavailableSessions(w, err)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// start serves a request beside its session's stream. It runs as the principal of ctx,
// for as long as the session lives. Done is called at its end, unless it fails to start.
func (t *Transport) start(ctx context.Context, ses *session, m *message, done func()) error {
	if !ses.pin.calls.enter() {
		return errClosed
	}
	c, err := t.begin(context.WithoutCancel(ctx), ses, m)
	if err != nil {
		ses.pin.calls.leave()
		return err
	}
	c.out = boxSink{ses.box}
	go func() {
		defer ses.pin.calls.leave()
		defer done()
		defer c.release()
		t.answerPinned(c, m)
	}()
	return nil
}

// answerPinned serves a call of an SSE or stdio session.
func (t *Transport) answerPinned(c *call, m *message) {
	c.stateless = mcp.IsModernProtocol(m.metaVersion())
	if c.stateless && !c.ses.pin.anyEra {
		e := mcp.UnsupportedProtocolVersionError{Version: m.metaVersion(), Supported: mcp.LegacyProtocolVersions()}.JSONRPCError()
		c.finish()
		body, _ := encode(c.id, e)
		_ = c.out.send(c.ctx, body)
		return
	}
	body, _ := t.serve(c, m)
	if errors.Is(context.Cause(c.ctx), errCancelled) {
		return // the specification wants no answer to a cancelled request
	}
	_ = c.out.send(c.ctx, body) // a client that left needs no answer
}
