package sight_test

import (
	"errors"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/sight"
	"slackmcp/webhook/event"
)

// What each caller reads of a log with one event.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	log := &eventtest.Log{}
	log.Append(event.Event{ID: "Ev1", Channel: "C1"})
	reader := &access.Principal{Name: "reader", Scopes: []access.Scope{access.Read}}
	person := access.SignedIn(access.SignIn{ID: "s1", Person: access.Person{Host: "slack.com", Team: "T1", User: "U1"}}, access.Read, access.Write)
	events := sight.Over(log, sight.Options{})
	for name, c := range map[string]struct {
		log  sight.Log
		sees bool
	}{
		"a service with events":            {events.For(sight.Of(eventtest.Service())), true},
		"a service with events, aided":     {events.For(sight.Aiding(eventtest.Service())), true},
		"a service without events":         {events.For(sight.Of(reader)), false},
		"a service without events, aided":  {events.For(sight.Aiding(reader)), true},
		"a person":                         {events.For(sight.Of(person)), false},
		"a person, aided":                  {events.For(sight.Aiding(person)), false},
		"nobody":                           {events.For(sight.Of(nil)), false},
		"nobody, aided":                    {events.For(sight.Aiding(nil)), false},
		"the zero viewer":                  {events.For(sight.Viewer{}), false},
		"the zero log":                     {sight.Log{}, false},
		"a service of no events":           {sight.Over(nil, sight.Options{}).For(sight.Of(eventtest.Service())), false},
		"a service of the zero of a whole": {(&sight.Events{}).For(sight.Of(eventtest.Service())), false},
	} {
		var found []event.Event
		err := c.log.Query(t.Context(), event.Query{}, func(p event.Page) error {
			found = p.Events
			return nil
		})
		if err != nil || (len(found) > 0) != c.sees {
			t.Errorf("%s reads %d events, %v", name, len(found), err)
		}
		got := 0
		err = c.log.Get(t.Context(), event.SourceSlack, "Ev1", func(*event.Event) error {
			got++
			return nil
		})
		if (got == 1) != c.sees || errors.Is(err, event.ErrNotFound) == c.sees {
			t.Errorf("%s gets it %d times, %v", name, got, err)
		}
		if at := c.log.Newest(); (at != "") != c.sees {
			t.Errorf("%s: the newest is at %q", name, at)
		}
		changed, stop := c.log.Watch(event.Filter{})
		log.Append(event.Event{ID: "Ev2"})
		select {
		case <-changed:
			if !c.sees {
				t.Errorf("%s is woken", name)
			}
		default:
			if c.sees {
				t.Errorf("%s is not woken", name)
			}
		}
		stop()
	}
}
