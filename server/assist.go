package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/config"
	"slackmcp/internal/egress"
	"slackmcp/internal/wait"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/events"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
	"slackmcp/mcp/view"
	"slackmcp/mcp/visibility"
	"slackmcp/server/audit"
	"slackmcp/server/operate"
	"slackmcp/server/web"
	"slackmcp/signin/rows"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/journal"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/refusals"
)

// An assistantSide is what assistants connect to, and what New wires of it elsewhere. The
// zero value is that of a configuration without one.
type assistantSide struct {
	mcp      *mcp.Server
	journal  *journal.Journal  // nil without events
	asks     *asks             // nil without events or Slack
	tokens   *access.Tokens    // the bearers of the settings; nil where none is asked for
	metadata *access.Metadata  // of OAuth, or of signing in; nil without them
	people   *signInSide       // nil where nobody signs in
	judge    *visibility.Judge // nil where nobody sees events by what they may see in Slack
	token    string            // the default bearer
	// tokenPath is the file in which the default bearer is; "" when the settings have it.
	tokenPath string
}

// lockdowns maps the setting to what the assistant's side knows.
func lockdowns() map[config.Lockdown]view.Lockdown {
	return map[config.Lockdown]view.Lockdown{
		config.LockdownOff: view.Off, config.LockdownOn: view.Guests, config.LockdownMembers: view.Members,
	}
}

// newAssistantSide builds the journal, who may connect, and what assistants see.
func newAssistantSide(ctx context.Context, o Options, slack slackAccess, store *watchedStore, values state.Store, client *slackapi.Client, others []webhook.Source, k *gapKeeper, h *hooks) (a assistantSide, err error) {
	cfg, m := o.Config, o.Config.MCP
	if !cfg.Mode.MCP() {
		return a, nil
	}
	if problems := problemsOfWriting(cfg); problems != nil {
		return a, &config.Error{Problems: problems}
	}
	a.people, err = newSignIn(ctx, cfg, slack, store, values, h, func(ctx context.Context, principal string) error {
		return a.mcp.Transport().EndSessions(ctx, principal)
	})
	if err != nil {
		return a, err
	}
	authenticate, err := a.access(ctx, cfg, h)
	if err != nil {
		return a, err
	}
	opts := mcp.Options{
		Name: web.ServiceName, Version: o.Version,
		Choice: toolset.Choice{Toolsets: m.Toolsets, Tools: m.Tools, ReadOnly: m.ReadOnly},
		Write: guard.Options{
			Allow: m.ChannelsAllow, Deny: m.ChannelsDeny, MassMentions: m.MassMentions, NoRemote: !m.RemoteContent, Kept: values, PerMinute: m.SendsPerMinute, OnWritten: h.wrote,
		},
		Lockdown: lockdowns()[m.Lockdown], LockdownApps: m.LockdownApps, Posts: h.posts,
		Channel:   channel(m, questions(store, values)),
		Slack:     client,
		People:    a.people.personCalls(client),
		UserReads: cfg.Slack.UserTokenReads, UserForScope: cfg.SignIn.Enabled(), SpeakAsBot: m.SpeakAs == config.SpeakAsBot,
		TimeZone:    m.TimeZone,
		MaxWaits:    m.MaxWaits,
		Names:       names.Bounds{Channels: m.NamesChannels, Users: m.NamesUsers},
		Logger:      h.log,
		OnEnterCall: h.enterTool(), OnCall: h.toolCalled, RequestID: web.RequestID,
		Transport: transport.Options{
			OnBound: h.boundMet,
			Mount:   m.MountPath, Default: transport.Kind(m.Transport),
			PublicURL: cfg.Listen.PublicURL, AllowedOrigins: m.AllowedOrigins, AllowedHosts: m.AllowedHosts,
			Authenticate: authenticate, OnRefuse: h.misdirected, Logger: h.log,
			Share: m.Share, MaxConnections: cfg.Listen.MaxConnections, MaxSessions: m.MaxSessions, MaxStreams: m.MaxStreams, MaxCalls: m.MaxCalls,
			Shared: sharedState(cfg, values), Single: cfg.Queue.Backend == config.SQLite,
		},
	}
	if m.Transport == config.Stdio {
		opts.Transport.Default = transport.SSE // no client connects over HTTP then
	}
	if cfg.Events() {
		if err = a.read(cfg, store, values, client, others, &opts, h); err != nil {
			return a, err
		}
	}
	if k != nil {
		opts.Gaps = k.view
	}
	if opts.Push, err = a.push(cfg, values, h); err != nil {
		return a, err
	}
	if a.mcp, err = mcp.New(opts); err != nil {
		return a, fmt.Errorf("mcp: %w", err)
	}
	h.metrics.MCP.Watch(a.mcp.Transport())
	if n := a.mcp.Webhooks(); n != nil {
		h.metrics.Push.Watch(n)
	}
	if a.asks != nil {
		a.asks.settle, a.asks.sweep = a.mcp.Settle, a.mcp.SweepQuestions
	}
	return a, nil
}

// read builds what reads the events.
func (a *assistantSide) read(cfg config.Config, store *watchedStore, values state.Store, client *slackapi.Client, others []webhook.Source, opts *mcp.Options, h *hooks) error {
	events, err := newEventLog(cfg, store, h.log)
	if err != nil {
		return err
	}
	a.journal, opts.Events, opts.Operator = events.window, events, store
	if a.judge, err = a.people.judge(client, events, others, h); err != nil {
		return err
	}
	if a.judge != nil {
		opts.Visibility, opts.Cursors = a.judge, a.people.cursors
	}
	if asksWith(client) {
		opts.Questions = questions(store, values)
		a.asks = newAsks(cfg, store, opts.Questions, a.journal.Newest, h.log)
		opts.OnAsk = a.asks.asked
	}
	return nil
}

// asksWith reports whether questions are asked: their buttons are a bot's.
func asksWith(client *slackapi.Client) bool { return client != nil && !client.Personal() }

// newEventLog builds the journal and the log that assistants read.
func newEventLog(cfg config.Config, store *watchedStore, log *slog.Logger) (*eventLog, error) {
	j, err := journal.New(journal.Options{
		MaxEvents: cfg.Journal.Events, MaxBytes: int(cfg.Journal.Bytes), Logger: log,
	})
	if err != nil {
		return nil, err
	}
	l := &eventLog{window: j, store: store}
	if cfg.Queue.Backend == config.Redis || cfg.Queue.Backend == config.NATS {
		l.newest = &newest{store: store}
	}
	return l, nil
}

// endpointURL is where a client on this machine, or through the proxy, finds MCP.
func (s *Server) endpointURL() string {
	base := s.cfg.Listen.PublicURL
	if base == "" {
		base = s.localURL()
	}
	return strings.TrimSuffix(base, "/") + s.cfg.MCP.MountPath
}

// assistantScopes are what the default token, and the client of a stdio server, may do.
var assistantScopes = []access.Scope{access.Read, access.Events, access.Write}

// access builds what stands in front of every MCP route. It is closed unless the
// operator opened it.
func (a *assistantSide) access(ctx context.Context, cfg config.Config, h *hooks) (func(http.Handler) http.Handler, error) {
	m := cfg.MCP
	switch {
	case m.Transport == config.Stdio:
		return nil, nil //nolint:nilnil // the program that started the process is its only client
	case m.NoAuth:
		h.log.LogAttrs(ctx, slog.LevelWarn, "mcp is open to everyone who can connect")
		return web.Unbounded(access.As(&access.Principal{Name: "anyone", Scopes: assistantScopes, Anonymous: true})), nil
	}
	list, path, err := bearers(cfg, cfg)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 && list[0].Name == defaultToken {
		a.token, a.tokenPath = list[0].Secret, path
	}
	if a.tokens, err = access.NewTokens(list...); err != nil {
		return nil, err
	}
	o := access.RequireOptions{Authenticator: a.tokens, OnRefuse: h.refused, OnAccept: h.tokenUsed}
	switch {
	case a.people != nil:
		o, a.metadata, err = a.people.require(cfg, o)
	case m.OAuth.Enabled():
		o, a.metadata, err = issuer(m.OAuth, o, h.log)
	}
	if err != nil {
		return nil, err
	}
	callers := web.Callers{Account: func(ctx context.Context) string { return access.From(ctx).Account() }, Share: m.Share, OnClosed: func() {
		h.metrics.MCP.Bound(access.Bound{Of: "idle_connections", Share: true})
	}}
	require, err := access.Require(o)
	if err != nil {
		return nil, err
	}
	return web.Unbounded(func(next http.Handler) http.Handler { return require(callers.Holding(next)) }), nil
}

// defaultToken is the name of the token that the settings have without a name.
const defaultToken = "default"

// bearers are the static tokens of the settings: the one of them, or else the one in the
// data directory of the running server, whose path is then returned, and those with names. Where
// people sign in none is made.
func bearers(running, c config.Config) (list []access.Token, path string, err error) {
	token := c.MCP.AuthToken.Reveal()
	if token == "" && !running.SignIn.Enabled() {
		if token, path, _, err = ownToken(running.Queue.DataDir); err != nil {
			return nil, "", err
		}
		running.Learn(token)
	}
	if token != "" {
		list = []access.Token{{Name: defaultToken, Secret: token, Scopes: assistantScopes}}
	}
	for _, t := range c.MCP.Tokens {
		scopes := make([]access.Scope, len(t.Scopes))
		for i, s := range t.Scopes {
			scopes[i] = access.Scope(s)
		}
		list = append(list, access.Token{Name: t.Name, Secret: t.Secret.Reveal(), Scopes: scopes})
	}
	return list, path, nil
}

// AssistantToken is the default bearer by which assistants connect to the server with this configuration:
// the settings', or that of a file whose path is then returned; token is empty where the server has yet to
// make it. Both are empty where no bearer is asked for: people sign in, or everybody may connect.
func AssistantToken(c config.Config) (token, path string, err error) {
	if token = c.MCP.AuthToken.Reveal(); token != "" || c.MCP.NoAuth || c.SignIn.Enabled() {
		return token, "", nil
	}
	path = filepath.Join(c.Queue.DataDir, tokenFile)
	b, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own data directory
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", path, nil
	case err != nil:
		return "", "", fmt.Errorf("read the MCP token: %w", err)
	}
	return strings.TrimSpace(string(b)), path, nil
}

// issuer adds an authorization server's tokens to the static ones, and the document by
// which clients find that server.
func issuer(settings config.OAuth, o access.RequireOptions, log *slog.Logger) (access.RequireOptions, *access.Metadata, error) {
	jwt, err := access.NewJWT(access.JWTOptions{
		Issuer: settings.Issuer, Audiences: []string{settings.Audience}, KeysURL: settings.JWKSURL, Logger: log,
	})
	if err != nil {
		return o, nil, err
	}
	metadata, err := access.NewMetadata(access.MetadataOptions{
		Resource: settings.Audience, Issuers: []string{settings.Issuer}, Name: web.ServiceName,
		Scopes: []access.Scope{access.Read, access.Events, access.Write, access.Admin},
	})
	if err != nil {
		return o, nil, err
	}
	o.Authenticator, o.MetadataURL = access.Any(o.Authenticator, jwt), metadata.URL()
	return o, metadata, nil
}

// refused counts a caller that was turned away for its token. The first of a kind is written to the
// log and the trail: address and reason, never what it sent.
func (h *hooks) refused(r *http.Request, status int, reason string) {
	h.metrics.MCP.Unauthorized(reason)
	if !h.refusals.First(h.refusalOf(r, string(audit.CallerRefused), status, reason)) {
		return
	}
	h.audit.Record(r.Context(), audit.Record{
		Event: audit.CallerRefused, Outcome: audit.Refused, Reason: reason, Address: web.AddressText(h.proxies.Client(r)),
		RequestID: r.Header.Get(web.RequestIDHeader), Status: status,
	})
	h.log.LogAttrs(r.Context(), slog.LevelWarn, "mcp caller refused",
		slog.String("request_id", r.Header.Get(web.RequestIDHeader)), slog.String("remote", web.AddressText(h.proxies.Client(r))),
		slog.Int("status", status), slog.String("reason", reason))
}

// boundMet tells of a caller that was refused because it came to a bound: the first time in the log, a share
// of its own in the trail, too.
func (h *hooks) boundMet(ctx context.Context, b access.Bound) {
	h.metrics.MCP.Bound(b)
	k := refusals.Kind{Route: routeMCP, Outcome: "server_full", Reason: b.Code(), Status: http.StatusServiceUnavailable}
	if k.Principal = access.From(ctx).Account(); b.Share {
		k.Outcome, k.Status = string(audit.CallerRefused), http.StatusTooManyRequests
	}
	if !h.refusals.First(k) {
		return
	}
	if b.Share {
		h.audit.Record(ctx, audit.Record{
			Event: audit.CallerRefused, Outcome: audit.Refused, Reason: k.Reason, Principal: k.Principal, RequestID: web.RequestID(ctx), Status: k.Status,
		})
	}
	h.log.LogAttrs(ctx, slog.LevelWarn, "an assistant was refused: it has its share, or the server is full", slog.String("reason", k.Reason),
		slog.Bool("share", b.Share), slog.Int64("most", b.Most), slog.String("principal", k.Principal))
}

// misdirected logs the first request of a kind whose Host or Origin is not allowed.
func (h *hooks) misdirected(r *http.Request, reason string) {
	if h.refusals.First(h.refusalOf(r, "request_refused", http.StatusForbidden, reason)) {
		h.log.LogAttrs(r.Context(), slog.LevelWarn, "request refused", slog.String("reason", reason),
			slog.String("remote", web.AddressText(h.proxies.Client(r))), slog.String("request_id", r.Header.Get(web.RequestIDHeader)))
	}
}

func (h *hooks) refusalOf(r *http.Request, outcome string, status int, reason string) refusals.Kind {
	return refusals.Kind{Client: limiter.Client(h.proxies.Client(r)), Route: routeMCP, Outcome: outcome, Reason: reason, Status: status}
}

// callbackTimeout bounds one post to a subscriber.
const callbackTimeout = 10 * time.Second

// push says how events reach the assistants that asked for them.
func (a *assistantSide) push(cfg config.Config, values state.Store, h *hooks) (mcp.Push, error) {
	c := cfg.MCP.Push
	p := mcp.Push{}
	if c.Profile == config.PushDraft {
		p.Codes, p.StrictUnsubscribe = events.DraftCodes(), true
	}
	if !c.Webhooks {
		return p, nil
	}
	client, err := egress.New(egress.Options{
		HTTPSOnly: true, Hosts: c.CallbackHosts, Networks: c.CallbackNetworks, Timeout: callbackTimeout,
	})
	if err != nil {
		return p, err
	}
	p.Webhooks = notify.Options{
		State: values, Client: client, Exclusive: cfg.Queue.Backend.Embedded(), Caller: a.subscriber(cfg.MCP),
		PeopleHosts: c.PeopleHosts, OwnIDs: c.WebhookID == config.MessageWebhookID, MaxPerPrincipal: c.MaxSubscriptions, TTL: c.TTL, Backlog: c.Backlog,
		OnObserve: h.pushed,
	}
	return p, nil
}

// subscriber returns whom a principal's subscriptions are posted to, as a caller of now: its token is still one
// of the settings' and may read events, its issuer still the one that is trusted, or its sign-in holds. Else it
// is nil.
func (a *assistantSide) subscriber(m config.MCP) func(ctx context.Context, principal, credential string) (*access.Principal, error) {
	return func(ctx context.Context, principal, credential string) (*access.Principal, error) {
		if access.IsPerson(principal) {
			return a.people.subscriber(ctx, principal)
		}
		known := principal == mcp.StdioPrincipal && m.Transport == config.Stdio
		if principal != mcp.StdioPrincipal {
			known = a.tokens != nil && a.tokens.Valid(principal, credential, access.Events) ||
				m.OAuth.Enabled() && strings.HasPrefix(principal, access.OAuthPrefix+m.OAuth.Issuer+"#")
		}
		if !known {
			return nil, nil //nolint:nilnil // they are nobody any more
		}
		return &access.Principal{Name: principal, Credential: credential, Scopes: []access.Scope{access.Events}}, nil
	}
}

// channel is what the client of stdio is pushed; nil is no channel. Where anybody has signed in to the server
// whose state it is given, permission prompts are answered by buttons alone.
func channel(m config.MCP, values state.Store) *mcp.Channel {
	c := m.Channel
	if !c.Enabled || m.Transport != config.Stdio {
		return nil
	}
	return &mcp.Channel{
		Senders: c.Senders, Watch: c.Watch, Permissions: c.Permissions,
		ButtonsOnly: func(ctx context.Context) bool {
			list, err := values.List(ctx, rows.Prefix, "", 1)
			return err != nil || len(list) > 0
		},
	}
}

// followed opens the store that a process of stdio without a receiver of its own reads: Redis, NATS,
// or that of the server that runs on this machine.
func followed(ctx context.Context, cfg config.Config, log *slog.Logger) (queue.Queue, error) {
	store, err := OpenOperator(ctx, cfg, log, false)
	if err != nil {
		return nil, fmt.Errorf("a channel reads the events of a running server, of Redis or of NATS, or receives them with --socket-mode: %w", err)
	}
	switch s := store.(type) {
	case *operate.Client:
		return remote{s}, nil
	case queue.Queue:
		return s, nil
	}
	return nil, errors.Join(fmt.Errorf("a channel cannot read a %T", store), store.Close())
}

// remote is the store of another process, which alone publishes into it.
type remote struct{ *operate.Client }

// errElsewhere says that events come in through the other process.
var errElsewhere = errors.New("the store belongs to another process")

// Publish implements queue.Queue.
func (remote) Publish(context.Context, event.Event) (queue.Receipt, error) {
	return queue.Receipt{}, fmt.Errorf("%w: %w", queue.ErrUnavailable, errElsewhere)
}

// Tail implements queue.Queue. That the other process stops is no end of it: it may
// come back.
func (r remote) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	err := r.Client.Tail(ctx, from, fn)
	if errors.Is(err, queue.ErrClosed) {
		return fmt.Errorf("%w: the server has stopped", queue.ErrUnavailable)
	}
	return err
}

// questions is where the questions are kept that are asked with buttons: in the store
// that has the clicks on them, which may be another process's.
func questions(store *watchedStore, values state.Store) state.Store {
	if r, ok := store.Queue.(remote); ok {
		return operate.NewState(r.Client)
	}
	return values
}

// remembered is the memory of what was posted; nil where nobody has to ask it. Another process of the store
// may let people sign in.
func remembered(cfg config.Config, values state.Store) *view.Posts {
	var of view.Remembers
	if cfg.MCP.Lockdown != config.LockdownOff {
		of |= view.OfBot
	}
	alone := !cfg.Slack.BotToken.IsSet() && cfg.Slack.UserToken.IsSet()
	if cfg.SignIn.Enabled() || alone || cfg.Mode == config.ModeMCP && cfg.Events() || !cfg.Queue.Backend.Embedded() {
		of |= view.OfPeople
	}
	if of == 0 {
		return nil
	}
	return view.NewPosts(values, of)
}

const (
	// asksGroup is the consumer group that handles the clicks on questions.
	asksGroup = "questions"
	// earlierAsksGroup is that of builds before questions were kept in the state. A replica of
	// such a build takes a click for none of its own and is done with it, so the group is not
	// shared with it; it is only drained, because what it has not handled is kept for it.
	earlierAsksGroup = "slack_ask"
)

// asks handles clicks on questions. Its group is worked from the first question on that any
// process of the store asks, or from the start where the store knows the group from an
// earlier run: where no question is asked, there is no such group.
type asks struct {
	store  queue.Queue
	rows   state.Store
	newest func() event.Position
	settle func(ctx context.Context, e *event.Event) error
	sweep  func(ctx context.Context) error
	group  queue.Group
	log    *slog.Logger
	first  chan event.Position // where the first question was asked
}

func newAsks(cfg config.Config, store queue.Queue, rows state.Store, newest func() event.Position, log *slog.Logger) *asks {
	patterns := event.MustPatterns(ask.Kinds()...)
	return &asks{
		store: store, rows: rows, newest: newest, log: log, first: make(chan event.Position, 1),
		group: queue.Group{
			Name: asksGroup, Workers: 4, Drain: cfg.Drain,
			Filter: event.Filter{Source: event.SourceSlack, Patterns: patterns},
			Policy: queue.Policy{MaxAttempts: cfg.Worker.MaxAttempts},
		},
	}
}

// asked is called before a question is posted, also by another process.
func (a *asks) asked() {
	select {
	case a.first <- a.newest():
	default: // it runs, or will
	}
}

// How long run waits before it turns to a store again that failed.
const (
	asksFirstPause = 100 * time.Millisecond
	asksMaxPause   = 5 * time.Second
	// asksSweepEvery is how often the questions are looked for whose time is up.
	asksSweepEvery = 30 * time.Second
)

// run works the group until ctx is done.
func (a *asks) run(ctx context.Context) error {
	groups, _ := a.store.Groups(ctx) // where it cannot say so now, the next question starts the work
	earlier := slices.Contains(groups, earlierAsksGroup)
	switch {
	case slices.Contains(groups, asksGroup):
	case earlier:
		a.group.Start.After = a.newest()
	case !a.wait(ctx):
		return nil
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { a.sweepEvery(ctx) })
	if earlier {
		beside.Go(func() {
			drained := a.group
			drained.Name, drained.Start = earlierAsksGroup, queue.Start{}
			a.consume(ctx, drained, func(context.Context, *event.Event) error { return nil })
		})
	}
	a.consume(ctx, a.group, a.settle)
	return nil
}

// consume works a group of clicks until ctx is done.
func (a *asks) consume(ctx context.Context, group queue.Group, handle func(context.Context, *event.Event) error) {
	keepConsuming(ctx, a.store, group, func(ctx context.Context, d queue.Delivery) error { return handle(ctx, &d.Event) }, a.log,
		"clicks on questions are not handled now")
}

// keepConsuming works a group until ctx is done. It survives a store that fails, of which it warns.
func keepConsuming(ctx context.Context, store queue.Queue, group queue.Group, handle queue.Handler, log *slog.Logger, warning string) {
	backoff := wait.Backoff{First: asksFirstPause, Most: asksMaxPause}
	for ctx.Err() == nil {
		err := store.Consume(ctx, group, handle)
		if err == nil {
			return // ctx is done, and what was handled is
		}
		if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
			group.Start = queue.Start{}
		}
		pause := backoff.Next()
		//nolint:sloglint // each caller's message is a constant
		log.LogAttrs(ctx, slog.LevelWarn, warning, slog.Any("error", err), slog.Float64("again_in_seconds", pause.Seconds()))
		_ = wait.Sleep(ctx, pause) // the loop ends with ctx
	}
}

// sweepEvery sweeps until ctx ends.
func (a *asks) sweepEvery(ctx context.Context) {
	for wait.Sleep(ctx, asksSweepEvery) == nil {
		if err := a.sweep(ctx); err != nil && ctx.Err() == nil {
			a.log.LogAttrs(ctx, slog.LevelDebug, "questions whose time is up still show their buttons", slog.Any("error", err))
		}
	}
}

// wait waits until a process asks, and reports whether one did before ctx ended.
func (a *asks) wait(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		backoff := wait.Backoff{First: asksFirstPause, Most: asksMaxPause}
		for ctx.Err() == nil && a.rows.Watch(ctx, ask.Rows, func(state.Change) { a.asked() }) != nil {
			_ = wait.Sleep(ctx, backoff.Next()) // the loop ends with ctx
		}
	}()
	select {
	case a.group.Start.After = <-a.first:
		return true
	case <-ctx.Done():
		return false
	}
}

// tokenFile is the name, within DATA_DIR, of the token that is made when none is given.
const tokenFile = "mcp-token"

// ownToken returns the token kept in dir, and makes it the first time: 32 characters
// of base 32, mode 0600. fresh reports that it was made now.
func ownToken(dir string) (token, path string, fresh bool, err error) {
	path = filepath.Join(dir, tokenFile)
	b, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own data directory
	switch {
	case err == nil:
		if token = strings.TrimSpace(string(b)); len(token) >= 16 {
			return token, path, false, nil
		}
		return "", path, false, fmt.Errorf("%s holds no usable token: remove it to have a new one made, or set MCP_AUTH_TOKEN", path)
	case !errors.Is(err, fs.ErrNotExist):
		return "", path, false, fmt.Errorf("read the MCP token: %w", err)
	}
	token = "mcp_" + strings.ToLower(rand.Text()) + strings.ToLower(rand.Text())[:6]
	if err := writeOnce(path, token+"\n"); err != nil {
		return "", path, false, fmt.Errorf("keep the MCP token: %w", err)
	}
	return token, path, true, nil
}

// writeOnce writes the file, with mode 0600, whole or not at all, so that a crash leaves no half of it.
func writeOnce(path, content string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // CreateTemp's mode is 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.WriteString(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
