package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// remedies is the table from a kind of failure of a Slack call to what a model should
// do about it. It is the only place where such words are found.
var remedies = map[slackapi.Kind]string{
	slackapi.NotFound:        "It is not there, or the bot cannot see it. Check the id; for a private channel ask a member to invite the bot. Find channels with slack_list_channels, users with slack_search_users.",
	slackapi.NotInChannel:    "The bot is not in the channel. Join a public one with slack_join_channel; for a private one ask a member to invite the bot.",
	slackapi.MissingScope:    "The Slack app lacks a permission. Tell the user to add the scope to the app and to install it again; trying again will not help.",
	slackapi.Auth:            "Slack refuses the server's token. Tell the user that the operator has to check it; trying again will not help.",
	slackapi.Forbidden:       "Slack does not allow this to the app, whatever its scopes. Do not try again; tell the user.",
	slackapi.RateLimited:     "Slack asks to wait. Nothing was done.",
	slackapi.InvalidArgument: "Slack refuses an argument. Correct it and try again.",
	slackapi.Conflict:        "It is so already, or something stands in the way. Look at the present state before trying again.",
	slackapi.TooLarge:        "It is too long. Make it shorter, or split it.",
	slackapi.Ambiguous:       "It may have been carried out: the answer was lost. Do NOT repeat the call; first read the channel or thread to see whether it is there.",
	slackapi.Unavailable:     "Slack is out of order or cannot be reached. Nothing was changed; try again in a minute.",
	slackapi.Canceled:        "The time was up before anything was sent. Nothing was changed; try again.",
	slackapi.Internal:        "Slack answered something unknown. Do not repeat a writing call; tell the user.",
}

// remedyByCode sharpens a remedy for codes that a model meets often.
var remedyByCode = map[string]string{
	"channel_not_found":                     "There is no such channel, or the bot cannot see it. Check the id with slack_list_channels; for a private channel ask a member to invite the bot.",
	"message_not_found":                     "There is no message with this ts in the channel. Take channel and ts from slack_read_channel_messages or from an event.",
	"thread_not_found":                      "There is no thread with this ts in the channel. Use the ts of its first message.",
	"user_not_found":                        "There is no such user. Find users with slack_search_users.",
	"users_not_found":                       "Nobody has that e-mail address. Find users with slack_search_users.",
	"is_archived":                           "The channel is archived. It can be read, not written to.",
	"msg_too_long":                          "The text is too long for one message. Split it, or put the rest into a thread with slack_thread_reply. A message that is changed takes 4000 characters as text, and 12000 as markdown.",
	"no_text":                               "The message is empty. Give text, markdown or blocks.",
	"invalid_blocks":                        "Slack refuses the blocks. Correct them, or send plain text.",
	"invalid_name":                          unknownEmoji + ".",
	"name_taken":                            "A channel of that name exists. Choose another name, or find it with slack_list_channels.",
	"cant_update_message":                   "Only messages of the bot itself can be changed.",
	"cant_delete_message":                   "Only messages of the bot itself can be deleted.",
	"edit_window_closed":                    "The message is too old to be changed.",
	"time_in_past":                          "The time is in the past. Choose one in the future.",
	"time_too_far":                          "The time is more than 120 days away. Choose an earlier one.",
	"invalid_cursor":                        "The cursor is not valid any more. Start again without one.",
	slackapi.CodeReservedID:                 "Values of action_id and block_id that begin with slack_ask belong to the questions of slack_ask. Nothing was sent. Choose other values; to ask people use slack_ask.",
	slackapi.CodeNoToken:                    "This needs a Slack user token, which the server does not have. Tell the user; there is no way around it.",
	slackapi.CodeReplyTooLarge:              "The answer is larger than the server reads at once. Ask for less at a time (limit).",
	slackapi.CodeTooManyReads:               "As many large replies and files of Slack are being read at once as the server has memory for. Nothing is wrong with this one: ask again in some seconds, and for less at a time (limit).",
	slackapi.CodeHeldBack:                   "Slack's limit for this method is used up for now. Nothing was sent.",
	"token_revoked":                         uninstalled,
	"account_inactive":                      uninstalled,
	"file_not_found":                        "There is no such file, or the bot cannot see it.",
	"canvas_not_found":                      "There is no such canvas, or the bot cannot see it.",
	"restricted_action":                     "The workspace's settings do not allow this to the bot. Tell the user.",
	"not_in_channel":                        "The bot is not in the channel. Join a public one with slack_join_channel; for a private one ask a member to invite the bot.",
	"cannot_dm_bot":                         "Bots cannot send each other direct messages.",
	"last_ra_channel":                       "The user would be left without a channel.",
	"user_not_in_channel":                   "The user is not in the channel.",
	"already_in_channel":                    "The user is in the channel already: nothing to do.",
	"not_reactable":                         "Nobody can react to this message.",
	"too_many_emoji":                        "The message has the most different reactions that Slack allows.",
	"too_many_reactions":                    "The message has the most reactions that Slack allows for one user.",
	"invalid_users":                         "At least one of the users cannot be found. Check each id.",
	"method_not_supported_for_channel_type": "This cannot be done in that kind of conversation.",
	"too_many_requests":                     "Too many calls at once. Nothing was done.",
	"streaming_state_conflict":              "The message is still being written. Change it when it is complete.",
	"canvas_editing_locked":                 "Another change of the canvas is under way. Try again in a few seconds.",
	"external_channel_migrating":            "Slack is moving the channel between workspaces. Try again later.",
	"block_mismatch":                        "A message with rich text takes rich text only. Send the new words as text, without blocks.",
	"is_inactive":                           "The channel is frozen, archived or deleted: its messages cannot be changed.",
	"thread_locked":                         "The thread is locked: nobody can react in it.",
	"file_not_shared":                       "The file is not in that channel. Share it there with slack_share_file first.",
	"file_is_deleted":                       "The file was deleted.",
	"not_visible":                           "The bot may not see the file. Ask someone who may to share it in a channel of the bot.",
	"channel_is_limited_access":             "The channel belongs to a record of Salesforce that the bot may not see.",
	"context_channel_not_found":             "There is no such channel, or the bot cannot see it. Leave it out, or check the id with slack_list_channels.",
	"blocked_file_type":                     "The workspace does not allow files of this type. Send another format, or the contents as text.",
	"file_type_not_allowed":                 "The workspace does not allow files of this type. Send another format, or the contents as text.",
	"malware_detected":                      "Slack takes the file for malware and refuses it. Do not try again; tell the user.",
	"slack_connect_blocked_file_type":       "Files of this type may not be sent to people of other organisations.",
	"app_cannot_join_channel":               "Slack does not let apps into this channel.",
	"app_access_restricted":                 "The workspace's settings keep this user from the app. Tell the user.",
	"invitee_cant_see_channel":              "The channel is not shared with the user's workspace.",
	"org_user_not_in_team":                  "The user is of the organisation but not of this workspace. Ask an administrator to add them.",
	"no_external_invite_permission":         "The bot may not invite people of other organisations. Ask a member to do it.",
	"invalid_user_combination":              "People of other organisations must share a channel first. Leave them out, or write to them in a shared channel.",
	"not_enough_users":                      "Name at least two users.",
	"too_many_members":                      "The channel is full: nobody else can join.",
	"cannot_create_channel":                 "Slack does not let this app create such a channel. Ask a member to do it.",
	"invalid_thread_ts":                     "There is no thread with this ts in the channel. Use the ts of its first message.",
	"no_dual_broadcast_content_update":      "Change the text and show the reply in the channel in two calls.",
	"canvas_too_large":                      "The canvas is too large for this change. Make smaller changes, or a new canvas.",
	"metadata_too_large":                    "The metadata is too long. Make it shorter.",
	"query_too_long":                        "The question is too long. Search with fewer words.",
	"channels_limit_exceeded":               "At most 100 channels can be named. Name fewer.",
	"file_share_limit_reached":              "The file is shared in as many places as Slack allows.",
	"max_file_sharing_exceeded":             "The message has as many files as Slack allows. Send the others in another one.",
	"method_deprecated":                     "Slack has ended this function. Tell the user that the server has to be updated.",
	"deprecated_endpoint":                   "Slack has ended this function. Tell the user that the server has to be updated.",
}

// uninstalled is said when Slack refuses a token that was valid once.
const uninstalled = "Slack refuses the server's token: the app was uninstalled, or the token revoked. Tell the user that the operator has to install the app again at api.slack.com/apps and to give the server its new token; trying again will not help."

// A fault is an error in words that are meant for the model.
type fault string

// Error returns the words.
func (f fault) Error() string { return string(f) }

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// Fault returns what a model reads about an error: what happened and what to do
// next. Of an error that it does not know it tells nothing.
func Fault(err error) string {
	var (
		f       fault
		arg     *toolset.ArgumentError
		slack   *slackapi.Error
		expired *event.CursorExpiredError
		refusal *guard.RefusedError
		person  *toolset.PersonError
	)
	switch {
	case errors.As(err, &f):
		return string(f)
	case errors.As(err, &person):
		return person.Error()
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.As(err, &arg):
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	case errors.As(err, &slack):
		return slackFault(slack)
	case errors.As(err, &expired):
		return "cursor_expired: the events behind this cursor are no longer kept, or the store was made anew. Start again without a cursor."
	case errors.Is(err, operator.ErrNoGroup):
		return groupFault
	case errors.Is(err, event.ErrBusy):
		return event.ErrBusy.Error()
	case errors.Is(err, event.ErrNotFound):
		return "event_not_found: no event with this id is kept. Take event_id from slack_list_events."
	case errors.Is(err, context.DeadlineExceeded):
		return "timed_out: the call took too long. Ask for less, or try again."
	case errors.Is(err, context.Canceled):
		return "cancelled: the call was given up."
	}
	return "internal: the server could not do this. Do not repeat a writing call; tell the user."
}

// Code is the word for an error in logs: Slack's code, a rule's, or one of ours; empty
// for nil.
func Code(err error) string {
	var (
		arg     *toolset.ArgumentError
		slack   *slackapi.Error
		refusal *guard.RefusedError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Code
	case errors.As(err, &arg):
		return "invalid_arguments"
	case errors.As(err, &slack):
		return slack.Code
	}
	if code, _, ok := strings.Cut(Fault(err), ":"); ok && !strings.Contains(code, " ") {
		return code
	}
	return "refused"
}

func slackFault(e *slackapi.Error) string {
	remedy, ok := personRemedyByCode[e.Code]
	if !ok || !e.Person {
		remedy, ok = remedyByCode[e.Code]
	}
	if !ok || e.Kind == slackapi.Ambiguous {
		remedy = remedies[e.Kind]
	}
	if e.Person {
		remedy = toolset.Theirs.Replace(remedy)
	}
	return slackWords(e, remedy)
}

// slackWords is what is said of an error of Slack's with a remedy.
func slackWords(e *slackapi.Error, remedy string) string {
	var b strings.Builder
	b.WriteString(codeOf(e))
	b.WriteString(": ")
	b.WriteString(remedy)
	switch {
	case looksLikeScopes(e.Needed):
		fmt.Fprintf(&b, " Needed: %s.", e.Needed)
	case e.RetryAfter > 0:
		fmt.Fprintf(&b, " Wait %d seconds.", int(e.RetryAfter.Round(time.Second)/time.Second)+1)
	case len(e.Pointers) > 0:
		fmt.Fprintf(&b, " At: %s.", strings.Join(e.Pointers, ", "))
	}
	return b.String()
}

// codeOf shows Slack's code as far as it looks like one.
func codeOf(e *slackapi.Error) string {
	if len(e.Code) > 80 || strings.ContainsFunc(e.Code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	}) {
		return string(e.Kind)
	}
	return e.Code
}

// looksLikeScopes reports a list of names of scopes: nothing else of what Slack says is
// needed is shown.
func looksLikeScopes(s string) bool {
	return s != "" && len(s) <= 300 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && !strings.ContainsRune("_.:,-", r)
	})
}
