package manifest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/signin/slack"
	"slackmcp/webhook/event"
)

var scopeForm = regexp.MustCompile(`^[a-z_.]+(:[a-z]+(\.[a-z]+)*)?$`)

// TestWhatIsAskedForIsEnough: an app with the scopes of the manifest has every chosen
// tool, and none is asked for without a need.
func TestWhatIsAskedForIsEnough(t *testing.T) {
	t.Parallel()
	for _, choice := range []toolset.Choice{{}, {ReadOnly: true}, {Toolsets: []string{"all"}}, {Tools: []string{"slack_list_channels"}}} {
		offered, err := mcp.Offer(choice, true, true, toolset.Grant{Known: true})
		if len(choice.Tools) > 0 && err != nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Name: "x", SocketMode: true, Conversations: []string{"public"}, User: true}
		for _, tool := range offered {
			o.Needs = append(o.Needs, tool.Missing...)
		}
		m, err := Make(o)
		if err != nil {
			t.Fatal(err)
		}
		granted := toolset.Grant{Known: true, Bot: m.OAuthConfig.Scopes.Bot, User: m.OAuthConfig.Scopes.User, HasUser: true}
		with, err := mcp.Offer(choice, true, true, granted)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range with {
			if tool.Missing != nil {
				t.Errorf("%+v: with the manifest's scopes %s lacks %v", choice, tool.Tool, tool.Missing)
			}
		}
		for _, scope := range slices.Concat(granted.Bot, granted.User) {
			if !scopeForm.MatchString(scope) {
				t.Errorf("%q is no scope", scope)
			}
		}
	}
}

// TestUserScopesAloneAreEnough: with the scopes of the manifest for a user token alone every tool is
// there, and none of them is a bot's.
func TestUserScopesAloneAreEnough(t *testing.T) {
	t.Parallel()
	all := toolset.Choice{Toolsets: []string{"all"}}
	offered, err := mcp.Offer(all, true, false, toolset.Grant{Known: true, HasUser: true, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Name: "x", Conversations: Conversations(), UserOnly: true}
	for _, tool := range offered {
		o.Needs = append(o.Needs, tool.Missing...)
	}
	m, err := Make(o)
	if err != nil {
		t.Fatal(err)
	}
	if m.OAuthConfig.Scopes.Bot != nil || m.Features.BotUser != nil || m.Settings.EventSubscriptions != nil || m.Settings.Interactivity.Enabled {
		t.Errorf("the app has something of a bot's: %+v", m)
	}
	granted := m.OAuthConfig.Scopes.User
	for _, scope := range []string{"channels:manage", "channels:join", "search:read.public"} {
		if slices.Contains(granted, scope) {
			t.Errorf("%s is a bot's scope", scope)
		}
	}
	with, err := mcp.Offer(all, true, false, toolset.Grant{Known: true, User: granted, HasUser: true, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range with {
		if tool.Missing != nil {
			t.Errorf("with the manifest's scopes %s lacks %v", tool.Tool, tool.Missing)
		}
	}
}

func TestEveryEventHasAScopeOfItsForm(t *testing.T) {
	t.Parallel()
	for _, e := range Events() {
		m, err := Make(Options{Name: "x", RequestURL: "https://e.example/slack/events", Events: []string{e}, Conversations: Conversations()})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slices.Concat(m.OAuthConfig.Scopes.Bot, m.OAuthConfig.Scopes.User) {
			if !scopeForm.MatchString(s) || s == "chat:write" {
				t.Errorf("%s asks for %q", e, s)
			}
		}
	}
	for _, e := range DefaultEvents(Conversations()) {
		if _, ok := botEvents[e]; !ok {
			t.Errorf("the default has %s, which no bot is sent", e)
		}
	}
	if !slices.Contains(DefaultEvents([]string{"im"}), "message.im") || slices.Contains(DefaultEvents([]string{"im"}), "message.channels") {
		t.Errorf("for direct messages: %v", DefaultEvents([]string{"im"}))
	}
}

// TestLockdownKnowsEveryEvent: of each type of event that an app can be sent it is known
// what passes under lockdown.
func TestLockdownKnowsEveryEvent(t *testing.T) {
	t.Parallel()
	reading := view.NewJudge(view.JudgeOptions{Lockdown: view.Guests}).Reading(t.Context())
	for _, name := range Events() {
		typ, _, _ := strings.Cut(name, ".")
		env, err := event.DecodeSlack([]byte(`{"type":"event_callback","event":{"type":"`+typ+`","user":"U1"}}`), event.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if v := reading.Event(&env.Event, view.EventOptions{Payload: true}); v.Payload == nil {
			t.Errorf("%s: nothing of it passes; list its fields in mcp/view/payload.go", name)
		}
	}
}

// TestTheAppIsOpen: people can write to an app that follows direct messages, and find the assistant of one
// that is told of its threads.
func TestTheAppIsOpen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		events          []string
		home, assistant bool
	}{
		"channels alone":  {[]string{"message.channels"}, false, false},
		"direct messages": {[]string{"message.im"}, true, false},
		"the home":        {[]string{"app_home_opened"}, true, false},
		"the assistant":   {[]string{"assistant_thread_started"}, true, true},
	} {
		m, err := Make(Options{Name: "x", SocketMode: true, Events: tc.events})
		if err != nil {
			t.Fatal(err)
		}
		if home := m.Features.AppHome; (home != nil) != tc.home || home != nil && (!home.MessagesTab || home.MessagesReadOnly) || (m.Features.AssistantView != nil) != tc.assistant {
			t.Errorf("%s: %+v", name, m.Features)
		}
	}
}

// TestWhatGoesWithScopes: tools do all that they say with the scopes that are asked for.
func TestWhatGoesWithScopes(t *testing.T) {
	t.Parallel()
	m, err := Make(Options{Name: "x", SocketMode: true, User: true, Needs: []string{"users:read", "chat:write", "search:read.public"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []string{"users:read.email", "im:write"} {
		if !slices.Contains(m.OAuthConfig.Scopes.Bot, scope) {
			t.Errorf("the bot lacks %s: %v", scope, m.OAuthConfig.Scopes.Bot)
		}
	}
	if !slices.Contains(m.OAuthConfig.Scopes.User, "search:read") {
		t.Errorf("the user token lacks search:read: %v", m.OAuthConfig.Scopes.User)
	}
}

// scopesPath has the scopes of the three apps that can be made, for the tests that try every tool with
// exactly them.
const scopesPath = "../../../../mcp/tools/testdata/manifest.json"

var update = flag.Bool("update", false, "write the scopes of the manifests anew")

// TestScopesOfTheManifests holds the file of scopes, with which `mcp/tools` TestEveryToolWithTheManifestsScopes
// calls every tool, to the manifests.
func TestScopesOfTheManifests(t *testing.T) {
	t.Parallel()
	all := toolset.Choice{Toolsets: []string{"all"}}
	scopes := func(o Options, bot bool, grant toolset.Grant) Scopes {
		offered, err := mcp.Offer(all, true, bot, grant)
		if err != nil {
			t.Fatal(err)
		}
		o.Name, o.SocketMode, o.Conversations = "x", !o.UserOnly, Conversations()
		for _, tool := range offered {
			o.Needs = append(o.Needs, tool.Missing...)
		}
		m, err := Make(o)
		if err != nil {
			t.Fatal(err)
		}
		return m.OAuthConfig.Scopes
	}
	person := slices.Concat(slack.Scopes(access.Read), slack.Scopes(access.Write))
	slices.Sort(person)
	want, err := json.MarshalIndent(map[string]Scopes{
		"both tokens":        scopes(Options{User: true}, true, toolset.Grant{Known: true}),
		"a user token alone": scopes(Options{UserOnly: true}, false, toolset.Grant{Known: true, HasUser: true, Alone: true}),
		"a person":           {User: slices.Compact(person)},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(scopesPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(scopesPath); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale (%v): renew it with go test ./cmd/slack-webhook-server/internal/manifest -update", scopesPath, err)
	}
}

// TestEveryEventOfSlack: the manifest takes each event that Slack's reference has for the Events API, and each of
// those that Slack's own library for Node has for manifests (@slack/web-api 8.2.0), but for those of which it says why
// none can have it.
func TestEveryEventOfSlack(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/events.txt")
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	names := slices.Sorted(strings.FieldsSeq(string(b)))
	for _, name := range names {
		m, err := Make(Options{Name: "x", SocketMode: true, Events: []string{name}})
		if err != nil {
			refused = append(refused, name)
			if !strings.Contains(err.Error(), "stands in no manifest: ") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		s := m.Settings.EventSubscriptions
		if !slices.Equal(slices.Concat(s.BotEvents, s.UserEvents), []string{name}) {
			t.Errorf("%s: %+v", name, s)
		}
		if len(s.UserEvents) > 0 && len(m.OAuthConfig.Scopes.User) == 0 {
			t.Errorf("%s comes on behalf of people, and nothing is asked of them", name)
		}
	}
	want := []string{
		"app_rate_limited", "message", "resources_added", "resources_removed", "scope_denied", "scope_granted", "url_verification",
		"user_resource_denied", "user_resource_granted", "user_resource_removed", "workflow_deleted", "workflow_published",
		"workflow_step_deleted", "workflow_step_execute", "workflow_unpublished",
	}
	if !slices.Equal(refused, want) || len(names) < 105 {
		t.Errorf("of %d events these are refused: %v\nwant %v", len(names), refused, want)
	}
}

// TestRefusalsAreOfNothingElse: what is refused with a reason is no event that is taken.
func TestRefusalsAreOfNothingElse(t *testing.T) {
	t.Parallel()
	for _, r := range refusals {
		for name := range strings.FieldsSeq(r.names) {
			if slices.Contains(Events(), name) {
				t.Errorf("%s is taken", name)
			}
		}
	}
	if err := refuse("mesage.channels"); err == nil || !strings.Contains(err.Error(), "message.channels") {
		t.Errorf("a misspelt name: %v", err)
	}
}
