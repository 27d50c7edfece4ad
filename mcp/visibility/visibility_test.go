package visibility_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

const (
	hidden  = visibility.Hidden
	visible = visibility.Visible
	unknown = visibility.Unknown
)

type who = map[string]visibility.Verdict

// What is said in a conversation is seen by those whom Slack shows it, and nothing is seen before Slack
// was asked.
func TestConversations(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		for _, id := range []string{"CPUB", "CPRIV", "GRP", "DANN", "CNONE"} {
			e := message(t, id)
			if v := j.See(person("UANN"), &e); v != unknown {
				t.Errorf("before Slack was asked %s is %v", id, v)
			}
		}
		j.want(message(t, "CPUB"), who{"UANN": visible, "UBEN": visible, "UGUEST": visible, bot: hidden, "UNOBODY": hidden})
		j.want(message(t, "COPEN"), who{"UANN": visible, "UBEN": visible, "UGUEST": hidden})
		j.want(message(t, "CPRIV"), who{"UANN": visible, "UBEN": hidden, "UGUEST": hidden})
		j.want(message(t, "GRP"), who{"UANN": visible, "UBEN": visible, "UCY": hidden})
		j.want(message(t, "DANN"), who{"UANN": visible, "UBEN": hidden})
		j.want(message(t, "CNONE"), who{"UANN": hidden, "UBEN": hidden})
		if j.unknown["type"] == 0 || j.unknown["person"] == 0 {
			t.Errorf("unknowns were not counted: %v", j.unknown)
		}
	})
}

// After somebody has left they see nothing more, whatever is delivered late or again: only Slack's own
// answer lets them back in.
func TestJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPRIV")
		j.want(e, who{"UANN": visible, "UBEN": hidden})

		joined := `{"type":"member_joined_channel","channel":"CPRIV","user":"UBEN","team":"T1"}`
		left := `{"type":"member_left_channel","channel":"CPRIV","user":"UBEN","team":"T1"}`
		j.happens(joined)
		if v := j.See(person("UBEN"), &e); v != unknown {
			t.Errorf("after a join alone it is %v", v)
		}
		j.want(e, who{"UBEN": hidden}) // the event was made up
		j.set("CPRIV", bot, "UANN", "UBEN")
		j.happens(joined)
		j.want(e, who{"UBEN": visible})
		j.set("CPRIV", bot, "UANN")
		j.happens(left)
		if v := j.See(person("UBEN"), &e); v != hidden {
			t.Errorf("after the leave it is %v", v)
		}
		j.happens(joined) // a retry
		j.want(e, who{"UBEN": hidden, "UANN": visible})
		j.happens(`{"type":"message","subtype":"group_leave","channel":"CPRIV","user":"UANN","text":"left","ts":"1.2"}`)
		if v := j.See(person("UANN"), &e); v != hidden {
			t.Errorf("after the message about a leave it is %v", v)
		}
		j.happens(`{"type":"member_left_channel","channel":"CPUB","user":"UGUEST","team":"T1"}`)
		j.set("CPUB", bot)
		j.want(message(t, "CPUB"), who{"UGUEST": hidden, "UANN": visible})
	})
}

// What an event takes away while Slack is being asked is not given back by an answer that Slack made before.
func TestALeaveWhileSlackIsAsked(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPRIV")
		once := sync.OnceFunc(func() {
			j.set("CPRIV", bot)
			j.happens(`{"type":"member_left_channel","channel":"CPRIV","user":"UANN","team":"T1"}`)
		})
		j.during = func(method string) {
			if method == "conversations.members" {
				once() // the fake has read the members before
			}
		}
		if v := j.settled("UANN", e); v != hidden {
			t.Errorf("it is %v", v)
		}
		j.during = nil
		time.Sleep(visibility.NoFresh)
		j.want(e, who{"UANN": hidden})
	})
}

// The same holds of what kind a conversation is.
func TestAConversionWhileSlackIsAsked(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPUB")
		j.want(message(t, "CPRIV"), who{"UBEN": hidden}) // it is known who Ben is
		once := sync.OnceFunc(func() {
			j.happens(`{"type":"channel_converted_to_private","channel":"CPUB"}`) // the answer was made before it
		})
		calls := 0
		j.during = func(method string) {
			if method == "conversations.info" {
				once()
				if calls++; calls == 2 {
					j.channel("CPUB", privateChannel, bot, "UANN")
				}
			}
		}
		j.want(e, who{"UBEN": hidden})
		if calls < 2 {
			t.Errorf("Slack was asked %d times", calls)
		}
	})
}

// Conversions, ids that change, deletions and the bot's leaving make all unknown at once.
func TestConversationsThatChange(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"converted":             `{"type":"channel_converted_to_private","channel":"CPUB"}`,
		"converted, a message":  `{"type":"message","subtype":"channel_convert_to_private","channel":"CPUB","user":"UANN","ts":"2.1"}`,
		"another id, the old":   `{"type":"channel_id_changed","old_channel_id":"CPUB","new_channel_id":"CNEW"}`,
		"another id, the new":   `{"type":"channel_id_changed","old_channel_id":"COLD","new_channel_id":"CPUB"}`,
		"deleted":               `{"type":"channel_deleted","channel":"CPUB"}`,
		"shared":                `{"type":"channel_shared","channel":"CPUB","connected_team_id":"T9"}`,
		"the bot has left":      `{"type":"member_left_channel","channel":"CPUB","user":"UBOT","team":"T1"}`,
		"the bot was told":      `{"type":"channel_left","channel":"CPUB","actor_id":"UANN"}`,
		"the bot has come":      `{"type":"member_joined_channel","channel":"CPUB","user":"UBOT","team":"T1"}`,
		"events were withheld":  `{"type":"app_rate_limited"}`,
		"the app is gone":       `{"type":"app_uninstalled"}`,
		"the bot's token ended": `{"type":"tokens_revoked","tokens":{"oauth":[],"bot":["UBOT"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in(t, func(j *judged) {
				e := message(t, "CPUB")
				j.want(e, who{"UBEN": visible})
				changed, stop := j.Watch(person("UBEN"))
				defer stop()
				before := j.Sight(person("UBEN"))
				j.channel("CPUB", privateChannel, bot, "UANN")
				j.happens(change)
				if v := j.See(person("UBEN"), &e); v != unknown {
					t.Errorf("it is %v", v)
				}
				if after := j.Sight(person("UBEN")); after.Generation == before.Generation || after.Of("CPUB") == visible {
					t.Errorf("the sight has not changed")
				}
				select {
				case <-changed:
				default:
					t.Error("who watches was not told")
				}
				j.want(e, who{"UBEN": hidden, "UANN": visible})
			})
		})
	}
}

// Where the bot was removed, only those see what was said there whom Slack shows the conversation.
func TestTheBotIsRemoved(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPRIV")
		j.want(e, who{"UANN": visible})
		j.set("CPRIV", "UANN")
		j.happens(`{"type":"member_left_channel","channel":"CPRIV","user":"UBOT","team":"T1"}`)
		j.want(e, who{"UANN": visible, "UBEN": hidden})
		j.set("CPRIV") // nobody tells the bot that she leaves
		time.Sleep(visibility.YesFresh)
		j.want(e, who{"UANN": hidden})
	})
}

// People who are deactivated or become guests see less at once; the way back is Slack's answer.
func TestPeopleWhoChange(t *testing.T) {
	t.Parallel()
	change := func(user, flags string) string {
		return `{"type":"user_change","user":{"id":"` + user + `","team_id":"T1",` + flags + `}}`
	}
	in(t, func(j *judged) {
		e := message(t, "COPEN")
		j.want(e, who{"UBEN": visible, "UGUEST": hidden})
		j.happens(change("UBEN", `"deleted":true`))
		if v := j.See(person("UBEN"), &e); v != unknown {
			t.Errorf("a deactivated account is %v", v)
		}
		j.want(e, who{"UBEN": visible}) // it is made up, or late
		j.add("UBEN", slackapi.User{Deleted: true})
		j.happens(change("UBEN", `"deleted":true`))
		j.want(e, who{"UBEN": hidden})
		j.happens(change("UBEN", `"deleted":false`))
		if v := j.See(person("UBEN"), &e); v != unknown {
			t.Errorf("an account that an event activates is %v", v)
		}
		j.add("UBEN", slackapi.User{})
		j.want(e, who{"UBEN": visible})
		j.happens(change("UBEN", `"is_restricted":true`))
		if v := j.See(person("UBEN"), &e); v == visible {
			t.Errorf("a new guest is %v", v)
		}
		j.want(e, who{"UBEN": visible}) // it is made up
		j.happens(change("UGUEST", `"is_restricted":false`))
		j.want(e, who{"UGUEST": hidden}) // it is made up: Slack says that they are a guest
		before := j.called()
		j.happens(change("UANN", `"real_name":"Ann","is_restricted":false`))
		j.want(e, who{"UANN": visible})
		if n := j.called() - before; n > 1 {
			t.Errorf("a new name costs %d calls", n)
		}
	})
}

// A grant that Slack may have ended counts for nothing until Slack has said that it holds.
func TestRevokedGrants(t *testing.T) {
	t.Parallel()
	revoked := `{"type":"tokens_revoked","tokens":{"oauth":["UANN"],"bot":[]}}`
	in(t, func(j *judged) {
		e := message(t, "CPUB")
		j.want(e, who{"UANN": visible, "UBEN": visible})
		j.happens(revoked)
		if v := j.See(person("UANN"), &e); v != unknown {
			t.Errorf("it is %v", v)
		}
		j.want(e, who{"UANN": visible, "UBEN": visible})
		j.ended["UANN"] = true
		j.happens(revoked)
		j.want(e, who{"UANN": hidden, "UBEN": visible})
		j.ended["UANN"] = false // signed in again
		time.Sleep(visibility.NoFresh)
		j.want(e, who{"UANN": visible})
	})
}

// What an interaction says is the matter of who did it, and of all only where all saw the message.
func TestInteractions(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		const by = `"team":{"id":"T1"},"user":{"id":"UANN","team_id":"T1"}`
		for _, typ := range []string{"view_submission", "view_closed", "shortcut", "message_action", "block_suggestion", "interactive_message"} {
			e := interaction(t, `{"type":"`+typ+`",`+by+`,"channel":{"id":"CPUB"},"container":{"type":"message","channel_id":"CPUB","is_ephemeral":false}}`)
			j.want(e, who{"UANN": visible, "UBEN": hidden})
		}
		click := func(container string) event.Event {
			return interaction(t, `{"type":"block_actions",`+by+`,"channel":{"id":"CPRIV"},"container":`+container+`}`)
		}
		j.set("CPRIV", bot, "UANN", "UBEN")
		j.want(click(`{"type":"message","channel_id":"CPRIV","is_ephemeral":false}`), who{"UANN": visible, "UBEN": visible, "UCY": hidden})
		j.want(click(`{"type":"message","channel_id":"CPRIV","is_ephemeral":true}`), who{"UANN": visible, "UBEN": hidden})
		j.want(click(`{"type":"message","channel_id":"CPRIV"}`), who{"UANN": visible, "UBEN": hidden})
		j.want(click(`{"type":"view"}`), who{"UANN": visible, "UBEN": hidden})
		j.want(interaction(t, `{"type":"view_submission","team":{"id":"T1"},"user":{"id":"UANN","team_id":"T2"}}`), who{"UANN": hidden})
		command, err := event.DecodeSlack([]byte("command=%2Fdo&team_id=T1&channel_id=CPUB&user_id=UANN"), event.Form)
		if err != nil {
			t.Fatal(err)
		}
		j.want(command.Event, who{"UANN": visible, "UBEN": hidden})
		j.want(slackEvent(t, `{"type":"app_home_opened","user":"UANN","channel":"DANN","tab":"home"}`), who{"UANN": visible, "UBEN": hidden})
		for _, inner := range []string{
			`{"type":"entity_details_requested","user":"UANN","channel":"COPEN","external_ref":{"id":"x"}}`,
			`{"type":"star_added","user":"UANN","item":{"type":"message","channel":"COPEN","message":{"ts":"1.1"}}}`,
			`{"type":"im_open","user":"UANN","channel":"COPEN"}`, `{"type":"im_created","user":"UANN","channel":{"id":"COPEN"}}`,
			`{"type":"group_close","user":"UANN","channel":"COPEN"}`,
		} {
			j.want(slackEvent(t, inner), who{"UANN": visible, "UBEN": hidden})
		}
		j.want(slackEvent(t, `{"type":"assistant_thread_started","assistant_thread":{"user_id":"UANN","channel_id":"CPUB"}}`), who{"UANN": visible, "UBEN": hidden})
	})
}

// A file is seen by who uploaded it and by who sees a conversation that it is in.
func TestFiles(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.files["F1"] = slackapi.File{ID: "F1", User: "UCY", Groups: []string{"CPRIV"}, Channels: []string{"GRP"}}
		of := func(typ, id string) event.Event {
			return slackEvent(t, `{"type":"`+typ+`","file_id":"`+id+`","user_id":"UCY","file":{"id":"`+id+`"}}`)
		}
		j.want(of("file_change", "F1"), who{"UCY": visible, "UANN": visible, "UBEN": visible, "UGUEST": hidden})
		j.want(of("file_created", "F2"), who{"UANN": hidden, "UCY": hidden})
		j.want(slackEvent(t, `{"type":"file_shared","file_id":"F1","channel_id":"CPRIV","user_id":"UCY"}`), who{"UANN": visible, "UBEN": hidden})

		j.files["F3"] = slackapi.File{ID: "F3", Groups: []string{"CPRIV"}}
		j.want(of("file_change", "F3"), who{"UANN": visible, "UBEN": hidden})
		delete(j.files, "F3")
		j.happens(`{"type":"file_deleted","file_id":"F3"}`)
		j.want(of("file_deleted", "F3"), who{"UANN": visible, "UBEN": hidden})
		j.happens(`{"type":"file_shared","file_id":"F3","channel_id":"GRP"}`)
		j.want(of("file_deleted", "F3"), who{"UANN": hidden, "UBEN": hidden}) // Slack knows of none
		e := of("file_change", "F1")
		e.Raw = nil
		j.want(e, who{"UCY": hidden})
	})
}

// People and the workspace are shown to full members, the app's life to nobody who signs in, a gap to all.
func TestWorkspaceEvents(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		for _, inner := range []string{
			`{"type":"user_change","user":{"id":"UCY"}}`, `{"type":"team_join","user":{"id":"UCY"}}`, `{"type":"emoji_changed","subtype":"add"}`,
			`{"type":"subteam_updated","subteam":{"id":"S1"}}`, `{"type":"channel_created","channel":{"id":"COPEN","name":"open","creator":"UANN"}}`,
		} {
			j.want(slackEvent(t, inner), who{"UANN": visible, "UGUEST": hidden})
		}
		j.want(slackEvent(t, `{"type":"user_change","user":{"id":"UGUEST"}}`), who{"UGUEST": visible, "UANN": visible})
		for _, inner := range []string{
			`{"type":"tokens_revoked","tokens":{"oauth":["UANN"]}}`, `{"type":"app_uninstalled"}`, `{"type":"something_new"}`, `{"type":"star_added","user":"UANN"}`,
			`{"type":"channel_rename","channel":{"id":"CPRIV","name":"secret"}}`,
		} {
			j.want(slackEvent(t, inner), who{"UBEN": hidden, "UGUEST": hidden})
		}
		j.want(interaction(t, `{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1}`), who{"UANN": hidden})
		gap := event.Event{Source: event.SourceGaps, Kind: event.Kind{Type: event.KindGap}, ID: "g"}
		j.want(gap, who{"UANN": visible, "UGUEST": visible, bot: hidden})
	})
}

// Another sender's events are seen by those whom the operator has named.
func TestSenders(t *testing.T) {
	t.Parallel()
	rules := map[string]visibility.SourceRule{"all": {All: true}, "some": {List: []string{"T1/UBEN", "UGUEST"}}, "none": {}}
	with(t, visibility.Options{Sources: rules}, func(j *judged) {
		from := func(source string) event.Event {
			return event.Event{Source: source, ID: "1", Kind: event.Kind{Type: "push"}, Channel: "CPUB"}
		}
		j.want(from("all"), who{"UANN": visible, "UGUEST": hidden, bot: hidden})
		j.want(from("some"), who{"UANN": hidden, "UBEN": visible, "UGUEST": visible})
		for _, source := range []string{"none", "unheard", event.SourceReceipts} {
			j.want(from(source), who{"UANN": hidden, "UBEN": hidden})
		}
		changed, stop := j.Watch(person("UANN"))
		defer stop()
		j.SetSources(map[string]visibility.SourceRule{"some": {List: []string{"UANN"}}})
		select {
		case <-changed:
		default:
			t.Error("a reader is not told that another rule is in force")
		}
		j.want(from("some"), who{"UANN": visible, "UBEN": hidden, "UGUEST": hidden})
		j.want(from("all"), who{"UANN": hidden})
		j.SetSources(map[string]visibility.SourceRule{"some": {List: []string{"UANN"}}})
		select {
		case <-changed:
			t.Error("a reader is told of rules that did not change")
		default:
		}
	})
}

// Ids of another workspace, organization or host mean other people and conversations.
func TestOtherWorkspaces(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPUB")
		j.want(e, who{"UANN": visible})
		for _, p := range []access.Person{
			{},
			{Host: "slack.com", Team: "T2", User: "UANN"},
			{Host: "slack-gov.com", Team: "T1", User: "UANN"},
			{Host: "slack.com", Enterprise: "E1", Team: "T1", User: "UANN"},
			{Host: "slack.com", Enterprise: "E1", User: "UANN"},
		} {
			if v := j.See(p, &e); v != hidden {
				t.Errorf("to %+v it is %v", p, v)
			}
		}
		for _, team := range []string{"T2", ""} {
			e.Team = team
			j.want(e, who{"UANN": hidden})
		}
	})
}

// In an organization a person sees what happens in their own workspaces.
func TestOrganization(t *testing.T) {
	t.Parallel()
	self := func() (visibility.Install, bool) {
		return visibility.Install{Host: "slack.com", Enterprise: "E1", Bot: bot}, true
	}
	with(t, visibility.Options{Self: self}, func(j *judged) {
		j.add("UANN", slackapi.User{EnterpriseUser: slackapi.EnterpriseUser{EnterpriseID: "E1", Teams: []string{"T1", "T3"}}})
		p := access.Person{Host: "slack.com", Enterprise: "E1", User: "UANN"}
		e := message(t, "CPUB")
		j.See(p, &e)
		j.Await(context.Background(), p)
		for team, want := range map[string]visibility.Verdict{"T1": visible, "T2": hidden} {
			e.Team = team
			if v := j.See(p, &e); v != want {
				t.Errorf("an event of %s is %v", team, v)
			}
		}
	})
}

// While Slack cannot be asked, and when what it said is too old, nothing is seen; it is asked again.
func TestSlackIsDown(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPRIV")
		j.fail(refusal("timed_out", slackapi.Unavailable))
		j.want(e, who{"UANN": unknown, "UBEN": unknown})
		n := j.called()
		for range 100 {
			p := person("UANN")
			j.See(p, &e)
			time.Sleep(10 * time.Millisecond)
		}
		if j.called() > n+2 {
			t.Errorf("Slack was asked %d times more in no time", j.called()-n)
		}
		j.fail(nil)
		time.Sleep(time.Minute)
		j.want(e, who{"UANN": visible, "UBEN": hidden})
		j.fail(refusal("timed_out", slackapi.Unavailable))
		time.Sleep(visibility.TypesFresh - time.Minute)
		if v := j.See(person("UANN"), &e); v != visible {
			t.Errorf("before the type is old it is %v", v)
		}
		time.Sleep(2 * time.Minute)
		j.want(e, who{"UANN": unknown})
	})
}

// Who waits for what cannot be asked now waits as long as they can, and does not judge again and again.
func TestAwaitWhileSlackIsDown(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e, p := message(t, "CPRIV"), person("UANN")
		j.fail(refusal("timed_out", slackapi.Unavailable))
		j.See(p, &e)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		rounds := 0
		for ; ctx.Err() == nil; rounds++ {
			j.Await(ctx, p)
			j.See(p, &e)
		}
		if rounds > 3 {
			t.Errorf("it was judged %d times in two seconds", rounds)
		}
	})
}

// A pause that Slack asks for is kept, and the caller is not refused for good.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPRIV")
		j.fail(&slackapi.Error{Code: "ratelimited", Kind: slackapi.RateLimited, RetryAfter: 5 * time.Minute})
		j.want(e, who{"UANN": unknown})
		n := j.called()
		j.fail(nil)
		time.Sleep(4 * time.Minute)
		j.want(e, who{"UANN": unknown})
		if j.called() != n {
			t.Errorf("Slack was asked %d times in the pause", j.called()-n)
		}
		time.Sleep(2 * time.Minute)
		j.want(e, who{"UANN": visible})

		j.fail(&slackapi.Error{Code: "ratelimited", Kind: slackapi.RateLimited, RetryAfter: 5 * time.Minute})
		j.want(message(t, "CPUB"), who{"UANN": unknown})
		j.fail(nil)
		began := time.Now()
		j.want(message(t, "COPEN"), who{"UANN": visible}) // another question, and the same method
		if d := time.Since(began); d < 4*time.Minute {
			t.Errorf("Slack was asked %v after it asked for five minutes", d)
		}
	})
}

// An event is judged once it was taken in, and not before.
func TestNotReadSoFar(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		e := message(t, "CPUB")
		j.want(e, who{"UANN": visible})
		j.happens(`{"type":"message","channel":"CPUB","user":"UANN","ts":"1.1"}`)
		e.Position = event.NewPosition("abcdefgh", 2)
		if v := j.See(person("UANN"), &e); v != unknown {
			t.Errorf("it is %v", v)
		}
		j.applies(&e)
		j.want(e, who{"UANN": visible})
	})
}

// Many who want to know the same ask once.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		var all []string
		for i := range 60 {
			id := "UX" + strconv.Itoa(i)
			all = append(all, id)
			j.add(id, slackapi.User{})
		}
		e := message(t, "CPRIV")
		for _, id := range all {
			for range 5 {
				j.See(person(id), &e)
			}
		}
		for _, id := range all {
			j.Await(context.Background(), person(id))
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.calls["conversations.members"] != 1 || j.calls["conversations.info"] != 1 || j.calls["users.info"] != len(all) {
			t.Errorf("calls: %v", j.calls)
		}
	})
}

// Deciding costs little and allocates nothing in the common case.
func BenchmarkSee(b *testing.B) {
	j := newJudged(b, small(), visibility.Options{})
	defer j.Close()
	e, p := message(b, "CPRIV"), person("UANN")
	j.See(p, &e)
	j.Await(context.Background(), p)
	b.ReportAllocs()
	for b.Loop() {
		if j.See(p, &e) != visible {
			b.Fatal("not visible")
		}
	}
}

// Where a person's own token is asked, no other one answers: without it nothing is seen.
func TestOwnTokenAlone(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.channel("CELSE", privateChannel, "UANN") // the bot is not in it
		e := message(t, "CELSE")
		j.want(e, who{"UANN": visible, "UBEN": hidden})
		time.Sleep(visibility.YesFresh)
		j.ownDown = &slackapi.Error{Code: slackapi.CodeSignInAgain, Kind: slackapi.Auth, SignIn: true}
		j.want(e, who{"UANN": unknown})
		j.ownDown = nil
		time.Sleep(time.Minute)
		j.want(e, who{"UANN": visible})
	})
}

// A guest sees a public channel in which the bot is not, by their own token, as a member alone; what Slack
// answers about a public channel to somebody who is none does not count.
func TestGuestWithoutTheBot(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		j.channel("CIN", publicChannel, "UGUEST")
		j.channel("COUT", publicChannel, "UANN")
		j.lenient = true
		j.want(message(t, "CIN"), who{"UGUEST": visible, "UANN": visible})
		j.want(message(t, "COUT"), who{"UGUEST": hidden, "UANN": visible})
	})
}

// One person's look-ups leave room for those of others.
func TestSharesOfLookups(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		for i := range 100 {
			e := message(t, "CX"+strconv.Itoa(i))
			j.See(person("UANN"), &e)
		}
		if n := j.Stats().Pending; n > 8 {
			t.Errorf("one person has %d look-ups", n)
		}
		began := time.Now()
		j.want(message(t, "CPRIV"), who{"UBEN": hidden})
		if d := time.Since(began); d > 2*time.Minute {
			t.Errorf("another one waits for %v", d)
		}
	})
}
