package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/prompts"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// The sweep asks for everything that there is, as everybody, and compares each answer byte for byte with that of
// a world in which what is hidden from the one who asks never happened.

// The viewers of the sweep. Alice is a member of the room, Bob was one, Kira is a guest of the workspace.
const (
	bobPhone  = sandbox.Bob + ".phone.read.write.events"
	kira      = sandbox.Kira + ".laptop.read.write.events"
	sweepWord = "canaryalice" // in all that is said in the room
)

var sweepers = map[string][]string{sandbox.Bob: {bob, bobPhone}, sandbox.Kira: {kira}}

// A sighted is an event, and who of the viewers sees it.
type sighted struct {
	event.Event
	seen []string
}

// judged says by which rule each type of event is seen. A type that is in none has not been judged, and fails the
// test.
var judged = map[string][]string{
	// who sees the conversation
	"conversation": strings.Fields(`message app_mention channel_archive channel_created channel_deleted channel_history_changed channel_id_changed
		channel_left channel_rename channel_shared channel_unarchive channel_unshared group_archive group_deleted
		group_history_changed group_left group_rename group_unarchive im_history_changed link_shared
		member_joined_channel member_left_channel message_metadata_deleted message_metadata_posted message_metadata_updated pin_added
		pin_removed reaction_added reaction_removed shared_channel_invite_accepted shared_channel_invite_approved
		shared_channel_invite_declined shared_channel_invite_received shared_channel_invite_requested call_rejected function_executed
		file_comment_added file_comment_deleted file_comment_edited invite_requested dnd_updated workflow_step_execute
		app_context_changed email_domain_changed resources_added resources_removed user_connection
		user_resource_denied user_resource_granted user_resource_removed workflow_deleted workflow_published workflow_step_deleted
		workflow_unpublished`),
	// the one who acted; of a button on a message for all who sees the conversation
	"actor": strings.Fields(`slash_command shortcut message_action view_submission view_closed block_suggestion interactive_message
		dialog_submission dialog_cancellation dialog_suggestion workflow_step_edit app_home_opened assistant_thread_started
		assistant_thread_context_changed entity_comments_requested entity_details_requested star_added star_removed im_created im_open im_close group_open group_close`),
	"message":  {"block_actions"},
	"file":     strings.Fields("file_change file_created file_deleted file_public file_unshared file_shared"),
	"everyone": strings.Fields(`user_change user_profile_changed user_status_changed user_huddle_changed team_join dnd_updated_user subteam_created subteam_updated subteam_members_changed subteam_self_added subteam_self_removed emoji_changed team_rename team_domain_change`),
	"nobody": strings.Fields(`app_rate_limited app_uninstalled app_uninstalled_team tokens_revoked app_installed app_requested app_deleted scope_granted
		scope_denied team_access_granted team_access_revoked grid_migration_started grid_migration_finished url_verification`),
}

// seers are the viewers who see an event of a type.
func seers(t *testing.T, e *event.Event, members map[string][]string) []string {
	t.Helper()
	rule := ""
	for name, types := range judged {
		if slices.Contains(types, e.Kind.Type) {
			rule = name
		}
	}
	at := members[e.Channel]
	actor := []string{e.User}
	switch rule {
	case "conversation":
		return at
	case "file":
		return at // one that names no conversation is of a file that is nowhere
	case "actor":
		return actor
	case "message":
		if strings.Contains(string(e.Raw), url.QueryEscape(`"is_ephemeral":false`)) {
			return append(slices.Clone(at), actor...)
		}
		return actor
	case "everyone":
		return []string{sandbox.Alice, sandbox.Bob}
	case "nobody":
		return nil
	}
	t.Errorf("%s: it is not judged who sees it: add it to a rule of the sweep", e.Kind.Type)
	return nil
}

// happened are events of every documented type in each of the places, by others and by the viewers. Their ids begin
// with a prefix.
func happened(t *testing.T, members map[string][]string, prefix string, places, actors []string) (all []sighted) {
	t.Helper()
	raw, err := os.ReadFile("view/testdata/events.json")
	if err != nil {
		t.Fatal(err)
	}
	var documented []struct {
		Name           string
		Event, Payload json.RawMessage
	}
	if err := json.Unmarshal(raw, &documented); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	n := 0
	add := func(body, place, actor string, form bool) {
		n++
		id := fmt.Sprintf("%s%s%04d", prefix, place[:3], n)
		body = strings.NewReplacer("C0GENERAL1", place, "G0GENERAL1", place, "U0INSIDE01", actor, "U0INSIDE02", sandbox.Henrik, "U0INSIDE03", sandbox.Ines, "hello", "said "+id, "1763990000.000100", fmt.Sprintf("17639%05d.000100", n)).Replace(body)
		var e event.Event
		if form {
			env, err := event.DecodeSlack([]byte(url.Values{"payload": {body}}.Encode()), event.Form)
			if err != nil {
				t.Fatal(err)
			}
			e = env.Event
		} else {
			var inner a
			if err := json.Unmarshal([]byte(body), &inner); err != nil {
				t.Fatal(err)
			}
			e = eventtest.Envelope(id, inner, a{"team_id": sandbox.Team, "authorizations": []any{a{"team_id": sandbox.Team, "user_id": sandbox.BotUser, "is_bot": true}}})
		}
		e.ReceivedAt = time.Now().Add(time.Duration(n-4000) * time.Minute).Truncate(time.Minute)
		if !known[e.ID] { // of what names no place there is one
			all, known[e.ID] = append(all, sighted{e, seers(t, &e, members)}), true
		}
	}
	for _, d := range documented {
		for _, place := range places {
			if d.Event != nil {
				add(string(d.Event), place, sandbox.Grace, false)
				continue
			}
			for _, actor := range actors {
				add(string(d.Payload), place, actor, true)
			}
		}
	}
	return all
}

// A world is a server, and what happened in it.
type world struct {
	*peopleServer
	judge *visibility.Judge
	room  private // empty where there is none
	hall  string
	mail  *mailbox
}

// asker asks Slack for the judge with people's own tokens.
type asker struct{ people tools.People }

func (k asker) client(ctx context.Context, p access.Person) (*slackapi.Client, error) {
	s, err := k.people.Slack(ctx, access.SignIn{ID: "judge", Person: p})
	if err != nil {
		return nil, err
	}
	return s.Client(), nil
}

func (k asker) Conversation(ctx context.Context, p access.Person, channel string) (slackapi.Channel, error) {
	c, err := k.client(ctx, p)
	if err != nil {
		return slackapi.Channel{}, err
	}
	return c.ConversationInfo(ctx, channel)
}

func (k asker) Holds(ctx context.Context, p access.Person) error {
	c, err := k.client(ctx, p)
	if err == nil {
		_, err = c.AuthTest(ctx)
	}
	return err
}

// newWorld makes a world with a hall, in which all three are, and with a room where that is wanted: Alice is in it,
// and Bob has left it.
func newWorld(t *testing.T, room bool) *world {
	t.Helper()
	w := &world{mail: newMailbox(t)}
	w.peopleServer = newPeopleServer(t, func(o *mcp.Options) {
		var err error
		w.judge, err = visibility.New(visibility.Options{
			Bot: o.Slack, People: asker{o.People}, Pace: 1_000_000,
			Self: func() (visibility.Install, bool) {
				return visibility.Install{Host: "slack.com", Team: sandbox.Team, Bot: sandbox.BotUser}, true
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.judge.Close)
		o.Events.(*eventtest.Log).Scan = 150        // pages end among what is hidden
		o.Visibility, o.Look = w.judge, time.Minute // however busy the machine, a page is filled
		o.Push.Webhooks = w.mail.options(t, o.People.(*signedIn))
		o.Gaps = func(context.Context) (any, error) { return a{"gaps": []a{{"id": "g1", "state": "open"}}}, nil }
	})
	ctx, by := t.Context(), w.by(sandbox.Alice)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hall, err := by.CreateChannel(ctx, "hall-of-all", true)
	must(hall, err)
	w.hall = hall.ID
	must(by.Invite(ctx, w.hall, sandbox.Bob, sandbox.Kira, sandbox.BotUser))
	if room {
		w.room = keep(t, by, sweepWord, sandbox.Grace, sandbox.Ines)
		must(by.Invite(ctx, w.room.room, sandbox.Bob, sandbox.BotUser))
		must(nil, w.by(sandbox.Bob).LeaveChannel(ctx, w.room.room))
	}
	return w
}

// receive appends events, of which the judge hears first.
func (w *world) receive(events []sighted) {
	for i := range events {
		e := events[i].Event
		at, _ := w.events.Newest().Seq()
		e.Position = event.NewPosition("e0", at+1)
		w.judge.Apply(&e)
		w.events.Append(e)
	}
}

// warm asks until nothing is unknown any more.
func (w *world) warm(token string) {
	w.t.Helper()
	user, _, _ := strings.Cut(token, ".")
	who := access.Person{Host: "slack.com", Team: sandbox.Team, User: user}
	for range 20 {
		got := w.call(token, "slack_list_events", a{"limit": 200})
		w.judge.Await(w.t.Context(), who)
		if !got.failed && !strings.Contains(got.text, "not known") {
			return
		}
	}
}

// A question is a request, and what it is called.
type question struct {
	name   string
	ask    func(w *world, token string) string
	reveal bool // a member is shown the word of the room
}

// fresh is what differs between two worlds without telling anything: instants of now, sealed cursors and ids of
// what the question itself has made.
var fresh = regexp.MustCompile(`\b1[0-9]{9}\.[0-9]{6}\b|/p1[0-9]{15}\b|"(cursor|next_cursor|ask_id|created)\\?":\\?"[^"\\]+|"year\\?":[0-9]+|\b[CDFGB]k?0S[0-9A-Z]{8}\b`)

func plainly(s string) string { return fresh.ReplaceAllString(s, "_") }

// questions are all that there is to be asked: the tools, resources, prompts, completions and types of events of a
// server, as it lists them.
func questions(t *testing.T, w *world, p *private) (all []question) {
	t.Helper()
	called := func(tool string, args a) question {
		return question{name: fmt.Sprint(tool, " ", args), reveal: slices.Contains(readers, tool), ask: func(w *world, token string) string {
			got := w.call(token, tool, maps.Clone(args))
			return fmt.Sprint(got.failed, " ", got.text)
		}}
	}
	asked := func(method string, params a) question {
		return question{name: fmt.Sprint(method, " ", params), ask: func(w *world, token string) string {
			_, body, _ := w.as(token, method, params)
			return body
		}}
	}
	args := probes(p)
	for _, tool := range catalogue(t) {
		switch {
		case tool.For == toolset.ServiceOnly, tool.Name == "slack_create_channel": // Slack says that a name is taken
			continue
		case args[tool.Name] == nil:
			t.Errorf("%s is not swept: add it to probes", tool.Name)
		}
		for _, with := range args[tool.Name] {
			all = append(all, called(tool.Name, with))
		}
	}
	for _, with := range []a{{"limit": 200}, {"limit": 3}, {"limit": 200, "response_format": "detailed"}, {"order": "oldest_first", "limit": 7}, {"types": "message", "limit": 5}, {"query": "said", "limit": 200}, {"query": "said", "limit": 3}, {"query": p.word}} {
		all = append(all, called("slack_list_events", with))
	}
	for _, method := range sweptMethods["as it is"] {
		all = append(all, asked(method, a{}))
	}
	uris := w.addresses(p)
	for _, uri := range uris {
		all = append(all, asked("resources/read", a{"uri": uri}), question{name: "resources/subscribe " + uri, ask: func(w *world, token string) string {
			return w.inSession(token, "resources/subscribe", a{"uri": uri}) + w.inSession(token, "resources/unsubscribe", a{"uri": uri})
		}})
	}
	for _, uri := range listed(t, w, "resources/templates/list", "uriTemplate") {
		for _, m := range variables.FindAllStringSubmatch(uri, -1) {
			for _, typed := range []string{"", "Ev", "canary", p.room[:3]} {
				all = append(all, asked("completion/complete", a{"ref": a{"type": "ref/resource", "uri": uri}, "argument": a{"name": m[1], "value": typed}}))
			}
		}
	}
	for _, prompt := range prompts.New(true, true, true).List() {
		fill := a{}
		for _, argument := range prompt.Arguments {
			fill[argument.Name] = p.room
			if argument.Name == "event_id" {
				fill[argument.Name] = p.event
			}
			for _, typed := range []string{"", "Ev", "canary"} {
				all = append(all, asked("completion/complete", a{"ref": a{"type": "ref/prompt", "name": prompt.Name}, "argument": a{"name": argument.Name, "value": typed}}))
			}
		}
		all = append(all, asked("prompts/get", a{"name": prompt.Name, "arguments": fill}))
	}
	for _, method := range sweptMethods["in a session"] {
		all = append(all, question{name: method + " in a session", ask: func(w *world, token string) string { return w.inSession(token, method, a{"level": "info"}) }})
	}
	for _, name := range listed(t, w, "events/list", "name") {
		all = append(all, asked("events/poll", a{"name": name, "cursor": "start", "maxEvents": 200}), asked("events/poll", a{"name": name, "cursor": "start", "maxEvents": 3}))
	}
	return all
}

// listed are the values of a member of what a list of the server has.
func listed(t *testing.T, w *world, method, member string) (all []string) {
	t.Helper()
	token := bob
	if method == "events/list" {
		token = "service"
	}
	_, body, _ := w.as(token, method, nil)
	for _, m := range regexp.MustCompile(`"`+member+`":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		t.Errorf("%s lists nothing: %s", method, body)
	}
	return all
}

func TestSweep(t *testing.T) {
	t.Parallel()
	whole := newWorld(t, true)
	p := whole.room
	members := map[string][]string{
		p.room: {sandbox.Alice}, whole.hall: {sandbox.Alice, sandbox.Bob, sandbox.Kira}, sandbox.Support: {sandbox.Alice, sandbox.Bob},
	}
	all := happened(t, members, "Ev", slices.Sorted(maps.Keys(members)), []string{sandbox.Grace, sandbox.Bob, sandbox.Kira})
	for i := range all {
		if all[i].Channel == p.room && all[i].Kind.Type == "message" && p.event == "" {
			p.event = all[i].ID
		}
	}
	whole.receive(all)
	control(t, whole, &p)
	for _, viewer := range slices.Sorted(maps.Keys(sweepers)) {
		bare := newWorld(t, false)
		if bare.hall != whole.hall {
			t.Fatalf("the worlds differ: %s, %s", bare.hall, whole.hall)
		}
		var seen []sighted
		for _, e := range all {
			if slices.Contains(e.seen, viewer) {
				seen = append(seen, e)
			}
		}
		bare.receive(seen)
		asked := questions(t, whole, &p)
		for _, token := range sweepers[viewer] {
			whole.warm(token)
			bare.warm(token)
			differ := 0
			for _, q := range asked {
				here, there := plainly(q.ask(whole, token)), plainly(q.ask(bare, token))
				if strings.Contains(here, p.secret()) {
					t.Errorf("%s: %s shows the word of the room: %.600s", token, q.name, here)
				}
				if here != there {
					if differ++; differ <= 8 {
						t.Errorf("%s: %s differs:\n%s", token, q.name, apart(here, there))
					}
				}
			}
			t.Logf("%s: %d questions, %d differences; %d of %d events are theirs", token, len(asked), differ, len(seen), len(all))
		}
	}
}

// control sees to it that a leak would be seen: whoever is in the room is shown its words and its events.
func control(t *testing.T, w *world, p *private) {
	t.Helper()
	w.warm(alice)
	tools := map[string]bool{}
	for _, q := range questions(t, w, p) {
		tool, _, _ := strings.Cut(q.name, " ")
		if !q.reveal && !strings.Contains(tool, "_event") && tool != "resources/read" {
			continue
		}
		got := q.ask(w, alice)
		tools[tool] = tools[tool] || strings.Contains(got, p.secret()) || strings.Contains(got, p.event)
	}
	for tool, shows := range tools {
		if !shows && tool != "slack_wait_for_event" && tool != "slack_reply_to_event" {
			t.Errorf("%s shows a member nothing of the room: the sweep would not see a leak", tool)
		}
	}
}

// apart shows two texts around where they begin to differ.
func apart(x, y string) string {
	i := 0
	for i < min(len(x), len(y)) && x[i] == y[i] {
		i++
	}
	around := func(s string) string { return s[max(0, min(len(s), i)-200):min(len(s), i+300)] }
	return "with what is hidden: … " + around(x) + "\nwithout it: … " + around(y)
}
