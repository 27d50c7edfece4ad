package transport

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// get opens a session's stream. What waited for the client meanwhile is sent first.
func (t *Transport) get(w http.ResponseWriter, r *http.Request) {
	if !accepts(r, eventStream) {
		reply(w, http.StatusNotAcceptable, "not_acceptable", "accept "+eventStream)
		return
	}
	ses, ok := t.session(w, r)
	if !ok || !t.enterStream(w) {
		return
	}
	defer t.leaveStream()
	rc := http.NewResponseController(w)
	a := &attachment{replaced: make(chan struct{}), left: make(chan struct{})}
	a.abort = (&wire{rc: rc}).abort
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
	s := openWire(w, rc, t.opt.WriteTimeout)
	if err := s.write([]byte(greeting(ses))); err != nil {
		return
	}
	ses.box.signal()
	t.carry(r.Context(), s, ses.box, a.replaced, ses.done)
}

// greeting is the first thing on a stream, which also sends the headers off. A client
// of 2025-11-25 is told where it stands, so that it can resume before anything
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
