package slackapi

// A Kind says what to do about a failed call. The set is closed: a code that Slack
// invents later is [Internal] until the table knows it.
type Kind string

// The kinds.
const (
	// NotFound is a channel, message, user, file or thread that is not there, or
	// that the token cannot see; Slack does not tell the two apart.
	NotFound Kind = "not_found"
	// NotInChannel asks for the bot to join, or to be invited, first.
	NotInChannel Kind = "not_in_channel"
	// MissingScope asks for the app to be installed again with the scope in [Error.Needed].
	MissingScope Kind = "missing_scope"
	// Auth is a token that is wrong, revoked, expired, absent, or of the wrong sort.
	Auth Kind = "auth"
	// Forbidden is something that this app may not do, whatever its scopes.
	Forbidden Kind = "forbidden"
	// RateLimited asks to wait for [Error.RetryAfter]. Nothing was done.
	RateLimited Kind = "rate_limited"
	// InvalidArgument is an argument that Slack or this package refuses.
	InvalidArgument Kind = "invalid_argument"
	// Conflict is a state that is so already, or that stands in the way: already
	// reacted, a name that is taken, an archived channel.
	Conflict Kind = "conflict"
	// TooLarge is a text, a file or a reply beyond its bound.
	TooLarge Kind = "too_large"
	// Ambiguous is a call that may have been carried out: read before repeating it.
	Ambiguous Kind = "ambiguous"
	// Unavailable is Slack, or the way to it, out of order. Nothing was changed.
	Unavailable Kind = "unavailable"
	// Canceled is a caller that gave up, or whose deadline passed, before anything
	// that changes was sent.
	Canceled Kind = "canceled"
	// Internal is an answer that makes no sense here.
	Internal Kind = "internal"
)

// kinds maps Slack's error codes. The codes are those that the method pages of
// docs.slack.dev list for the methods of this package.
var kinds = map[string]Kind{
	"channel_not_found":            NotFound,
	"message_not_found":            NotFound,
	"thread_not_found":             NotFound,
	"user_not_found":               NotFound,
	"users_not_found":              NotFound,
	"users_not_visible":            NotFound,
	"user_not_visible":             NotFound,
	"file_not_found":               NotFound,
	"file_deleted":                 NotFound,
	"no_such_subteam":              NotFound,
	"subteam_not_found":            NotFound,
	"bookmark_not_found":           NotFound,
	"canvas_not_found":             NotFound,
	"canvas_deleted":               NotFound,
	"section_not_found":            NotFound,
	"not_found":                    NotFound,
	"team_not_found":               NotFound,
	"bot_not_found":                NotFound,
	"invalid_scheduled_message_id": NotFound,
	"no_item_specified":            InvalidArgument,

	"not_in_channel":      NotInChannel,
	"user_not_in_channel": NotInChannel,

	"missing_scope": MissingScope,

	"invalid_auth":              Auth,
	"not_authed":                Auth,
	"account_inactive":          Auth,
	"token_revoked":             Auth,
	"token_expired":             Auth,
	"no_permission":             Auth,
	"not_allowed_token_type":    Auth,
	"invalid_token_type":        Auth,
	"org_login_required":        Auth,
	"two_factor_setup_required": Auth,

	"access_denied":                                Forbidden,
	"ekm_access_denied":                            Forbidden,
	"restricted_action":                            Forbidden,
	"restricted_action_read_only_channel":          Forbidden,
	"restricted_action_thread_only_channel":        Forbidden,
	"restricted_action_non_threadable_channel":     Forbidden,
	"restricted_action_thread_locked":              Forbidden,
	"team_access_not_granted":                      Forbidden,
	"cant_update_message":                          Forbidden,
	"cant_delete_message":                          Forbidden,
	"edit_window_closed":                           Forbidden,
	"cant_invite_self":                             Forbidden,
	"cant_invite":                                  Forbidden,
	"cant_kick_self":                               Forbidden,
	"cant_kick_from_general":                       Forbidden,
	"cant_leave_general":                           Forbidden,
	"cant_archive_general":                         Forbidden,
	"cant_archive_required":                        Forbidden,
	"user_is_bot":                                  Forbidden,
	"user_is_restricted":                           Forbidden,
	"user_is_ultra_restricted":                     Forbidden,
	"ura_max_channels":                             Forbidden,
	"is_bot":                                       Forbidden,
	"not_authorized":                               Forbidden,
	"not_allowed":                                  Forbidden,
	"permission_denied":                            Forbidden,
	"cannot_dm_bot":                                Forbidden,
	"messages_tab_disabled":                        Forbidden,
	"not_reactable":                                Forbidden,
	"not_pinnable":                                 Forbidden,
	"free_team_not_allowed":                        Forbidden,
	"free_teams_cannot_create_non_tabbed_canvases": Forbidden,
	"canvas_disabled_user_team":                    Forbidden,
	"paid_only":                                    Forbidden,
	"paid_teams_only":                              Forbidden,
	"plan_upgrade_required":                        Forbidden,
	"method_not_supported_for_channel_type":        Forbidden,
	"mcp_externally_shared_channel_restricted":     Forbidden,
	"feature_not_enabled":                          Forbidden,
	"assistant_search_context_disabled":            Forbidden,
	"file_uploads_disabled":                        Forbidden,
	"file_uploads_except_images_disabled":          Forbidden,
	"posting_to_general_channel_denied":            Forbidden,
	"posting_to_channel_denied":                    Forbidden,

	"ratelimited":            RateLimited,
	"rate_limited":           RateLimited,
	"message_limit_exceeded": RateLimited,

	"invalid_arguments":                       InvalidArgument,
	"invalid_arg_name":                        InvalidArgument,
	"invalid_array_arg":                       InvalidArgument,
	"invalid_charset":                         InvalidArgument,
	"invalid_form_data":                       InvalidArgument,
	"invalid_post_type":                       InvalidArgument,
	"missing_post_type":                       InvalidArgument,
	"invalid_json":                            InvalidArgument,
	"json_not_object":                         InvalidArgument,
	"request_timeout":                         InvalidArgument,
	"invalid_cursor":                          InvalidArgument,
	"invalid_limit":                           InvalidArgument,
	"invalid_types":                           InvalidArgument,
	"invalid_ts_latest":                       InvalidArgument,
	"invalid_ts_oldest":                       InvalidArgument,
	"invalid_metadata_keys":                   InvalidArgument,
	"metadata_must_be_sent_from_app":          InvalidArgument,
	"invalid_name":                            InvalidArgument,
	"invalid_name_maxlength":                  InvalidArgument,
	"invalid_name_punctuation":                InvalidArgument,
	"invalid_name_required":                   InvalidArgument,
	"invalid_name_specials":                   InvalidArgument,
	"invalid_channel":                         InvalidArgument,
	"invalid_users":                           InvalidArgument,
	"invalid_user_id":                         InvalidArgument,
	"invalid_email":                           InvalidArgument,
	"invalid_blocks":                          InvalidArgument,
	"invalid_blocks_format":                   InvalidArgument,
	"invalid_attachments":                     InvalidArgument,
	"invalid_timestamp":                       InvalidArgument,
	"bad_timestamp":                           InvalidArgument,
	"invalid_time":                            InvalidArgument,
	"time_in_past":                            InvalidArgument,
	"time_too_far":                            InvalidArgument,
	"invalid_query":                           InvalidArgument,
	"invalid_action_token":                    InvalidArgument,
	"missing_query":                           InvalidArgument,
	"no_query":                                InvalidArgument,
	"no_text":                                 InvalidArgument,
	"no_channel":                              InvalidArgument,
	"no_user":                                 InvalidArgument,
	"no_users":                                InvalidArgument,
	"no_file_specified":                       InvalidArgument,
	"missing_argument":                        InvalidArgument,
	"channel_type_not_supported":              InvalidArgument,
	"unknown_method":                          InvalidArgument,
	"unknown_type":                            InvalidArgument,
	"unknown_subtype":                         InvalidArgument,
	"file_type_not_supported":                 InvalidArgument,
	"posting_to_thread_not_allowed":           InvalidArgument,
	"cannot_reply_to_message":                 InvalidArgument,
	"cannot_reply_to_thread":                  InvalidArgument,
	"slack_connect_file_link_sharing_blocked": InvalidArgument,
	"snippet_too_large":                       TooLarge,
	"invalid_link":                            InvalidArgument,
	"invalid_emoji":                           InvalidArgument,
	"invalid_bookmark_type":                   InvalidArgument,
	"canvas_creation_failed":                  InvalidArgument,
	"canvas_editing_failed":                   InvalidArgument,
	"invalid_changes":                         InvalidArgument,

	"already_reacted":               Conflict,
	"no_reaction":                   Conflict,
	"already_pinned":                Conflict,
	"no_pin":                        Conflict,
	"not_pinned":                    Conflict,
	"already_in_channel":            Conflict,
	"already_archived":              Conflict,
	"not_archived":                  Conflict,
	"is_archived":                   Conflict,
	"name_taken":                    Conflict,
	"last_member":                   Conflict,
	"last_ra_channel":               Conflict,
	"channel_canvas_already_exists": Conflict,
	"too_many_emoji":                Conflict,
	"too_many_reactions":            Conflict,
	"too_many_pins":                 Conflict,
	"too_many_bookmarks":            Conflict,
	"restricted_too_many":           Conflict,
	"duplicate_channel_not_found":   Conflict,
	"duplicate_message_not_found":   Conflict,

	"msg_too_long":                TooLarge,
	"msg_blocks_too_long":         TooLarge,
	"too_many_attachments":        TooLarge,
	"too_many_contact_cards":      TooLarge,
	"too_long":                    TooLarge,
	"too_many_users":              TooLarge,
	"limit_required":              InvalidArgument,
	"file_too_large":              TooLarge,
	"file_upload_size_restricted": TooLarge,
	"over_file_size_limit":        TooLarge,
	"upload_too_large":            TooLarge,
	"storage_limit_reached":       TooLarge,

	"internal_error":      Unavailable,
	"fatal_error":         Unavailable,
	"service_unavailable": Unavailable,
	"team_added_to_org":   Unavailable,
	"accesslimited":       Unavailable,
	"timeout":             Unavailable,
}

// kindOf is the Kind of one of Slack's codes.
func kindOf(code string) Kind {
	if k, ok := kinds[code]; ok {
		return k
	}
	return Internal
}
