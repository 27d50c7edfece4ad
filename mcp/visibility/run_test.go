package visibility_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/store/memory"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// runs lets a judge work until the test ends or the returned function is called.
func runs(j *judged) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = j.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// Whoever signs in after the server has warmed up waits for nothing, and Slack is asked for little more.
func TestWarm(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		stop := runs(j)
		defer stop()
		time.Sleep(time.Minute)
		n := j.called()
		for id, want := range map[string]visibility.Verdict{"CPUB": visible, "CPRIV": hidden, "GRP": visible} {
			e := message(t, id)
			if v := j.See(person("UBEN"), &e); v != want {
				t.Errorf("%s is %v", id, v)
			}
		}
		if j.called() != n {
			t.Error("Slack was asked again")
		}
		// A conversation that the bot is in no more is found out, although no event said so.
		j.set("CPRIV", "UANN")
		time.Sleep(visibility.TypesEvery)
		e := message(t, "CPRIV")
		if v := j.See(person("UANN"), &e); v != unknown {
			t.Errorf("where the bot is no more it is %v", v)
		}
		j.want(e, who{"UANN": visible, "UBEN": hidden})
	})
}

// After a gap nobody is shown anything by what was known before, and all is listed anew at once.
func TestGap(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		stop := runs(j)
		defer stop()
		time.Sleep(time.Minute)
		j.set("CPRIV", bot, "UBEN") // changes that no event tells of
		j.channel("COPEN", privateChannel, bot)
		j.fail(refusal("timed_out", slackapi.Unavailable))
		j.applies(&event.Event{Source: event.SourceGaps, Kind: event.Kind{Type: event.KindGap}, ID: "g"})
		for _, id := range []string{"CPRIV", "COPEN", "CPUB"} {
			e := message(t, id)
			if v := j.See(person("UANN"), &e); v != unknown {
				t.Errorf("right after the gap %s is %v", id, v)
			}
		}
		j.fail(nil)
		time.Sleep(time.Minute)
		for id, want := range map[string]who{"CPRIV": {"UANN": hidden, "UBEN": visible}, "COPEN": {"UANN": hidden}, "CPUB": {"UANN": visible}} {
			for user, want := range want {
				e := message(t, id)
				if v := j.See(person(user), &e); v != want {
					t.Errorf("a minute after the gap %s is %v to %s", id, v, user)
				}
			}
		}
	})
}

// What was known before a restart is known after it, and what happened meanwhile too: nothing is seen before
// both are read.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		log := &eventtest.Log{}
		o := visibility.Options{State: store.State(), Log: log}
		tell := func(j *judged, inner string) {
			e := slackEvent(t, inner)
			log.Append(e)
			page, _ := log.Page(event.Query{Limit: 1})
			if j != nil {
				j.Apply(&page.Events[0])
			}
		}
		w := small()
		first := newJudged(t, w, o)
		e := message(t, "CPRIV")
		if v := first.See(person("UANN"), &e); v != unknown {
			t.Errorf("before it runs it is %v", v)
		}
		stop := runs(first)
		time.Sleep(time.Second)
		tell(first, `{"type":"emoji_changed","subtype":"add"}`)
		first.set("CPRIV", bot, "UANN", "UBEN", "UCY")
		tell(first, `{"type":"member_joined_channel","channel":"CPRIV","user":"UBEN"}`)
		tell(first, `{"type":"member_joined_channel","channel":"CPRIV","user":"UCY"}`)
		first.want(e, who{"UANN": visible, "UBEN": visible, "UCY": visible, "UGUEST": hidden})
		first.set("COPEN", bot, "UANN", "UGUEST")
		first.want(message(t, "CPUB"), who{"UGUEST": visible})
		first.want(message(t, "COPEN"), who{"UGUEST": visible})
		first.want(message(t, "DANN"), who{"UANN": visible})
		time.Sleep(time.Minute)
		tell(first, `{"type":"member_left_channel","channel":"CPRIV","user":"UCY"}`)
		tell(first, `{"type":"member_left_channel","channel":"COPEN","user":"UGUEST"}`)
		stop()
		tell(nil, `{"type":"member_left_channel","channel":"CPRIV","user":"UBEN"}`) // while no server runs

		w.fail(refusal("timed_out", slackapi.Unavailable))
		second := newJudged(t, w, o)
		stop = runs(second)
		time.Sleep(time.Second)
		second.want(message(t, "DANN"), who{"UANN": visible, "UBEN": hidden}) // of the others the type is unknown
		second.want(e, who{"UANN": unknown})
		stop()

		w.fail(nil)
		o.Log = slowLog{log, func(j *judged) {
			direct := message(t, "DANN")
			if v := j.See(person("UANN"), &direct); v != unknown {
				t.Errorf("before the log was read it is %v", v)
			}
			if s := j.Stats(); s.People == 0 {
				t.Error("nothing was restored: the test shows nothing")
			}
		}, new(*judged)}
		third := newJudged(t, w, o)
		*o.Log.(slowLog).judge = third
		w.during = func(method string) {
			if method == "conversations.members" || method == "users.info" || method == "users.list" {
				t.Errorf("%s was called", method)
			}
		}
		stopThird := runs(third)
		defer stopThird()
		time.Sleep(time.Second)
		for user, want := range (who{"UANN": visible, "UBEN": hidden, "UCY": hidden}) {
			if v := third.See(person(user), &e); v != want {
				t.Errorf("after the restart it is %v to %s (%+v)", v, user, third.Explain(person(user), &e))
			}
		}
		pub := message(t, "CPUB")
		if v := third.See(person("UGUEST"), &pub); v != visible {
			t.Errorf("after the restart a guest's channel is %v", v)
		}
		open := message(t, "COPEN")
		if v := third.See(person("UGUEST"), &open); v != hidden {
			t.Errorf("after the restart a channel that a guest has left is %v", v)
		}
	})
}

// A slowLog lets a test look while a judge reads it.
type slowLog struct {
	*eventtest.Log

	look  func(*judged)
	judge **judged
}

func (l slowLog) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	l.look(*l.judge)
	return l.Log.Query(ctx, q, use)
}

// Large conversations are kept in rows that every store takes, and nothing is written while nothing happens.
func TestLargeRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		log := &eventtest.Log{}
		log.Append(event.Event{})
		page, _ := log.Page(event.Query{Limit: 1})
		w := small()
		members := []string{bot}
		for i := range 9_000 {
			members = append(members, fmt.Sprintf("U0%09d", i))
			w.add(members[i+1], slackapi.User{})
		}
		w.channel("CBIG", privateChannel, members...)
		counted := &countedState{Store: store.State()}
		o := visibility.Options{State: counted, Log: log}
		first := newJudged(t, w, o)
		stop := runs(first)
		first.Apply(&page.Events[0])
		time.Sleep(10 * time.Minute)
		n := counted.puts.Load()
		time.Sleep(2 * time.Minute)
		if more := counted.puts.Load() - n; n == 0 || more > 0 {
			t.Errorf("%d rows were written, and %d while nothing happened", n, more)
		}
		stop()
		list, err := store.State().List(context.Background(), visibility.Prefix, "", 1000)
		if err != nil || len(list) < 5 {
			t.Fatalf("%d rows, %v", len(list), err)
		}
		for _, e := range list {
			if len(e.Value) > 62<<10 {
				t.Errorf("%s has %d bytes", e.Key, len(e.Value))
			}
		}
		second := newJudged(t, w, o)
		w.during = func(method string) {
			if method != "users.conversations" {
				t.Errorf("%s was called", method)
			}
		}
		stop = runs(second)
		defer stop()
		time.Sleep(time.Second)
		e := message(t, "CBIG")
		if v := second.See(person(members[9_000]), &e); v != visible {
			t.Errorf("it is %v", v)
		}
	})
}

// A countedState counts what is written.
type countedState struct {
	state.Store

	puts atomic.Int64
}

func (s *countedState) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	s.puts.Add(1)
	return s.Store.Put(ctx, key, value, p)
}

// With rows of another store, or none, Slack is asked.
func TestRestartOfAnotherStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		row := `{"epoch":"zzzzzzzz","seq":5,"at":` + fmt.Sprint(time.Now().Unix()) + `,"of":1,"ids":"UBEN"}`
		for _, key := range []string{"members/CPRIV/0", "at"} {
			if _, err := store.State().Put(context.Background(), visibility.Prefix+"T1/"+key, []byte(row), state.Put{}); err != nil {
				t.Fatal(err)
			}
		}
		j := newJudged(t, small(), visibility.Options{State: store.State(), Log: &eventtest.Log{}})
		stop := runs(j)
		defer stop()
		time.Sleep(time.Minute)
		j.want(message(t, "CPRIV"), who{"UANN": visible, "UBEN": hidden})
	})
}

// What one replica was told by Slack the others know without asking, except what has changed since.
func TestReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		log := &eventtest.Log{}
		log.Append(event.Event{})
		o := visibility.Options{State: store.State(), Log: log}
		w := small()
		a, b := newJudged(t, w, o), newJudged(t, w, o)
		for _, j := range []*judged{a, b} {
			defer runs(j)()
			page, _ := log.Page(event.Query{Limit: 1})
			j.Apply(&page.Events[0])
		}
		time.Sleep(time.Minute)
		e := message(t, "CPRIV")
		for _, j := range []*judged{a, b} {
			if v := j.See(person("UANN"), &e); v != visible {
				t.Errorf("it is %v", v)
			}
		}
		w.set("CPRIV", bot, "UANN", "UBEN")
		log.Append(slackEvent(t, `{"type":"member_joined_channel","channel":"CPRIV","user":"UBEN"}`))
		page, _ := log.Page(event.Query{Limit: 1})
		a.Apply(&page.Events[0])
		b.Apply(&page.Events[0])
		n := w.calls["conversations.members"]
		a.want(e, who{"UBEN": visible})
		time.Sleep(time.Minute)
		if v := b.See(person("UBEN"), &e); v != visible || w.calls["conversations.members"] != n+1 {
			t.Errorf("the other replica has not heard of it: %v", v)
		}
	})
}

// slackLimits are Slack's, a minute, for the methods that the judge calls.
var slackLimits = map[string]int{
	"users.list": 20, "users.conversations": 50, "conversations.info": 50, "conversations.members": 100, "users.info": 100, "files.info": 100,
}

// The cost of a large workspace: how many calls and minutes until all is known, whoever signs in, and how much
// memory that takes. The judge keeps to a fifth of Slack's limits.
func TestCost(t *testing.T) {
	const people, guests, conversations, privates = 5_000, 200, 300, 120
	long := os.Getenv("VISIBILITY_LONG") != ""
	synctest.Test(t, func(t *testing.T) {
		var before, after runtime.MemStats
		w := large(people, guests, conversations, privates)
		minutes := map[string]map[int]int{}
		begin := time.Now()
		w.during = func(method string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if minutes[method] == nil {
				minutes[method] = map[int]int{}
			}
			minutes[method][int(time.Since(begin)/time.Minute)]++
		}
		runtime.GC()
		runtime.ReadMemStats(&before)
		j := newJudged(t, w, visibility.Options{})
		stop := runs(j)
		defer stop()
		for s := j.Stats(); s.Listed < privates || s.People < people; s = j.Stats() {
			if time.Since(begin) > time.Hour {
				t.Fatalf("after an hour it is not warm: %+v", s)
			}
			time.Sleep(time.Second)
		}
		warm, calls := time.Since(begin), maps.Clone(w.calls)
		s := j.Stats()
		runtime.GC()
		runtime.ReadMemStats(&after)
		took := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / (1 << 20)
		t.Logf("warm after %v with %d calls %v; %d pairs; %.1f MiB", warm, w.called(), calls, s.Pairs, took)
		if warm > 8*time.Minute || w.called() > 220 || took > 8 {
			t.Error("that is more than it may be")
		}
		began := time.Now()
		for i := range guests {
			p := person(fmt.Sprintf("U%05d", i)) // the first are guests
			e := message(t, "C0200")
			j.See(p, &e)
		}
		for i := range guests {
			j.Await(context.Background(), person(fmt.Sprintf("U%05d", i)))
		}
		t.Logf("all guests are known after %v more, %d calls", time.Since(began), w.calls["users.conversations"])
		if long {
			n := w.called()
			time.Sleep(24 * time.Hour)
			t.Logf("a day costs %d calls: %v", w.called()-n, w.calls)
		}
		for method, of := range minutes {
			if most, may := slices.Max(slices.Collect(maps.Values(of))), slackLimits[method]*3/10; method != "own" && most > may {
				t.Errorf("%s was called %d times in a minute, a fifth and its burst are %d", method, most, may)
			}
		}
	})
}

func installed() (visibility.Install, bool) {
	return visibility.Install{Host: "slack.com", Team: "T1", Bot: bot}, true
}

// large is a workspace with many people, of whom the first are guests.
func large(people, guests, conversations, privates int) *world {
	w := newWorld()
	ids := make([]string, people)
	for i := range ids {
		ids[i] = fmt.Sprintf("U%05d", i)
		w.add(ids[i], slackapi.User{IsRestricted: i < guests})
	}
	for i := range conversations {
		c, size := publicChannel, 1_500
		if i < privates {
			c, size = privateChannel, 20+i*4/3
		}
		if i == 0 {
			size = 2_500
		}
		members := []string{bot}
		for k := range size {
			members = append(members, ids[(i*37+k*7)%people])
		}
		slices.Sort(members)
		w.channel(fmt.Sprintf("C%04d", i), c, slices.Compact(members)...)
	}
	return w
}

// Of who is a member nothing is told where it does not matter.
func TestAPublicChannelIsExplained(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPUB")
		j.want(e, who{"UANN": visible, "UGUEST": visible})
		if x := j.Explain(person("UANN"), &e); x.Verdict != "visible" || x.Membership != "" || !x.Since.IsZero() || x.Typed.IsZero() {
			t.Errorf("to a full member: %+v", x)
		}
		if x := j.Explain(person("UGUEST"), &e); x.Membership != "a member" || x.Since.IsZero() {
			t.Errorf("to a guest: %+v", x)
		}
	})
}
