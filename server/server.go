// Package server composes the product: it turns the configuration into a store, a
// receiver, a journal, a Slack client and the assistant's side, and serves them all.
//
// [New] builds everything and opens the store; [Server.Run] listens, serves and, when
// its context ends, drains: not ready first, then streams closed, requests finished,
// handlers finished, store closed, all within the drain time.
//
// lifecycle.go shows the order of start and stop; the HTTP front is package web.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"

	"slackmcp/config"
	"slackmcp/internal/clock"
	"slackmcp/server/audit"
	"slackmcp/server/console"
	"slackmcp/server/operate"
	"slackmcp/server/traces"
	"slackmcp/server/web"
	"slackmcp/signin/oauth"
	"slackmcp/slackapi/socketmode"
	"slackmcp/webhook"
	"slackmcp/webhook/refusals"
	"slackmcp/webhook/rule"
	"slackmcp/webhook/worker"
)

// Options are what New needs. Config, and what it was loaded for, decide the rest.
type Options struct {
	// Config is a loaded configuration. Required.
	Config config.Config
	// Logger receives what happens; nil discards it.
	Logger *slog.Logger
	// Out is where a person is shown the start lines; nil shows no start lines.
	Out io.Writer
	// Stdout and Stderr are where AUDIT_LOG may have the audit trail; nil discards it.
	Stdout, Stderr io.Writer
	// Terminal says that a person reads Out, who may be shown the MCP token.
	Terminal bool
	// Program is how the person called this program, for commands among the start lines;
	// empty is "slack-webhook-server".
	Program string
	// Version is this build's; empty is "dev".
	Version string
	// Reread loads the configuration again, for Reload; nil leaves secrets and tokens as
	// they are.
	Reread func() (config.Config, error)
}

// withDefaults fills in what the options leave open.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Version, o.Program = cmp.Or(o.Version, "dev"), cmp.Or(o.Program, "slack-webhook-server")
	return o
}

// A Server is the composed product. New makes it, Run runs it once.
type Server struct {
	opt Options
	cfg config.Config
	log *slog.Logger

	store       *watchedStore
	state       closingState      // small shared values beside the events
	receiver    *webhook.Receiver // nil without a webhook side
	answers     *webhook.Answers
	mux         *worker.Mux        // nil without a webhook side
	rules       *rule.Runner       // nil without a webhook side
	assistants  assistantSide      // empty without an MCP side
	sandbox     *fakeSlack         // nil outside of --sandbox
	slackSocket *socketmode.Client // nil without Socket Mode
	operators   *operate.Server    // nil without a webhook side
	console     *console.Console   // nil where it is closed
	health      *web.Health
	site        *web.Site
	front       *web.Server
	audit       *audit.Log // nil without a trail
	refusals    *refusals.Counter
	reloader    *reloader
	parts       running

	shown chan struct{} // closed once a person at a terminal has seen the banner
	addr  atomic.Value  // net.Addr
	ready chan struct{}
}

// New composes a server and opens its store. What it cannot start with is an error;
// that Slack cannot be reached is not. It reads from top to bottom: each part is made of
// those above it.
func New(ctx context.Context, o Options) (_ *Server, err error) { //nolint:revive // long on purpose: the wiring, in one place
	o = o.withDefaults()
	log := o.Logger
	if o.Config, err = beside(ctx, o.Config, log); err != nil {
		return nil, err
	}
	cfg := o.Config
	var opened []io.Closer // what a failure has to release
	defer func() {
		for _, c := range opened {
			if err != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	if cfg.NeedsDataDir() {
		if err := config.PrepareDataDir(cfg.Queue.DataDir); err != nil {
			return nil, err
		}
		if w := config.SharedDataDir(cfg.Queue.DataDir); w != "" {
			log.Warn("others can write the data directory", slog.String("warning", w))
		}
	}
	slack, sandbox, err := openSlackAccess(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if sandbox != nil {
		opened = append(opened, sandbox.listener)
	}
	others, err := otherSources(cfg)
	if err != nil {
		return nil, err
	}

	// What the parts report to.
	measured, err := newMetrics(o.Version, sourceNames(cfg, slack, others))
	if err != nil {
		return nil, err
	}
	tracer, err := newTracer(ctx, cfg.Trace, o.Version, measured, log)
	if err != nil {
		return nil, err
	}
	trail, err := newTrail(o, measured)
	if err != nil {
		return nil, err
	}
	h := &hooks{
		metrics: measured, traces: tracer, audit: trail, log: log,
		proxies: cfg.Listen.TrustedProxies, perMinute: cfg.Receive.UnverifiedPerMinute,
		clock: clock.New(slack.botToken != "" && (slack.url == "" || strings.HasPrefix(slack.url, "https:"))),
	}
	h.refusals = refusals.New(refusals.Options{Logger: log, OnCount: h.refusedAgain})
	certificate, err := newCertificate(cfg.Listen, h)
	if err != nil {
		return nil, err
	}

	// Slack, the store, and what is received.
	client, who, err := newSlackClient(cfg, slack, h)
	if err != nil {
		return nil, err
	}
	store, err := openWatched(ctx, cfg, measured, h.clock, log)
	if err != nil {
		return nil, err
	}
	store.onBusy = h.boundMet
	opened = append(opened, store)
	values, err := openState(ctx, cfg, store.Queue, log)
	if err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	opened = append(opened, values)
	h.posts = remembered(cfg, questions(store, values))
	var slackSocket *socketmode.Client // made of the receiver, and asked once everything runs
	keeper, err := newGapKeeper(cfg, slack, client, store, values, func() *socketmode.Client { return slackSocket }, h)
	if err != nil {
		return nil, err
	}
	answers := &webhook.Answers{}
	receiver, err := newReceiver(o, slack, others, store, keeper.account(), answers, h)
	if err != nil {
		return nil, err
	}
	slackSocket, err = newSocketMode(cfg, slack, receiver, h)
	if err != nil {
		return nil, err
	}
	mux := newMux(cfg, h)
	rules, err := newRules(cfg, store, receiver, client, who, h)
	if err != nil {
		return nil, err
	}

	// Assistants, operators and the HTTP front.
	assistants, err := newAssistantSide(ctx, o, slack, store, values, client, others, keeper, h)
	if err != nil {
		return nil, err
	}
	if who != nil && assistants.mcp != nil {
		who.grant = assistants.mcp.SetGrant
	}
	health := newHealth(cfg, store, keeper, assistants, slackSocket, who, rules)
	pages, err := newConsole(o, store, health, keeper, receiver, assistants, rules, h)
	if err != nil {
		return nil, err
	}
	site, err := newSite(o, health, receiver, assistants, served(pages), h)
	if err != nil {
		return nil, err
	}
	front := web.NewServer(ctx, web.ServerOptions{
		Handler: site.Handler(), Certificate: certificate, MaxConnections: cfg.Listen.MaxConnections, Proxies: h.proxies, MaxBodyBytes: cfg.Receive.MaxBodyBytes, Logger: log,
	})
	measured.Listener.WatchConnections(front.Connections)

	s := &Server{
		opt: o, cfg: cfg, log: log, store: store, state: values, receiver: receiver, answers: answers, mux: mux, rules: rules,
		assistants: assistants, sandbox: sandbox, slackSocket: slackSocket, health: health, site: site, front: front, audit: trail, refusals: h.refusals,
		console:   pages,
		operators: newOperatorSocket(cfg, o.Version, store, values, keeper, receiver, assistants, h),
		reloader: &reloader{
			cfg: cfg, reread: o.Reread, log: log, sandbox: sandbox != nil,
			audit: trail, certificate: certificate, receiver: receiver, deliveries: measured.Receive, reads: store.reads, assistants: assistants, rules: rules, health: health, console: pages,
			served: servedSources(sourceNames(cfg, slack, others), slack), latest: cfg, slackSecrets: len(slack.signingSecrets),
			signers: signers(cfg, slack.signingSecrets, others),
		},
		shown: make(chan struct{}), ready: make(chan struct{}),
	}
	s.parts = s.running(tracer, certificate, who, keeper)
	return s, nil
}

// running lists what runs beside the listener.
func (s *Server) running(tracer *traces.Tracer, certificate *web.Certificate, who *identity, keeper *gapKeeper) (p running) {
	cfg, a := s.cfg, s.assistants
	add := func(to *[]part, there bool, name string, run func(context.Context) error) {
		if there {
			*to = append(*to, part{name, run})
		}
	}
	add(&p.readers, s.sandbox != nil, "sandbox", s.sandbox.run)
	add(&p.readers, tracer != nil, "traces", closeTracer(tracer, cfg.Drain))
	add(&p.readers, certificate != nil, "certificate", certificate.Run)
	add(&p.readers, who != nil, "slack identity", s.afterBanner(who.run))
	add(&p.readers, cfg.Mode.Webhook() && !cfg.Queue.Backend.Embedded(), "store", s.store.look)
	add(&p.readers, s.store.backups != nil, "backups", s.store.backups.run)
	if keeper != nil {
		p.readers = append(p.readers, keeper.parts()...)
		p.readers = append(p.readers, part{"losses", func(ctx context.Context) error { return recordLosses(ctx, s.store, keeper.ledger) }})
	}
	add(&p.readers, a.journal != nil, "journal", func(ctx context.Context) error { return a.journal.Run(ctx, s.store) })
	add(&p.readers, cfg.Admin.Addr != "", "admin listener", func(ctx context.Context) error {
		secured := certificate
		if cfg.Admin.Loopback() {
			secured = nil // only this machine can connect
		}
		return web.ServeAdmin(ctx, cfg.Admin.Addr, s.site.AdminHandler(), secured, s.log)
	})
	add(&p.workers, s.mux != nil, "handlers", func(ctx context.Context) error { return s.mux.Run(ctx, s.store) })
	add(&p.workers, s.rules != nil, "rules", s.rules.Run)
	add(&p.workers, a.asks != nil, "questions", a.asks.run)
	add(&p.workers, s.operators != nil, "operator socket", s.serveOperators)
	add(&p.assistants, a.mcp != nil, "mcp", a.mcp.Run)
	add(&p.assistants, s.console != nil, "console", s.console.Run)
	add(&p.readers, a.people != nil, "sign-ins", a.people.run)
	add(&p.readers, a.judge != nil, "visibility", a.judge.Run)
	add(&p.inbound, s.slackSocket != nil, "socket mode", s.slackSocket.Run)
	return p
}

// newCertificate reads what HTTPS is served with; nil over plain HTTP.
func newCertificate(l config.Listen, h *hooks) (*web.Certificate, error) {
	if !l.TLS() {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	c, err := web.NewCertificate(l.TLSCertFile, l.TLSKeyFile, h.metrics.Listener.Reloaded, h.log)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{{
			Setting: "TLS_CERT_FILE", What: "and TLS_KEY_FILE cannot be used (" + err.Error() + ")",
			Remedy: "name a certificate chain and its unencrypted private key, both in PEM and readable for this user",
		}}}
	}
	h.metrics.Listener.WatchCertificate(c.NotAfter)
	return c, nil
}

// newSite builds the routes.
func newSite(opt Options, health *web.Health, receiver *webhook.Receiver, a assistantSide, pages web.Receiver, h *hooks) (*web.Site, error) {
	cfg := opt.Config
	api, err := describe(opt, receiver, a.mcp)
	if err != nil {
		return nil, err
	}
	o := web.Options{
		HTTPS: cfg.Listen.TLS(), RequireHTTPS: cfg.Listen.RequireHTTPS, Proxies: h.proxies, SeparateAdmin: cfg.Admin.Addr != "",
		Health: health, Metrics: h.metrics.Handler(), API: api, Console: pages, Mount: cfg.MCP.MountPath, Logger: h.log,
	}
	if receiver != nil {
		o.Receiver = receiver
	}
	if a.mcp != nil {
		o.MCP = a.mcp
	}
	if a.metadata != nil {
		o.Metadata = a.metadata
	}
	switch {
	case a.people != nil:
		o.SignIn = a.people.oauth
	case cfg.SignIn.Enabled(): // its routes are foreseen
		o.SignIn = foreseen(oauth.Paths(cfg.MCP.MountPath))
	}
	if h.traces != nil {
		o.EnterMCP = h.incoming
	}
	return web.New(o), nil
}

// closeStores closes the store. It may be called twice.
func (s *Server) closeStores() error { return errors.Join(s.state.Close(), s.store.Close()) }
