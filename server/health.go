package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// serviceName is what health answers have always been told apart by.
const serviceName = "slack-webhook-server"

// connectivityTimeout bounds what /health/detailed waits for the store.
const connectivityTimeout = time.Second

// phase is where the process is in its life; only serving is ready.
type phase int32

const (
	starting phase = iota
	serving
	draining
)

func (p phase) String() string {
	return [...]string{"starting", "serving", "draining"}[p]
}

// health answers the probes. A probe reads and never writes.
type health struct {
	phase    atomic.Int32
	started  time.Time
	store    queue.Queue
	journal  interface{ Newest() event.Position }
	slack    func() string                      // what is known of Slack's side, without asking it
	socket   func() string                      // the state of Socket Mode; nil without it
	gaps     func(context.Context) (int, error) // that are open; nil where none is kept
	notes    func() []string                    // what the operator should know, such as an ephemeral store
	operator func(*http.Request) bool           // whether engine errors may be shown
	trouble  func() bool                        // whether the last publish found the store broken
}

func (h *health) set(p phase) { h.phase.Store(int32(p)) }
func (h *health) get() phase  { return phase(h.phase.Load()) }
func (h *health) status() string {
	if h.trouble() {
		return "degraded"
	}
	return "healthy"
}

type healthBody struct {
	Status     string            `json:"status"`
	Service    string            `json:"service"`
	Components map[string]string `json:"components"`
}

func (h *health) components(queueState string) map[string]string {
	c := map[string]string{"queue_backend": queueState, "slack_client": h.slack(), "lifecycle": h.get().String()}
	if h.socket != nil {
		c["socket_mode"] = h.socket()
	}
	return c
}

// simple answers GET / and /health. It is 200 also when degraded: the process runs,
// and to restart it would cure no store.
func (h *health) simple(c echo.Context) error {
	queueState := "healthy"
	if h.trouble() {
		queueState = "unavailable"
	}
	return c.JSON(http.StatusOK, healthBody{
		Status: h.status(), Service: serviceName,
		Components: h.components(queueState),
	})
}

// live answers /livez: the process can answer.
func (h *health) live(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "alive"})
}

// ready answers /readyz: 503 only while starting or draining. Trouble with the engine is
// no reason to take the process out of rotation: all replicas would go at once.
func (h *health) ready(c echo.Context) error {
	p := h.get()
	if p != serving {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": p.String()})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}

type detailedBody struct {
	healthBody
	UptimeSeconds int64       `json:"uptime_seconds"`
	Queue         queueHealth `json:"queue"`
	// OpenGaps is how many times in which events may have been missed are not filled.
	OpenGaps *int     `json:"open_gaps,omitempty"`
	Notes    []string `json:"notes,omitempty"`
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
func (h *health) detailed(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), connectivityTimeout)
	defer cancel()
	body := detailedBody{
		healthBody:    healthBody{Status: h.status(), Service: serviceName, Components: h.components("healthy")},
		UptimeSeconds: int64(time.Since(h.started).Seconds()), Notes: h.notes(),
	}
	if h.gaps != nil {
		if n, err := h.gaps(ctx); err == nil {
			body.OpenGaps = &n
		}
	}
	stats, err := h.store.Stats(ctx)
	if err != nil {
		body.Status, body.Components["queue_backend"] = "degraded", "unavailable"
		if h.operator(c.Request()) {
			body.Components["queue_backend"] += ": " + err.Error()
		}
		return c.JSON(http.StatusServiceUnavailable, body)
	}
	body.Queue = describe(stats)
	if h.journal != nil {
		body.Queue.JournalNewest = h.journal.Newest()
	}
	return c.JSON(http.StatusOK, body)
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
