package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// botEvents has each event that a bot can subscribe to, with the scope that Slack wants
// for it; "" where none is wanted. From Slack's reference of events.
var botEvents = map[string]string{
	"assistant_thread_context_changed": "assistant:write", "assistant_thread_started": "assistant:write", "function_executed": "", "link_shared": "links:read",
	"message_metadata_deleted": "metadata.message:read", "message_metadata_posted": "metadata.message:read", "message_metadata_updated": "metadata.message:read",
	"grid_migration_finished": "", "grid_migration_started": "",
	"shared_channel_invite_accepted": "conversations.connect:manage", "shared_channel_invite_approved": "conversations.connect:manage",
	"shared_channel_invite_declined": "conversations.connect:manage", "shared_channel_invite_received": "conversations.connect:read",
	"shared_channel_invite_requested": "",
	"app_context_changed":             "", "app_home_opened": "", "app_mention": "app_mentions:read", "app_uninstalled": "", "tokens_revoked": "",
	"channel_archive": "channels:read", "channel_created": "channels:read", "channel_deleted": "channels:read",
	"channel_rename": "channels:read", "channel_unarchive": "channels:read", "channel_left": "channels:read",
	"channel_history_changed": "channels:history", "channel_id_changed": "channels:read", "channel_shared": "channels:read", "channel_unshared": "channels:read",
	"emoji_changed": "emoji:read",
	"file_change":   "files:read", "file_created": "files:read", "file_deleted": "files:read", "file_public": "files:read", "file_shared": "files:read", "file_unshared": "files:read",
	"file_comment_added": "files:read", "file_comment_deleted": "files:read", "file_comment_edited": "files:read",
	"group_archive": "groups:read", "group_deleted": "groups:read", "group_left": "groups:read", "group_rename": "groups:read", "group_unarchive": "groups:read",
	"im_history_changed": "im:history", "group_history_changed": "groups:history",
	"member_joined_channel": "channels:read|groups:read", "member_left_channel": "channels:read|groups:read",
	"message.channels": "channels:history", "message.groups": "groups:history", "message.im": "im:history", "message.mpim": "mpim:history",
	"pin_added": "pins:read", "pin_removed": "pins:read",
	"reaction_added": "reactions:read", "reaction_removed": "reactions:read",
	"subteam_created": "usergroups:read", "subteam_members_changed": "usergroups:read", "subteam_updated": "usergroups:read",
	"team_domain_change": "team:read", "team_join": "users:read", "team_rename": "team:read",
	"user_change": "users:read", "user_status_changed": "users:read", "user_profile_changed": "users:read", "user_huddle_changed": "users:read",
	"user_connection": "users:write",
	"call_rejected":   "calls:read", "dnd_updated_user": "dnd:read", "email_domain_changed": "team:read", "entity_comments_requested": "", "entity_details_requested": "",
	"im_created": "im:read", "message.app_home": "", "team_access_granted": "", "team_access_revoked": "",
}

// userEvents has each event that Slack sends on behalf of people alone, with the scope of their token: what they did
// with their own Slack, and what only the token of an administrator may know.
var userEvents = map[string]string{
	"app_deleted": "admin.apps:read", "app_installed": "admin.apps:read", "app_requested": "admin.apps:read", "app_uninstalled_team": "admin.apps:read",
	"invite_requested": "admin.invites:read",
	"dnd_updated":      "dnd:read",
	"group_close":      "groups:read", "group_open": "groups:read", "im_close": "im:read", "im_open": "im:read",
	"star_added": "stars:read", "star_removed": "stars:read",
	"subteam_self_added": "usergroups:read", "subteam_self_removed": "usergroups:read",
}

// refusals say of what is called an event, and stands in no manifest, why it does not.
var refusals = []struct{ names, why string }{
	{"message", "it is subscribed to by the kind of conversation: message.channels, message.groups, message.im, message.mpim"},
	{"app_rate_limited url_verification", "Slack sends it to every app by itself"},
	{
		"workflow_deleted workflow_published workflow_step_deleted workflow_step_execute workflow_unpublished",
		"it belonged to steps from apps, which Slack switched off in September 2024; function_executed is what came after them",
	},
	{
		"resources_added resources_removed scope_denied scope_granted user_resource_denied user_resource_granted user_resource_removed",
		"it belonged to workspace apps, which Slack switched off in August 2021",
	},
	{
		`bot_message channel_convert_to_private channel_convert_to_public channel_join channel_leave channel_name
		channel_posting_permissions channel_purpose channel_topic ekm_access_denied file_share group_join group_leave group_name
		group_purpose group_topic me_message message_changed message_deleted message_replied reminder_add thread_broadcast`,
		"it is a subtype of messages, and comes with message.channels, message.groups, message.im, message.mpim",
	},
	{
		`block_actions block_suggestion dialog_cancellation dialog_submission dialog_suggestion interactive_message message_action shortcut
		slash_command view_closed view_submission`,
		"it is no event to subscribe to: interactivity brings it, and --slash-command adds a command",
	},
	{
		`accounts_changed bot_added bot_changed channel_joined channel_marked commands_changed error external_org_migration_finished
		external_org_migration_started goodbye group_joined group_marked hello im_marked manual_presence_change pong pref_change
		presence_change presence_query presence_sub reconnect_url team_migration_started team_plan_change team_pref_change
		team_profile_change team_profile_delete team_profile_reorder user_typing`,
		"only Slack's old RTM API sends it, which apps of today cannot use",
	},
}

// Events lists the events that Options take.
func Events() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, of := range []map[string]string{botEvents, userEvents} {
			for name := range maps.Keys(of) {
				if !yield(name) {
					return
				}
			}
		}
	})
}

// subscribe returns the subscriptions to events, and the scopes that the two tokens need for them.
func subscribe(names []string) (s *Subscriptions, bot, user []string, err error) {
	s = &Subscriptions{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if scope, ok := botEvents[name]; ok {
			s.BotEvents, bot = append(s.BotEvents, name), append(bot, scope)
		} else if scope, ok := userEvents[name]; ok {
			s.UserEvents, user = append(s.UserEvents, name), append(user, scope)
		} else {
			return nil, nil, nil, refuse(name)
		}
	}
	return s, bot, user, nil
}

// refuse says why no manifest takes an event.
func refuse(name string) error {
	for _, r := range refusals {
		if slices.Contains(strings.Fields(r.names), name) {
			return fmt.Errorf("%q stands in no manifest: %s", name, r.why)
		}
	}
	return fmt.Errorf("%q is no event of Slack's; there are %s", name, strings.Join(Events(), ", "))
}
