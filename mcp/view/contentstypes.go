package view

import "strings"

// unjudged are the fields of an event of a type that is not listed.
const unjudged = "type subtype event_ts ts"

// common are fields of all listed types which hold an id or an object that has one.
const common = "team:team enterprise:team"

// seen lists, of each type of event or interaction, what is shown to a person who may see the event besides
// everywhere and the fields of the type. A type that is not here has not been judged: a test fails for it.
// The words behind a colon say how a field is shown: message, file, user, group, attachments, and
//
//   - rich: blocks, of which the members are listed in richMembers
//   - actions: the elements that were used
//   - own, view, values, submission: shown to the one who acted alone, the last two with names that a form chose
//   - former: shown to nobody
var seen = func() map[string]string {
	all := map[string]string{
		"message":                   messageSeen,
		"app_mention":               messageSeen,
		"app_home_opened":           "view:view",
		"app_requested":             "app_request.app.id app_request.app.name app_request.message",
		"channel_shared":            "is_ext_shared",
		"email_domain_changed":      "email_domain",
		"emoji_changed":             "name names old_name new_name value",
		"entity_comments_requested": "entity_url:own", "entity_details_requested": "entity_url:own",
		"file_shared":             "file:file",
		"file_created":            "file:file",
		"file_change":             "file:file",
		"file_public":             "file:file",
		"file_unshared":           "file:file",
		"file_comment_added":      "file:file comment:former",
		"file_comment_edited":     "file:file comment:former",
		"file_comment_deleted":    "file:file comment:former",
		"function_executed":       "function.callback_id function.title inputs:own",
		"invite_requested":        "invite_request.email",
		"link_shared":             "links.url links.domain",
		"message_metadata_posted": "metadata.event_type", "message_metadata_updated": "metadata.event_type", "message_metadata_deleted": "metadata.event_type",
		"reaction_added": "reaction", "reaction_removed": "reaction",
		"pin_added": "pinned_info:former", "pin_removed": "pinned_info:former", // the pin's message is in item
		"subteam_created": "subteam:group", "subteam_updated": "subteam:group",
		"team_domain_change": "domain url",
		"team_rename":        "name",
		"user_change":        userSeen, "user_profile_changed": userSeen, "user_status_changed": userSeen, "user_huddle_changed": userSeen, "team_join": userSeen,
		"block_actions": acted, "interactive_message": acted, "block_suggestion": acted, "shortcut": acted, "message_action": acted,
		"view_submission": acted, "view_closed": acted, "dialog_submission": acted, "dialog_cancellation": acted, "dialog_suggestion": acted,
		"workflow_step_edit":   acted,
		"user_resource_denied": "scopes", "user_resource_granted": "scopes", "workflow_step_deleted": "workflow_id",
		"slash_command": "command text:own user_name team_domain",
	}
	for typ := range strings.FieldsSeq(plainTypes) {
		all[typ] = ""
	}
	return all
}()

// plainTypes are the types of which no more is shown than lockdown's list has.
const plainTypes = `app_context_changed app_deleted app_installed app_rate_limited app_uninstalled app_uninstalled_team
	assistant_thread_started assistant_thread_context_changed call_rejected channel_archive channel_created channel_deleted
	channel_history_changed channel_id_changed channel_left channel_rename channel_unarchive channel_unshared dnd_updated
	dnd_updated_user file_deleted grid_migration_finished grid_migration_started group_archive group_close group_deleted
	group_history_changed group_left group_open group_rename group_unarchive im_close im_created im_history_changed im_open
	member_joined_channel member_left_channel resources_added resources_removed scope_denied scope_granted
	shared_channel_invite_accepted shared_channel_invite_approved shared_channel_invite_declined shared_channel_invite_received
	shared_channel_invite_requested star_added star_removed subteam_members_changed subteam_self_added subteam_self_removed
	team_access_granted team_access_revoked tokens_revoked url_verification user_connection user_resource_removed workflow_deleted
	workflow_published workflow_step_execute
	workflow_unpublished`

const (
	// messageSeen are the fields of a message. The former text, who else may read it, and an app's own data
	// in its metadata are not among them.
	messageSeen = `client_msg_id parent_user_id edited.user edited.ts user_team source_team user bot_id app_id text username thread_ts
		bot_profile.id bot_profile.app_id bot_profile.name bot_profile.team_id blocks:rich attachments:attachments files:file file:file
		message:message root:message previous_message:former reactions.name reactions.users reactions.count reply_count
		reply_users reply_users_count latest_reply is_locked inviter topic purpose name old_name metadata.event_type comment:former`
	userSeen = "user:user"
	// acted are the fields of an interaction.
	acted = `callback_id message:message original_message:message actions:actions state.values:values submission:submission value:own name view:view
		hash action_id block_id attachment_id container.attachment_id container.is_app_unfurl`
	// richMembers are the members of blocks and of their elements, as docs.slack.dev/reference/block-kit names
	// them. Not among them are those that say where else something is: the conversations of a file or a call.
	richMembers = `type block_id text verbatim emoji elements fields accessory title image_url alt_text url style user_id user
		usergroup_id team_id channel_id name unicode skin_tone range timestamp format fallback link indent border offset options
		option_groups option value label hint optional placeholder action_id description element external_id source file_id id
		video_url thumbnail_url title_url provider_name provider_icon_url author_name bold italic strike code underline highlight
		client_highlight unlink short mrkdwn plain_text multiline rows cells columns column_settings align is_wrapped color confirm
		deny max_files filetypes min_length max_length level language expand callback_id action_ts selected_channel selected_channels selected_conversation
		selected_conversations selected_option selected_options selected_user selected_users selected_date selected_time selected_date_time
		rich_text_value files slack_file task_id status details output sources tasks`
)

// things are the lists of what stands in events.
var things = map[string]*allowance{
	"message": allowed("type subtype ts channel permalink team:team " + messageSeen),
	"file": allowed(`id name title mimetype filetype pretty_type user user_team created timestamp size mode is_external external_type
		file_access permalink preview preview_plain_text preview_highlight preview_is_truncated plain_text subject from.address from.original from.name
		transcription.status transcription.preview.content transcription.preview.has_more lines lines_more is_public
		original_w original_h alt_txt editable`),
	"user": allowed(`id team_id username name real_name deleted is_bot is_app_user is_admin is_owner is_primary_owner is_restricted
		is_ultra_restricted is_stranger is_invited_user tz tz_label tz_offset locale updated color enterprise_user.enterprise_id
		profile.real_name profile.real_name_normalized profile.display_name profile.display_name_normalized profile.first_name
		profile.last_name profile.title profile.pronouns profile.status_text profile.status_emoji
		profile.status_expiration profile.huddle_state profile.api_app_id profile.team profile.avatar_hash`),
	"team": allowed("id"),
	"view": allowed("id type callback_id team_id app_id bot_id hash external_id root_view_id previous_view_id title:rich submit:rich close:rich blocks:rich state.values:values"),
	"group": allowed(`id team_id enterprise_id name handle description is_external date_create date_update date_delete user_count users
		created_by updated_by`),
	"channel": allowed(`id name name_normalized creator created is_channel is_group is_private is_mpim is_im is_archived is_general
		is_shared is_ext_shared is_org_shared context_team_id`),
	"attachment": allowed(`id text pretext title title_link fallback color footer footer_icon author_name author_link author_icon author_id
		author_subname image_url thumb_url service_name service_icon from_url original_url ts fields.title fields.value fields.short
		mrkdwn_in blocks:rich actions.id actions.type actions.text actions.name actions.style actions.url callback_id channel_id
		channel_team channel_name is_share is_msg_unfurl is_reply_unfurl is_thread_root_unfurl is_app_unfurl app_unfurl_url bot_id app_id
		message_blocks.team message_blocks.channel message_blocks.ts message_blocks.type message_blocks.message.blocks:rich files:file`),
	"action": allowed("type action_id block_id action_ts name"),
	"button": allowed("type action_id block_id action_ts name value text:rich style url"),
}
