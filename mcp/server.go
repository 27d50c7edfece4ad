// Package mcp is the assistant's side: it composes the tools, the resources and the
// transport into one [Server], and notifies subscribed clients of each event that is
// received.
//
// It promises that what a caller may not use is neither listed nor reachable, that a
// received event is announced once it can be read and not before, and that Run returns
// when everything it started has ended. It is given the events and the Slack client;
// it neither receives events nor opens connections on its own.
package mcp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"golang.org/x/sync/errgroup"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/prompts"
	"slackmcp/mcp/resources"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
	"slackmcp/mcp/view"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// Options configure a [Server].
type Options struct {
	// Name and Version introduce the server to clients; "slack-webhook-server" and "dev"
	// when empty.
	Name, Version string
	// Events is the log of received events; nil leaves the events tools and resources
	// out.
	Events event.Log
	// Operator works the queue for callers with the admin scope; nil leaves the admin
	// tools out.
	Operator operator.Store
	// Slack makes the calls; nil leaves the tools and resources out that need it. A client that acts as
	// a person, because it has a user token alone, does so for every caller, and asks no questions.
	Slack *slackapi.Client
	// UserReads lets callers with the scope as-user, and the client of stdio, read with the user
	// token of Slack where the bot cannot see.
	UserReads bool
	// UserForScope lets the user token serve nobody else, whatever it is for.
	UserForScope bool
	// SpeakAsBot lets the bot answer events for people, and name them.
	SpeakAsBot bool
	// People makes the calls of those who have signed in; with nil no tool serves them. It needs Slack.
	People tools.People
	// Visibility decides which events those who have signed in see, and Cursors seals where they stand in
	// them; without either they see none.
	Visibility sight.Judge
	Cursors    cursor.Sealer
	// Look bounds how long a page of theirs is filled from behind what they may not see; 0 is [sight.Options]' own.
	Look time.Duration
	// Write bounds what the writing tools may do. Its Directory is set by New, and its Logger
	// where it is nil.
	Write guard.Options
	// Choice says which tools are offered.
	Choice toolset.Choice
	// Lockdown withholds the words of authors who are not known to be of the workspace, but for
	// those of the apps whose ids are LockdownApps.
	Lockdown     view.Lockdown
	LockdownApps []string
	// Posts remembers who wrote our own messages; nil remembers nothing, so that lockdown withholds
	// them all.
	Posts *view.Posts
	// TimeZone is the zone in which times are shown, and in which a time without a zone is meant; nil is
	// that of the user token's owner once it is known, and UTC where there is none.
	TimeZone *time.Location
	// MaxWaits bounds the calls that wait for events at once; 0 is 200.
	MaxWaits int
	// Names bounds how many names of Slack's are kept.
	Names names.Bounds
	// Push configures the extension by which events reach the assistant.
	Push Push
	// Gaps reads the times in which events may have been missed, as the caller may know them, for the
	// resource slack://gaps; nil leaves it out.
	Gaps func(ctx context.Context) (any, error)
	// Channel pushes events into the conversation of the client of stdio; nil is no channel.
	Channel *Channel
	// Questions keeps the questions that are asked with buttons, shared by all processes
	// that may receive the clicks on them; nil asks none.
	Questions state.Store
	// OnAsk is called before a question is posted: the clicks on it have to reach
	// [Server.Settle]. It must return at once. Nil is not called.
	OnAsk func()
	// Transport configures how clients connect. Subscribable is set by New.
	Transport transport.Options
	// Logger receives one line for each call; silent when nil.
	Logger *slog.Logger
	// OnEnterCall returns the context of a tool call that is about to begin; nil keeps
	// the request's.
	OnEnterCall func(ctx context.Context, tool string) context.Context
	// OnCall is called when a tool call has ended, with the context of OnEnterCall. Nil is
	// not called.
	OnCall func(ctx context.Context, o toolset.Outcome)
	// RequestID finds the id of the HTTP request that a call came by, for the log; nil
	// knows none.
	RequestID func(context.Context) string
}

// sight says how people see events.
func (o *Options) sight() sight.Options {
	return sight.Options{Judge: o.Visibility, Cursors: o.Cursors, Look: o.Look, Show: func(p access.Person, sees func(string) bool, e *event.Event) event.Event {
		return view.Seer{User: p.User, Sees: sees}.Event(e)
	}}
}

// A Server is the assistant's side of the process. It is safe for concurrent use.
type Server struct {
	events    event.Log     // whole, to announce what it gets; nil without events
	seen      *sight.Events // the same for those who read; nil without events
	judges    bool          // there may be people, who see some events only
	slack     *slackapi.Client
	log       *slog.Logger
	mcp       *server.MCPServer
	transport *transport.Transport
	tools     *toolset.Registry
	judge     *view.Judge
	of        tools.Of // the callers
	names     *names.Resolver
	acting    *acting
	guard     *guard.Guard // nil without Slack
	readOnly  bool
	asks      *ask.Questions // nil where none are asked
	resources *resources.Set
	webhooks  *notify.Notifier // nil where nothing is posted
	channel   *pushed          // nil unless the server is a channel
}

// New composes a server. It makes no request; [Server.Run] brings it to life.
func New(o Options) (*Server, error) {
	if o.Name == "" {
		o.Name = "slack-webhook-server"
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{events: o.Events, seen: sight.Over(o.Events, o.sight()), judges: o.Visibility != nil, slack: o.Slack, readOnly: o.Choice.ReadOnly, log: o.Logger}
	if err := s.compose(o); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) compose(o Options) error {
	s.acting = newActing(o.Slack, o.TimeZone)
	to, err := s.toolOptions(o)
	if err != nil {
		return err
	}
	s.names, s.judge, s.asks = to.Names, to.Judge, to.Asks
	s.acting.names = s.names
	catalog, of, err := tools.New(to)
	if err != nil {
		return err
	}
	s.of = of
	chosen, err := catalog.Choose(o.Choice)
	if err != nil {
		return err
	}
	ro := toolset.RegistryOptions{
		Fault: tools.FaultFor, Catalog: catalog, ReadOnly: o.Choice.ReadOnly, OnBegin: o.OnEnterCall, OnEnd: s.called(o),
	}
	if o.People != nil {
		ro.Granted = o.People.Granted
		ro.OnRegranted = func(p access.Person) {
			s.transport.ListChangedFor(transport.Tools, func(account string) bool { return account == p.Account() })
		}
	}
	if s.tools, err = toolset.NewRegistry(chosen, ro); err != nil {
		return err
	}
	if o.Slack != nil && o.Slack.Personal() {
		s.tools.SetGrant(toolset.Grant{HasUser: true, Alone: true})
	}
	so := resources.Options{Events: s.seen, Judge: s.judgeOf, Tools: catalog.Tools(), Granted: s.tools.Granted, Gaps: o.Gaps}
	if s.resources, err = resources.New(so); err != nil {
		return err
	}
	return s.connect(o)
}

// connect builds the protocol's server and puts it behind the transport.
func (s *Server) connect(o Options) error {
	o.Transport.Subscribable = s.resources.Subscribable
	o.Transport.Absent = s.tools.Absent
	if s.judges || o.People != nil {
		o.Transport.MayTell, o.Transport.Audience = s.mayTell, s.audience
	}
	o.Transport.NeedsScope = s.tools.NeedsScope
	if o.Slack != nil {
		o.Transport.OnServe = slackapi.Reading
	}
	extensions, err := s.extend(&o)
	if err != nil {
		return err
	}
	channel, err := s.declare(&o)
	if err != nil {
		return err
	}
	if s.transport, err = transport.New(o.Transport); err != nil {
		return err
	}
	hooks := &server.Hooks{}
	s.resources.Hooks(hooks)
	hooks.AddAfterInitialize(func(ctx context.Context, _ any, _ *mcp.InitializeRequest, res *mcp.InitializeResult) {
		s.forCaller(ctx, &res.Capabilities)
		res.Instructions = s.acting.instructions(ctx, res.Instructions)
	})
	hooks.AddAfterDiscover(func(ctx context.Context, _ any, _ *mcp.DiscoverRequest, res *mcp.DiscoverResult) {
		s.forCaller(ctx, &res.Capabilities)
		res.Instructions = s.acting.instructions(ctx, res.Instructions)
	})
	starters := prompts.New(o.Events != nil, o.Slack != nil, o.People != nil)
	complete := &completer{of: s.of, events: s.seen}
	common := append(s.transport.ServerOptions(), introduce()...)
	s.mcp = server.NewMCPServer(o.Name, o.Version, append(append(common,
		server.WithInstructions(instructions(o.Events != nil)),
		server.WithExtensions(extensions),
		server.WithHooks(hooks),
		server.WithToolFilter(s.shown),
		server.WithPromptCapabilities(true),
		server.WithPromptFilter(starters.Filter),
		server.WithCompletions(),
		server.WithPromptCompletionProvider(complete),
		server.WithResourceCompletionProvider(complete),
	), channel...)...)
	if s.channel != nil {
		s.channel.listen(s.mcp)
	}
	starters.Register(s.mcp)
	s.tools.Register(s.mcp)
	s.resources.Register(s.mcp)
	return s.transport.Attach(s.mcp)
}

// judgeOf returns who decides whose words the caller in ctx is shown.
func (s *Server) judgeOf(ctx context.Context) (*view.Judge, error) {
	_, judge, err := s.of(ctx)
	return judge, err
}

// shown leaves the tools that the caller may use.
func (s *Server) shown(ctx context.Context, all []mcp.Tool) []mcp.Tool {
	return s.tools.Filter(ctx, all, transport.Method(ctx) == string(mcp.MethodToolsCall))
}

// toolOptions makes what the tools share.
func (s *Server) toolOptions(o Options) (tools.Options, error) {
	to := tools.Options{Events: s.seen, Operator: o.Operator, MaxWaits: o.MaxWaits, Share: o.Transport.Share, OnBound: o.Transport.OnBound, Slack: o.Slack, UserReads: o.UserReads, UserForScope: o.UserForScope, SpeakAsBot: o.SpeakAsBot, Posts: o.Posts, People: o.People, TimeZone: o.TimeZone}
	jo := view.JudgeOptions{Lockdown: o.Lockdown, Apps: o.LockdownApps, Posts: to.Posts, Zone: s.acting.zone}
	if o.Slack == nil {
		to.Judge = view.NewJudge(jo)
		return to, nil
	}
	var err error
	if to.Names, err = names.NewBounded(o.Slack, o.Names); err != nil {
		return to, err
	}
	jo.People = to.Names
	to.Judge = view.NewJudge(jo)
	o.Write.Directory = to.Names
	if o.Write.Logger == nil {
		o.Write.Logger = o.Logger
	}
	if to.Guard, err = guard.New(o.Write); err != nil || o.Questions == nil || o.Events == nil || o.Slack.Personal() {
		return to, err
	}
	to.Asks, err = ask.New(ask.Options{State: o.Questions, Slack: o.Slack, Self: to.Names.Self, OnAsk: o.OnAsk, Logger: o.Logger})
	return to, err
}

// called logs a call's end, without arguments or results.
func (s *Server) called(o Options) func(context.Context, toolset.Outcome) {
	return func(ctx context.Context, out toolset.Outcome) {
		level, outcome := slog.LevelInfo, "ok"
		if out.Err != nil {
			level, outcome = slog.LevelWarn, "error"
		}
		attrs := []slog.Attr{
			slog.String("tool", out.Tool), slog.String("principal", out.Principal), slog.String("outcome", outcome),
			slog.Bool("read_only", out.ReadOnly), slog.Float64("duration_seconds", out.Duration.Seconds()),
		}
		if code := tools.Code(out.Err); code != "" {
			attrs = append(attrs, slog.String("code", code))
		}
		if o.RequestID != nil {
			if id := o.RequestID(ctx); id != "" {
				attrs = append(attrs, slog.String("request_id", id))
			}
		}
		s.log.LogAttrs(ctx, level, "tool call", attrs...)
		if o.OnCall != nil {
			o.OnCall(ctx, out)
		}
	}
}

// Handler serves the mount and everything under it.
func (s *Server) Handler() http.Handler { return s.transport.Handler() }

// RootHandler serves MCP clients that were given the bare address; see
// [transport.Transport.RootHandler].
func (s *Server) RootHandler(next http.Handler) http.Handler { return s.transport.RootHandler(next) }

// Transport gives access to what an operator wants to see.
func (s *Server) Transport() *transport.Transport { return s.transport }

// Hidden lists the chosen tools for which the Slack tokens are not enough.
func (s *Server) Hidden() []toolset.Hidden { return s.tools.Hidden() }

// SetGrant says which scopes Slack gave to the tokens, once that is known. Tools that
// need others vanish from lists, and clients are notified.
func (s *Server) SetGrant(g toolset.Grant) {
	if s.tools.SetGrant(g) {
		services := func(account string) bool { return !access.IsPerson(account) } // of people nothing changes
		s.transport.ListChangedFor(transport.Tools, services)
		s.transport.ListChangedFor(transport.Resources, services)
	}
}

// Run announces received events to those who follow them and keeps the sessions, until
// ctx ends; then it ends every stream, lets running calls finish within the
// transport's grace, and returns.
func (s *Server) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return s.transport.Run(ctx) })
	if s.events != nil {
		g.Go(func() error { return s.announce(ctx) })
	}
	if s.guard != nil {
		g.Go(func() error { return s.guard.Run(ctx) })
	}
	g.Go(func() error {
		s.acting.whose(ctx) // the zone of their times
		return nil
	})
	if s.webhooks != nil {
		g.Go(func() error { return s.webhooks.Run(ctx) })
	}
	if s.channel != nil {
		g.Go(func() error { return s.runChannel(ctx) })
	}
	return g.Wait()
}

// StdioPrincipal is the name of the user who started a process that serves stdio.
const StdioPrincipal = "stdio"

// ServeStdio serves one client over in and out until in ends or ctx does. The
// user who started the process owns it: the caller has every scope but admin.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	err := s.transport.ServeStdio(access.With(ctx, stdioOwner()), in, out)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stdioOwner is who calls over stdio.
func stdioOwner() *access.Principal {
	return &access.Principal{Name: StdioPrincipal, Home: home(), Scopes: []access.Scope{access.Read, access.Events, access.Write, access.AsUser}}
}

// home is the user who started this process and the machine that it runs on.
func home() string {
	host, _ := os.Hostname() // without one the user alone is known
	return fmt.Sprintf("%d@%s", os.Getuid(), host)
}

// Settle handles an event that may end a question: see [ask.Questions.Settle]. It needs a
// server with Questions, Slack and events.
func (s *Server) Settle(ctx context.Context, e *event.Event) error { return s.asks.Settle(ctx, e) }

// SweepQuestions ends the questions whose time is up: see [ask.Questions.Sweep].
func (s *Server) SweepQuestions(ctx context.Context) error { return s.asks.Sweep(ctx) }

const (
	announceBatch = 200
	// announceRetry is the pause after a read that failed: the store heals itself.
	announceRetry = time.Second
)

// announce reads each event once it is visible and notifies the clients that follow a
// resource which it changes. It returns nil when ctx ends.
func (s *Server) announce(ctx context.Context) error {
	f := event.Follow(s.events, event.Query{After: s.events.Newest(), Limit: announceBatch})
	defer f.Close()
	for {
		err := f.Read(ctx, s.announcePage)
		_, expired := errors.AsType[*event.CursorExpiredError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case expired:
			// Too many events came at once: the clients have to read the lists anew.
			f.Seek(s.events.Newest())
			s.transport.Notify(resources.Lists()...)
		case err != nil:
			s.log.WarnContext(ctx, "events were not announced", slog.Any("error", err))
			if wait.Sleep(ctx, announceRetry) != nil {
				return nil
			}
			continue
		}
		select {
		case <-f.Ready():
		case <-ctx.Done():
			return nil
		}
	}
}

// unjudged is the cause of updates where nobody has signed in: no person is told of it.
type unjudged struct{}

// why is an event as the cause of updates, which outlives its page.
func (s *Server) why(e *event.Event) transport.Cause {
	if !s.judges {
		return unjudged{}
	}
	kept := visibility.Trim(e)
	return &kept
}

// mayTell decides whether a person may be told that resources changed: whether they see the event.
func (s *Server) mayTell(p *access.Principal, why transport.Cause) transport.Verdict {
	e, ok := why.(*event.Event)
	if !ok {
		return transport.NotTold
	}
	switch s.seen.For(sight.Of(p)).Verdict(e) {
	case visibility.Visible:
		return transport.Told
	case visibility.Unknown:
		return transport.Undecided
	case visibility.Hidden:
	}
	return transport.NotTold
}

// audience returns the people who may be told that resources changed, where it is not to be asked of each.
func (s *Server) audience(why transport.Cause, most int) (users []string, ok bool) {
	e, ok := why.(*event.Event)
	if !ok {
		return nil, false
	}
	return s.seen.Audience(e, most)
}

// announcePage notifies the clients that follow a resource which an event of page changes.
func (s *Server) announcePage(page event.Page) error {
	for i := range page.Events {
		if s.names != nil {
			s.names.Observe(&page.Events[i])
		}
		s.transport.NotifyOf(s.why(&page.Events[i]), resources.Changed(&page.Events[i])...)
	}
	return nil
}

// Told is a resource that an event changed, and how many clients of this process follow it now.
type Told struct {
	URI       string
	Followers int
}

// Told lists the resources that an event changed: those who follow them were notified when it came.
func (s *Server) Told(e *event.Event) []Told {
	var list []Told
	for _, uri := range resources.Changed(e) {
		list = append(list, Told{uri, s.transport.Followers(uri)})
	}
	return list
}

const (
	// listTTL is how long a 2026-07-28 client may keep a list, in milliseconds. A change
	// is announced besides.
	listTTL = 60_000
	// pageSize bounds one page of a list; the default lists fit into one.
	pageSize = 100
)

// icon is a bell in a speech bubble, drawn for light and dark backgrounds.
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">` +
	`<path fill="#2d6cdf" d="M8 6h32a5 5 0 0 1 5 5v20a5 5 0 0 1-5 5H22l-9 8v-8H8a5 5 0 0 1-5-5V11a5 5 0 0 1 5-5z"/>` +
	`<path fill="#fff" d="M24 11a7 7 0 0 0-7 7v5l-2 4h18l-2-4v-5a7 7 0 0 0-7-7zm-2.6 17.5a2.6 2.6 0 0 0 5.2 0z"/></svg>`

// introduce says who the server is, and how its lists are cut and kept. What a list
// holds depends on the caller's scopes, so no cache between may share it; what a resource
// holds changes with each event.
func introduce() []server.ServerOption {
	return []server.ServerOption{
		server.WithTitle("Slack events and tools"),
		server.WithDescription("Received Slack events and other webhooks, as they arrive, and tools that call the Slack Web API."),
		server.WithIcons(mcp.Icon{
			Src:      "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(icon)),
			MIMEType: "image/svg+xml", Sizes: []string{"any"},
		}),
		server.WithPaginationLimit(pageSize),
		server.WithCacheHints(listTTL, mcp.CacheScopePrivate),
		server.WithMethodCacheHints(mcp.MethodResourcesRead, 0, mcp.CacheScopePrivate),
	}
}
