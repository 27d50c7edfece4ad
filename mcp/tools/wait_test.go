package tools_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
)

// waiter calls slack_wait_for_event without Slack, so that it can run in a bubble.
type waiter struct {
	t    *testing.T
	log  *eventtest.Log
	tool toolset.Tool
}

func newWaiter(t *testing.T, o tools.Options) *waiter {
	t.Helper()
	w := &waiter{t: t, log: &eventtest.Log{}}
	o.Events = w.log.Events()
	catalog, err := tools.Catalog(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range catalog.Tools() {
		if tool.Name == "slack_wait_for_event" {
			w.tool = tool
		}
	}
	return w
}

func (w *waiter) wait(ctx context.Context, progress func(float64, float64, string), args a) (eventPage, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return eventPage{}, err
	}
	if progress == nil {
		progress = func(float64, float64, string) {}
	}
	res, err := w.tool.Run(ctx, &toolset.Call{Tool: w.tool.Name, Principal: &access.Principal{Name: "p", Scopes: []access.Scope{access.Events}}, Progress: progress}, raw)
	if err != nil {
		return eventPage{}, err
	}
	var page eventPage
	return page, json.Unmarshal(res.Structured, &page)
}

func (w *waiter) must(args a) eventPage {
	w.t.Helper()
	page, err := w.wait(w.t.Context(), nil, args)
	if err != nil {
		w.t.Fatal(tools.Fault(err))
	}
	return page
}

func TestWaitForEvent(t *testing.T) {
	t.Run("returns an event the moment it arrives", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			w.log.Append(said("EvOld", "C1AA", "U1AA", "1.000001", "old"))
			began := time.Now()
			time.AfterFunc(7*time.Second, func() { w.log.Append(said("EvNew", "C1AA", "U1AA", "2.000001", "new")) })
			page := w.must(a{"channel": "C1AA"})
			if diff := cmp.Diff([]string{"EvNew"}, page.ids()); diff != "" || page.TimedOut {
				t.Errorf("(-want +got):\n%s timed out %v", diff, page.TimedOut)
			}
			if took := time.Since(began); took != 7*time.Second {
				t.Errorf("it took %s, want 7s", took)
			}
		})
	})
	t.Run("times out with a cursor and misses nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			began := time.Now()
			page := w.must(a{})
			if !page.TimedOut || len(page.Events) != 0 || page.NextCursor != tools.CursorStart {
				t.Fatalf("an empty store returned %+v", page)
			}
			if took := time.Since(began); took != 25*time.Second {
				t.Errorf("it waited %s, want 25s by default", took)
			}
			w.log.Append(said("Ev1", "C1AA", "U1AA", "1.000001", "between"), said("Ev2", "C2AA", "U1AA", "2.000001", "the calls"))
			page = w.must(a{"cursor": page.NextCursor, "limit": 1})
			if diff := cmp.Diff([]string{"Ev1"}, page.ids()); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			page = w.must(a{"cursor": page.NextCursor})
			if diff := cmp.Diff([]string{"Ev2"}, page.ids()); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if page = w.must(a{"cursor": page.NextCursor, "timeout_seconds": 300}); !page.TimedOut {
				t.Fatalf("nothing was left, but it returned %+v", page)
			}
		})
	})
	t.Run("leaves out what our own bot does", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			own := said("EvSelf", "C1AA", "U1AA", "1.000001", "our own")
			own.FromSelf = true
			w.log.Append(own, said("EvOther", "C1AA", "U1AA", "2.000001", "another's"))
			if got := w.must(a{"cursor": "start"}).ids(); !cmp.Equal(got, []string{"EvOther"}) {
				t.Errorf("without include_self: %v", got)
			}
			if got := w.must(a{"cursor": "start", "include_self": true}).ids(); len(got) != 2 {
				t.Errorf("with include_self: %v", got)
			}
		})
	})
	t.Run("reports progress every ten seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			var got []float64
			if _, err := w.wait(t.Context(), func(done, total float64, _ string) { got = append(got, done, total) }, a{"timeout_seconds": 25}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float64{10, 25, 20, 25}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	})
	t.Run("ends with its caller and lets go of the log", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := w.wait(ctx, nil, a{"timeout_seconds": 300}); err == nil {
				t.Error("a call whose caller left succeeded")
			}
			if n := w.log.Watchers(); n != 0 {
				t.Errorf("%d watchers are left", n)
			}
		})
	})
	t.Run("searches a long store within its scan budget", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			w.log.Scan = 10
			for i := range 1000 {
				w.log.Append(said(fmt.Sprintf("Ev%d", i), "C1AA", "U1AA", "1.000001", ""))
			}
			w.log.Append(said("EvFar", "C2AA", "U1AA", "1.000001", ""))
			if got := w.must(a{"cursor": "start", "channel": "C2AA"}).ids(); !cmp.Equal(got, []string{"EvFar"}) {
				t.Errorf("got %v", got)
			}
		})
	})
}

func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []access.Bound
		w := newWaiter(t, tools.Options{MaxWaits: 8, OnBound: func(_ context.Context, b access.Bound) { told = append(told, b) }}) // of which one principal may hold two
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { w.must(a{}) })
		}
		synctest.Wait()
		_, err := w.wait(t.Context(), nil, a{})
		if err == nil || tools.Fault(err)[:14] != "too_many_waits" {
			t.Errorf("the third wait of a principal: %v", err)
		}
		if want := (access.Bound{Of: "waits", Share: true, Most: 2}); len(told) != 1 || told[0] != want {
			t.Errorf("what is told is %+v, want %+v", told, want)
		}
		wg.Wait()
		if page := w.must(a{"timeout_seconds": 1}); !page.TimedOut {
			t.Error("no place was given back")
		}
	})
}
