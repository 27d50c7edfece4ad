package slackapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slackmcp/internal/wait"
)

// An Error is a call that did not succeed. It is made of codes and names only: no
// token, no text of a message, no body.
type Error struct {
	// Method is Slack's name of the method, such as "chat.postMessage".
	Method string
	// Code is Slack's own code, such as "channel_not_found"; where Slack did not
	// answer it is one of this package's: see the Code constants.
	Code string
	// Kind is what to do about it.
	Kind Kind
	// Needed and Provided are the scopes of a [MissingScope], comma separated.
	Needed, Provided string
	// RetryAfter is how long to wait for a [RateLimited]; otherwise zero.
	RetryAfter time.Duration
	// Status is the HTTP status, 0 where there was none.
	Status int
	// Person says that the call was made as a person, and not as a bot.
	Person bool
	// SignIn says that a person's token was refused, or that there is none: the person has to sign in
	// again, and allow what is Needed. See [Client.Person].
	SignIn bool
	// Pointers are the places in the request that Slack complained about, as JSON
	// pointers (/blocks/0/text), without what was there.
	Pointers []string

	err error
}

// Codes of failures that are not of Slack's own list.
const (
	// CodeHeldBack is a call that was not sent, because Slack's limit for the method
	// would be broken by it and the caller's deadline is too near to wait.
	CodeHeldBack = "held_back"
	// CodeNoConnection is a call that was not sent, because no connection was made.
	CodeNoConnection = "no_connection"
	// CodeConnectionLost is a call whose answer never came.
	CodeConnectionLost = "connection_lost"
	// CodeTimeout is a call whose answer did not come in time.
	CodeTimeout = "timed_out"
	// CodeHTTPStatus is an answer that is no Slack answer: see Status.
	CodeHTTPStatus = "http_status"
	// CodeUnreadable is an answer that is not Slack's JSON.
	CodeUnreadable = "unreadable_reply"
	// CodeReplyTooLarge is an answer beyond [Options.MaxReplyBytes].
	CodeReplyTooLarge = "reply_too_large"
	// CodeTooManyReads is a long answer that was not read: [Options.OnLarge] refused it.
	CodeTooManyReads = "too_many_reads"
	// CodeNoToken is a method that needs a token that the client was not given.
	CodeNoToken = "no_token"
	// CodeSignInAgain is a person's call that was not sent: there is no token until they sign in again.
	CodeSignInAgain = "sign_in_again"
	// CodeNoPersonsToken is a person's call that was not sent, because their token cannot be had now.
	CodeNoPersonsToken = "no_persons_token"
	// CodeRefusedHost is a URL whose host may not be called.
	CodeRefusedHost = "refused_host"
	// CodeSignIn is a file that the token may not read: Slack led to its sign-in page.
	CodeSignIn = "sign_in_required"
	// CodeTooManyRedirects is a file whose redirects did not end.
	CodeTooManyRedirects = "too_many_redirects"
	// CodeBadRequest is an argument that was refused before it was sent.
	CodeBadRequest = "bad_request"
	// CodeReservedID is a message whose blocks have an id of a question; see [ReservedID].
	CodeReservedID = "reserved_id"
)

// Error says what happened and, where it is known, the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "slack %s: %s", e.Method, e.Code)
	if e.Status != 0 && e.Code == CodeHTTPStatus {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	switch {
	case e.Needed != "":
		fmt.Fprintf(&b, " (needs %s, has %s)", e.Needed, e.Provided)
	case e.RetryAfter > 0:
		fmt.Fprintf(&b, " (try again in %s)", e.RetryAfter.Round(time.Millisecond))
	case e.Kind == Ambiguous:
		b.WriteString(" (it may have been carried out: look before repeating it)")
	case len(e.Pointers) > 0:
		fmt.Fprintf(&b, " (at %s)", strings.Join(e.Pointers, ", "))
	}
	if e.SignIn && e.Code != CodeSignInAgain {
		b.WriteString(": the person has to sign in again")
	}
	if e.err != nil {
		fmt.Fprintf(&b, ": %v", e.err)
	}
	return b.String()
}

// Unwrap returns what the transport or the context said; nil where Slack answered.
func (e *Error) Unwrap() error { return e.err }

// repeatable reports that Slack surely did nothing, and may succeed next time. Of a call
// that changes something, classification has made every other case [Ambiguous].
func (e *Error) repeatable() bool { return e.Kind == RateLimited || e.Kind == Unavailable }

// pause is how long to wait before the next attempt: what Slack said, or a growing pause.
func (e *Error) pause(b *wait.Backoff) time.Duration {
	if e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return b.Next()
}

const (
	defaultRetryAfter = 30 * time.Second // for a 429 without a Retry-After
	maxRetryAfter     = time.Hour
	maxPointers       = 8
)

// classify returns what is wrong with an answer; nil for a success.
func (c call) classify(resp *http.Response, body []byte) *Error {
	switch {
	case c.method == respond:
		return c.classifyResponse(resp, body)
	case c.method.tier == tierNone:
		return c.classifyFile(resp)
	case resp.StatusCode != http.StatusOK:
		return c.classifyStatus(resp)
	}
	var e envelope
	if err := lenient(body, &e); err != nil || !e.OK && e.Error == "" {
		return c.doubt(&Error{Code: CodeUnreadable, Kind: Internal})
	}
	if e.OK {
		return nil
	}
	err := &Error{Code: e.Error, Kind: kindOf(e.Error), Needed: e.Needed, Provided: e.Provided, Pointers: pointers(e.Metadata.Messages)}
	switch err.Kind { //nolint:exhaustive // The other kinds need nothing more.
	case RateLimited:
		err.RetryAfter = retryAfter(resp.Header)
	case Unavailable:
		// Slack says of internal_error and fatal_error that a part may have succeeded.
		return c.doubt(err)
	}
	return err
}

// An envelope is what all of Slack's answers have in common.
type envelope struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
	Metadata struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

// classifyStatus is for an answer whose status is not 200.
func (c call) classifyStatus(resp *http.Response) *Error {
	err := &Error{Code: CodeHTTPStatus, Kind: Internal, Status: resp.StatusCode}
	switch {
	case err.Status == http.StatusTooManyRequests:
		err.Code, err.Kind, err.RetryAfter = "ratelimited", RateLimited, retryAfter(resp.Header)
	case err.Status >= 500, err.Status == http.StatusRequestTimeout:
		err.Kind = Unavailable
		return c.doubt(err)
	case err.Status < 300:
		return c.doubt(err)
	}
	return err
}

// classifyFile is for the hosts of files, which speak HTTP and not Slack's JSON. The
// redirects of a download are followed by its http.Client.
func (c call) classifyFile(resp *http.Response) *Error {
	switch {
	case resp.StatusCode == http.StatusOK, c.method == filesDownload && resp.StatusCode/100 == 3, c.head && resp.StatusCode == http.StatusPartialContent:
		return nil
	}
	err := c.classifyStatus(resp)
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		err.Kind = NotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		err.Kind = Forbidden
	}
	return err
}

// classifyResponse is for a response URL, which answers "ok" or {"ok":true}, or refuses
// with a status, a code, or both.
func (c call) classifyResponse(resp *http.Response, body []byte) *Error {
	err := c.classifyFile(resp)
	var e envelope
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		return err
	}
	if err == nil {
		err = &Error{Kind: kindOf(e.Error)}
	}
	err.Code = e.Error
	return err
}

// doubt makes a failure ambiguous where the call may have been carried out.
func (c call) doubt(err *Error) *Error {
	err.Method = c.method.name
	if !c.method.safe {
		err.Kind = Ambiguous
	}
	return err
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return defaultRetryAfter
	}
	return min(max(time.Duration(n)*time.Second, time.Second), maxRetryAfter)
}

var pointer = regexp.MustCompile(`\[json-pointer:(/[\w/.-]{0,100})\]`)

// pointers keeps of Slack's remarks the places and leaves out the contents.
func pointers(remarks []string) []string {
	var found []string
	for _, r := range remarks {
		if m := pointer.FindStringSubmatch(r); m != nil && len(found) < maxPointers {
			found = append(found, m[1])
		}
	}
	return found
}

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

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{
		NotFound, NotInChannel, MissingScope, Auth, Forbidden, RateLimited, InvalidArgument, Conflict, TooLarge,
		Ambiguous, Unavailable, Canceled, Internal,
	}
}

// kinds maps Slack's error codes. The codes are those that the method pages of
// docs.slack.dev list for the methods of this package.
var kinds = byCode(map[Kind]string{
	NotFound: `
		bookmark_not_found bot_not_found canvas_deleted canvas_not_found channel_not_found context_channel_not_found
		draft_not_found file_comment_not_found file_deleted file_is_deleted file_not_found
		invalid_scheduled_message_id invalid_team message_not_found no_such_subteam not_found not_visible
		section_not_found subteam_not_found team_not_found template_not_visible thread_not_found user_not_found
		user_not_visible users_not_found users_not_visible
	`,
	NotInChannel: `not_in_channel user_not_in_channel`,
	MissingScope: `missing_scope`,
	Auth: `
		account_inactive authorization_not_found bad_client_secret bad_token code_already_used invalid_auth
		invalid_client_id invalid_code invalid_refresh_token invalid_token invalid_token_type missing_args no_permission
		not_allowed_token_type not_authed org_login_required token_expired token_revoked two_factor_setup_required
	`,
	Forbidden: `
		access_denied app_access_restricted app_cannot_join_channel as_user_not_supported
		assistant_search_context_disabled blocked_file_type cannot_bookmark_from_external_org
		cannot_bookmark_restricted_sharing_enabled cannot_create_channel cannot_dm_bot cant_archive_general
		cant_archive_required cant_broadcast_message cant_delete_file cant_delete_message cant_invite
		cant_invite_self cant_kick_from_general cant_kick_self cant_leave_general cant_update_message
		canvas_disabled_file_team canvas_disabled_user_team canvas_globally_disabled channel_is_limited_access
		deprecated_endpoint edit_window_closed ekm_access_denied enterprise_is_restricted feature_not_enabled
		file_type_not_allowed file_uploads_disabled file_uploads_except_images_disabled forbidden_team
		free_team_not_allowed free_teams_cannot_create_non_tabbed_canvases
		free_teams_cannot_create_standalone_canvases free_teams_cannot_edit_standalone_canvases
		invitee_cant_see_channel is_bot malware_detected mcp_externally_shared_channel_restricted
		messages_tab_disabled method_deprecated method_not_supported_for_channel_type no_access
		no_external_invite_permission not_allowed not_authorized not_implemented not_pinnable not_reactable
		not_supported org_user_not_in_team paid_only paid_teams_only parent_bookmark_disabled permission_denied
		plan_upgrade_required posting_to_channel_denied posting_to_general_channel_denied restricted_action
		restricted_action_non_threadable_channel restricted_action_read_only_channel restricted_action_thread_locked
		restricted_action_thread_only_channel send_on_behalf_not_allowed slack_connect_blocked_file_type
		slack_connect_canvas_sharing_blocked slack_connect_clip_sharing_blocked
		slack_connect_file_upload_sharing_blocked slack_connect_lists_sharing_blocked team_access_not_granted
		team_tier_cannot_create_channel_canvases thread_locked ura_max_channels user_disabled user_is_bot
		user_is_restricted user_is_ultra_restricted user_team_not_in_channel
	`,
	RateLimited: `message_limit_exceeded rate_limited ratelimited too_many_requests`,
	InvalidArgument: `
		bad_redirect_uri bad_timestamp block_mismatch cannot_reply_to_message cannot_reply_to_thread canvas_creation_failed
		canvas_editing_failed canvas_tab_creation_failed channel_canvas_creation_failed channel_type_not_supported
		exchanged_trigger_id expired_trigger_id file_type_not_supported insecure_request invalid_action_token invalid_app_action_type invalid_arg_name
		invalid_arguments invalid_array_arg invalid_attachments invalid_blocks invalid_blocks_format
		invalid_bookmark_type invalid_changes invalid_channel invalid_charset invalid_child_type invalid_cursor
		invalid_email invalid_emoji invalid_entity_id invalid_form_data invalid_grant_type invalid_json invalid_limit invalid_link
		invalid_metadata_filter_keys invalid_metadata_format invalid_metadata_keys invalid_metadata_schema
		invalid_name invalid_name_maxlength invalid_name_punctuation invalid_name_required invalid_name_specials
		invalid_parent_type invalid_post_type invalid_query invalid_shortcut_type invalid_thread_ts invalid_time
		invalid_timestamp invalid_trigger_id invalid_ts_latest invalid_ts_oldest invalid_types invalid_user_combination invalid_user_id
		invalid_users json_not_object limit_required markdown_text_conflict metadata_must_be_sent_from_app
		missing_action_token missing_argument missing_file_data missing_post_type missing_query no_channel
		no_dual_broadcast_content_update no_file_specified no_item_specified no_query no_text no_user no_users
		not_enough_users parent_with_link posting_to_thread_not_allowed request_timeout
		slack_connect_file_link_sharing_blocked time_in_past time_too_far unknown_method unknown_snippet_type
		unknown_subtype unknown_type users_list_not_supplied
	`,
	Conflict: `
		could_not_convert_channel
		already_archived already_in_channel already_pinned already_reacted canvas_editing_locked
		channel_canvas_already_exists draft_already_deleted draft_already_sent draft_has_conflict
		duplicate_channel_not_found duplicate_message_not_found external_channel_migrating file_already_added
		file_not_shared free_team_canvas_tab_already_exists hash_conflict is_archived is_inactive last_member last_ra_channel
		name_taken no_pin no_reaction not_archived not_pinned restricted_too_many streaming_state_conflict
		too_many_bookmarks too_many_emoji too_many_members too_many_pins too_many_reactions too_many_tabs
	`,
	TooLarge: `
		alt_txt_too_large attachment_payload_limit_exceeded canvas_too_large channels_limit_exceeded
		file_share_limit_reached file_too_large file_upload_size_restricted max_file_sharing_exceeded
		metadata_too_large msg_blocks_too_long msg_too_long over_file_size_limit post_contents_too_large
		query_too_long snippet_too_large storage_limit_reached too_long too_many_attachments too_many_contact_cards
		too_many_users upload_too_large view_too_large
	`,
	Unavailable: `
		accesslimited fatal_error fetch_members_failed file_update_failed internal_error
		list_record_comment_fetch_failed service_unavailable team_added_to_org timeout unable_to_fetch_custom_emojis
		unable_to_share_files update_failed
	`,
})

func byCode(codes map[Kind]string) map[string]Kind {
	all := map[string]Kind{}
	for k, list := range codes {
		for code := range strings.FieldsSeq(list) {
			all[code] = k
		}
	}
	return all
}

// kindOf is the Kind of one of Slack's codes.
func kindOf(code string) Kind {
	if k, ok := kinds[code]; ok {
		return k
	}
	return Internal
}
