package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
)

const maxControl = 1 << 20

// control adds the endpoints by which another process acts in the workspace. They
// answer loopback clients only: they can speak as anybody.
func (s *Sandbox) control(mux *http.ServeMux) {
	routes := map[string]func(*http.Request) (any, error){
		"POST /sandbox/messages":    s.controlMessage,
		"POST /sandbox/reactions":   s.controlReaction,
		"POST /sandbox/click":       s.controlClick,
		"POST /sandbox/commands":    s.controlCommand,
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
// page of somebody else's.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || r.Header.Get("Origin") != "" {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxControl))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New("the body is not the JSON object that this endpoint takes")
	}
	return nil
}

func (s *Sandbox) controlMessage(r *http.Request) (any, error) {
	var in struct {
		User      string          `json:"user"`
		Channel   string          `json:"channel"`
		Text      string          `json:"text"`
		ThreadTS  string          `json:"thread_ts"`
		Broadcast bool            `json:"reply_broadcast"`
		Blocks    json.RawMessage `json:"blocks"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	ts, err := s.PostAs(in.User, in.Channel, in.Text, Saying{ThreadTS: in.ThreadTS, Broadcast: in.Broadcast, Blocks: in.Blocks})
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
