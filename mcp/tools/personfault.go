package tools

import (
	"errors"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// What is said to a person where the words for services would name the wrong side.
const (
	// signInAgain is said of a grant that does not hold any more.
	signInAgain = "sign_in_again: Slack does not let this server act as the user any more, so nothing was done. Tell the user to connect the client to this server anew: it leads them to Slack, where they allow it. Trying again will not help before."
	notNow      = "temporarily_unavailable: whether the user has signed in cannot be found out now. Nothing was done; try again in a minute."
	notAllowed  = "The user has not allowed this server so much in Slack. Nothing was done. Tell the user to connect the client to this server anew and to allow it; trying again will not help before."
	notSeen     = "It is not there, or the user cannot see it. Check the id. Find channels with slack_list_channels, users with slack_search_users."
)

// personRemedies and personRemedyByCode are what differs from remedies and remedyByCode for a person.
var (
	personRemedies = map[slackapi.Kind]string{
		slackapi.NotFound:     notSeen,
		slackapi.NotInChannel: "The user is not in the channel. Join a public one with slack_join_channel; into a private one a member has to invite them.",
		slackapi.MissingScope: notAllowed,
		slackapi.Forbidden:    "Slack does not allow this to the user. Do not try again; tell them.",
	}
	personRemedyByCode = map[string]string{
		"channel_not_found":   "There is no such channel, or the user cannot see it. Check the id with slack_list_channels.",
		"not_in_channel":      "The user is not in the channel. Join a public one with slack_join_channel; into a private one a member has to invite them.",
		"cant_update_message": "Only the user's own messages can be changed.",
		"cant_delete_message": "Only the user's own messages can be deleted.",
		"restricted_action":   "The workspace's settings do not allow this to the user. Tell them.",
		"not_visible":         "The user may not see the file.",
	}
)

// FaultFor is [Fault] in the words for a caller: what services are told of the bot, a person is told of
// themselves.
func FaultFor(p *access.Principal, err error) string {
	if _, person := p.SignIn(); person {
		return personFault(err)
	}
	return Fault(err)
}

// fault is the words for the kit's callers.
func (k *kit) fault(err error) string {
	if k.person {
		return personFault(err)
	}
	return Fault(err)
}

func personFault(err error) string {
	var slack *slackapi.Error
	var said fault
	unsure := errors.As(err, &said) || errors.As(err, &slack) && slack.Kind == slackapi.Ambiguous // something may have been done
	switch {
	case errors.Is(err, access.ErrRevoked) && !unsure:
		return signInAgain
	case errors.Is(err, access.ErrUnavailable):
		return notNow
	case !errors.As(err, &slack):
		return toolset.Theirs.Replace(Fault(err))
	case slack.Kind == slackapi.Auth:
		return signInAgain
	case slack.Code == slackapi.CodeNoPersonsToken:
		return notNow
	}
	remedy, ok := personRemedyByCode[slack.Code]
	if _, known := remedyByCode[slack.Code]; !ok && !known {
		remedy, ok = personRemedies[slack.Kind]
	}
	if !ok || slack.Kind == slackapi.Ambiguous {
		return toolset.Theirs.Replace(slackFault(slack))
	}
	return slackWords(slack, remedy)
}
