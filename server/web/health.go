package web

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// ServiceName is the name by which health answers have always been recognized.
const ServiceName = "slack-webhook-server"

// ConnectivityTimeout bounds what /health/detailed waits for the store.
const ConnectivityTimeout = time.Second

// A Phase is where the process is in its life; it is ready while it is Serving.
type Phase int32

// The phases, in their order.
const (
	Starting Phase = iota
	Serving
	Draining
)

// String returns the phase in a word.
func (p Phase) String() string {
	return [...]string{"starting", "serving", "draining"}[p]
}

// HealthOptions are what health answers show. The hooks are called by many requests at once.
type HealthOptions struct {
	// Store is asked by /health/detailed. Required.
	Store queue.Queue
	// Trouble reports whether events cannot be taken now, as far as is known without asking
	// the store. Required.
	Trouble func() bool
	// Problems report what else keeps the process from its work, each with the zero Problem
	// while it is absent.
	Problems []func() Problem
	// Newest is the newest position that readers are shown; nil without an MCP side.
	Newest func() event.Position
	// Slack is what is known of Slack's side, without asking it. Required.
	Slack func() string
	// SocketMode is the state of Socket Mode; nil without it.
	SocketMode func() string
	// OpenGaps is the number of open gaps; nil where none is kept.
	OpenGaps func(context.Context) (int, error)
	// Notes are what the operator should know, such as an ephemeral store.
	Notes []string
	// AdminToken opens the errors of the store, in words; "" is no token.
	AdminToken string
}

// A Problem is what is wrong, in words for the operator that hold no secret.
type Problem struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// Health answers the probes. A probe reads and never writes.
type Health struct {
	opt     HealthOptions
	phase   atomic.Int32
	started time.Time
	token   atomic.Pointer[string] // the admin token
}

// NewHealth returns the health answers of a process that is Starting.
func NewHealth(o HealthOptions) *Health {
	h := &Health{opt: o, started: time.Now()}
	h.SetToken(o.AdminToken)
	return h
}

// SetToken puts another admin token in force.
func (h *Health) SetToken(token string) { h.token.Store(&token) }

// Set notes a phase.
func (h *Health) Set(p Phase) { h.phase.Store(int32(p)) }

// problems are those that are there now.
func (h *Health) problems() (list []Problem) {
	for _, look := range h.opt.Problems {
		if p := look(); p.What != "" {
			list = append(list, p)
		}
	}
	return list
}

func (h *Health) status(problems []Problem) string {
	if h.opt.Trouble() || len(problems) > 0 {
		return "degraded"
	}
	return "healthy"
}

type healthBody struct {
	Status     string            `json:"status"`
	Service    string            `json:"service"`
	Components map[string]string `json:"components"`
}

func (h *Health) components(queueState string) map[string]string {
	c := map[string]string{"queue_backend": queueState, "slack_client": h.opt.Slack(), "lifecycle": Phase(h.phase.Load()).String()}
	if h.opt.SocketMode != nil {
		c["socket_mode"] = h.opt.SocketMode()
	}
	return c
}

// simple answers GET / and /health. It is 200 also when degraded: the process runs,
// and to restart it would cure no store.
func (h *Health) simple(c echo.Context) error {
	queueState := "healthy"
	if h.opt.Trouble() {
		queueState = "unavailable"
	}
	return c.JSON(http.StatusOK, healthBody{
		Status: h.status(h.problems()), Service: ServiceName,
		Components: h.components(queueState),
	})
}

// live answers /livez: the process can answer.
func (h *Health) live(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "alive"})
}

// ready answers /readyz: 503 only while starting or draining. Trouble with the store is
// no reason to take the process out of rotation: all replicas would go at once.
func (h *Health) ready(c echo.Context) error {
	p := Phase(h.phase.Load())
	if p != Serving {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": p.String()})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}

// A Report is how the process is, in full.
type Report struct {
	healthBody
	UptimeSeconds int64       `json:"uptime_seconds"`
	Queue         queueHealth `json:"queue"`
	// OpenGaps is how many times in which events may have been missed are not filled.
	OpenGaps *int `json:"open_gaps,omitempty"`
	// Problems are what makes the status degraded, beside the queue.
	Problems []Problem `json:"problems,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
}

type queueHealth struct {
	Backend       string         `json:"backend"`
	Reachable     bool           `json:"reachable"`
	Durability    string         `json:"durability,omitempty"`
	Events        int64          `json:"events"`
	SeenIDs       int64          `json:"seen_ids"`
	Accepted      int64          `json:"accepted"`
	Expired       int64          `json:"expired"`
	Newest        event.Position `json:"newest,omitempty"`
	JournalNewest event.Position `json:"journal_newest,omitempty"`
	Groups        []groupHealth  `json:"groups"`
}

type groupHealth struct {
	Name                 string  `json:"name"`
	Waiting              int64   `json:"waiting"`
	InFlight             int64   `json:"in_flight"`
	Retrying             int64   `json:"retrying"`
	Done                 int64   `json:"done"`
	Dead                 int64   `json:"dead_letters"`
	Expired              int64   `json:"expired"`
	OldestWaitingSeconds float64 `json:"oldest_waiting_seconds"`
	Stalled              bool    `json:"stalled"`
}

// detailed answers /health/detailed: 200 when the store answered within a second.
func (h *Health) detailed(c echo.Context) error {
	body, err := h.Report(c.Request().Context())
	if err != nil {
		if h.operator(c.Request()) {
			body.Components["queue_backend"] += ": " + err.Error()
		}
		return c.JSON(http.StatusServiceUnavailable, body)
	}
	return c.JSON(http.StatusOK, body)
}

// Report looks how the process is. With the error of a store that did not answer within a second it is the rest.
func (h *Health) Report(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, ConnectivityTimeout)
	defer cancel()
	problems := h.problems()
	body := Report{
		healthBody:    healthBody{Status: h.status(problems), Service: ServiceName, Components: h.components("healthy")},
		UptimeSeconds: int64(time.Since(h.started).Seconds()), Problems: problems, Notes: h.opt.Notes,
	}
	if h.opt.OpenGaps != nil {
		if n, err := h.opt.OpenGaps(ctx); err == nil {
			body.OpenGaps = &n
		}
	}
	stats, err := h.opt.Store.Stats(ctx)
	if err != nil {
		body.Status, body.Components["queue_backend"] = "degraded", "unavailable"
		return body, err
	}
	body.Queue = describe(stats)
	if h.opt.Newest != nil {
		body.Queue.JournalNewest = h.opt.Newest()
	}
	return body, nil
}

func describe(s queue.Stats) queueHealth {
	q := queueHealth{
		Backend: s.Backend, Reachable: true, Durability: s.Durability, Events: s.Events, SeenIDs: s.SeenIDs,
		Accepted: s.Accepted, Expired: s.Expired, Newest: s.Newest, Groups: []groupHealth{},
	}
	for _, g := range s.Groups {
		gh := groupHealth{
			Name: g.Name, Waiting: g.Waiting, InFlight: g.InFlight, Retrying: g.Retrying,
			Done: g.Done, Dead: g.Dead, Expired: g.Expired, Stalled: !g.StalledSince.IsZero(),
		}
		if !g.OldestWaiting.IsZero() {
			gh.OldestWaitingSeconds = time.Since(g.OldestWaiting).Seconds()
		}
		q.Groups = append(q.Groups, gh)
	}
	return q
}

// operator reports whether a request shows the admin token: only then errors of the store
// are shown in words.
func (h *Health) operator(r *http.Request) bool {
	scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want := *h.token.Load()
	return want != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}
