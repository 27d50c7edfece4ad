// Package console is the operator's console: pages for a browser on what the operator's commands show and do,
// with the same functions and the same words.
//
// It promises that nobody is shown more than a page that asks for the operator's token who has not given it; that
// what the console changes is told to [Options.OnChange]; and that what it keeps is bounded: sessions, jobs, streams,
// and what became of the newest attempts. It keeps nothing on disk.
//
// guard.go says who is let in, job.go has the work that takes long, chart.go the charts; each of the other files is
// a group of pages.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"slackmcp/internal/page"
	"slackmcp/mcp"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/transport"
	"slackmcp/mcp/visibility"
	"slackmcp/server/metrics"
	"slackmcp/server/operate"
	"slackmcp/server/web"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/operator"
)

// Base is where the console is served.
const Base = "/console"

//go:embed templates/*.html
var templates embed.FS

//go:embed console.css
var files embed.FS

// Options are what the console shows and changes. A nil part has a page that says so.
type Options struct {
	// Token opens the console. Without one it is closed.
	Token string
	// Hosts are the Host headers by which it may be reached from beyond this machine.
	Hosts []string
	// HTTPS says that browsers reach it over HTTPS alone.
	HTTPS bool
	// Health reports how the server is. Required.
	Health func(context.Context) web.Report
	// Store is what the operator's commands work on. Required.
	Store operator.Store
	// Watch tells of new events; nil where nothing does.
	Watch func(event.Filter) (changed <-chan struct{}, stop func())
	// Past is the last hour. Required.
	Past *metrics.Past
	// Settings are those in force, without secrets.
	Settings []Setting
	// Kept says in words what is kept for how long, and how large it is.
	Kept func(context.Context) []Setting
	// Backups are nil where the store lies in no files of this server.
	Backups Backups
	// Rules lists the rules in force.
	Rules func() []Rule
	Gaps  Gaps
	// Rejected lists the deliveries that were refused and are kept, the newest first; nil where none is received.
	Rejected func() []webhook.Rejected
	// Subscriptions returns the webhook subscriptions, or why there are none.
	Subscriptions func() (*notify.Notifier, error)
	// Assistants returns what assistants have open; nil without an MCP side.
	Assistants func() (transport.Stats, []transport.Held)
	// Told lists what assistants were told of an event; nil without an MCP side.
	Told   func(*event.Event) []mcp.Told
	People People
	// Trace is the id of an event's trace. Required.
	Trace func(source, id string) string
	// OnChange is called after each change, and OnSession when a session begins, ends or is refused. Required.
	OnChange  func(context.Context, Change)
	OnSession func(context.Context, Session)
	// Client is the address of a request's client. Required.
	Client func(*http.Request) netip.Addr
	// Redact takes secrets out of each text that the pages show. Required.
	Redact func(text string) string
	// Logger receives what an operator should know. Required.
	Logger *slog.Logger
}

// A Setting is a value with where it came from.
type Setting struct{ Section, Key, Value, Origin, Help string }

// A Rule is a rule of the rules file.
type Rule struct {
	Name, Does, Group string
	// Refusing says since when its target refuses; zero while it does not.
	Refusing time.Time
}

// Gaps are the times in which events may have been missed.
type Gaps interface {
	List(ctx context.Context) ([]gaps.Gap, error)
	// Fill fills one and sends it after each channel.
	Fill(ctx context.Context, id string, send func(gaps.Gap) error) error
}

// People are those who have signed in.
type People interface {
	List(ctx context.Context, fn func(operate.Person) error) error
	Show(ctx context.Context, person string) (operate.PersonDetail, error)
	SignOut(ctx context.Context, what string) (operate.SignedOut, error)
	// Explain says why a person sees an event or not.
	Explain(ctx context.Context, person, source, id string) (visibility.Explanation, error)
}

// A Change is something that was changed by the console.
type Change struct {
	// Who is the session, Address and RequestID are those of its request.
	Who, Address, RequestID string
	Operation, Target       string
	Count                   int
	Err                     error
}

// A Session is something that happened to a session.
type Session struct {
	Who, Address, RequestID string
	// Reason is "" for one that began; else why it ended, or was refused.
	Reason  string
	Refused bool
}

// A Console serves the pages. It is safe for concurrent use; Run is called once.
type Console struct {
	opt      Options
	site     *page.Site
	handler  http.Handler
	sessions sessions
	jobs     jobs
	live     page.Live
	trail    trail
	ended    chan struct{} // closed when Run ends: what is open then ends
}

// New makes a console. Its error is a defect of the templates.
func New(o Options) (*Console, error) {
	c := &Console{opt: o, ended: make(chan struct{})}
	c.sessions.token, c.sessions.now = o.Token, time.Now
	c.jobs.console = c
	built, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.site, err = page.New(page.Options{
		Name: "Operator's console", Base: Base, Cookie: "console_form", Nav: navigation, Styles: []string{"console.css"},
		Files: files, Templates: built, Funcs: template.FuncMap{"ago": ago, "stamp": stamp, "number": number, "join": strings.Join, "cut": c.shown},
		Redact: o.Redact,
	})
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.handler = c.routes()
	return c, nil
}

var navigation = []page.Link{
	{Text: "Health", Path: "/"},
	{Text: "Events", Path: "/events"},
	{Text: "Refused", Path: "/deliveries"},
	{Text: "Groups", Path: "/groups"},
	{Text: "Dead letters", Path: "/dead-letters"},
	{Text: "Rules", Path: "/rules"},
	{Text: "Gaps", Path: "/gaps"},
	{Text: "Subscriptions", Path: "/subscriptions"},
	{Text: "Assistants", Path: "/assistants"},
	{Text: "People", Path: "/people"},
	{Text: "Settings", Path: "/settings"},
}

// Paths are where the console is to be served.
func (*Console) Paths() []string { return []string{Base, Base + "/*"} }

// ServeHTTP serves the console.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.handler.ServeHTTP(w, r)
}

// routes are all pages and changes.
func (c *Console) routes() http.Handler {
	pages := http.NewServeMux()
	c.page(pages, "/{$}", "Health", "health", c.health)
	c.page(pages, "/events", "Events", "events", c.events)
	c.page(pages, "/events/show", "One event", "event", c.event)
	c.page(pages, "/deliveries", "Refused deliveries", "deliveries", c.deliveries)
	c.page(pages, "/deliveries/show", "One refused delivery", "delivery", c.delivery)
	c.page(pages, "/groups", "Groups", "groups", c.groups)
	c.page(pages, "/groups/drop", "Drop a group", "group", func(r *http.Request) (any, error) { return c.group(r.Context(), r.FormValue("group")) })
	c.page(pages, "/dead-letters", "Dead letters", "letters", c.letters)
	c.page(pages, "/dead-letters/show", "One dead letter", "letter", c.letter)
	c.page(pages, "/rules", "Rules", "rules", c.rules)
	c.page(pages, "/gaps", "Gaps", "gaps", c.gaps)
	c.page(pages, "/subscriptions", "Subscriptions", "subscriptions", c.subscriptions)
	c.page(pages, "/subscriptions/show", "One subscription", "subscription", c.subscription)
	c.page(pages, "/assistants", "Assistants", "assistants", c.assistants)
	c.page(pages, "/people", "People", "people", c.people)
	c.page(pages, "/people/show", "One person", "person", c.person)
	c.page(pages, "/settings", "Settings", "settings", c.settings)
	pages.HandleFunc("GET "+Base+"/jobs", c.showJobs)
	pages.HandleFunc("GET "+Base+"/live", c.stream)

	c.change(pages, "/dead-letters/redrive", c.redrive)
	c.change(pages, "/dead-letters/drop", c.drop)
	c.change(pages, "/events/replay", c.replay)
	c.change(pages, "/events/replay-all", c.replayAll)
	c.change(pages, "/groups/drop", c.dropGroup)
	c.change(pages, "/gaps/fill", c.fill)
	c.change(pages, "/subscriptions/change", c.changeSubscription)
	c.change(pages, "/people/sign-out", c.signOutPerson)
	c.change(pages, "/store/backup", c.backUp)
	c.change(pages, "/store/verify", c.verify)
	c.change(pages, "/jobs/stop", c.stopJob)
	pages.HandleFunc("POST "+Base+"/sign-out", c.signOut)

	open := http.NewServeMux()
	open.HandleFunc("GET "+Base+"/sign-in", c.signInPage)
	open.HandleFunc("POST "+Base+"/sign-in", c.signIn)
	open.Handle(Base+"/", c.signedIn(pages))
	open.HandleFunc(Base, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, Base+"/", http.StatusSeeOther) })
	return c.guard(c.site.Guard(open))
}

// A view is what every page has.
type view struct {
	// Here is the address of the page, for its live part, and On what makes that come anew.
	Here, On string
	Jobs     []jobView
	Data     any
}

// liveOn says what makes a page's part come anew.
var liveOn = map[string]string{
	"health": "figures", "events": "events", "deliveries": "slow", "groups": "figures", "letters": "jobs", "rules": "figures", "gaps": "jobs",
	"subscriptions": "slow", "assistants": "figures", "people": "slow", "settings": "jobs",
}

// page adds a page: its template of a name, and the part of it that is live.
func (c *Console) page(mux *http.ServeMux, path, title, name string, read func(*http.Request) (any, error)) {
	mux.HandleFunc("GET "+Base+path, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTime)
		defer cancel()
		data, err := read(r.WithContext(ctx))
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		query := r.URL.Query()
		part := query.Has("part")
		query.Set("part", "1")
		v := view{Here: r.URL.Path + "?" + query.Encode(), On: liveOn[name], Data: data}
		if part && v.On != "" {
			c.site.Part(w, r, name+".part", v)
			return
		}
		v.Jobs = c.jobs.list()
		c.site.Page(w, r, http.StatusOK, title, name, v)
	})
}

const (
	// pageTime bounds what a page waits for the store.
	pageTime = 10 * time.Second
	// changeTime bounds a change that is done before it is answered.
	changeTime = 30 * time.Second
)

// change adds a change, which says to which page its form goes back.
func (c *Console) change(mux *http.ServeMux, path string, do func(*http.Request) (back string, err error)) {
	mux.HandleFunc("POST "+Base+path, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), changeTime)
		defer cancel()
		back, err := do(r.WithContext(ctx))
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		c.live.Changed("figures", "jobs", "slow")
		c.site.Done(w, r, back)
	})
}

// A problem is what is wrong with a request, and what helps.
type problem struct{ what, remedy string }

// Error implements error.
func (p problem) Error() string { return p.what + " " + p.remedy }

// refuse says why something is not shown, or not done.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[problem](err)
	status := http.StatusBadRequest
	switch {
	case ok:
	case errors.Is(err, event.ErrNotFound), errors.Is(err, operator.ErrNoGroup):
		status, p = http.StatusNotFound, problem{err.Error() + ".", "It may have been removed: look at the list."}
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		status, p = http.StatusRequestTimeout, problem{"The page was left before this was ready.", ""} // Nobody reads it.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, event.ErrBusy):
		status, p = http.StatusServiceUnavailable, problem{"This takes longer than it may: " + err.Error() + ".", "Try again, or look at Health."}
	default:
		status, p = http.StatusInternalServerError, problem{err.Error() + ".", ""}
	}
	c.site.Refuse(w, r, status, p.what, p.remedy)
}

// Run looks at what the pages show while somebody is signed in, and tells the pages what changed. When ctx ends it
// ends what is open, and waits for the jobs.
func (c *Console) Run(ctx context.Context) error {
	defer c.jobs.end()
	defer close(c.ended)
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { _ = c.opt.Past.Run(ctx) }) // it ends with ctx alone
	beside.Go(func() { c.tellEvents(ctx) })
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		c.live.Changed("figures")
		if n%slowEvery == 0 {
			c.live.Changed("slow")
		}
	}
}

const (
	// figuresEvery is how often open pages read their figures again; slowEvery of these are for what costs more.
	figuresEvery = 2 * time.Second
	slowEvery    = 5
)

// tellEvents tells the pages of new events.
func (c *Console) tellEvents(ctx context.Context) {
	if c.opt.Watch == nil {
		return
	}
	changed, stop := c.opt.Watch(event.Filter{})
	defer stop()
	for {
		select {
		case <-changed:
			c.live.Changed("events")
		case <-ctx.Done():
			return
		}
		select { // a flood of events is shown twice a second
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// stream tells a page what changes, until its session ends.
func (c *Console) stream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-c.ended:
		case <-sessionOf(r).ended:
		case <-ctx.Done():
		}
		cancel()
	}()
	c.live.ServeHTTP(w, r.WithContext(ctx))
}
