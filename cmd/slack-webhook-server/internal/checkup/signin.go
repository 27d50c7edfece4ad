package checkup

import (
	"context"
	"errors"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/signin"
	"slackmcp/slackapi"
)

// madeUp is a code of nobody's. Slack looks at the client's id and secret first, and then at the code.
const madeUp = "0.0.check"

// signIn asks Slack whether it takes the client id and secret, with a code that nobody has.
func (o *Online) signIn(ctx context.Context) []Item {
	c := o.Config
	if !c.SignIn.Enabled() {
		return nil
	}
	const name, where = "sign-in", "copy it from api.slack.com/apps, your app, Basic Information"
	app, err := slackapi.NewApp(slackapi.AppOptions{
		ClientID: c.SignIn.ClientID, ClientSecret: c.SignIn.ClientSecret.Reveal(), URL: c.Slack.APIURL, Timeout: Limit, Transport: &o.dates,
	})
	if err != nil {
		return []Item{{name, Failed, err.Error(), "correct the setting"}}
	}
	redirect := c.Listen.PublicURL + signin.CallbackPath
	err = within(ctx, func(ctx context.Context) error {
		_, err := app.Exchange(ctx, madeUp, redirect)
		return err
	})
	fault, _ := errors.AsType[*slackapi.Error](err)
	switch {
	case fault == nil:
		return []Item{{name, Failed, "what answers in Slack's place gives tokens for a code that nobody has", "correct SLACK_API_URL"}}
	case fault.Code == "invalid_client_id":
		return []Item{{name, Failed, "Slack knows no app of this SLACK_CLIENT_ID", where}}
	case fault.Code == "bad_client_secret":
		return []Item{{name, Failed, "Slack refuses SLACK_CLIENT_SECRET for this SLACK_CLIENT_ID", where}}
	case fault.Code == "bad_redirect_uri":
		return []Item{{name, Failed, "Slack does not know the redirect URL " + plain.Text(redirect), "add it under OAuth & Permissions, Redirect URLs, or print the app's manifest anew with manifest --sign-in"}}
	case fault.Code == "invalid_code":
		return []Item{{name, OK, "Slack takes client id and secret; the redirect URL " + plain.Text(redirect) + " and the user scopes show only when somebody signs in", ""}}
	}
	return []Item{{name, Warning, "Slack does not say whether it takes client id and secret (" + plain.Text(fault.Code) + ")", "try again, or sign in once"}}
}
