package tools

import (
	"errors"
	"slices"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// The bot token reads what the bot sees. The user token makes the calls that Slack allows to no
// bot: search.messages, and its owner's marks of what was read. It reads anything else only where the
// bot cannot see, only if the operator allows it (SLACK_USER_TOKEN_READS), and only for callers with
// the scope as-user; the result then says so.

// Beside people who sign in the user token serves no other callers at all.

// servesUser reports whether a caller is served with the user token where Slack takes no bot's.
func (k *kit) servesUser(c *toolset.Call) bool {
	return k.Slack.HasUserToken() && (!k.UserForScope || k.mayReadAsUser(c))
}

// errNotAsUser ends a call that only a user token can make, and may not for this caller.
var errNotAsUser = fault("not_as_user: this needs the user token, which serves callers with the scope as-user alone on this server. Tell the user.")

// readBy is what a result says of the token that it was read with.
type readBy struct {
	ReadAs string `json:"read_as,omitempty" enum:"user" doc:"the bot cannot see this: it was read as the owner of the user token"`
}

// mayReadAsUser reports whether the user token may read for a caller what the bot cannot see.
func (k *kit) mayReadAsUser(c *toolset.Call) bool {
	return k.UserReads && k.Slack.HasUserToken() && c.Principal.Has(access.AsUser)
}

// A reader reads with the bot token and, where the bot cannot see what is asked for, with the user token
// if the caller may:
//
//	for r.next(err) {
//		page, err = r.api.History(ctx, q)
//	}
type reader struct {
	readBy
	api  *slackapi.Client // to read with
	left []*slackapi.Client
}

func (k *kit) reader(c *toolset.Call) *reader {
	r := &reader{left: []*slackapi.Client{k.Slack}}
	if k.mayReadAsUser(c) {
		r.left = append(r.left, k.Slack.AsUser())
	}
	return r
}

// next reports whether to read, at first or, after err, with the other token.
func (r *reader) next(err error) bool {
	if len(r.left) == 0 || r.api != nil && !unseen(err) {
		return false
	}
	if r.api != nil {
		r.ReadAs = "user"
	}
	r.api, r.left = r.left[0], r.left[1:]
	return true
}

// unseen reports an error that another token may not meet: what was asked for is out of sight.
func unseen(err error) bool {
	e, ok := errors.AsType[*slackapi.Error](err)
	return ok && (e.Kind == slackapi.NotInChannel || e.Kind == slackapi.MissingScope ||
		slices.Contains([]string{"channel_not_found", "file_not_found", "canvas_not_found", slackapi.CodeSignIn}, e.Code))
}
