package checkup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// slack asks who the tokens are, and holds their scopes against the chosen tools.
func (o *Online) slack(ctx context.Context) []Item {
	c := o.Config
	if !c.Slack.BotToken.IsSet() {
		return []Item{{Name: "bot token", Status: OK, Found: "none is set, and this mode needs none"}}
	}
	client, err := newClient(c, &o.dates)
	if err != nil {
		return []Item{{Name: "bot token", Status: Failed, Found: err.Error(), Remedy: "correct the setting"}}
	}
	bot, scopes, answered := identity(ctx, "bot token", "SLACK_BOT_TOKEN", "Bot User OAuth Token", client)
	items := []Item{bot}
	g := toolset.Grant{Known: answered, Bot: scopes, HasUser: client.HasUserToken()}
	if g.HasUser {
		user, scopes, ok := identity(ctx, "user token", "SLACK_USER_TOKEN", "User OAuth Token", client.AsUser())
		items = append(items, user)
		g.User, g.HasUser = scopes, ok
	}
	if !c.Mode.MCP() {
		return items
	}
	if !answered {
		return append(items, Item{"tools", Warning, "not compared with the scopes, which Slack did not tell", "mend the bot token's check first"})
	}
	return append(items, o.tools(g)...)
}

// identity asks who a token is.
func identity(ctx context.Context, name, key, page string, client *slackapi.Client) (_ Item, scopes []string, ok bool) {
	type answer struct {
		slackapi.Identity
		err error
	}
	a := within(ctx, func(ctx context.Context) answer {
		id, err := client.AuthTest(ctx)
		return answer{id, err}
	})
	if a.err == nil {
		found := fmt.Sprintf("team %s (%s), user %s (%s), scopes %s", plain.Text(a.Team), plain.Text(a.TeamID), plain.Text(a.User), plain.Text(a.UserID), plain.Text(strings.Join(a.Scopes, ",")))
		return Item{Name: name, Status: OK, Found: found}, a.Scopes, true
	}
	fault, is := errors.AsType[*slackapi.Error](a.err)
	switch {
	case is && fault.Kind == slackapi.Auth:
		return Item{name, Failed, "Slack refuses the token (" + plain.Text(fault.Code) + ")", "install the app to the workspace again and copy its " + page + " to " + key}, nil, false
	case is && fault.Kind == slackapi.RateLimited:
		return Item{name, Failed, plain.Text(a.err.Error()), "try again in a minute"}, nil, false
	}
	return Item{name, Failed, "Slack is out of reach: " + plain.Text(a.err.Error()), "check the network, its proxy, and SLACK_API_URL"}, nil, false
}

// tools has a line for each tool that stays hidden.
func (o *Online) tools(g toolset.Grant) []Item {
	list, err := offer(o.Config, choice(o.Config), g)
	if err != nil {
		return []Item{{"tools", Failed, err.Error(), "correct TOOLSETS and TOOLS"}}
	}
	var hidden []Item
	for _, t := range list {
		if t.Missing == nil {
			continue
		}
		remedy := "add the scope under OAuth & Permissions, and install the app again"
		if strings.HasPrefix(t.Missing[0], userPrefix) && !g.HasUser {
			remedy = "set SLACK_USER_TOKEN to a user token with the scope"
		}
		hidden = append(hidden, Item{"tool " + t.Tool, Warning, "hidden: lacks " + needs(t.Missing), remedy})
	}
	shown := Item{Name: "tools", Status: OK, Found: fmt.Sprintf("%d of the %d chosen are offered", len(list)-len(hidden), len(list))}
	return append([]Item{shown}, hidden...)
}

// userPrefix is how a Grant marks the scopes of a user token.
const userPrefix = "user token: "

// needs writes scopes as a sentence has them.
func needs(missing []string) string {
	list := make([]string, len(missing))
	for i, m := range missing {
		if scope, ok := strings.CutPrefix(m, userPrefix); ok {
			m = scope + " of a user token"
		}
		list[i] = strings.ReplaceAll(m, "|", " or ")
	}
	return strings.Join(list, ", ")
}
