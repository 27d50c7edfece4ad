package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

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

// eventScopes has each event that a bot can subscribe to, with the scope that Slack wants
// for it; "" where none is wanted. From Slack's reference of events.
var eventScopes = map[string]string{
	"app_home_opened": "", "app_mention": "app_mentions:read", "app_uninstalled": "", "tokens_revoked": "",
	"channel_archive": "channels:read", "channel_created": "channels:read", "channel_deleted": "channels:read",
	"channel_rename": "channels:read", "channel_unarchive": "channels:read", "channel_left": "channels:read",
	"channel_history_changed": "channels:history", "channel_id_changed": "channels:read", "channel_shared": "channels:read", "channel_unshared": "channels:read",
	"emoji_changed": "emoji:read",
	"file_change":   "files:read", "file_created": "files:read", "file_deleted": "files:read", "file_public": "files:read", "file_shared": "files:read", "file_unshared": "files:read",
	"group_archive": "groups:read", "group_deleted": "groups:read", "group_left": "groups:read", "group_rename": "groups:read", "group_unarchive": "groups:read",
	"im_history_changed": "im:history", "group_history_changed": "groups:history",
	"member_joined_channel": "channels:read|groups:read", "member_left_channel": "channels:read|groups:read",
	"message.channels": "channels:history", "message.groups": "groups:history", "message.im": "im:history", "message.mpim": "mpim:history",
	"pin_added": "pins:read", "pin_removed": "pins:read",
	"reaction_added": "reactions:read", "reaction_removed": "reactions:read",
	"subteam_created": "usergroups:read", "subteam_members_changed": "usergroups:read", "subteam_updated": "usergroups:read",
	"team_domain_change": "team:read", "team_join": "users:read", "team_rename": "team:read",
	"user_change": "users:read", "user_status_changed": "users:read", "user_profile_changed": "users:read",
}

// Events lists the events that Options take.
func Events() []string { return slices.Sorted(maps.Keys(eventScopes)) }

// DefaultEvents are what an assistant follows in these kinds of conversations.
func DefaultEvents(kinds []string) []string {
	list := []string{
		"app_mention", "channel_archive", "channel_created", "channel_rename", "member_joined_channel", "member_left_channel",
		"reaction_added", "reaction_removed", "team_join", "user_change",
	}
	for kind, word := range conversations {
		if slices.Contains(kinds, kind) {
			list = append(list, "message."+word)
		}
	}
	slices.Sort(list)
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
