package checkup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/config"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
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
	items := slices.Concat(o.slack(ctx), o.appToken(ctx), o.signIn(ctx))
	if o.Config.Mode.Webhook() {
		items = append(items, within(ctx, o.store))
		items = append(items, o.roundTrips(ctx)...)
	}
	return append(items, o.dates.item())
}

// Tokens asks Slack about the tokens alone, before there is a server. It may be called once, in Run's place.
func (o *Online) Tokens(ctx context.Context) []Item {
	defer o.dates.close()
	return slices.Concat(o.slack(ctx), o.appToken(ctx))
}

// slack asks who the tokens are, and holds their scopes against the chosen tools.
func (o *Online) slack(ctx context.Context) []Item {
	c := o.Config
	alone := c.Slack.UserAlone() && c.Mode.MCP()
	if !c.Slack.BotToken.IsSet() && !alone {
		return []Item{{Name: "bot token", Status: OK, Found: "none is set, and this mode needs none"}}
	}
	client, err := newClient(c, &o.dates)
	if err != nil {
		return []Item{{Name: "bot token", Status: Failed, Found: err.Error(), Remedy: "correct the setting"}}
	}
	which, key, page := "bot token", "SLACK_BOT_TOKEN", "Bot User OAuth Token"
	if alone {
		which, key, page = "user token", "SLACK_USER_TOKEN", "User OAuth Token"
	}
	first, scopes, answered := identity(ctx, which, key, page, client)
	items := []Item{first}
	g := toolset.Grant{Known: answered, Bot: scopes, HasUser: client.HasUserToken(), Alone: alone}
	switch {
	case alone:
		g.Bot, g.User = nil, scopes
	case g.HasUser:
		user, scopes, ok := identity(ctx, "user token", "SLACK_USER_TOKEN", "User OAuth Token", client.AsUser())
		items = append(items, user)
		g.User, g.HasUser = scopes, ok
	}
	if !c.Mode.MCP() {
		return items
	}
	if !answered {
		return append(items, Item{"tools", Warning, "not compared with the scopes, which Slack did not send", "mend the check of the " + which + " first"})
	}
	items = append(items, o.tools(g)...)
	if c.MCP.Lockdown != config.LockdownOff && !slices.Contains(scopes, usersRead) {
		items = append(items, Item{"lockdown", Warning, "without " + usersRead + " no author can be looked up: in shared conversations colleagues are withheld, too", "add the scope under OAuth & Permissions, and install the app again"})
	}
	return items
}

// usersRead is the scope of users.info.
const usersRead = "users:read"

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

// How far the clock may be off. Slack's signatures are refused at five minutes.
const (
	clockWarning = time.Minute
	clockFailure = 5 * time.Minute
)

// dates carries requests to Slack and remembers what its answers say of the time. The
// zero value is ready to use.
type dates struct {
	mu    sync.Mutex
	base  *http.Transport
	known bool
	ahead time.Duration // of the local clock
	whose string
}

// RoundTrip makes the request.
func (d *dates) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.transport().RoundTrip(r)
	if err == nil {
		if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			d.heard("Slack", at)
		}
	}
	return response, err
}

func (d *dates) transport() *http.Transport {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.base == nil {
		d.base = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: Limit, MaxResponseHeaderBytes: 64 << 10}
	}
	return d.base
}

func (d *dates) close() { d.transport().CloseIdleConnections() }

// heard notes the first clock that was read; Slack is asked first.
func (d *dates) heard(whose string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known || at.IsZero() {
		return
	}
	d.known, d.whose, d.ahead = true, whose, time.Since(at.Add(500*time.Millisecond)) // a Date has whole seconds
}

// item compares the clocks.
func (d *dates) item() Item {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known {
		return Item{"clock", Warning, "not compared: no server answered with the time", "mend the checks above first"}
	}
	off, way := d.ahead.Round(time.Second), "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	found := fmt.Sprintf("%s %s %s's", off, way, d.whose)
	remedy := "set this machine's clock by NTP: signatures whose time is off by TIMESTAMP_TOLERANCE are refused"
	switch {
	case off > clockFailure:
		return Item{"clock", Failed, found, remedy}
	case off > clockWarning:
		return Item{"clock", Warning, found, remedy}
	}
	return Item{Name: "clock", Status: OK, Found: found}
}
