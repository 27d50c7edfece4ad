package view_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/names"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/store/memory"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

const (
	// canary begins what people outside wrote, ours what people inside did.
	canary = "CANARY"
	ours   = "INSIDE"

	homeTeam = "T0LANTERN01" // of eventtest.Envelope
	insider  = "U0INSIDE01"
	guest    = "U0GUEST001"
	gone     = "U0GONE0001"
	outsider = "U0OUTSIDE1"
	sister   = "W0SISTER01" // of another workspace of our organisation
	self     = "U0SELF0001"

	organisation = "E0GRID0001"
	missing      = "U0MISSING1" // whom Slack does not find
	listed       = "A0LISTED01" // on LOCKDOWN_APPS
)

// people is a workspace of a few.
type people struct {
	asked int
	held  bool // what must not be held while Slack is asked
	cold  bool // no user is known before Slack was asked
	lists int  // how often the list of users was read
	// enterprise is the organisation that our workspace is of.
	enterprise string
	t          *testing.T
}

func (p *people) Self(context.Context) (slackapi.Identity, error) {
	return slackapi.Identity{TeamID: homeTeam, EnterpriseID: p.enterprise, UserID: self, BotID: "B0SELF0001", AppID: "A0SELF0001"}, nil
}

func (p *people) Users(_ context.Context, ids []string, ask int) map[string]names.User {
	found := map[string]names.User{}
	for _, id := range ids {
		if p.asked += ask; ask > 0 && p.held {
			p.t.Error("Slack is asked while events are held")
		}
		if p.cold && ask == 0 {
			continue
		}
		switch id {
		case insider:
			found[id] = names.User{ID: id, Team: homeTeam, Handle: "ann"}
		case guest:
			found[id] = names.User{ID: id, Team: homeTeam, Guest: true}
		case gone:
			found[id] = names.User{ID: id, Team: homeTeam, Deleted: true}
		case outsider:
			found[id] = names.User{ID: id, Team: "T0PARTNER01", Handle: canary}
		case sister:
			found[id] = names.User{ID: id, Team: "T0SISTER01", Organisation: organisation, Stranger: true}
		case self:
			found[id] = names.User{ID: id, Team: homeTeam, Bot: true}
		}
	}
	return found
}

func (p *people) Learn(context.Context) error {
	p.lists++
	return nil
}

func (p *people) KnownUser(id string) (names.User, bool) {
	u, ok := p.Users(context.Background(), []string{id}, 0)[id]
	return u, ok
}

func (p *people) KnownHandle(string) (names.User, bool) { return names.User{}, false }

func (p *people) KnownGroup(string) (slackapi.UserGroup, bool) { return slackapi.UserGroup{}, false }

func (p *people) Look(context.Context, names.Wanted) int { return 0 }

func (p *people) KnownChannel(string) (names.Channel, bool) { return names.Channel{}, false }

// locked reads under lockdown as the principal tester.
func locked(t *testing.T, level view.Lockdown, posts *view.Posts) *view.Reading {
	t.Helper()
	j := view.NewJudge(view.JudgeOptions{Lockdown: level, Apps: []string{listed}, People: &people{}, Posts: posts})
	return j.Reading(access.With(t.Context(), &access.Principal{Name: "tester"}))
}

// seen is all that a reading shows of an event.
func seen(t *testing.T, r *view.Reading, e *event.Event) string {
	t.Helper()
	now, before := r.Told(e, 0)
	raw, err := json.Marshal([]any{r.Event(e, view.EventOptions{}), r.Event(e, view.EventOptions{Payload: true}), now, before})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// inShared is the envelope of what happens in a conversation with another organisation.
func inShared(shared bool) a { return a{"is_ext_shared_channel": shared, "api_app_id": "A0SELF0001"} }

// written is a message's event.
func written(more a) a {
	m := a{"type": "message", "channel": "C0SHARED01", "ts": "1700000000.000100", "user": insider, "team": homeTeam, "text": ours}
	for k, v := range more {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	return m
}

func TestLockdownJudgesEachTextByItsAuthor(t *testing.T) {
	t.Parallel()
	by := func(user, text string) a {
		return a{"type": "message", "user": user, "text": text, "ts": "1600000000.000100"}
	}
	for name, tc := range map[string]struct {
		event a
		// inside is how many different texts of ours have to be there: INSIDE, INSIDE2 …
		inside   string
		unshared bool
	}{
		"a colleague":                             {written(nil), ours, false},
		"a guest":                                 {written(a{"user": guest}), ours, false},
		"one who left":                            {written(a{"user": gone}), ours, false},
		"an outsider":                             {written(a{"user": outsider, "team": "T0PARTNER01", "text": canary}), "", false},
		"an outsider, of our team by the event":   {written(a{"user": outsider, "text": canary}), "", false},
		"one whom Slack does not find":            {written(a{"user": missing, "team": nil, "text": canary}), "", false},
		"the same where no other organisation is": {written(a{"user": missing, "team": nil}), ours, true},
		"no author":                               {written(a{"user": nil, "team": nil, "text": canary}), "", false},
		"a bot without identity":                  {written(a{"user": nil, "subtype": "bot_message", "text": canary, "username": canary}), "", true},
		"another app":                             {written(a{"user": nil, "bot_id": "B0OTHER001", "app_id": "A0OTHER001", "text": canary, "bot_profile": a{"name": canary}}), "", true},
		"another app, in a colleague's name":      {written(a{"app_id": "A0OTHER001", "text": canary}), "", true},
		"an app on the list":                      {written(a{"user": nil, "bot_id": "B0LISTED01", "app_id": listed, "text": "", "blocks": []any{a{"type": "section", "text": a{"type": "mrkdwn", "text": ours}}}}), ours, true},
		"an app on the list, with a preview":      {written(a{"user": nil, "bot_id": "B0LISTED01", "app_id": listed, "attachments": []any{a{"text": ours + "2"}, a{"from_url": "https://x.example", "text": canary}}}), ours + "2", true},
		"a shared message of an outsider":         {written(a{"attachments": []any{a{"is_share": true, "is_msg_unfurl": true, "author_id": outsider, "author_name": canary, "text": canary, "fallback": canary, "message_blocks": []any{a{"message": a{"blocks": []any{a{"text": canary}}}}}}}}), ours, true},
		"a shared message of a colleague":         {written(a{"attachments": []any{a{"is_share": true, "author_id": insider, "text": ours + "2"}}}), ours + "2", true},
		"a name in a shared message":              {written(a{"attachments": []any{a{"is_share": true, "author_id": insider, "text": ours + "2 <@" + outsider + "|" + canary + ">"}}}), ours + "2", true},
		"a table that was pasted":                 {written(a{"text": "", "attachments": []any{a{"id": 1, "fallback": "[no preview available]", "blocks": []any{a{"type": "table", "rows": []any{[]any{a{"type": "raw_text", "text": ours + " cell"}}}}}}}}), ours + " cell", true},
		"a table with something beside it":        {written(a{"attachments": []any{a{"title": canary, "blocks": []any{a{"type": "table", "rows": []any{[]any{a{"type": "raw_text", "text": canary}}}}}}}}), ours, true},
		"a date in a text":                        {written(a{"text": "<!date^1392734382^{date}|" + ours + " date>"}), ours + " date", true},
		"an outsider shares a colleague's":        {written(a{"user": outsider, "team": "T0PARTNER01", "text": canary, "attachments": []any{a{"is_share": true, "author_id": insider, "text": ours}}}), ours, false},
		"an app says that it quotes":              {written(a{"bot_id": "B0OTHER001", "app_id": "A0OTHER001", "text": canary, "attachments": []any{a{"is_share": true, "author_id": insider, "text": canary}}}), "", true},
		"a preview":                               {written(a{"attachments": []any{a{"from_url": "https://x.example", "title": canary, "text": canary}, a{"text": canary}}}), ours, true},
		"a broadcast of an outsider's thread":     {written(a{"subtype": "thread_broadcast", "thread_ts": "1600000000.000100", "root": by(outsider, canary)}), ours, false},
		"a broadcast by an outsider":              {written(a{"user": outsider, "text": canary, "subtype": "thread_broadcast", "thread_ts": "1600000000.000100", "root": by(insider, ours)}), ours, false},
		"a change":                                {written(a{"user": nil, "text": nil, "subtype": "message_changed", "message": by(insider, ours), "previous_message": by(insider, ours+"2")}), ours + "2", false},
		"a change by an outsider":                 {written(a{"user": nil, "text": nil, "subtype": "message_changed", "message": by(outsider, canary), "previous_message": by(outsider, canary)}), "", true},
		"a deletion":                              {written(a{"user": nil, "text": nil, "subtype": "message_deleted", "deleted_ts": "1600000000.000100", "previous_message": by(outsider, canary)}), "", true},
		"a join":                                  {written(a{"user": outsider, "subtype": "channel_join", "text": "<@" + outsider + "|" + canary + "> has joined"}), "joined the channel", false},
		"a topic":                                 {written(a{"subtype": "channel_topic", "text": "<@" + insider + "> set the channel topic: " + ours}), ours, false},
		"an outsider's topic":                     {written(a{"user": outsider, "subtype": "channel_topic", "topic": canary, "text": canary}), "set the channel's topic", false},
		"a name in a mention":                     {written(a{"text": ours + " <@" + outsider + "|" + canary + "> <#C0SHARED01|" + canary + ">"}), "@" + outsider, false},
		"a subtype that is not listed":            {written(a{"subtype": "new_kind", "text": canary}), "", true},
		"fields that are not listed":              {written(a{"new": canary, "metadata": a{"event_payload": a{"x": canary}}, "user_profile": a{"name": canary}, "room": a{"name": canary}, "blocks": []any{a{"text": canary}}}), ours, true},
		"an outsider's file":                      {written(a{"subtype": "file_share", "files": []any{a{"id": "F0AAAA0001", "user": outsider, "name": canary, "title": canary, "preview": canary, "mimetype": canary + " x", "permalink": "https://x/" + canary}}}), "F0AAAA0001", true},
		"a colleague's file":                      {written(a{"text": "", "subtype": "file_share", "files": []any{a{"id": "F0AAAA0001", "user": insider, "title": ours}}}), ours, true},
		"a reaction":                              {a{"type": "reaction_added", "user": outsider, "reaction": strings.ToLower(canary) + canary, "item_user": insider, "item": a{"type": "message", "channel": "C0SHARED01", "ts": "1.000001"}}, insider, false},
		"a common reaction":                       {a{"type": "reaction_added", "user": outsider, "reaction": "+1::skin-tone-2", "item": a{"type": "message", "channel": "C0SHARED01", "ts": "1.000001"}}, "+1::skin-tone-2", false},
		"a pin":                                   {a{"type": "pin_added", "user": insider, "channel_id": "C0SHARED01", "item": a{"type": "message", "channel": "C0SHARED01", "created_by": insider, "message": by(outsider, canary)}}, insider, true},
		"a pin of a colleague's":                  {a{"type": "pin_added", "user": outsider, "channel_id": "C0SHARED01", "item": a{"type": "message", "message": by(insider, ours)}}, ours, true},
		"a file that is starred":                  {a{"type": "star_added", "user": insider, "item": a{"type": "file", "file": a{"id": "F0AAAA0001", "user": outsider, "name": canary}}}, "F0AAAA0001", true},
		"a profile":                               {a{"type": "user_change", "user": a{"id": outsider, "team_id": "T0PARTNER01", "name": canary, "profile": a{"status_text": canary, "real_name": canary}}}, outsider, true},
		"a colleague's profile":                   {a{"type": "user_change", "user": a{"id": insider, "team_id": homeTeam, "name": ours, "profile": a{"status_text": ours}}}, ours, true},
		"a rename":                                {a{"type": "channel_rename", "channel": a{"id": "C0SHARED01", "name": ours}}, ours, true},
		"a rename of a shared channel":            {a{"type": "channel_rename", "channel": a{"id": "C0SHARED01", "name": canary}}, "C0SHARED01", false},
		"an invitation":                           {a{"type": "shared_channel_invite_received", "invite": a{"id": "I0001", "inviting_team": a{"id": "T0PARTNER01", "name": canary}, "inviting_user": a{"id": outsider, "name": canary}}, "channel": a{"id": "C0SHARED01", "name": canary}}, outsider, false},
		"a link":                                  {a{"type": "link_shared", "user": outsider, "channel": "C0SHARED01", "links": []any{a{"url": "https://" + canary, "domain": canary}}}, outsider, false},
		"a group":                                 {a{"type": "subteam_created", "subteam": a{"id": "S0001", "name": canary, "handle": canary, "is_external": true}}, "S0001", true},
		"a type that is not listed":               {a{"type": "new_type", "user": insider, "text": canary}, insider, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := eventtest.Envelope("Ev1", tc.event, inShared(!tc.unshared))
			got := seen(t, locked(t, view.Guests, nil), &e)
			if strings.Contains(strings.ToUpper(got), canary) || !strings.Contains(got, tc.inside) {
				t.Errorf("lockdown shows %s, want no %s and %q", got, canary, tc.inside)
			}
			whole := seen(t, open(t), &e)
			if strings.Contains(strings.ToUpper(mustJSON(t, tc.event)), canary) && !strings.Contains(strings.ToUpper(whole), canary) {
				t.Errorf("without lockdown the words are gone: %s", whole)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestLockdownOfMembersLeavesGuestsOut(t *testing.T) {
	t.Parallel()
	for user, passes := range map[string]bool{insider: true, guest: false, gone: true, outsider: false, missing: false} {
		e := eventtest.Envelope("Ev1", written(a{"user": user}), inShared(false))
		if got := seen(t, locked(t, view.Members, nil), &e); strings.Contains(got, ours) != passes {
			t.Errorf("of %s it shows %s", user, got)
		}
	}
}

// interactionOf is what a user did with an element of our app's.
func interactionOf(t *testing.T, user, more a) event.Event {
	t.Helper()
	p := a{
		"type": "block_actions", "api_app_id": "A0SELF0001", "team": a{"id": homeTeam}, "user": user, "channel": a{"id": "C0SHARED01", "name": canary},
		"container": a{"message_ts": "1.000001"}, "view": a{"id": "V01", "title": a{"text": canary}, "state": a{"values": a{"b": a{"x": a{"value": canary}}}}},
	}
	maps.Copy(p, more)
	env, err := event.DecodeSlack([]byte("payload="+strings.ReplaceAll(mustJSON(t, p), "\"", "%22")), event.Form)
	if err != nil {
		t.Fatal(err)
	}
	env.ID = "x"
	return env.Event
}

func TestLockdownOfInteractions(t *testing.T) {
	t.Parallel()
	interaction := func(user a, more a) event.Event { return interactionOf(t, user, more) }
	for name, tc := range map[string]struct {
		event  event.Event
		inside string
	}{
		"a button of a colleague's":                             {interaction(a{"id": insider, "team_id": homeTeam, "name": ours}, a{"message": a{"user": insider, "ts": "1.000001"}, "actions": []any{a{"type": "button", "value": ours + " x", "text": a{"text": canary}}}}), ours + " x"},
		"an outsider's":                                         {interaction(a{"id": outsider, "team_id": "T0PARTNER01", "name": canary}, a{"actions": []any{a{"type": "plain_text_input", "value": canary}}}), outsider},
		"an outsider's, in the outsider's workspace":            {interaction(a{"id": outsider, "team_id": "T0PARTNER01"}, a{"team": a{"id": "T0PARTNER01"}, "actions": []any{a{"value": canary + " x"}}}), outsider},
		"one whom Slack does not find, in another workspace":    {interaction(a{"id": missing, "team_id": "T0PARTNER01"}, a{"team": a{"id": "T0PARTNER01"}, "actions": []any{a{"value": canary + " x"}}}), missing},
		"one whom Slack does not find, of our own by the event": {interaction(a{"id": missing, "team_id": homeTeam}, a{"actions": []any{a{"type": "plain_text_input", "value": canary + " z"}}}), missing},
		"the message of a shortcut":                             {interaction(a{"id": insider, "team_id": homeTeam}, a{"type": "message_action", "message": a{"user": outsider, "text": canary}}), insider},
		"a shortcut on ours":                                    {interaction(a{"id": outsider}, a{"type": "message_action", "message": a{"user": insider, "text": ours}}), ours},
		"an organisation's":                                     {interaction(a{"id": insider, "team_id": homeTeam}, a{"team": nil, "enterprise": a{"id": "E0GRID"}, "actions": []any{a{"type": "plain_text_input", "value": ours + " y"}}}), ours + " y"},
	} {
		if got := seen(t, locked(t, view.Guests, nil), &tc.event); strings.Contains(got, canary) || !strings.Contains(got, tc.inside) {
			t.Errorf("%s: lockdown shows %s, want %q", name, got, tc.inside)
		}
	}
	command := func(user string) event.Event {
		env, err := event.DecodeSlack([]byte("command=%2Flamp&text="+ours+"&user_id="+user+"&team_id="+homeTeam+"&user_name=x&channel_name="+canary), event.Form)
		if err != nil {
			t.Fatal(err)
		}
		return env.Event
	}
	for user, passes := range map[string]bool{insider: true, outsider: false} {
		e := command(user)
		if got := seen(t, locked(t, view.Guests, nil), &e); strings.Contains(got, ours) != passes || strings.Contains(got, canary) {
			t.Errorf("the command of %s is shown as %s", user, got)
		}
	}
}

// values is a state.
func values(t *testing.T) state.Store {
	t.Helper()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store.State()
}

func TestLockdownOfOurOwnWords(t *testing.T) {
	t.Parallel()
	posts := view.NewPosts(values(t), view.OfBot)
	posts.Wrote(t.Context(), "C0SHARED01", "1.000001", "tester")
	posts.Wrote(t.Context(), "C0SHARED01", "2.000001", "another")
	posts.Fixed(t.Context(), "C0SHARED01", "3.000001")
	posts.Wrote(t.Context(), "C0SHARED01", "5.000001", "another")
	posts.Wrote(t.Context(), "C0SHARED01", "5.000001", "tester")
	for ts, passes := range map[string]bool{"1.000001": true, "2.000001": false, "3.000001": true, "4.000001": false, "5.000001": true} {
		m := slackapi.Message{Channel: "C0SHARED01", User: self, BotID: "B0SELF0001", TS: ts, Text: ours}
		v := locked(t, view.Guests, posts).Message(&m, view.MessageOptions{})
		if (v.Text == ours) != passes || passes != (v.Provenance.Kind == view.KindSelf) || !passes && v.Provenance.Kind != view.KindAssistant {
			t.Errorf("the message %s is shown as %+v", ts, v)
		}
	}
	e := eventtest.Envelope("Ev1", written(a{
		"user": nil, "text": nil, "subtype": "message_changed",
		"message":          a{"user": self, "bot_id": "B0SELF0001", "ts": "5.000001", "text": ours},
		"previous_message": a{"user": self, "bot_id": "B0SELF0001", "ts": "5.000001", "text": canary},
	}), inShared(false))
	if got := seen(t, locked(t, view.Guests, posts), &e); !strings.Contains(got, ours) || strings.Contains(got, canary) {
		t.Errorf("what another one wrote before the change is shown: %s", got)
	}
}

// TestOurOwnWordsOutliveTheProcess: who wrote them is kept in the state, which replicas share, and
// is looked up when nothing is held.
func TestOurOwnWordsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	shared := values(t)
	view.NewPosts(shared, view.OfBot).Wrote(t.Context(), "C0SHARED01", "1.000001", "tester")
	e := eventtest.Envelope("Ev1", written(a{"user": self, "bot_id": "B0SELF0001", "app_id": "A0SELF0001", "ts": "1.000001"}), inShared(true))
	show := func(principal string) (text string) {
		j := view.NewJudge(view.JudgeOptions{Lockdown: view.Guests, People: &people{}, Posts: view.NewPosts(shared, view.OfBot)})
		ctx := access.With(t.Context(), &access.Principal{Name: principal})
		if err := j.Read(ctx, func(r *view.Reading) error {
			text = r.Event(&e, view.EventOptions{}).Text
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return text
	}
	if mine, anothers := show("tester"), show("another"); mine != ours || anothers != "" {
		t.Errorf("the writer is shown %q, another %q", mine, anothers)
	}
	view.NewPosts(shared, view.OfBot).Wrote(t.Context(), "C0SHARED01", "1.000001", "another")
	if got := show("tester"); got != "" {
		t.Errorf("after another one changed it the first writer is shown %q", got)
	}
}

func TestLockdownOfSearchHits(t *testing.T) {
	t.Parallel()
	for user, passes := range map[string]bool{insider: true, outsider: false, missing: false, "": false} {
		m := slackapi.Message{Channel: "C0SHARED01", User: user, Team: homeTeam, TS: "1.000001", Text: ours}
		v := locked(t, view.Guests, nil).Message(&m, view.MessageOptions{Found: true})
		if (v.Text == ours) != passes || user == "" && v.Provenance.Kind != view.KindUnknown {
			t.Errorf("a hit of %q is shown as %+v", user, v)
		}
	}
}

// TestLockdownFindsOurOwnWords: a search calls our own messages a bot's, or names no author.
func TestLockdownFindsOurOwnWords(t *testing.T) {
	t.Parallel()
	posts := view.NewPosts(values(t), view.OfBot)
	posts.Wrote(t.Context(), "C0SHARED01", "1.000001", "tester")
	posts.Wrote(t.Context(), "C0SHARED01", "2.000001", "another")
	for _, by := range []slackapi.Message{{User: self}, {User: self, Subtype: "bot_message"}, {}} {
		for ts, passes := range map[string]bool{"1.000001": true, "2.000001": false, "3.000001": false} {
			by.Channel, by.TS, by.Text = "C0SHARED01", ts, ours
			if v := locked(t, view.Guests, posts).Message(&by, view.MessageOptions{Found: true}); (v.Text == ours) != passes {
				t.Errorf("the hit %s of %q is shown as %+v", ts, by.User, v)
			}
		}
	}
}

// TestLockdownOfSlackbot: what it says may quote outsiders where some take part.
func TestLockdownOfSlackbot(t *testing.T) {
	t.Parallel()
	for unshared, want := range map[bool]string{true: ours, false: ""} {
		m := slackapi.Message{Channel: "C0SHARED01", User: "USLACKBOT", TS: "1.000001", Text: ours}
		if v := locked(t, view.Guests, nil).Message(&m, view.MessageOptions{Unshared: unshared}); v.Text != want {
			t.Errorf("unshared %v: shown as %+v", unshared, v)
		}
	}
}

func TestLookUpsAreBounded(t *testing.T) {
	t.Parallel()
	p := &people{}
	r := view.NewJudge(view.JudgeOptions{Lockdown: view.Guests, People: p}).Reading(t.Context())
	for i := range 200 {
		m := slackapi.Message{User: "U0MISS" + string(rune('A'+i%26)) + string(rune('A'+i/26)), Text: canary}
		if v := r.Message(&m, view.MessageOptions{}); v.Text != "" {
			t.Fatalf("shown as %+v", v)
		}
	}
	if p.asked > 50 || p.lists != 1 {
		t.Errorf("Slack was asked %d times, and %d times for the list of users", p.asked, p.lists)
	}
	p.asked = 0
	r = view.NewJudge(view.JudgeOptions{People: p}).Reading(t.Context())
	r.Message(&slackapi.Message{User: missing, Text: canary}, view.MessageOptions{})
	if p.asked != 0 {
		t.Error("without lockdown Slack is asked who an author is")
	}
}

// TestRecordedEventsHoldNothingUnlisted shows recorded payloads under lockdown with a word put into
// every text: what comes through is listed.
func TestRecordedEventsHoldNothingUnlisted(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../webhook/testdata/slack/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal(err, len(paths))
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if json.Unmarshal(raw, &v) != nil {
			continue
		}
		inner, ok := v["event"].(map[string]any)
		if !ok {
			continue
		}
		v["is_ext_shared_channel"] = true
		spoil(inner)
		env, err := event.DecodeSlack([]byte(mustJSON(t, v)), event.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if got := seen(t, locked(t, view.Guests, nil), &env.Event); strings.Contains(got, canary) {
			t.Errorf("%s shows %s", filepath.Base(path), got)
		}
		if text, err := locked(t, view.Guests, nil).Search(canary); err != nil || text.Says(&env.Event) {
			t.Errorf("%s is found by what it does not show (%v)", filepath.Base(path), err)
		}
	}
}

// TestLockdownFindsWhatPasses: of the words of a message those are found that are shown.
func TestLockdownFindsWhatPasses(t *testing.T) {
	t.Parallel()
	for user, passes := range map[string]bool{insider: true, outsider: false, missing: false} {
		e := eventtest.Envelope("Ev1", written(a{"user": user, "team": nil, "text": "the word", "attachments": []any{a{"title": canary, "from_url": "https://example.com", "original_url": "https://example.com"}}}), inShared(true))
		for query, want := range map[string]bool{"word": passes, "the word": passes, canary: false, "word " + canary: false, "wor*": passes} {
			text, err := locked(t, view.Guests, nil).Search(query)
			if err != nil {
				t.Fatal(err)
			}
			if got := text.Says(&e); got != want {
				t.Errorf("of %s, %q is found: %v, want %v", user, query, got, want)
			}
			if open, err := view.NewJudge(view.JudgeOptions{}).Reading(t.Context()).Search(query); err != nil || !open.Says(&e) {
				t.Errorf("of %s, %q is not found without lockdown (%v)", user, query, err)
			}
		}
	}
	command := &event.Event{Source: event.SourceSlack, Kind: event.Kind{Type: event.SlashCommand}, User: outsider, Encoding: event.Form, Raw: []byte("command=%2Fdeploy&text=staging&user_id=" + outsider)}
	other := &event.Event{Source: "orders", Raw: []byte(`{"text":"staging"}`)}
	for _, e := range []*event.Event{command, other} {
		if text, err := locked(t, view.Guests, nil).Search("staging"); err != nil || text.Says(e) {
			t.Errorf("%s is found by words that are withheld (%v)", e.Source, err)
		}
	}
}

// spoil puts the canary before each text of words, and makes every author one whom Slack does
// not find.
func spoil(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			spoil(item)
		}
	case map[string]any:
		delete(v, "team")
		for k, item := range v {
			if s, ok := item.(string); ok {
				switch {
				case k == "type" || k == "subtype" || strings.HasSuffix(k, "_type") || strings.HasSuffix(k, "id") || strings.HasSuffix(k, "ts") || k == "channel" || k == "inviter" || k == "tab":
				case strings.HasSuffix(k, "user") || k == "bot":
					v[k] = missing
				default:
					v[k] = canary + " " + s
				}
				continue
			}
			spoil(item)
		}
	}
}

func TestLockdownOfRulesPosts(t *testing.T) {
	t.Parallel()
	posts := view.NewPosts(values(t), view.OfBot)
	of := func(user string) *event.Event {
		e := eventtest.Envelope("Ev1", written(a{"user": user, "text": "x"}), inShared(true))
		return &e
	}
	posts.Told(t.Context(), "C0SHARED01", "1.000001", of(insider))
	posts.Told(t.Context(), "C0SHARED01", "2.000001", of(outsider))
	posts.Told(t.Context(), "C0SHARED01", "3.000001", of(self))
	posts.Told(t.Context(), "C0SHARED01", "4.000001", &event.Event{Source: "orders", Raw: []byte(`{}`)})
	for ts, passes := range map[string]bool{"1.000001": true, "2.000001": false, "3.000001": false, "4.000001": false} {
		m := slackapi.Message{Channel: "C0SHARED01", User: self, BotID: "B0SELF0001", TS: ts, Text: ours}
		if v := locked(t, view.Guests, posts).Message(&m, view.MessageOptions{}); (v.Text == ours) != passes {
			t.Errorf("the message %s is shown as %+v", ts, v)
		}
	}
}

func TestLockdownLetsAnotherWorkspaceOfTheOrganisationThrough(t *testing.T) {
	t.Parallel()
	ours2 := a{"enterprise_id": organisation, "is_ext_shared_channel": true, "authorizations": []any{a{"team_id": nil, "enterprise_id": organisation, "is_enterprise_install": true}}}
	for user, passes := range map[string]bool{sister: true, insider: true, outsider: false, missing: false} {
		e := eventtest.Envelope("Ev1", written(a{"user": user, "team": nil}), ours2)
		r := view.NewJudge(view.JudgeOptions{Lockdown: view.Guests, People: &people{enterprise: organisation}}).Reading(t.Context())
		if got := seen(t, r, &e); strings.Contains(got, ours) != passes {
			t.Errorf("of %s it shows %s", user, got)
		}
	}
}

// TestNothingIsAskedWhileEventsAreHeld: Slack may be slow, and what is read is held in memory that
// others wait for.
func TestNothingIsAskedWhileEventsAreHeld(t *testing.T) {
	t.Parallel()
	p := &people{t: t, cold: true}
	j := view.NewJudge(view.JudgeOptions{Lockdown: view.Guests, People: p})
	e := eventtest.Envelope("Ev1", written(a{"team": nil}), inShared(true))
	for _, tc := range []struct {
		user  string
		cold  bool
		calls int
	}{{insider, true, 2}, {insider, false, 1}, {missing, true, 1}} {
		user, calls := tc.user, tc.calls
		e.User, p.asked, p.cold = user, 0, tc.cold
		var shown []string
		err := j.Read(t.Context(), func(r *view.Reading) error {
			p.held = true
			shown = append(shown, r.Event(&e, view.EventOptions{}).Text)
			p.held = false
			return nil
		})
		if err != nil || len(shown) != calls || (shown[len(shown)-1] == ours) != (user == insider) {
			t.Errorf("%s: shown as %q after %d look-ups: %v", user, shown, p.asked, err)
		}
	}
}
