package checkup

import (
	"context"
	"errors"
	"fmt"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/slackapi"
)

// whereFrom says where an app token comes from.
const whereFrom = "at api.slack.com/apps, Basic Information, App-Level Tokens, make a token with connections:write and set SLACK_APP_TOKEN to it"

// appToken asks for the address of a Socket Mode connection, and opens none: the address
// is let go unused. A token that this server would not use is no reason to fail.
func (o *Online) appToken(ctx context.Context) []Item {
	s := o.Config.Slack
	if !s.AppToken.IsSet() {
		return nil
	}
	client, err := slackapi.New(slackapi.Options{
		AppToken: s.AppToken.Reveal(), URL: s.APIURL, Timeout: Limit, AttemptTimeout: Limit, Transport: &o.dates,
	})
	if err == nil {
		err = within(ctx, func(ctx context.Context) error {
			_, err := client.OpenConnection(ctx)
			return err
		})
	}
	used := s.SocketMode && o.Config.Receives()
	item := Item{Name: "app token", Status: OK, Found: "Slack would open a Socket Mode connection; none was opened"}
	if err != nil {
		item.Status = Failed
		item.Found, item.Remedy = refusedConnection(err)
	}
	if !used {
		item.Found += "; without --socket-mode the token is not used"
		if err != nil {
			item.Status = Warning
		}
	}
	return []Item{item}
}

// refusedConnection says why Slack gave no address, and what to do.
func refusedConnection(err error) (found, remedy string) {
	fault, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return plain.Text(err.Error()), whereFrom
	}
	switch fault.Kind {
	case slackapi.Auth:
		return fmt.Sprintf("Slack refuses the token (%s)", plain.Text(fault.Code)), whereFrom
	case slackapi.MissingScope:
		return "the token lacks the scope connections:write", whereFrom
	case slackapi.Forbidden:
		return fmt.Sprintf("Slack opens no connection (%s)", plain.Text(fault.Code)), "turn Socket Mode on at api.slack.com/apps, Socket Mode"
	case slackapi.RateLimited:
		return plain.Text(err.Error()), "try again in a minute"
	case slackapi.NotFound, slackapi.NotInChannel, slackapi.InvalidArgument, slackapi.Conflict, slackapi.TooLarge,
		slackapi.Unavailable, slackapi.Canceled, slackapi.Ambiguous, slackapi.Internal:
	}
	return "Slack is out of reach: " + plain.Text(err.Error()), "check the network, its proxy, and SLACK_API_URL"
}
