package console_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"slackmcp/server/console"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

// done waits for a change that was told.
func (w *world) done(operation string) console.Change {
	w.Helper()
	var found console.Change
	w.eventually(operation+" is told", func() bool {
		changes, _ := w.told()
		for _, c := range changes {
			if c.Operation == operation {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

func TestRedriveAThousand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1000, "the target was away", nil)
	b := w.signedIn()
	if page := b.get("/console/dead-letters?group=g").body; !strings.Contains(page, ">1,000</a> the target was away") || !strings.Contains(page, "Further ones") {
		t.Errorf("the letters are not counted by reason, or not cut into pages: %s", page)
	}
	if a := b.post("/console/dead-letters/redrive", url.Values{"group": {"g"}, "which": {"ticked"}}); a.status != http.StatusBadRequest || w.dead() != 1000 {
		t.Errorf("nothing was chosen: %d", a.status)
	}
	if a := b.post("/console/dead-letters/redrive", url.Values{"group": {"g"}, "which": {"matching"}, "reason": {"another"}}); a.status != http.StatusSeeOther {
		t.Errorf("redrive of another reason: %d %s", a.status, a.body)
	}
	if c := w.done("dead letters redriven"); c.Count != 0 || w.dead() != 1000 {
		t.Errorf("letters of another reason were redriven: %+v", c)
	}
	if a := b.post("/console/dead-letters/redrive", url.Values{"group": {"g"}, "which": {"matching"}}); a.status != http.StatusSeeOther {
		t.Fatalf("redrive: %d %s", a.status, a.body)
	}
	w.eventually("all are redriven", func() bool { return w.dead() == 0 })
	w.eventually("the work is done", func() bool { return strings.Contains(b.get("/console/jobs").body, "1,000 changed (1,000 looked at)") })
	changes, _ := w.told()
	last := changes[len(changes)-1]
	if last.Count != 1000 || last.Target != "g" || last.Err != nil || !strings.HasPrefix(last.Who, "console#") || last.Address != "127.0.0.1" {
		t.Errorf("told of %+v", last)
	}
}

func TestDropWantsToBeMeant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, "no", nil)
	b := w.signedIn()
	form := url.Values{"group": {"g"}, "which": {"ticked"}, "ref": {position(t, b)}}
	if a := b.post("/console/dead-letters/drop", form); a.status != http.StatusBadRequest || w.dead() != 3 {
		t.Errorf("dropped without being sure: %d", a.status)
	}
	form.Set("sure", "yes")
	if a := b.post("/console/dead-letters/drop", form); a.status != http.StatusSeeOther {
		t.Errorf("drop: %d %s", a.status, a.body)
	}
	w.eventually("one is dropped", func() bool { return w.dead() == 2 })
	if a := b.post("/console/groups/drop", url.Values{"group": {"g"}}); a.status != http.StatusBadRequest {
		t.Errorf("a group dropped without being sure: %d", a.status)
	}
	if a := b.post("/console/groups/drop", url.Values{"group": {"g"}, "sure": {"yes"}}); a.status != http.StatusSeeOther || w.done("group dropped").Target != "g" {
		t.Errorf("drop a group: %d %s", a.status, a.body)
	}
	if a := b.post("/console/dead-letters/redrive", url.Values{"group": {"g"}, "which": {"matching"}}); a.status != http.StatusNotFound {
		t.Errorf("a group that is not there: %d", a.status)
	}
}

func TestFillAndSignOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", nil)
	b := w.signedIn()
	if a := b.post("/console/gaps/fill", url.Values{"gap": {"1-downtime"}}); a.status != http.StatusSeeOther {
		t.Errorf("fill: %d %s", a.status, a.body)
	}
	if c := w.done("gap filled"); c.Target != "1-downtime" || c.Count != 5 || len(w.filled) != 1 {
		t.Errorf("told of %+v, filled %v", c, w.filled)
	}
	w.eventually("the work is shown", func() bool {
		return strings.Contains(b.get("/console/jobs").body, "3 channels read, 7 messages found, 5 stored")
	})
	if a := b.post("/console/people/sign-out", url.Values{"who": {"T1/U1"}}); a.status != http.StatusBadRequest || len(w.out) != 0 {
		t.Errorf("signed out without being sure: %d", a.status)
	}
	if a := b.post("/console/people/sign-out", url.Values{"who": {"T1/U1"}, "sure": {"yes"}}); a.status != http.StatusSeeOther || len(w.out) != 1 {
		t.Errorf("sign out: %d %s", a.status, a.body)
	}
	if c := w.done("people_sign_out"); c.Target != "T1/U1" || c.Count != 1 {
		t.Errorf("told of %+v", c)
	}
}

// TestBackUpAndVerify: both go on behind the page, say what came of it, and are told to the trail.
func TestBackUpAndVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", nil)
	b := w.signedIn()
	if a := b.post("/console/store/backup", url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("back up: %d %s", a.status, a.body)
	}
	if c := w.done("store backed up"); c.Target != "the store" || c.Count != 1 || c.Err != nil {
		t.Errorf("told of %+v", c)
	}
	w.eventually("the backup is said", func() bool { return strings.Contains(b.get("/console/jobs").body, "12 events, ") })
	for name, operation := range map[string]string{"": "the store", "older": "older"} {
		if a := b.post("/console/store/verify", url.Values{"name": {name}}); a.status != http.StatusSeeOther {
			t.Errorf("verify %q: %d %s", name, a.status, a.body)
		}
		w.eventually("verifying "+operation+" is told", func() bool {
			changes, _ := w.told()
			for _, c := range changes {
				if c.Operation == "store verified" && c.Target == operation {
					return (c.Err != nil) == (name == "older") && (c.Count == 1) == (name == "")
				}
			}
			return false
		})
	}
	w.eventually("both are said", func() bool {
		page := b.get("/console/jobs").body
		return strings.Contains(page, "it is whole") && strings.Contains(page, "the backup is damaged")
	})
	w = newWorld(t, 0, "", func(o *console.Options) { o.Backups = nil })
	b = w.signedIn()
	for _, path := range []string{"/console/store/backup", "/console/store/verify"} {
		if a := b.post(path, url.Values{}); a.status != http.StatusBadRequest {
			t.Errorf("%s of a store without files: %d", path, a.status)
		}
	}
	if page := b.get("/console/settings").body; strings.Contains(page, "Back up now") {
		t.Error("the page offers a backup of a store without files")
	}
}

func TestFindAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, "no", nil)
	b := w.signedIn()
	at := position(t, b)
	for _, text := range []string{"Ev0", "slack:Ev0", at, fmt.Sprintf("%032x", len("slackEv0"))} {
		if a := b.get("/console/events?find=" + url.QueryEscape(text)); !strings.Contains(a.body, "The event that was found") {
			t.Errorf("%s was not found: %d %s", text, a.status, a.body)
		}
	}
	for _, text := range []string{"Ev9", strings.Repeat("0", 32), "x-0000000000000009"} {
		if a := b.get("/console/events?find=" + url.QueryEscape(text)); a.status < 400 {
			t.Errorf("%s was found: %d", text, a.status)
		}
	}
	w.c.Tried(console.Attempt{By: "g", Source: "slack", ID: "Ev0", Number: 5, Outcome: "given up", Why: "it said no"})
	page := b.get("/console/events/show?source=slack&id=Ev0").body
	for _, part := range []string{"dead letter</span></td><td class=\"n\">1</td>", "given up", "it said no", "followed now by", "&lt;script&gt;alert(1)"} {
		if !strings.Contains(page, part) {
			t.Errorf("the way of an event lacks %q: %s", part, page)
		}
	}
	if a := b.post("/console/events/replay", url.Values{"group": {"g"}, "position": {at}}); a.status != http.StatusSeeOther || w.done("events replayed").Count != 1 || w.dead() != 2 {
		t.Errorf("replay: %d %s", a.status, a.body)
	}
}

// The stream of changes tells of new events, and ends with its session.
func TestLive(t *testing.T) {
	t.Parallel()
	woken := make(chan struct{}, 1)
	w := newWorld(t, 0, "", func(o *console.Options) {
		o.Watch = func(event.Filter) (<-chan struct{}, func()) { return woken, func() {} }
	})
	b := w.signedIn()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/console/live", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	until := func(want string) bool {
		for lines.Scan() {
			if lines.Text() == want {
				return true
			}
		}
		return false
	}
	if !until("event: connected") {
		t.Fatal("the stream did not begin")
	}
	woken <- struct{}{}
	if !until("event: events") {
		t.Fatal("a new event was not told")
	}
	w.c.SetToken(t.Context(), "another token of the operator")
	if until("event: never") {
		t.Fatal("a line that nobody wrote")
	}
}

// What is open is bounded, whatever is stored: a page of 100,000 events is a page of 50.
func TestLargeStoresStayQuick(t *testing.T) {
	w := newWorld(t, 1000, "no", nil)
	for i := range 100_000 {
		_, err := w.store.Publish(t.Context(), event.Event{
			Source: "slack", ID: fmt.Sprintf("Many%d", i), Kind: event.Kind{Type: "message"}, Channel: "C1", ReceivedAt: time.Now(), Raw: []byte(`{"event":{"text":"hello"}}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b := w.signedIn()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, path := range pages {
		began := time.Now()
		a := b.get(console.Base + path)
		t.Logf("%-45s %8.1f ms %7d bytes", path, float64(time.Since(began).Microseconds())/1000, len(a.body))
		if a.status != http.StatusOK || len(a.body) > 512<<10 {
			t.Errorf("%s: %d with %d bytes", path, a.status, len(a.body))
		}
	}
	for range 100_000 {
		w.c.Tried(console.Attempt{By: "g", ID: "Ev0", Why: strings.Repeat("x", 10_000)})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the pages keep %d MiB", grown>>20)
	}
}

// Work that is under way ends with the server, and says so.
func TestJobsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", func(o *console.Options) { o.Gaps = slow{} })
	b := w.signedIn()
	for i, gap := range []string{"gap0", "gap0", "gap1", "gap2", "gap3", "gap4"} {
		want := http.StatusSeeOther
		if i == 1 || i == 5 { // it is under way already; four are
			want = http.StatusBadRequest
		}
		if a := b.post("/console/gaps/fill", url.Values{"gap": {gap}}); a.status != want {
			t.Errorf("fill %d, %s: %d, want %d", i, gap, a.status, want)
		}
	}
	if a := b.post("/console/jobs/stop", url.Values{"job": {"1"}}); a.status != http.StatusSeeOther {
		t.Errorf("stop: %d %s", a.status, a.body)
	}
	if c := w.done("gap filled"); c.Err == nil || c.Target != "gap0" {
		t.Errorf("told of %+v", c)
	}
}

// slow is gaps whose filling ends when it is stopped.
type slow struct{ *world }

func (slow) Fill(ctx context.Context, _ string, _ func(gaps.Gap) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestAllThatAFilterMatchesIsReplayed: it needs to be meant, and a search for words is no filter.
func TestAllThatAFilterMatchesIsReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, "no", nil)
	b := w.signedIn()
	for name, form := range map[string]url.Values{
		"not meant": {"group": {"g"}}, "a search": {"group": {"g"}, "sure": {"yes"}, "query": {"words"}}, "no group": {"group": {"other"}, "sure": {"yes"}},
	} {
		if a := b.post("/console/events/replay-all", form); a.status < http.StatusBadRequest || a.status == http.StatusInternalServerError {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := b.post("/console/events/replay-all", url.Values{"group": {"g"}, "sure": {"yes"}, "source": {"slack"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if c := w.done("events replayed"); c.Err != nil || c.Target != "g" || c.Count != 3 {
		t.Errorf("told of %+v", c)
	}
}

// TestAnAgeIsReplayedAsItWasShown: what came while the page of the last hour stood in the browser is not replayed, and
// what was an hour old then is.
func TestAnAgeIsReplayedAsItWasShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, "no", nil)
	page := w.signedIn().get("/console/events?since=1h&until=0s").body
	_, form, _ := strings.Cut(page, "/events/replay-all")
	for name, ago := range map[string]time.Duration{"since": time.Hour, "until": 0} {
		_, value, _ := strings.Cut(form, `name="`+name+`" value="`)
		value, _, _ = strings.Cut(value, `"`)
		at, err := time.Parse(time.RFC3339Nano, value)
		if off := time.Since(at) - ago; err != nil || off < 0 || off > time.Minute {
			t.Errorf("%s is %q", name, value)
		}
	}
}
