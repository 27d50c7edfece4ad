package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/signin/slack"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/sqlite"
	"slackmcp/test/internal/driver"
)

// What it may add, at the 95th percentile, that people see what they may see: to an update, and to a page of events.
const (
	aimUpdate = 2 * time.Millisecond
	aimPage   = 5 * time.Millisecond
)

// rooms is how many private channels there are in which something is said; there is one more, in which nothing is.
func (s settings) rooms() int { return max(3, s.sessions/50) }

// room is the channel of a session.
func (s settings) room(session int) int { return session % (s.rooms() + 1) }

// A workspace is a Slack with private channels, whose members have signed in.
type workspace struct {
	dir    string // of what is kept of them
	env    []string
	tokens []string // of each person
	stop   func()
}

// openWorkspace makes a workspace for the sessions, each of which is another person's, and signs all of them in.
func (s settings) openWorkspace(ctx context.Context) (w *workspace, err error) {
	w = &workspace{}
	if w.dir, err = os.MkdirTemp("", "fanout"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w.stop = func() {
		cancel()
		_ = os.RemoveAll(w.dir)
	}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	box, err := sandbox.New(sandbox.Options{Workspace: s.people(), RedirectURLs: []string{redirect}})
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	base := "http://" + l.Addr().String()
	go func() { _ = box.Serve(ctx, l) }()
	keys := filepath.Join(w.dir, "identity.keys")
	if err := seal.Create(keys); err != nil {
		return nil, err
	}
	w.env = []string{
		"SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken, "SLACK_API_URL=" + base + "/api/", "SLACK_CLIENT_ID=" + sandbox.DefaultClientID,
		"SLACK_CLIENT_SECRET=" + sandbox.DefaultClientSecret, "SIGN_IN_TEAMS=" + sandbox.Team, "PUBLIC_URL=http://127.0.0.1:{port}",
		"IDENTITY_KEYS_FILE=" + keys, "SIGN_IN_SCOPES=read,events",
	}
	return w, w.signIn(ctx, base, keys, s.sessions)
}

func person(i int) string { return fmt.Sprintf("U0FANOUT%05d", i) }

// people are a workspace in which each person is in one private channel.
func (s settings) people() *sandbox.Workspace {
	w := &sandbox.Workspace{}
	for i := range s.rooms() + 1 {
		w.Channels = append(w.Channels, sandbox.FileChannel{
			ID: driver.Channel(i), Name: fmt.Sprintf("room-%d", i), Type: "private_channel", Members: []string{sandbox.BotUser},
		})
	}
	for i := range s.sessions {
		w.People = append(w.People, sandbox.FilePerson{ID: person(i), Name: strings.ToLower(person(i))})
		c := &w.Channels[s.room(i)]
		c.Members = append(c.Members, person(i))
	}
	return w
}

// redirect is where Slack sends browsers back to; nobody listens there.
const redirect = "http://127.0.0.1:9" + signin.CallbackPath

// signIn writes what is kept of so many people who have signed in, in the store of a server that does not run yet.
func (w *workspace) signIn(ctx context.Context, base, keysFile string, people int) (err error) {
	keys, err := seal.Load(keysFile, w.data())
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: w.data()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	// Slack's rates would make it ten minutes for 1,000 people.
	app, err := slackapi.NewApp(slackapi.AppOptions{
		ClientID: sandbox.DefaultClientID, ClientSecret: sandbox.DefaultClientSecret, URL: base + "/api/", Pace: 10_000,
	})
	if err != nil {
		return err
	}
	signIns, err := rows.New(rows.Options{State: store.State(), Keys: keys})
	if err != nil {
		return err
	}
	side, err := slack.New(slack.Options{
		App: app, ClientID: sandbox.DefaultClientID, AuthorizeURL: base + "/oauth/v2/authorize", Host: "127.0.0.1", Redirect: redirect,
		Teams: []string{sandbox.Team}, State: store.State(), Keys: keys,
	})
	if err != nil {
		return err
	}
	for i := range people {
		token, err := signInOne(ctx, side, signIns, person(i))
		if err != nil {
			return fmt.Errorf("sign %s in: %w", person(i), err)
		}
		w.tokens = append(w.tokens, token)
	}
	return nil
}

func (w *workspace) data() string { return filepath.Join(w.dir, "data") }

// signInOne lets a person allow the app at Slack, and returns the token of their client.
func signInOne(ctx context.Context, side *slack.Side, signIns *rows.SignIns, user string) (token string, err error) {
	scopes := []access.Scope{access.Read, access.Events}
	page, err := side.Start("state", scopes)
	if err != nil {
		return "", err
	}
	to, form, _ := strings.Cut(page, "?")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form+"&answer=allow&user="+user))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := stay.Do(req)
	if err != nil {
		return "", err
	}
	_ = res.Body.Close()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	account, err := side.Finish(ctx, back.Query().Get("code"), func(context.Context, signin.Account) error { return nil })
	if err != nil {
		return "", err
	}
	code, err := signIns.NewCode(ctx, rows.Code{Client: "fanout", ClientName: "fanout", Account: account, Scopes: scopes})
	if err != nil {
		return "", err
	}
	given, err := signIns.Exchange(ctx, code, func(rows.Code) error { return nil })
	return given.Access, err
}

// warm waits until it is known who is in which channel, which takes some while at a fifth of Slack's rates.
func (s settings) warm(ctx context.Context, p *driver.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute) // of a run whose people are never known
	defer cancel()
	const members, people = "slack_webhook_server_visibility_members", "slack_webhook_server_visibility_people"
	for {
		inRooms, err := p.Metric(ctx, members)
		if err != nil {
			return err
		}
		known, err := p.Metric(ctx, people)
		if err != nil {
			return err
		}
		if int(inRooms) >= s.sessions+s.rooms()+1 && int(known) >= s.sessions {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%v memberships and %v people are known: %w", inRooms, known, ctx.Err())
		}
	}
}

// pages are how long a page of the newest events took, for a service and for people, sorted.
type pages struct{ service, people []time.Duration }

// channelOf finds every id of a channel.
var channelOf = regexp.MustCompile(`\bC0000[0-9]{4}\b`)

// How many people list events, and how often: as many as Slack tells the name of a channel to at once.
const (
	readers   = 20
	readTimes = 20
)

// read lists events, for a service and for people in turn, and looks at whose events people are shown. What
// each is answered first is not timed: a person's own names are asked for then.
func (s settings) read(ctx context.Context, p *driver.Process, w *workspace) (found pages, err error) {
	web := &http.Client{}
	defer web.CloseIdleConnections()
	times := readTimes
	if s.short {
		times = 3
	}
	for n := range times * readers {
		one := (s.rooms() + n%readers) % s.sessions // the first is of the channel in which nothing is said
		service, _, err := list(ctx, web, p, driver.Client{})
		if err != nil {
			return pages{}, err
		}
		person, said, err := list(ctx, web, p, driver.Client{Token: w.tokens[one]})
		if err == nil {
			err = s.mayBeShown(one, said)
		}
		if err != nil {
			return pages{}, err
		}
		if n >= readers {
			found.service, found.people = append(found.service, service), append(found.people, person)
		}
	}
	slices.Sort(found.service)
	slices.Sort(found.people)
	return found, nil
}

// list lists the newest events.
func list(ctx context.Context, web *http.Client, p *driver.Process, who driver.Client) (took time.Duration, said []byte, err error) {
	began := time.Now()
	said, err = who.Call(ctx, web, p, "tools/call", "slack_list_events", `"name":"slack_list_events","arguments":{"limit":20}`)
	return time.Since(began), said, err
}

// mayBeShown is an error where a person was shown an event of another channel than theirs, or none of theirs.
func (s settings) mayBeShown(one int, said []byte) error {
	own := driver.Channel(s.room(one))
	shown := channelOf.FindAll(said, -1)
	if (len(shown) == 0) != (s.room(one) == s.rooms()) {
		return fmt.Errorf("a person of %s is shown %d channels: %s", own, len(shown), said)
	}
	for _, id := range shown {
		if string(id) != own {
			return fmt.Errorf("a person of %s is shown an event of %s", own, id)
		}
	}
	return nil
}

// beside writes what it costs that people see what they may see, beside services that follow the same channels.
func (s settings) beside(out io.Writer, services, people idle) error {
	_, _ = fmt.Fprintf(out, "\n| %s | services | people | ratio | added |\n|---|---:|---:|---:|---:|\n", people.era)
	row := func(what string, a, b time.Duration) (added time.Duration) {
		_, _ = fmt.Fprintf(out, "| %s | %s | %s | %.2f | %s |\n", what, round(a), round(b), ratio(float64(a), float64(b)), round(b-a))
		return b - a
	}
	row("an update, p50", services.told.at(50), people.told.at(50))
	update := row("an update, p95", services.told.at(95), people.told.at(95))
	row("an update, p99", services.told.at(99), people.told.at(99))
	service, person := verdict{latencies: people.read.service}, verdict{latencies: people.read.people}
	row("slack_list_events, 20 events, p50", service.at(50), person.at(50))
	page := row("slack_list_events, 20 events, p95", service.at(95), person.at(95))
	row("CPU while events came", services.cpu, people.cpu)
	_, _ = fmt.Fprintf(out, "| memory at its peak | %.0f MiB | %.0f MiB | %.2f | %.0f MiB |\n", services.peak, people.peak, people.peak/services.peak, people.peak-services.peak)
	switch {
	case s.short:
	case update > aimUpdate:
		return fmt.Errorf("an update to people takes %s more at p95, the aim is at most %s", round(update), aimUpdate)
	case page > aimPage:
		return fmt.Errorf("a page of people's events takes %s more at p95, the aim is at most %s", round(page), aimPage)
	}
	return nil
}

// ratio is b in a; of nothing it is 1.
func ratio(a, b float64) float64 {
	if a <= 0 {
		return 1
	}
	return b / a
}
