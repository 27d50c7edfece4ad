package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"slackmcp/internal/page"
)

const (
	maxControl   = 1 << 20
	maxWorkspace = 64 << 20
)

// control adds the endpoints by which another process acts in the workspace. They
// answer loopback clients only: they can speak as anybody.
func (s *Sandbox) control(mux *http.ServeMux) {
	routes := map[string]func(*http.Request) (any, error){
		"PUT /sandbox/workspace":    s.controlWorkspace,
		"POST /sandbox/messages":    s.controlMessage,
		"POST /sandbox/reactions":   s.controlReaction,
		"POST /sandbox/click":       s.controlClick,
		"POST /sandbox/commands":    s.controlCommand,
		"POST /sandbox/convert":     s.controlConvert,
		"POST /sandbox/deactivate":  s.controlDeactivate,
		"POST /sandbox/request_url": s.controlRequestURL,
		"POST /sandbox/sockets":     s.controlSockets,
		"GET /sandbox/deliveries":   s.controlDeliveries,
		"POST /sandbox/faults":      s.controlFault,
		"DELETE /sandbox/faults":    s.controlClear,
	}
	for route, run := range routes {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			if !fromLoopback(r) {
				reply(w, http.StatusForbidden, object{"error": "forbidden", "detail": "the control endpoints answer loopback clients only"})
				return
			}
			v, err := run(r)
			if err != nil {
				reply(w, http.StatusBadRequest, object{"error": or(Code(err), "bad_request"), "detail": err.Error()})
				return
			}
			reply(w, http.StatusOK, v)
		})
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// fromLoopback reports that a request comes from this machine, not through a browser
// page of another site.
func fromLoopback(r *http.Request) bool {
	return page.FromHere(r) && r.Header.Get("Origin") == ""
}

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxControl))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New("the body is not the JSON object that this endpoint takes")
	}
	return nil
}

// controlWorkspace loads a workspace file, the body.
func (s *Sandbox) controlWorkspace(r *http.Request) (any, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxWorkspace+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxWorkspace {
		return nil, fmt.Errorf("the file has more than %d bytes: leave contents of files or old messages out", maxWorkspace)
	}
	w, err := ParseWorkspace(data)
	if err != nil {
		return nil, err
	}
	return object{"ok": true}, s.Load(w)
}

func (s *Sandbox) controlMessage(r *http.Request) (any, error) {
	var in struct {
		User      string          `json:"user"`
		Channel   string          `json:"channel"`
		Text      string          `json:"text"`
		ThreadTS  string          `json:"thread_ts"`
		Broadcast bool            `json:"reply_broadcast"`
		Blocks    json.RawMessage `json:"blocks"`
		// Attachments are those of a bot, as a rule.
		Attachments json.RawMessage `json:"attachments"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	how := Saying{ThreadTS: in.ThreadTS, Broadcast: in.Broadcast, Blocks: in.Blocks, Attachments: in.Attachments}
	ts, err := s.PostAs(in.User, in.Channel, in.Text, how)
	return object{"ok": true, "ts": ts}, err
}

func (s *Sandbox) controlReaction(r *http.Request) (any, error) {
	var in struct {
		User    string `json:"user"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
		Name    string `json:"name"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return object{"ok": true}, s.ReactAs(in.User, in.Channel, in.TS, in.Name)
}

func (s *Sandbox) controlConvert(r *http.Request) (any, error) {
	var in struct {
		User    string `json:"user"`
		Channel string `json:"channel"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return object{"ok": true}, s.MakePrivateAs(in.User, in.Channel)
}

func (s *Sandbox) controlDeactivate(r *http.Request) (any, error) {
	var in struct {
		User string `json:"user"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return object{"ok": true}, s.Deactivate(in.User)
}

func (s *Sandbox) controlRequestURL(r *http.Request) (any, error) {
	var in struct {
		URL string `json:"url"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return object{"ok": true}, s.SetRequestURL(r.Context(), in.URL)
}

// controlSockets renews, breaks or turns off the app's Socket Mode connections.
func (s *Sandbox) controlSockets(r *http.Request) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	switch in.Reason {
	case "refresh_requested":
		s.RefreshSockets()
	case "link_disabled":
		s.SetSocketMode(false)
	case "":
		s.BreakSockets()
	default:
		return nil, errors.New("reason must be refresh_requested, link_disabled, or empty to break the connections")
	}
	return object{"ok": true, "connections": s.SocketConnections()}, nil
}

func (s *Sandbox) controlFault(r *http.Request) (any, error) {
	var in Fault
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return object{"ok": true}, s.Inject(in)
}

func (s *Sandbox) controlClear(*http.Request) (any, error) {
	s.ClearFaults()
	return object{"ok": true}, nil
}

func (s *Sandbox) controlDeliveries(*http.Request) (any, error) {
	return object{"request_url": s.RequestURL(), "disabled": s.Disabled(), "deliveries": s.Deliveries()}, nil
}

func (s *Sandbox) controlClick(r *http.Request) (any, error) {
	var in struct {
		User     string `json:"user"`
		Channel  string `json:"channel"`
		TS       string `json:"ts"`
		ActionID string `json:"action_id"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return s.Click(r.Context(), in.User, in.Channel, in.TS, in.ActionID)
}

func (s *Sandbox) controlCommand(r *http.Request) (any, error) {
	var in struct {
		User    string `json:"user"`
		Channel string `json:"channel"`
		Command string `json:"command"`
		Text    string `json:"text"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return s.Slash(r.Context(), in.User, in.Channel, in.Command, in.Text)
}

// A Fault makes calls of the Web API go wrong.
type Fault struct {
	// Method is the method that it befalls; empty is every one.
	Method string `json:"method,omitempty"`
	// Times is how many calls it befalls; 0 is one, -1 is all until [Sandbox.ClearFaults].
	Times int `json:"times,omitempty"`
	// AfterEffect lets the method do its work before the answer goes wrong.
	AfterEffect bool `json:"after_effect,omitempty"`

	// Error answers with a Slack error code.
	Error string `json:"error,omitempty"`
	// RetryAfter answers 429 with that many seconds.
	RetryAfter int `json:"retry_after,omitempty"`
	// Status answers with an HTTP status and no Slack JSON.
	Status int `json:"status,omitempty"`
	// Hang gives no answer until the client goes away.
	Hang bool `json:"hang,omitempty"`
	// Drop closes the connection without an answer.
	Drop bool `json:"drop,omitempty"`
}

// Inject makes a fault befall the coming calls, after the faults that are waiting.
func (s *Sandbox) Inject(f Fault) error {
	chosen := 0
	for _, is := range []bool{f.Error != "", f.RetryAfter != 0, f.Status != 0, f.Hang, f.Drop} {
		if is {
			chosen++
		}
	}
	switch {
	case chosen != 1:
		return errors.New("sandbox: a fault has one of Error, RetryAfter, Status, Hang and Drop")
	case f.RetryAfter < 0 || f.Times < -1:
		return errors.New("sandbox: RetryAfter must not be negative, Times not below -1")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("sandbox: Status is %d, must be 200 to 599", f.Status)
	}
	f.Times = or(f.Times, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// ClearFaults ends all faults.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault of a call, if one is waiting for it.
func (s *Sandbox) takeFault(method string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Method != "" && f.Method != method {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}

// strike lets a fault happen, if this is its moment, and reports whether it did.
func (s *Sandbox) strike(f *Fault, after bool, w http.ResponseWriter, r *http.Request) bool {
	if f.AfterEffect != after {
		return false
	}
	switch {
	case f.Error != "":
		write(w, "", nil, nil, fail(f.Error))
	case f.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		write(w, "", nil, nil, fail("ratelimited"))
	case f.Status > 0:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte("<!DOCTYPE html><html><title>Server Error</title></html>\n")) // the client may be gone
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
	}
	return true
}

// A window counts the calls of a minute.
type window struct {
	began time.Time
	calls int
}

// withinRate applies Slack's limits, where they are wanted.
func (s *Sandbox) withinRate(method string, e endpoint, p params, out http.Header) error {
	if !s.opt.Rates {
		return nil
	}
	key, most, span := method, e.tier, time.Minute
	switch {
	case method == "chat.postMessage":
		key, most, span = method+" "+p["channel"], 3, 3*time.Second
	case s.opt.CappedHistory && capped(method):
		most = 1
	}
	w, now := s.rates[key], time.Now()
	if w == nil || now.Sub(w.began) >= span {
		w = &window{began: now}
		s.rates[key] = w
	}
	if w.calls++; w.calls <= most {
		return nil
	}
	left := span - now.Sub(w.began)
	out.Set("Retry-After", strconv.Itoa(int(left/time.Second)+1))
	return fail("ratelimited")
}

func capped(method string) bool {
	return method == "conversations.history" || method == "conversations.replies"
}
