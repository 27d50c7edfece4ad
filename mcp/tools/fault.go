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
	"msg_too_long":                          "The text is too long for one message. Split it, or put the rest into a thread with slack_thread_reply.",
	"no_text":                               "The message is empty. Give text, markdown or blocks.",
	"invalid_blocks":                        "Slack refuses the blocks. Correct them, or send plain text.",
	"invalid_name":                          "There is no emoji of that name. Look it up with slack_search_emojis, or see the workspace's own with slack_read_emojis.",
	"name_taken":                            "A channel of that name exists. Choose another name, or find it with slack_list_channels.",
	"cant_update_message":                   "Only messages of the bot itself can be changed.",
	"cant_delete_message":                   "Only messages of the bot itself can be deleted.",
	"edit_window_closed":                    "The message is too old to be changed.",
	"time_in_past":                          "The time is in the past. Choose one in the future.",
	"time_too_far":                          "The time is more than 120 days away. Choose an earlier one.",
	"invalid_cursor":                        "The cursor is not valid any more. Start again without one.",
	slackapi.CodeReservedID:                 "Values of action_id and block_id that begin with slack_ask belong to the questions of slack_ask. Nothing was sent. Choose other values; to ask people use slack_ask.",
	slackapi.CodeNoToken:                    "This needs a Slack user token, which the server does not have. Tell the user; there is no way around it.",
	slackapi.CodeHeldBack:                   "Slack's limit for this method is used up for now. Nothing was sent.",
	"token_revoked":                         tokenGone,
	"account_inactive":                      tokenGone,
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
}

// tokenGone is said when Slack refuses a token that was valid once.
const tokenGone = "Slack refuses the server's token: the app was uninstalled, or the token revoked. Tell the user that the operator has to install the app again at api.slack.com/apps and to give the server its new token; trying again will not help."

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
	)
	switch {
	case errors.As(err, &f):
		return string(f)
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
	var b strings.Builder
	b.WriteString(codeOf(e))
	b.WriteString(": ")
	remedy, ok := remedyByCode[e.Code]
	if !ok || e.Kind == slackapi.Ambiguous {
		remedy = remedies[e.Kind]
	}
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
