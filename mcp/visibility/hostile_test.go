package visibility_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/store/memory"
	"slackmcp/webhook/event"
)

// Where the app is installed in an organization, what names no workspace may be of any: Slack's own verdict
// decides, also on a public channel.
func TestOrganizationWithoutAWorkspace(t *testing.T) {
	t.Parallel()
	self := func() (visibility.Install, bool) {
		return visibility.Install{Host: "slack.com", Enterprise: "E1", Bot: bot}, true
	}
	with(t, visibility.Options{Self: self}, func(j *judged) {
		j.add("UANN", slackapi.User{EnterpriseUser: slackapi.EnterpriseUser{EnterpriseID: "E1", Teams: []string{"T1"}}})
		j.abroad = "COPEN" // of another workspace
		p := access.Person{Host: "slack.com", Enterprise: "E1", User: "UANN"}
		see := func(e event.Event) visibility.Verdict {
			j.See(p, &e)
			j.Await(context.Background(), p)
			return j.See(p, &e)
		}
		see(message(t, "COPEN"))
		if v := j.SeeConversation(p, "COPEN"); v != unknown {
			t.Errorf("a public channel of another workspace is %v", v)
		}
		if v := j.Sight(p).Of("COPEN"); v != unknown {
			t.Errorf("in what a person sees it is %v", v)
		}
		for channel, want := range map[string]visibility.Verdict{"CPUB": visible, "COPEN": hidden} {
			click := interaction(t, `{"type":"block_actions","team":null,"enterprise":{"id":"E1"},"is_enterprise_install":true,"user":{"id":"UX","team_id":"T2"},
				"channel":{"id":"`+channel+`"},"container":{"type":"message","is_ephemeral":false,"channel_id":"`+channel+`"},"actions":[]}`)
			if v := see(click); v != want {
				t.Errorf("a click in %s is %v", channel, v)
			}
			if v := j.SeeConversation(p, channel); v != want {
				t.Errorf("%s is %v", channel, v)
			}
		}
		j.files["F1"] = slackapi.File{ID: "F1", Channels: []string{"COPEN"}}
		if v := see(slackEvent(t, `{"type":"file_change","file_id":"F1"}`)); v != hidden {
			t.Errorf("a file there is %v", v)
		}
	})
}

// Who is in a workspace of the organization no longer sees nothing of it, and Slack says whether it is so.
func TestAWorkspaceIsLeft(t *testing.T) {
	t.Parallel()
	self := func() (visibility.Install, bool) {
		return visibility.Install{Host: "slack.com", Enterprise: "E1", Bot: bot}, true
	}
	with(t, visibility.Options{Self: self}, func(j *judged) {
		of := func(teams ...string) {
			j.add("UANN", slackapi.User{EnterpriseUser: slackapi.EnterpriseUser{EnterpriseID: "E1", Teams: teams}})
			j.mu.Lock()
			defer j.mu.Unlock()
			u := j.users["UANN"]
			u.TeamID = teams[0]
			j.users["UANN"] = u
		}
		of("T3", "T1")
		p, e := access.Person{Host: "slack.com", Enterprise: "E1", User: "UANN"}, message(t, "CPUB")
		want := func(v visibility.Verdict) {
			t.Helper()
			j.See(p, &e)
			j.Await(context.Background(), p)
			if got := j.See(p, &e); got != v {
				t.Errorf("it is %v, want %v", got, v)
			}
		}
		want(visible)
		left := `{"type":"user_change","user":{"id":"UANN","enterprise_user":{"enterprise_id":"E1","teams":["T3"]}}}`
		j.happens(left)
		if v := j.See(p, &e); v != unknown {
			t.Errorf("after the event it is %v", v)
		}
		want(visible) // it was made up
		of("T3")
		j.happens(left)
		want(hidden)
	})
}

// Where a file is says Slack alone. What events say of it makes it unknown, and nothing that they say is seen.
func TestFilesThatEventsClaim(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		change := func(id string) event.Event {
			return slackEvent(t, `{"type":"file_change","file_id":"`+id+`","file":{"id":"`+id+`"}}`)
		}
		j.want(message(t, "CPUB"), who{"UBEN": visible})
		j.want(change("F1"), who{"UBEN": hidden})
		for _, id := range []string{"F1", "F2"} {
			j.happens(`{"type":"file_shared","file_id":"` + id + `","channel_id":"CPUB","user_id":"UANN"}`)
			j.want(change(id), who{"UBEN": hidden, "UANN": hidden})
			j.happens(`{"type":"file_shared","file_id":"` + id + `","channel_id":"CPUB","user_id":"UANN"}`)
			j.happens(`{"type":"file_deleted","file_id":"` + id + `"}`)
			j.want(change(id), who{"UBEN": hidden, "UANN": hidden})
		}
		// What Slack had said counts no longer once it refuses to say it.
		j.files["F3"] = slackapi.File{ID: "F3", User: "UANN", Channels: []string{"CPUB"}}
		j.want(change("F3"), who{"UBEN": visible})
		f := j.files["F3"]
		f.ID = "F5"
		j.files["F5"] = f
		j.want(change("F5"), who{"UBEN": visible})
		j.mu.Lock()
		delete(j.files, "F5")
		delete(j.files, "F3")
		j.mu.Unlock()
		time.Sleep(visibility.YesFresh)
		j.happens(`{"type":"file_deleted","file_id":"F3"}`) // it was said too long ago to be kept
		j.want(change("F3"), who{"UBEN": hidden, "UANN": hidden})
		j.want(change("F5"), who{"UBEN": hidden, "UANN": hidden})
		// An answer from before an event is none after it.
		j.files["F4"] = slackapi.File{ID: "F4", Channels: []string{"CPUB"}}
		calls := 0
		j.during = func(method string) {
			if method != "files.info" {
				return
			}
			if calls++; calls == 1 {
				j.happens(`{"type":"file_unshared","file_id":"F4"}`)
			}
		}
		j.want(change("F4"), who{"UBEN": visible})
		if calls != 2 {
			t.Errorf("Slack was asked %d times", calls)
		}
	})
}

// What an event takes away is gone whatever workspace its envelope names: that of a shared channel may be another.
func TestTakenAwayByAnotherWorkspace(t *testing.T) {
	t.Parallel()
	for inner, channel := range map[string]string{
		`{"type":"member_left_channel","channel":"CPRIV","user":"UANN"}`:  "CPRIV",
		`{"type":"channel_converted_to_private","channel":"CPUB"}`:        "CPUB",
		`{"type":"tokens_revoked","tokens":{"oauth":["UANN"],"bot":[]}}`:  "CPUB",
		`{"type":"user_change","user":{"id":"UANN","deleted":true}}`:      "CPUB",
		`{"type":"member_joined_channel","channel":"GRP","user":"UANN"}`:  "GRP",
		`{"type":"team_access_revoked","team_ids":["T1"]}`:                "CPRIV",
		`{"type":"channel_deleted","channel":"CPRIV"}`:                    "CPRIV",
		`{"type":"channel_unshared","channel":"CPRIV","is_ext_shared":1}`: "CPRIV",
	} {
		in(t, func(j *judged) {
			e := message(t, channel)
			j.want(e, who{"UANN": visible})
			l := slackEvent(t, inner)
			l.Team = "T2"
			j.applies(&l)
			if v := j.See(person("UANN"), &e); v == visible {
				t.Errorf("after %s it is %v", inner, v)
			}
		})
	}
}

// An event of another store than the one that was read so far is not judged before that one is read.
func TestAnotherStore(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPUB")
		j.want(e, who{"UANN": visible})
		j.happens(`{"type":"message","channel":"CPUB","user":"UANN","ts":"1.1"}`)
		e.Position = event.NewPosition("another", 1)
		if v := j.See(person("UANN"), &e); v != unknown {
			t.Errorf("it is %v", v)
		}
		j.Apply(&e)
		j.want(e, who{"UANN": visible})
	})
}

// A reader of the log that has lost its place makes all unknown, and goes on at any position.
func TestForget(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPRIV")
		j.want(e, who{"UANN": visible})
		for range 5 {
			j.happens(`{"type":"message","channel":"CPUB","user":"UANN","ts":"1.1"}`)
		}
		j.Forget()
		if v := j.See(person("UANN"), &e); v != unknown {
			t.Errorf("it is %v", v)
		}
		l := slackEvent(t, `{"type":"message","channel":"CPUB","user":"UANN","ts":"1.1"}`)
		l.Position = event.NewPosition("abcdefgh", 2)
		j.Apply(&l)
		j.want(e, who{"UANN": visible})
		e.Position = event.NewPosition("abcdefgh", 3)
		if v := j.See(person("UANN"), &e); v != unknown {
			t.Errorf("what was not taken in at a position that was, is %v", v)
		}
		j.Apply(&e)
		j.want(e, who{"UANN": visible})
	})
}

// What was kept of a log that is no more is not restored.
func TestForgetWhatWasKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		log := &eventtest.Log{}
		o := visibility.Options{State: store.State(), Log: log}
		w, e := small(), message(t, "CPRIV")
		first := newJudged(t, w, o)
		stop := runs(first)
		at := func(n uint64, inner string) {
			e := slackEvent(t, inner)
			e.Position = event.NewPosition("e0", n)
			first.Apply(&e)
		}
		at(9, `{"type":"emoji_changed"}`)
		first.want(e, who{"UANN": visible})
		time.Sleep(time.Minute)
		first.Forget() // the events from 2 on are lost
		time.Sleep(time.Minute)
		w.set("CPRIV", bot)
		at(2, `{"type":"member_left_channel","channel":"CPRIV","user":"UANN"}`)
		time.Sleep(time.Minute)
		stop()

		log.Append(event.Event{}, event.Event{})
		second := newJudged(t, w, o)
		w.fail(refusal("timed_out", slackapi.Unavailable))
		defer runs(second)()
		time.Sleep(time.Second)
		w.change(func() {
			w.during = func(method string) {
				if method == "conversations.members" {
					t.Error("who is a member was not kept: the test shows nothing")
				}
			}
		})
		w.fail(nil)
		second.want(e, who{"UANN": hidden})
	})
}

// Ids that somebody writes into a message cost no look-ups, and what is learnt of those that are known stands
// back behind what others wait for.
func TestIdsThatSomebodyWrites(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.channel("CELSE", privateChannel, "UBEN") // the bot is not in it
		j.want(message(t, "CPUB"), who{"UANN": visible, "UBEN": visible})
		before := j.called()
		p := person("UANN")
		for i := range 100 {
			id := "CFAKE" + strconv.Itoa(i)
			if v := j.SeeConversation(p, id); v != unknown {
				t.Errorf("it is %v", v)
			}
			if j.Learn(p, id) {
				t.Errorf("%s is looked up", id)
			}
		}
		if n := j.called() - before; n != 0 || j.Stats().Pending != 0 {
			t.Errorf("%d calls, %+v", n, j.Stats())
		}
		for i := range 10 { // something was received of these
			j.happens(fmt.Sprintf(`{"type":"member_left_channel","channel":"CX%d","user":"UCY"}`, i))
		}
		learnt := 0
		j.change(func() { j.during = func(string) { time.Sleep(time.Second) } })
		for i := range 10 {
			if j.Learn(p, "CX"+strconv.Itoa(i)) {
				learnt++
			}
		}
		if n := j.Stats().Pending; learnt != 2 || n != 2 {
			t.Errorf("%d look-ups have begun, %d pend", learnt, n)
		}
		began := time.Now()
		if j.Await(context.Background(), p); time.Since(began) > 0 {
			t.Errorf("a reader waits %v for what nobody needs", time.Since(began))
		}
		time.Sleep(30 * time.Second)
		if v := j.SeeConversation(p, "CX0"); v != hidden {
			t.Errorf("later it is %v", v)
		}
	})
}

// One person's look-ups, however many, do not come before another's.
func TestTurnsOfLookups(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.channel("CELSE", privateChannel, "UBEN") // the bot is not in it
		j.want(message(t, "CPUB"), who{"UANN": visible, "UBEN": visible})
		for i := range 12 { // what may be asked at once is used up
			e := message(t, "CA"+strconv.Itoa(i))
			j.See(person("UANN"), &e)
		}
		time.Sleep(time.Second)
		for i := range 100 {
			e := message(t, "CB"+strconv.Itoa(i))
			j.See(person("UANN"), &e)
		}
		began := time.Now()
		j.want(message(t, "CELSE"), who{"UBEN": visible})
		if d := time.Since(began); d > 40*time.Second { // two calls, of ten a minute
			t.Errorf("another one waits for %v", d)
		}
	})
}

// Somebody who waits for what nobody waited for so far does not stand back behind others any longer.
func TestALookupBecomesUrgent(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.channel("CX", publicChannel, bot)
		j.want(message(t, "CPUB"), who{"UANN": visible, "UBEN": visible})
		j.happens(`{"type":"member_left_channel","channel":"CX","user":"UCY"}`)
		for i := range 300 { // others wait for as long as the test takes
			j.add("UX"+strconv.Itoa(i), slackapi.User{})
			e := message(t, "CY"+strconv.Itoa(i))
			j.See(person("UX"+strconv.Itoa(i)), &e)
		}
		time.Sleep(time.Minute)
		if !j.Learn(person("UANN"), "CX") {
			t.Fatal("it is not looked up")
		}
		time.Sleep(time.Minute)
		if v := j.SeeConversation(person("UANN"), "CX"); v != unknown {
			t.Fatalf("it has not stood back: it is %v", v)
		}
		e := message(t, "CX")
		j.See(person("UANN"), &e)
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		if !j.Await(ctx, person("UANN")) {
			t.Error("it stands back for ever")
		}
	})
}

// Who waits while there is no room for more look-ups does not judge again and again.
func TestAwaitWithoutRoom(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.fail(&slackapi.Error{Code: "ratelimited", Kind: slackapi.RateLimited, RetryAfter: time.Hour})
		e, p := message(t, "CPUB"), person("UANN")
		for i := range 1_100 {
			j.See(person("UX"+strconv.Itoa(i)), &e)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		rounds := 0
		for ; ctx.Err() == nil && rounds < 10; rounds++ {
			j.See(p, &e)
			j.Await(ctx, p)
		}
		if n := j.Stats().Pending; rounds > 3 || n < 1000 {
			t.Errorf("it was judged %d times in two seconds while %d pend", rounds, n)
		}
	})
}

// That a person has not given a scope is remembered: it takes another consent.
func TestMissingScopeIsRemembered(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.channel("CELSE", privateChannel, "UANN") // the bot is not in it
		j.ownDown = refusal("missing_scope", slackapi.MissingScope)
		e := message(t, "CELSE")
		j.want(e, who{"UANN": unknown})
		n := 0
		j.change(func() { n = j.calls["own"] })
		time.Sleep(4 * time.Minute)
		j.want(e, who{"UANN": unknown})
		j.change(func() {
			if got := j.calls["own"]; got != n {
				t.Errorf("Slack was asked %d times more", got-n)
			}
			j.ownDown = nil
		})
		time.Sleep(2 * time.Minute)
		j.want(e, who{"UANN": visible})
	})
}

// What Slack answers about somebody is asked again where an event about them came meanwhile.
func TestSomebodyChangesWhileSlackIsAsked(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		calls := 0
		j.during = func(method string) {
			if method != "users.info" {
				return
			}
			if calls++; calls == 1 {
				j.happens(`{"type":"user_change","user":{"id":"UANN","deleted":true}}`)
			}
		}
		j.want(message(t, "CPUB"), who{"UANN": visible})
		if calls != 2 {
			t.Errorf("Slack was asked %d times", calls)
		}
	})
}
