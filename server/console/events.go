package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/search"
	"slackmcp/mcp"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// The bounds of what is shown of events.
const (
	eventsPage  = 50
	maxSummary  = 200
	maxPayload  = 256 << 10
	maxTraced   = 20_000 // events whose trace is looked for
	tracePage   = event.MaxLimit
	maxAttempt  = 100
	maxFormText = 300
)

// A row is an event in a list.
type row struct {
	Source, ID, Kind, Channel, User, Says string
	Received                              time.Time
	Self                                  bool
	Link                                  string
}

func (c *Console) rowOf(e *event.Event) row {
	return row{
		Source: e.Source, ID: e.ID, Kind: e.Kind.String(), Channel: e.Channel, User: e.User, Says: c.shown(operator.Summary(e), maxSummary),
		Received: e.ReceivedAt, Self: e.FromSelf, Link: eventLink(e.Source, e.ID),
	}
}

func eventLink(source, id string) string {
	return Base + "/events/show?" + url.Values{"source": {source}, "id": {id}}.Encode()
}

// filterFields are those of the forms that choose events.
var filterFields = []string{"source", "type", "channel", "user", "thread", "team", "since", "until", "exclude_self"}

// filterOf reads the form that chooses events.
func filterOf(r *http.Request) (event.Filter, map[string]string, error) {
	said := words(r, filterFields...)
	for name, v := range said {
		if len(v) > maxFormText {
			return event.Filter{}, said, problem{"The field " + name + " is too long.", "Write less into it."}
		}
	}
	text := operator.FilterText{
		Source: said["source"], Team: said["team"], Channel: said["channel"], User: said["user"], Thread: said["thread"],
		Since: said["since"], Until: said["until"], ExcludeSelf: said["exclude_self"] != "",
	}
	if types := said["type"]; types != "" {
		for t := range strings.SplitSeq(types, ",") {
			text.Types = append(text.Types, strings.TrimSpace(t))
		}
	}
	f, err := text.Filter(time.Now())
	if err != nil {
		return f, said, problem{"The filter cannot be read: " + err.Error() + ".", ""}
	}
	return f, said, nil
}

// settled is what was said with instants in place of ages, which mean other instants later on.
func settled(said map[string]string, f *event.Filter) map[string]string {
	said = maps.Clone(said)
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			said[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return said
}

// textOf reads the field of words that events have to say.
func textOf(query string) (*event.Text, error) {
	text, err := search.Filter(query)
	if err != nil {
		return nil, problem{"These words cannot be looked for: " + err.Error() + ".", ""}
	}
	return text, nil
}

// events lists events, the newest first.
func (c *Console) events(r *http.Request) (any, error) {
	var d struct {
		Said map[string]string
		// Chosen is the filter of the form that replays: what is replayed is what is shown, however much later.
		Chosen map[string]string
		Rows   []row
		Older  string
		Live   bool
		Found  string
		// Looked is how far a search for words has come that is not at its end.
		Looked time.Time
		Names  []string // of the groups
	}
	if find := strings.TrimSpace(r.FormValue("find")); find != "" {
		link, err := c.find(r.Context(), find)
		if err != nil {
			return nil, err
		}
		d.Found = link
	}
	f, said, err := filterOf(r)
	if err == nil {
		for name, query := range words(r, "query") {
			said[name] = query
			f.Text, err = textOf(query)
		}
	}
	if err != nil {
		return nil, err
	}
	d.Said, d.Chosen, d.Live = said, settled(said, &f), r.FormValue("cursor") == ""
	if d.Names, err = c.opt.Store.Groups(r.Context()); err != nil {
		return nil, err
	}
	q := event.Query{Filter: f, Limit: eventsPage, After: event.Position(r.FormValue("cursor"))}
	ctx := r.Context()
	err = operator.Hold(ctx, c.opt.Store, func() error {
		p, err := c.opt.Store.History(ctx, q)
		if err != nil {
			return err
		}
		for i := range p.Events {
			d.Rows = append(d.Rows, c.rowOf(&p.Events[i]))
		}
		if p.More {
			d.Older, d.Looked = older(r, string(p.Next)), p.Looked
		}
		return nil
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
		return nil, problem{"That page has been removed meanwhile.", "Begin with the newest events."}
	}
	return d, err
}

// older is the address of the same list behind a position.
func older(r *http.Request, cursor string) string {
	q := url.Values{"cursor": {cursor}}
	for name, v := range words(r, append(filterFields, "group", "reason", "query")...) {
		q.Set(name, v)
	}
	return r.URL.Path + "?" + q.Encode()
}

var traceID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// find returns the page of the event that somebody means: by its id, source:id, position or trace.
func (c *Console) find(ctx context.Context, text string) (string, error) {
	if traceID.MatchString(strings.ToLower(text)) {
		return c.findTrace(ctx, strings.ToLower(text))
	}
	if _, ok := event.Position(text).Seq(); ok {
		e, err := c.at(ctx, event.Position(text))
		if err != nil {
			return "", err
		}
		return eventLink(e.Source, e.ID), nil
	}
	e, err := operator.Find(ctx, c.opt.Store, text, "")
	if errors.Is(err, event.ErrNotFound) {
		return "", problem{"No stored event is " + text + ".", "Write an event's id, source:id, its position, or the id of its trace."}
	}
	return eventLink(e.Source, e.ID), err
}

// at returns the event at a position, without its body.
func (c *Console) at(ctx context.Context, p event.Position) (event.Event, error) {
	page, err := c.opt.Store.History(ctx, event.Query{After: before(p), Order: event.OldestFirst, Limit: 1, NoBodies: true})
	switch {
	case err != nil:
		return event.Event{}, err
	case len(page.Events) == 0 || page.Events[0].Position != p:
		return event.Event{}, fmt.Errorf("position %s: %w", p, event.ErrNotFound)
	}
	return page.Events[0], nil
}

// before is the position right before another.
func before(p event.Position) event.Position {
	seq, ok := p.Seq()
	if !ok || seq == 0 {
		return ""
	}
	return event.NewPosition(p.Epoch(), seq-1)
}

// findTrace looks for the event of a trace among the newest.
func (c *Console) findTrace(ctx context.Context, trace string) (string, error) {
	q := event.Query{Limit: tracePage, NoBodies: true}
	for looked := 0; looked < maxTraced; {
		p, err := c.opt.Store.History(ctx, q)
		if err != nil {
			return "", err
		}
		for i := range p.Events {
			if e := &p.Events[i]; c.opt.Trace(e.Source, e.ID) == trace {
				return eventLink(e.Source, e.ID), nil
			}
		}
		if looked += len(p.Events); !p.More || len(p.Events) == 0 {
			break
		}
		q.After = p.Next
	}
	return "", problem{"No event among the newest " + number(maxTraced) + " has that trace.", "The trace of an event follows from its source and id: look in the collector for those."}
}

// event shows one event whole, and its way.
func (c *Console) event(r *http.Request) (any, error) {
	var d struct {
		View     operator.Event
		Payload  string
		CutOff   bool
		Trace    string
		Received time.Time
		Reason   string // of the sender's repetition
		Groups   []operator.GroupState
		Unknown  string    // why nothing is known of the groups
		Attempts []Attempt // of groups
		Posts    []Attempt // to subscribers
		Told     []mcp.Told
		TellsNot bool
		People   bool // whether people see events by what they may see in Slack
		Who      string
		Seen     *visibility.Explanation
	}
	source, id := r.FormValue("source"), r.FormValue("id")
	var light event.Event
	ctx := r.Context()
	err := operator.Hold(ctx, c.opt.Store, func() error {
		e, err := operator.Find(ctx, c.opt.Store, id, source)
		if err != nil {
			return err
		}
		d.View, d.Reason = operator.View(&e), e.Retry.Reason
		d.Payload, d.CutOff = c.payload(d.View.Payload)
		if c.opt.Told != nil {
			d.Told = c.opt.Told(&e)
		}
		e.Raw = nil
		light = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.View.Payload, d.Received, d.TellsNot = nil, light.ReceivedAt, c.opt.Told == nil
	d.Trace = c.opt.Trace(light.Source, light.ID)
	tried := c.trail.of(func(a *Attempt) bool {
		return a.ID == light.ID && (a.Source == "" || a.Source == light.Source)
	}, maxAttempt)
	if d.Groups, err = operator.States(ctx, c.opt.Store, &light); err != nil {
		d.Unknown = err.Error()
	}
	for i := range d.Groups {
		d.Groups[i].Reason = c.shown(d.Groups[i].Reason, maxWhy)
	}
	for _, a := range tried {
		if slices.ContainsFunc(d.Groups, func(g operator.GroupState) bool { return g.Group == a.By }) {
			d.Attempts = append(d.Attempts, a)
		} else {
			d.Posts = append(d.Posts, a)
		}
	}
	d.People = c.opt.People != nil
	d.Who, d.Seen, err = c.seen(r, light.Source, light.ID)
	return d, err
}

// seen says why the person whom a query names sees an event or not; nobody is named at first.
func (c *Console) seen(r *http.Request, source, id string) (who string, x *visibility.Explanation, err error) {
	who = strings.TrimSpace(r.FormValue("who"))
	if who == "" || c.opt.People == nil {
		return who, nil, nil
	}
	found, err := c.opt.People.Explain(r.Context(), who, source, id)
	c.changed(r, "visibility_explain", who+" "+id, 0, err)
	if err != nil {
		return who, nil, problem{err.Error() + ".", "Write a person as T…/U…, or a user's id: the page People has them."}
	}
	return who, &found, nil
}

// payload is a body as people read it.
func (c *Console) payload(body json.RawMessage) (text string, cutOff bool) {
	if len(body) > maxPayload {
		return c.shown(strings.ToValidUTF8(string(body), "\uFFFD"), maxPayload), true
	}
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil {
		return string(body), false
	}
	return b.String(), false
}

// replay schedules an event once more for a group.
func (c *Console) replay(r *http.Request) (string, error) {
	group, at := r.PostFormValue("group"), r.PostFormValue("position")
	if at == "" {
		return "", problem{"No event is named.", "Load the page again."}
	}
	t, err := operator.Replay(r.Context(), c.opt.Store, group, operator.Events{Refs: []string{at}}, nil)
	c.changed(r, "events replayed", group, int(t.Changed), err)
	return "/groups", err
}

// replayAll begins to schedule all events that a filter matches once more for a group.
func (c *Console) replayAll(r *http.Request) (string, error) {
	if err := sure(r); err != nil {
		return "", err
	}
	if r.PostFormValue("query") != "" {
		return "", problem{"A search for words cannot be replayed.", "Choose events by the other fields."}
	}
	group := r.PostFormValue("group")
	f, _, err := filterOf(r)
	if err != nil {
		return "", err
	}
	if _, err := c.group(r.Context(), group); err != nil {
		return "", err
	}
	chosen := operator.Events{Filter: f}
	chosen.All = !chosen.Chooses()
	return "/groups", c.jobs.start(r.Context(), r, "Replay", "events replayed", group, func(ctx context.Context, tell progress) (int64, error) {
		t, err := operator.Replay(ctx, c.opt.Store, group, chosen, func(t operator.Tally) { tell(t.Looked, t.Of, tallied(t)) })
		if stopped, interrupted := errors.AsType[*operator.InterruptedError](err); interrupted {
			t = stopped.Tally
		}
		tell(t.Looked, t.Of, tallied(t))
		return t.Changed, err
	})
}
