// Package manifest makes the manifest of the Slack app that a configuration needs: the
// scopes of the chosen tools and of the events, the addresses that Slack posts to, and
// nothing more.
package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slackmcp/mcp/toolset"
)

// Options say what the app is for.
type Options struct {
	// Name is the app's and the bot's.
	Name string
	// RequestURL is where Slack posts; "" in Socket Mode.
	RequestURL string
	SocketMode bool
	// Events are the events to subscribe to; without them the app receives none. Those that no bot is sent
	// come on behalf of the people who install the app, and need scopes of their tokens.
	Events []string
	// Conversations are the kinds that are read and listened to: public, private, im, mpim.
	Conversations []string
	// Needs are the scopes of the chosen tools. "a|b" means that either will do,
	// "user token: a" that a user token is needed.
	Needs []string
	// User asks for the scopes of a user token too, UserOnly for no others: there is no bot, and the app
	// receives nothing.
	User, UserOnly bool
	// SignIn are the user scopes of those who sign in, and RedirectURL where Slack sends them back to; without
	// them nobody signs in.
	SignIn      []string
	RedirectURL string
	// Commands are slash commands.
	Commands []Command
	// Interactive lets people press the buttons of the app's messages.
	Interactive bool
}

// A Command is a slash command.
type Command struct {
	Command     string `json:"command" yaml:"command"`
	URL         string `json:"url,omitempty" yaml:"url,omitempty"`
	Description string `json:"description" yaml:"description"`
	// ShouldEscape has Slack write channels and people as ids.
	ShouldEscape bool `json:"should_escape" yaml:"should_escape"`
}

// A Manifest is what api.slack.com/apps takes.
type Manifest struct {
	Metadata    Metadata `json:"_metadata" yaml:"_metadata"`
	Display     Display  `json:"display_information" yaml:"display_information"`
	Features    Features `json:"features,omitzero" yaml:"features,omitempty"`
	OAuthConfig OAuth    `json:"oauth_config" yaml:"oauth_config"`
	Settings    Settings `json:"settings" yaml:"settings"`
}

// Metadata says which form of manifest it is.
type Metadata struct {
	MajorVersion int `json:"major_version" yaml:"major_version"`
}

// Display is what people see of the app.
type Display struct {
	Name        string `json:"name" yaml:"name"`
	Description string `json:"description" yaml:"description"`
}

// Features are what the app has in Slack.
type Features struct {
	AppHome       *AppHome       `json:"app_home,omitempty" yaml:"app_home,omitempty"`
	AssistantView *AssistantView `json:"assistant_view,omitempty" yaml:"assistant_view,omitempty"`
	BotUser       *BotUser       `json:"bot_user,omitempty" yaml:"bot_user,omitempty"`
	SlashCommands []Command      `json:"slash_commands,omitempty" yaml:"slash_commands,omitempty"`
}

// AppHome is where people write to the app. Without its messages tab Slack lets nobody write to the bot, and
// says so to nobody.
type AppHome struct {
	HomeTab          bool `json:"home_tab_enabled" yaml:"home_tab_enabled"`
	MessagesTab      bool `json:"messages_tab_enabled" yaml:"messages_tab_enabled"`
	MessagesReadOnly bool `json:"messages_tab_read_only_enabled" yaml:"messages_tab_read_only_enabled"`
}

// AssistantView is where people talk to the app as to an assistant.
type AssistantView struct {
	Description string `json:"assistant_description" yaml:"assistant_description"`
}

// BotUser is the app's own member of the workspace.
type BotUser struct {
	DisplayName  string `json:"display_name" yaml:"display_name"`
	AlwaysOnline bool   `json:"always_online" yaml:"always_online"`
}

// OAuth is what the app may do.
type OAuth struct {
	RedirectURLs []string `json:"redirect_urls,omitempty" yaml:"redirect_urls,omitempty"`
	Scopes       Scopes   `json:"scopes" yaml:"scopes"`
}

// Scopes are those of the two tokens.
type Scopes struct {
	Bot  []string `json:"bot,omitempty" yaml:"bot,omitempty"`
	User []string `json:"user,omitempty" yaml:"user,omitempty"`
}

// Settings are how Slack reaches the app.
type Settings struct {
	EventSubscriptions   *Subscriptions `json:"event_subscriptions,omitempty" yaml:"event_subscriptions,omitempty"`
	Interactivity        Interactivity  `json:"interactivity" yaml:"interactivity"`
	OrgDeployEnabled     bool           `json:"org_deploy_enabled" yaml:"org_deploy_enabled"`
	SocketModeEnabled    bool           `json:"socket_mode_enabled" yaml:"socket_mode_enabled"`
	TokenRotationEnabled bool           `json:"token_rotation_enabled" yaml:"token_rotation_enabled"`
}

// Subscriptions are the events that Slack sends.
type Subscriptions struct {
	RequestURL string   `json:"request_url,omitempty" yaml:"request_url,omitempty"`
	UserEvents []string `json:"user_events,omitempty" yaml:"user_events,omitempty"`
	BotEvents  []string `json:"bot_events,omitempty" yaml:"bot_events,omitempty"`
}

// Interactivity is where buttons and dialogs go.
type Interactivity struct {
	Enabled    bool   `json:"is_enabled" yaml:"is_enabled"`
	RequestURL string `json:"request_url,omitempty" yaml:"request_url,omitempty"`
}

// maxName is Slack's bound of an app's name.
const maxName = 35

// Make returns the manifest. Its error names the option that is wrong.
func Make(o Options) (Manifest, error) {
	if o.Name == "" || len(o.Name) > maxName {
		return Manifest{}, fmt.Errorf("the app's name has %d characters, Slack takes 1 to %d", len(o.Name), maxName)
	}
	if o.SocketMode {
		o.RequestURL = ""
	}
	kinds, err := kindsOf(o.Conversations)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Metadata: Metadata{MajorVersion: 2},
		Display:  Display{Name: o.Name, Description: "Shows Slack's events to AI assistants and acts for them"},
		Features: Features{BotUser: &BotUser{DisplayName: o.Name, AlwaysOnline: true}},
		Settings: Settings{SocketModeEnabled: o.SocketMode},
	}
	bot, user := o.tools()
	if o.UserOnly {
		m.Features.BotUser = nil
	}
	if len(o.Events) > 0 {
		events, bots, users, err := subscribe(o.Events)
		if err != nil {
			return Manifest{}, err
		}
		events.RequestURL = o.RequestURL
		bot, user = append(bot, bots...), append(user, users...)
		m.Settings.EventSubscriptions = events
		m.Features.open(events.BotEvents)
	}
	if o.Interactive {
		m.Settings.Interactivity = Interactivity{Enabled: true, RequestURL: o.RequestURL}
	}
	for _, c := range o.Commands {
		c.URL = o.RequestURL
		m.Features.SlashCommands = append(m.Features.SlashCommands, c)
		bot = append(bot, "commands")
	}
	if len(o.SignIn) > 0 {
		m.OAuthConfig.RedirectURLs = []string{o.RedirectURL}
		user = append(user, o.SignIn...)
	}
	m.OAuthConfig.Scopes = Scopes{Bot: granted(kinds, bot), User: granted(kinds, user)}
	return m, nil
}

// open lets people come to the app where it wants to be told of that.
func (f *Features) open(events []string) {
	if slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, "assistant_thread_") }) {
		f.AssistantView = &AssistantView{Description: "Reads and writes in Slack for you"}
	}
	home := slices.Contains(events, "app_home_opened")
	if f.AssistantView != nil || home || slices.Contains(events, "message.im") {
		f.AppHome = &AppHome{HomeTab: home, MessagesTab: true}
	}
}

// tools separates what the tools need of the two tokens.
func (o Options) tools() (bot, user []string) {
	for _, need := range o.Needs {
		if scope, ok := strings.CutPrefix(need, userPrefix); !ok {
			bot = append(bot, need, toolset.With[need])
			if o.User && strings.HasPrefix(need, "search:read.") {
				user = append(user, "search:read") // with which search needs no event of the person
			}
		} else if o.User || o.UserOnly {
			user = append(user, strings.TrimPrefix(scope, botsAlone))
			if o.UserOnly {
				user = append(user, toolset.With[scope])
			}
		}
	}
	return bot, user
}

// granted are the scopes that satisfy needs.
func granted(kinds, needs []string) []string {
	s := scopes{}
	s.add(kinds, needs...)
	return s.list()
}

// botsAlone begins the needs of tools whose first scope no user token can have.
const botsAlone = "channels:manage|"

// userPrefix is how a tool's needs mark the scopes of a user token.
const userPrefix = "user token: "

// conversations are the kinds of conversations, by the word that their scopes begin with.
var conversations = map[string]string{"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}

// Conversations lists the kinds that Options take.
func Conversations() []string { return []string{"public", "private", "im", "mpim"} }

// kindsOf translates kinds to the words of scopes.
func kindsOf(list []string) ([]string, error) {
	var kinds []string
	for _, k := range list {
		word, ok := conversations[k]
		if !ok {
			return nil, fmt.Errorf("%q is no kind of conversation; there are %s", k, strings.Join(Conversations(), ", "))
		}
		kinds = append(kinds, word)
	}
	return kinds, nil
}

// SignInEvents tell of people who may no longer be signed in, and of what people see no longer in these kinds of
// conversations.
func SignInEvents(kinds []string) []string {
	list := []string{
		"app_uninstalled", "channel_deleted", "channel_id_changed", "channel_left", "channel_shared", "channel_unshared", "member_joined_channel",
		"member_left_channel", "tokens_revoked", "user_change",
	}
	if slices.Contains(kinds, "private") {
		list = append(list, "group_deleted", "group_left")
	}
	return list
}

// SignInNeeds are the scopes by which the bot learns who may see what.
func SignInNeeds() []string {
	return []string{"channels:read|groups:read|im:read|mpim:read", "users:read"}
}

// DefaultEvents are what an assistant follows in these kinds of conversations.
func DefaultEvents(kinds []string) []string {
	list := []string{
		"app_mention", "app_uninstalled", "channel_archive", "channel_created", "channel_rename", "member_joined_channel", "member_left_channel",
		"reaction_added", "reaction_removed", "team_join", "tokens_revoked", "user_change",
	}
	list = append(list, MessageEvents(kinds)...)
	slices.Sort(list)
	return list
}

// MessageEvents are the messages of these kinds of conversations.
func MessageEvents(kinds []string) (list []string) {
	for kind, word := range conversations {
		if slices.Contains(kinds, kind) {
			list = append(list, "message."+word)
		}
	}
	return list
}

// scopes is a set of them.
type scopes map[string]bool

// add takes needs. Where several scopes would do, the first for each of the chosen kinds
// of conversation is taken; one that is asked for anyway is enough where all kinds share it.
func (s scopes) add(kinds []string, needs ...string) {
	var shared [][]string
	for _, need := range needs {
		alternatives := strings.Split(need, "|")
		switch {
		case need == "":
		case len(alternatives) == 1:
			s[need] = true
		case !isConversation(word(alternatives[0])):
			shared = append(shared, alternatives)
		default:
			s.each(kinds, alternatives)
		}
	}
	for _, alternatives := range shared {
		if !slices.ContainsFunc(alternatives, func(a string) bool { return s[a] }) {
			s.each(kinds, alternatives)
		}
	}
}

// each takes the first alternative of each kind; without such a one, the first.
func (s scopes) each(kinds, alternatives []string) {
	found := false
	for _, kind := range kinds {
		if i := slices.IndexFunc(alternatives, func(a string) bool { return word(a) == kind }); i >= 0 {
			s[alternatives[i]], found = true, true
		}
	}
	if !found {
		s[alternatives[0]] = true
	}
}

func isConversation(word string) bool {
	return slices.Contains(slices.Collect(maps.Values(conversations)), word)
}

// word is what a scope is about: channels of channels:history.
func word(scope string) string {
	w, _, _ := strings.Cut(scope, ":")
	return w
}

func (s scopes) list() []string { return slices.Sorted(maps.Keys(s)) }
