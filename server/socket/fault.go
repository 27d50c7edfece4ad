package socket

import (
	"encoding/json"
	"errors"
	"net/http"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Sentinels of the socket itself.
var (
	// ErrNoServer says that no server answers at the path.
	ErrNoServer = errors.New("no server answers")
	// ErrUnknownRoute says that the server has no such command.
	ErrUnknownRoute = errors.New("the running server does not know this command: it may be of another version")
	// ErrBusy says that as many streams are open as the server serves at once.
	ErrBusy = errors.New("the running server serves as many operators as it can: end another tail or consumer")
	// ErrRequest says that a request's body was no value that the route reads.
	ErrRequest = errors.New("the running server cannot read this request: it may be of another version")
	// ErrLeaseGone says that a delivery is no longer the consumer's: it was given back.
	ErrLeaseGone = errors.New("the delivery was given back to its group")
)

// An Error is what the server could not do, as it comes over the socket. It unwraps to
// the sentinel that it was there.
type Error struct {
	Code string `json:"code"`
	Text string `json:"error"`
	// Oldest is set for cursor_expired.
	Oldest event.Position `json:"oldest,omitempty"`
}

// Error returns the words of the server.
func (f *Error) Error() string { return f.Text }

// Unwrap returns what the server's error was, as far as it has a code.
func (f *Error) Unwrap() error {
	if f.Code == codeExpired {
		return &event.CursorExpiredError{Oldest: f.Oldest}
	}
	for _, c := range codes {
		if c.code == f.Code {
			return c.err
		}
	}
	return nil
}

const (
	codeExpired = "cursor_expired"
	codeFailed  = "failed"
)

// codes is the table of errors that keep their identity over the socket.
var codes = []struct {
	code   string
	status int
	err    error
}{
	{"no_such_group", http.StatusNotFound, queue.ErrNoGroup},
	{"event_not_found", http.StatusNotFound, event.ErrNotFound},
	{"queue_full", http.StatusInsufficientStorage, queue.ErrFull},
	{"queue_closed", http.StatusServiceUnavailable, queue.ErrClosed},
	{"queue_unavailable", http.StatusServiceUnavailable, queue.ErrUnavailable},
	{"unknown_route", http.StatusNotFound, ErrUnknownRoute},
	{"busy", http.StatusTooManyRequests, ErrBusy},
	{"bad_request", http.StatusBadRequest, ErrRequest},
	{"lease_gone", http.StatusGone, ErrLeaseGone},
}

// faultOf turns an error into what is sent, and its status.
func faultOf(err error) (*Error, int) {
	if e, ok := errors.AsType[*event.CursorExpiredError](err); ok {
		return &Error{Code: codeExpired, Text: err.Error(), Oldest: e.Oldest}, http.StatusGone
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return &Error{Code: c.code, Text: err.Error()}, c.status
		}
	}
	return &Error{Code: codeFailed, Text: err.Error()}, http.StatusInternalServerError
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	f, status := faultOf(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(f) // who does not wait for the answer misses it
}
