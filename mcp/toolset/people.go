package toolset

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

// personNeeds are the scopes of Slack that the tool needs of a person's token.
func (t *Tool) personNeeds() []string {
	for _, needs := range [][]string{t.PersonNeeds, t.UserNeeds} {
		if len(needs) > 0 {
			return needs
		}
	}
	return t.Needs
}

// Theirs says of the user what a text for services says of the bot.
var Theirs = strings.NewReplacer(
	"the owner of the user token", "the user", "The bot's", "The user's", "the bot's", "the user's",
	"the bot itself", "the user", "The bot", "The user", "the bot", "the user",
)

// forPerson is the tool as tools/list shows it to a person.
func (t *Tool) forPerson() mcp.Tool {
	shown := t.protocol()
	shown.Description = cmp.Or(t.PersonDescription, Theirs.Replace(t.Description))
	shown.RawInputSchema = json.RawMessage(Theirs.Replace(string(t.InputSchema)))
	shown.RawOutputSchema = json.RawMessage(Theirs.Replace(string(t.OutputSchema)))
	return shown
}

// A PersonError says that a tool is not for a person who called it. Its text is for the model.
type PersonError struct{ text string }

// Error returns the words.
func (e *PersonError) Error() string { return e.text }

// NotForPeople refuses a tool that serves services only, or on a server that acts as nobody.
func (t *Tool) NotForPeople() error {
	if t.For != ServiceOnly {
		return &PersonError{"not_for_people: " + t.Name + " does not serve people who have signed in, because this server has not been set up to act as them. Tell the user."}
	}
	return &PersonError{"not_for_people: " + t.Name + " is not for people who have signed in: it needs " + t.Why + ". Tell the user."}
}

// NotGiven returns the scope that the tool needs and that a person has not given to the client; "" is none. What
// the bot does for a person needs no second one.
func (t *Tool) NotGiven(p *access.Principal) access.Scope {
	switch {
	case !p.PersonMay(t.Scope):
		return t.Scope
	case t.For == AsPerson && t.And != "" && !p.PersonMay(t.And):
		return t.And
	}
	return ""
}

// notGiven refuses a tool whose scope the person has not given to the client, or may not give.
func (t *Tool) notGiven(scope access.Scope) error {
	return &PersonError{"insufficient_scope: " + t.Name + " needs the scope " + string(scope) +
		", which the user has not given to this client. Nothing was done. Tell the user: to allow it, connect the client to this server anew and leave the box for " +
		string(scope) + " ticked; where there is none, the operator does not allow it"}
}

// notGranted refuses a tool for which the person's grant in Slack is too small.
func (t *Tool) notGranted(missing []string) error {
	return &PersonError{"missing_scope: " + t.Name + " needs what the user has not allowed this server in Slack: " + strings.Join(missing, ", ") +
		". Nothing was done. Tell the user to connect the client to this server anew and to allow it"}
}
