package view

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// everywhere are the fields of every event that hold ids, types and instants of Slack's.
const everywhere = `type subtype event_ts ts message_ts action_ts thread_ts deleted_ts channel:channel channel_id channel_type user:user user_id
	team.id team_id bot_id app_id api_app_id inviter inviting_team_id item_user cache_ts hidden enterprise.id is_enterprise_install
	item.type item.channel item.ts item.created item.created_by item.message:message item.file:file item.file_id`

// fields lists, of each type of event or interaction, what passes under lockdown besides
// everywhere. A name stands for Slack's own ids, types, numbers and instants; what
// follows a colon says whose words the field holds: those of the one who acted, those that were
// chosen among the ones that the message of a button or a menu offers, or those of a message, a user,
// a conversation or a file, which have authors of their own. What is not listed is withheld,
// and so is everything of a type that is not listed: blocks, forms' values, metadata,
// and whatever Slack adds.
var fields = map[string]string{ //nolint:gosec // tokens_revoked names users
	// Messages are shown as messages are; these are the fields that only their events have.
	"message": "client_msg_id parent_user_id edited.user edited.ts user_team source_team text:words message:message" +
		" previous_message:former root:message files:words attachments:words",
	"app_mention":                      "client_msg_id parent_user_id edited.user edited.ts user_team source_team text:words files:words attachments:words",
	"app_context_changed":              "",
	"app_deleted":                      "",
	"app_home_opened":                  "tab",
	"app_installed":                    "",
	"app_rate_limited":                 "minute_rate_limited",
	"app_requested":                    "app_request.id app_request.user.id app_request.team.id",
	"app_uninstalled":                  "",
	"app_uninstalled_team":             "",
	"assistant_thread_started":         "assistant_thread.user_id assistant_thread.channel_id assistant_thread.thread_ts assistant_thread.context.channel_id assistant_thread.context.team_id",
	"assistant_thread_context_changed": "assistant_thread.user_id assistant_thread.channel_id assistant_thread.thread_ts assistant_thread.context.channel_id assistant_thread.context.team_id",
	"call_rejected":                    "call_id external_unique_id",
	"channel_archive":                  "is_moved",
	"channel_created":                  "",
	"channel_deleted":                  "",
	"channel_history_changed":          "latest",
	"channel_id_changed":               "old_channel_id new_channel_id",
	"channel_left":                     "actor_id",
	"channel_rename":                   "",
	"channel_shared":                   "connected_team_id",
	"channel_unarchive":                "",
	"channel_unshared":                 "previously_connected_team_id is_ext_shared",
	"dnd_updated":                      "dnd_status.dnd_enabled dnd_status.next_dnd_start_ts dnd_status.next_dnd_end_ts",
	"dnd_updated_user":                 "dnd_status.dnd_enabled dnd_status.next_dnd_start_ts dnd_status.next_dnd_end_ts",
	"email_domain_changed":             "",
	"emoji_changed":                    "name:reaction names:reaction old_name:reaction new_name:reaction",
	"entity_comments_requested":        "external_ref.id external_ref.type",
	"entity_details_requested":         "external_ref.id external_ref.type",
	"file_change":                      "file_id",
	"file_comment_added":               "file_id",
	"file_comment_deleted":             "file_id comment",
	"file_comment_edited":              "file_id",
	"file_created":                     "file_id",
	"file_deleted":                     "file_id channel_ids",
	"file_public":                      "file_id",
	"file_shared":                      "file_id",
	"file_unshared":                    "file_id",
	"function_executed":                "function.id function.app_id function_execution_id workflow_execution_id",
	"grid_migration_finished":          "enterprise_id",
	"grid_migration_started":           "enterprise_id",
	"group_archive":                    "",
	"group_close":                      "",
	"group_deleted":                    "",
	"group_history_changed":            "latest",
	"group_left":                       "actor_id",
	"group_open":                       "",
	"group_rename":                     "",
	"group_unarchive":                  "",
	"im_close":                         "",
	"im_created":                       "",
	"im_history_changed":               "latest",
	"im_open":                          "",
	"invite_requested":                 "invite_request.id invite_request.requester_ids invite_request.channel_ids invite_request.invite_type",
	"link_shared":                      "is_bot_user_member unfurl_id source links.url:actor links.domain:actor",
	"member_joined_channel":            "enterprise",
	"member_left_channel":              "enterprise",
	"message_metadata_deleted":         "",
	"message_metadata_posted":          "",
	"message_metadata_updated":         "",
	"pin_added":                        "has_pins pin_count pinned_info.channel pinned_info.pinned_by pinned_info.pinned_ts",
	"pin_removed":                      "has_pins pin_count pinned_info.channel pinned_info.pinned_by pinned_info.pinned_ts",
	"reaction_added":                   "reaction:reaction",
	"reaction_removed":                 "reaction:reaction",
	"resources_added":                  "",
	"resources_removed":                "",
	"scope_denied":                     "scopes",
	"scope_granted":                    "scopes",
	"shared_channel_invite_accepted":   "approval_required is_ext_shared invite.id invite.inviting_team.id invite.inviting_user.id accepting_user.id teams_in_channel.id",
	"shared_channel_invite_approved":   "invite.id invite.inviting_team.id invite.inviting_user.id approving_team_id approving_user.id teams_in_channel.id",
	"shared_channel_invite_declined":   "invite.id invite.inviting_team.id invite.inviting_user.id declining_team_id declining_user.id teams_in_channel.id",
	"shared_channel_invite_received":   "invite.id invite.inviting_team.id invite.inviting_user.id",
	"shared_channel_invite_requested":  "actor.id channel_id target_users.id",
	"star_added":                       "",
	"star_removed":                     "",
	"subteam_created":                  "subteam:group",
	"subteam_updated":                  "subteam:group",
	"subteam_members_changed":          "subteam_id date_update date_previous_update added_users added_users_count removed_users removed_users_count",
	"subteam_self_added":               "subteam_id",
	"subteam_self_removed":             "subteam_id",
	"team_access_granted":              "team_ids",
	"team_access_revoked":              "team_ids",
	"team_domain_change":               "",
	"team_join":                        "",
	"team_rename":                      "",
	"tokens_revoked":                   "tokens.oauth tokens.bot",
	"url_verification":                 "",
	"user_change":                      "",
	"user_connection":                  "",
	"user_huddle_changed":              "",
	"user_profile_changed":             "",
	"user_resource_denied":             "",
	"user_resource_granted":            "",
	"user_resource_removed":            "",
	"user_status_changed":              "",
	"workflow_deleted":                 "workflow_id",
	"workflow_published":               "workflow_id",
	"workflow_step_deleted":            "",
	"workflow_step_execute":            "callback_id",
	"workflow_unpublished":             "workflow_id",
	"block_actions": interacted + " actions.type actions.action_id actions.block_id actions.action_ts actions.value:chosen actions.selected_option.value:chosen" +
		" actions.selected_options.value:chosen actions.selected_user actions.selected_users actions.selected_channel" +
		" actions.selected_channels actions.selected_conversation actions.selected_conversations actions.selected_date" +
		" actions.selected_time actions.selected_date_time",
	"interactive_message": interacted + " actions.type actions.name actions.value:chosen actions.selected_options.value:chosen attachment_id",
	"block_suggestion":    interacted + " action_id block_id value:actor",
	"shortcut":            interacted,
	"message_action":      interacted,
	"view_submission":     interacted,
	"view_closed":         interacted + " is_cleared",
	"dialog_submission":   interacted,
	"dialog_cancellation": interacted,
	"dialog_suggestion":   interacted + " name value:actor",
	"workflow_step_edit":  interacted,
	event.SlashCommand:    "command text:actor enterprise_id",
}

// interacted are the fields that interactions share. What was typed into a form is left out: it
// may be of several people.
const interacted = "callback_id message:message container.type container.message_ts container.channel_id container.thread_ts container.view_id container.is_ephemeral view.id view.type view.callback_id view.team_id view.app_id view.bot_id"

// An allowance is a tree of the fields that pass; a leaf says whose words it holds.
type allowance struct {
	owner   string
	members map[string]*allowance
}

// allowed reads a list of fields.
func allowed(lists ...string) *allowance {
	root := &allowance{members: map[string]*allowance{}}
	for _, list := range lists {
		for one := range strings.FieldsSeq(list) {
			path, owner, _ := strings.Cut(one, ":")
			at := root
			for name := range strings.SplitSeq(path, ".") {
				if at.members == nil {
					at.members = map[string]*allowance{}
				}
				if at.members[name] == nil {
					at.members[name] = &allowance{}
				}
				at = at.members[name]
			}
			at.owner = owner
		}
	}
	return root
}

// A rebuild is a payload on its way through the list.
type rebuild struct {
	*Reading
	event *event.Event
	what  *happening
	flags *Flags
	// element is the type of the button, menu or field that is looked at.
	element string
}

// rebuilt is what passes of an event's payload, by the list of its type.
func (r *Reading) rebuilt(e *event.Event, h *happening, f *Flags) json.RawMessage {
	list, ok := fields[e.Kind.Type]
	v, err := decodeJSON(h.raw)
	object, isObject := v.(map[string]any)
	if !ok || err != nil || !isObject {
		f.Add(FlagWithheld)
		return nil
	}
	b := rebuild{Reading: r, event: e, what: h, flags: f}
	out, err := encodeJSON(b.object(object, allowed(everywhere, list)))
	if err != nil {
		return nil
	}
	return out
}

func (b *rebuild) object(in map[string]any, list *allowance) map[string]any {
	out := map[string]any{}
	if t, ok := in["type"].(string); ok {
		defer func(outer string) { b.element = outer }(b.element)
		b.element = t
	}
	for name, at := range list.members {
		if v, ok := in[name]; ok {
			if shown := b.value(name, v, at); shown != nil {
				out[name] = shown
			}
		}
	}
	return out
}

// value is what passes of a field; nil is nothing.
func (b *rebuild) value(name string, v any, at *allowance) any {
	if at.owner == "words" {
		return b.part(name)
	}
	switch v := v.(type) {
	case []any:
		all := []any{}
		for _, item := range v {
			if shown := b.value(name, item, at); shown != nil {
				all = append(all, shown)
			}
		}
		return all
	case map[string]any:
		if at.owner == "" && at.members != nil {
			return b.object(v, at)
		}
		return b.owned(v, at.owner)
	case string:
		return b.text(v, at.owner)
	case bool, json.Number:
		return v
	}
	return nil
}

// text is what passes of a field that is a text.
func (b *rebuild) text(s, owner string) any {
	switch {
	case s == "":
		return nil
	case owner == "actor":
		s = b.Said(b.event, s, b.flags)
	case owner == "chosen":
		s = b.Chosen(b.event, b.element, s, b.flags)
	case owner == "reaction":
		s = b.Emoji(b.event, s, b.flags)
	case !identifier.MatchString(s):
		b.flags.Add(FlagWithheld)
		return nil
	}
	if s == "" {
		return nil
	}
	return s
}

// owned is what passes of an object that has an author of its own.
func (b *rebuild) owned(v map[string]any, owner string) any {
	raw, err := encodeJSON(v)
	if err != nil {
		return nil
	}
	// What Slack writes otherwise than documented is as if it were absent.
	switch owner {
	case "message", "former":
		var m slackapi.Message
		_ = json.Unmarshal(raw, &m)
		m.Channel = cmp.Or(b.event.Channel, m.Channel)
		s := b.what.scene.quoted()
		s.former = owner == "former"
		return b.message(&m, authorOf(&m), s, MessageOptions{Detailed: true})
	case "user":
		var u slackapi.User
		_ = json.Unmarshal(raw, &u)
		if _, whole := v["profile"]; whole {
			return b.User(&u)
		}
		return map[string]string{"id": b.flags.Name(u.ID), "team_id": b.flags.Name(u.TeamID)}
	case "channel":
		var c slackapi.Channel
		_ = json.Unmarshal(raw, &c)
		return map[string]string{"id": b.flags.Name(c.ID), "name": b.Named(b.event, &c, b.flags)}
	case "file":
		var f slackapi.File
		_ = json.Unmarshal(raw, &f)
		return b.fileRef(&f, b.flags)
	case "group":
		var g slackapi.UserGroup
		_ = json.Unmarshal(raw, &g)
		return b.UserGroup(&g)
	}
	return nil
}

// part is what passes of the text, the files or the attachments of a message that is the event
// itself.
func (b *rebuild) part(name string) any {
	m, a, s := &b.what.message, b.what.actor(b.event), b.what.scene
	v := b.message(m, a, s, MessageOptions{Detailed: true})
	for _, flag := range v.Flags {
		b.flags.Add(flag)
	}
	switch {
	case name == "text" && v.Text != "":
		return v.Text
	case name == "files" && len(v.Files) > 0:
		return v.Files
	case name == "attachments" && len(v.Attachments) > 0:
		return v.Attachments
	}
	return nil
}

// Said shows a text of the one who caused an event: what was typed, a value that was chosen.
func (r *Reading) Said(e *event.Event, text string, f *Flags) string {
	if text == "" || !r.Lockdown() {
		return f.Text(text, MaxText)
	}
	h := open(e)
	if _, passes := r.author(h.actor(e), &h.scene); !passes {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Text(text, MaxText)
}

// typed are the elements whose value the one who acts writes.
var typed = []string{"plain_text_input", "rich_text_input", "email_text_input", "url_text_input", "number_input"}

// Chosen shows the value of an interaction's element, which has a type. What was not typed stood in
// the message whose button or menu it is, and is of that message's author; where those words do not
// pass, or it is no message's, a value that is an identifier does.
func (r *Reading) Chosen(e *event.Event, element, value string, f *Flags) string {
	switch {
	case !r.Lockdown() || value == "":
		return f.Text(value, MaxText)
	case slices.Contains(typed, element):
		return r.Said(e, value, f)
	case identifier.MatchString(value):
		return value
	}
	h := open(e)
	m, s := cmp.Or(h.Changed, h.Original), h.scene.quoted()
	if m == nil {
		f.Add(FlagWithheld)
		return ""
	}
	a := authorOf(m)
	if _, passes := r.author(a, &s); !passes {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Text(value, MaxText)
}

// Emoji shows the name of an emoji that an event is about. One that no user chose is the
// workspace's own.
func (r *Reading) Emoji(e *event.Event, name string, f *Flags) string {
	if e.User == "" || isCommon(name) {
		return f.Name(name)
	}
	return r.Said(e, name, f)
}

// Named shows the name of a conversation that an event tells of. No other organisation names
// what it does not share.
func (r *Reading) Named(e *event.Event, c *slackapi.Channel, f *Flags) string {
	s := sceneOf(e, nil)
	if !r.Lockdown() || r.located(&s).unshared() && c.ID == e.Channel {
		return f.Name(c.Name)
	}
	if c.Name == "" {
		return ""
	}
	kept := names.ChannelOf(c)
	kept.Shared = true // as far as the event says
	if r.judge.people != nil {
		if known, ok := r.judge.people.KnownChannel(c.ID); ok && !known.Partial {
			// What our token says of it holds for the name that our token tells, too.
			kept.Shared, kept.Group, kept.Creator = known.Shared || known.Name != c.Name, known.Group, cmp.Or(kept.Creator, known.Creator)
		}
	}
	return r.ChannelName(&kept, f)
}

// Told shows the message that an event is about and, of a change, what it said before, with the ids
// of those whom the texts mention: names change, and are no matter for a filter. Of an event of another type it shows nothing.
func (r *Reading) Told(e *event.Event, maxText int) (now, before Message) {
	if !isMessage(e) {
		return now, before
	}
	h := open(e)
	m, a, s := h.subject(e)
	now = r.message(m, a, s, MessageOptions{MaxText: maxText, Bare: true})
	if h.Former != nil && h.deleted == nil {
		s := h.scene.quoted()
		s.former = true
		before = r.message(h.Former, authorOf(h.Former), s, MessageOptions{MaxText: maxText, Bare: true})
	}
	return now, before
}
