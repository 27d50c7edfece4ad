package operate

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"slackmcp/internal/search"
	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// A text is a string that a sender chose: it need not be UTF-8, and comes over the wire
// byte for byte all the same.
type text string

// MarshalJSON writes a string, or {"bytes": base64} when it is no UTF-8.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(rawText{[]byte(t)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	var r rawText
	err := json.Unmarshal(b, &r)
	*t = text(r.Bytes)
	return err
}

type rawText struct {
	Bytes []byte `json:"bytes"`
}

// An instant is a time in seconds and nanoseconds since 1970: a sender's clock may say
// what RFC 3339 cannot.
type instant [2]int64

func instantOf(t time.Time) instant { return instant{t.Unix(), int64(t.Nanosecond())} }

func (i instant) time() time.Time { return time.Unix(i[0], i[1]).UTC() }

// wireEvent is an event on the wire, whole.
type wireEvent struct {
	Source      text           `json:"source"`
	ID          text           `json:"id"`
	Type        text           `json:"type"`
	Subtype     text           `json:"subtype,omitempty"`
	Team        text           `json:"team,omitempty"`
	Channel     text           `json:"channel,omitempty"`
	ChannelType text           `json:"channel_type,omitempty"`
	User        text           `json:"user,omitempty"`
	Thread      text           `json:"thread,omitempty"`
	FromSelf    bool           `json:"from_self,omitempty"`
	At          instant        `json:"at"`
	ReceivedAt  instant        `json:"received_at"`
	Position    event.Position `json:"position"`
	Form        bool           `json:"form,omitempty"`
	Raw         []byte         `json:"raw"`
	RetryNum    int            `json:"retry_num,omitempty"`
	RetryReason text           `json:"retry_reason,omitempty"`
	Headers     text           `json:"headers,omitempty"`
}

func wireOf(e event.Event) wireEvent {
	return wireEvent{
		Source: text(e.Source), ID: text(e.ID), Type: text(e.Kind.Type), Subtype: text(e.Kind.Subtype),
		Team: text(e.Team), Channel: text(e.Channel), ChannelType: text(e.ChannelType), User: text(e.User),
		Thread: text(e.Thread), FromSelf: e.FromSelf, At: instantOf(e.At), ReceivedAt: instantOf(e.ReceivedAt),
		Position: e.Position, Form: e.Encoding == event.Form, Raw: e.Raw,
		RetryNum: e.Retry.Num, RetryReason: text(e.Retry.Reason), Headers: text(e.Headers),
	}
}

func (w wireEvent) event() event.Event {
	e := event.Event{
		Source: string(w.Source), ID: string(w.ID), Kind: event.Kind{Type: string(w.Type), Subtype: string(w.Subtype)},
		Team: string(w.Team), Channel: string(w.Channel), ChannelType: string(w.ChannelType), User: string(w.User),
		Thread: string(w.Thread), FromSelf: w.FromSelf, At: w.At.time(), ReceivedAt: w.ReceivedAt.time(),
		Position: w.Position, Raw: w.Raw, Retry: event.Retry{Num: w.RetryNum, Reason: string(w.RetryReason)}, Headers: event.Headers(w.Headers),
	}
	if w.Form {
		e.Encoding = event.Form
	}
	return e
}

// wirePage is an event.Page.
type wirePage struct {
	Events []wireEvent    `json:"events"`
	Next   event.Position `json:"next,omitempty"`
	More   bool           `json:"more,omitempty"`
	Looked *instant       `json:"looked,omitempty"`
}

func wirePageOf(p event.Page) wirePage {
	w := wirePage{Events: make([]wireEvent, len(p.Events)), Next: p.Next, More: p.More, Looked: maybe(p.Looked)}
	for i := range p.Events {
		w.Events[i] = wireOf(p.Events[i])
	}
	return w
}

func (w wirePage) page() event.Page {
	p := event.Page{Next: w.Next, More: w.More, Looked: w.Looked.maybe()}
	for i := range w.Events {
		p.Events = append(p.Events, w.Events[i].event())
	}
	return p
}

// wireLetter is a queue.DeadLetter but for its group, which was asked for.
type wireLetter struct {
	Event    wireEvent `json:"event"`
	Attempts int       `json:"attempts"`
	Reason   text      `json:"reason"`
	DiedAt   instant   `json:"died_at"`
}

func wireLettersOf(list []queue.DeadLetter) []wireLetter {
	w := make([]wireLetter, len(list))
	for i, d := range list {
		w[i] = wireLetter{wireOf(d.Event), d.Attempts, text(d.Reason), instantOf(d.DiedAt)}
	}
	return w
}

// wireState is a queue.EventState.
type wireState struct {
	Group    string      `json:"group"`
	State    queue.State `json:"state"`
	Attempts int         `json:"attempts,omitempty"`
	At       *instant    `json:"at,omitempty"`
	Reason   text        `json:"reason,omitempty"`
}

func wireStatesOf(list []queue.EventState) []wireState {
	w := make([]wireState, len(list))
	for i, s := range list {
		w[i] = wireState{s.Group, s.State, s.Attempts, maybe(s.At), text(s.Reason)}
	}
	return w
}

// The values that requests hold.
type (
	none  struct{}
	getIn struct {
		Source text `json:"source"`
		ID     text `json:"id"`
	}
	statesIn struct {
		At event.Position `json:"at"`
	}
	groupIn struct {
		Group string `json:"group"`
	}
	lettersIn struct {
		Group string         `json:"group"`
		After event.Position `json:"after,omitempty"`
		Limit int            `json:"limit,omitempty"`

		MaxBytes int  `json:"max_bytes,omitempty"`
		NoBodies bool `json:"no_bodies,omitempty"`
	}
	changeIn struct {
		Group string           `json:"group"`
		At    []event.Position `json:"at"`
	}
)

// A wireFilter is an event.Filter.
type wireFilter struct {
	Source      text     `json:"source,omitempty"`
	Types       []string `json:"types,omitempty"`
	Team        text     `json:"team,omitempty"`
	Channel     text     `json:"channel,omitempty"`
	User        text     `json:"user,omitempty"`
	Thread      text     `json:"thread,omitempty"`
	Since       *instant `json:"since,omitempty"`
	Until       *instant `json:"until,omitempty"`
	ExcludeSelf bool     `json:"exclude_self,omitempty"`
	Query       string   `json:"query,omitempty"`
}

func wireFilterOf(f event.Filter) wireFilter {
	w := wireFilter{
		Source: text(f.Source), Team: text(f.Team), Channel: text(f.Channel), User: text(f.User), Thread: text(f.Thread),
		Since: maybe(f.Since), Until: maybe(f.Until), ExcludeSelf: f.ExcludeSelf,
	}
	for _, p := range f.Patterns {
		w.Types = append(w.Types, p.String())
	}
	if f.Text != nil {
		w.Query = f.Text.Query
	}
	return w
}

func (w wireFilter) filter() (event.Filter, error) {
	p, err := event.ParsePatterns(w.Types...)
	f := event.Filter{
		Source: string(w.Source), Patterns: p, Team: string(w.Team), Channel: string(w.Channel), User: string(w.User),
		Thread: string(w.Thread), Since: w.Since.maybe(), Until: w.Until.maybe(), ExcludeSelf: w.ExcludeSelf,
	}
	if w.Query != "" && err == nil {
		f.Text, err = search.Filter(w.Query)
	}
	return f, err
}

// maybe is nil for the zero time.
func maybe(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	i := instantOf(t)
	return &i
}

func (i *instant) maybe() time.Time {
	if i == nil {
		return time.Time{}
	}
	return i.time()
}

// A wireQuery is an event.Query.
type wireQuery struct {
	Filter      wireFilter     `json:"filter"`
	After       event.Position `json:"after,omitempty"`
	OldestFirst bool           `json:"oldest_first,omitempty"`
	Limit       int            `json:"limit,omitempty"`
	ScanBudget  int            `json:"scan_budget,omitempty"`
	MaxBytes    int            `json:"max_bytes,omitempty"`
	NoBodies    bool           `json:"no_bodies,omitempty"`
}

func (w wireQuery) query() (event.Query, error) {
	f, err := w.Filter.filter()
	q := event.Query{Filter: f, After: w.After, Limit: w.Limit, ScanBudget: w.ScanBudget, MaxBytes: w.MaxBytes, NoBodies: w.NoBodies}
	if w.OldestFirst {
		q.Order = event.OldestFirst
	}
	return q, err
}

// A wireStart is a queue.Start.
type wireStart struct {
	After event.Position `json:"after,omitempty"`
	Since *instant       `json:"since,omitempty"`
	Now   bool           `json:"now,omitempty"`
}

func wireStartOf(s queue.Start) wireStart { return wireStart{s.After, maybe(s.Since), s.Now} }

func (w wireStart) start() queue.Start {
	return queue.Start{After: w.After, Since: w.Since.maybe(), Now: w.Now}
}

// A wireGroup is a queue.Group; durations are in nanoseconds.
type wireGroup struct {
	Name     string        `json:"name"`
	Start    wireStart     `json:"start"`
	Filter   wireFilter    `json:"filter"`
	Workers  int           `json:"workers"`
	Deadline time.Duration `json:"deadline"`
	Drain    time.Duration `json:"drain"`
	Policy   queue.Policy  `json:"policy"`
}

func wireGroupOf(g queue.Group) wireGroup {
	return wireGroup{g.Name, wireStartOf(g.Start), wireFilterOf(g.Filter), g.Workers, g.Deadline, g.Drain, g.Policy}
}

func (w wireGroup) group() (queue.Group, error) {
	f, err := w.Filter.filter()
	return queue.Group{
		Name: w.Name, Start: w.Start.start(), Filter: f, Workers: w.Workers, Deadline: w.Deadline, Drain: w.Drain, Policy: w.Policy,
	}, err
}

// A handout is what a consumer is sent: first its own name, then deliveries.
type handout struct {
	Consumer string     `json:"consumer,omitempty"`
	Lease    string     `json:"lease,omitempty"`
	Event    *wireEvent `json:"event,omitempty"`
	Attempt  int        `json:"attempt,omitempty"`
}

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
	{"event_too_long", http.StatusRequestEntityTooLarge, queue.ErrTooLong},
	{"queue_closed", http.StatusServiceUnavailable, queue.ErrClosed},
	{"queue_unavailable", http.StatusServiceUnavailable, queue.ErrUnavailable},
	{"no_such_key", http.StatusNotFound, state.ErrNotFound},
	{"value_changed", http.StatusConflict, state.ErrConflict},
	{"state_unavailable", http.StatusServiceUnavailable, state.ErrUnavailable},
	{"unknown_route", http.StatusNotFound, ErrUnknownRoute},
	{"busy", http.StatusTooManyRequests, ErrBusy},
	{"bad_request", http.StatusBadRequest, ErrRequest},
	{"too_many_reads", http.StatusServiceUnavailable, event.ErrBusy},
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
