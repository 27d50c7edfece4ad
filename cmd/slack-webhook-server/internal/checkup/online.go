package checkup

import (
	"context"

	"slackmcp/config"
)

// An Online check asks what a server with this configuration depends on.
type Online struct {
	Config config.Config
	// URL is how Slack reaches the server, with or without /slack/events; empty is the
	// configuration's public URL.
	URL string

	dates dates
}

// Run asks one after the other. It may be called once.
func (o *Online) Run(ctx context.Context) []Item {
	if o.Config.Sandbox {
		return []Item{{Name: "sandbox", Status: OK, Found: "nothing to check online: the workspace is inside the server"}}
	}
	defer o.dates.close()
	items := append(o.slack(ctx), o.appToken(ctx)...)
	if o.Config.Mode.Webhook() {
		items = append(items, within(ctx, o.store))
		items = append(items, o.roundTrips(ctx)...)
	}
	return append(items, o.dates.item())
}
