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
	"sync"
	"sync/atomic"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/server/audit"
	"slackmcp/server/metrics"
	"slackmcp/server/operate"
	"slackmcp/server/traces"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/slackapi/socketmode"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/journal"
	"slackmcp/webhook/rule"
	"slackmcp/webhook/worker"
)

// Options are what New needs. Config, and what it was loaded for, decide the rest.
type Options struct {
	// Config is a loaded configuration. Required.
	Config config.Config
	// Logger receives what happens; nil discards it.
	Logger *slog.Logger
	// Out is where a person is shown the start lines; nil shows them to nobody.
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

// A Server is the composed product. New makes it, Run runs it once.
type Server struct {
	cfg     config.Config
	log     *slog.Logger
	version string

	store    *watchedStore
	state    closingState      // small shared values beside the events
	receiver *webhook.Receiver // nil without a webhook side
	answers  webhook.Answers
	mux      *worker.Mux      // nil without a webhook side
	rules    *rule.Runner     // nil without a webhook side
	journal  *journal.Journal // nil without an MCP side
	slack    *slackapi.Client // nil without a bot token
	identity *identity        // nil without a bot token
	mcp      *mcp.Server      // nil without an MCP side
	tokens   *access.Tokens   // the bearers of the settings; nil where none is asked for
	sandbox  *fakeSlack       // nil outside of --sandbox
	socket   *operate.Server  // nil without a webhook side
	health   *web.Health
	metrics  *metrics.Metrics
	tls      *web.Certificate // nil over plain HTTP
	proxies  web.Proxies
	site     *web.Site
	front    *web.Server
	audit    *audit.Log // nil without a trail
	uses     uses
	traces   *traces.Tracer // nil without a collector

	slackSocket *socketmode.Client // nil without Socket Mode
	gaps        *gaps.Ledger       // nil where nothing of Slack's is received

	readers, workers, assistants []part
	inbound                      []part   // what events arrive by beside the listener
	served                       []string // the sources whose secrets are asked for

	reread       func() (config.Config, error)
	reloading    sync.Mutex
	reloads      []func(context.Context) // what Reload reads again
	latest       config.Config           // as it was read last; guarded by reloading
	slackSecrets int                     // how many are in force; guarded by reloading
	reloaded     audit.Outcome           // of the last Reload; guarded by reloading

	addr     atomic.Value // net.Addr
	ready    chan struct{}
	onListen func(context.Context)
}

// New composes a server and opens its store. What it cannot start with is an error;
// that Slack cannot be reached is not.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	s := &Server{cfg: o.Config, reread: o.Reread, log: o.Logger, version: o.Version, ready: make(chan struct{})}
	b := &builder{Server: s, out: o.Out, stdout: o.Stdout, stderr: o.Stderr, terminal: o.Terminal, program: cmp.Or(o.Program, "slack-webhook-server")}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.abandon())
		}
	}()
	for _, step := range []func(context.Context) error{
		b.dataDir, b.fakeSlack, b.otherSources, b.measure, b.trace, b.trail, b.certificate, b.slackClient, b.openStore, b.openState, b.keepGaps, b.receive, b.socketMode, b.handlers, b.reloadable, b.ruled, b.assist, b.web,
		b.operators,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Reload reads again what is kept in files and may change while the server runs: the
// certificate, the rules, the secrets of senders, and the bearer tokens, of which those
// that are gone end what they have open; the audit trail's file is opened again. What
// cannot be read stays as it was, and is logged. It may be called at any time.
func (s *Server) Reload(ctx context.Context) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.reloaded = audit.OK
	for _, reload := range s.reloads {
		reload(ctx)
	}
	s.audit.Record(ctx, audit.Record{Event: audit.Operation, Outcome: s.reloaded, Operation: "reload"})
}

// A builder carries what only the building needs from step to step.
type builder struct {
	*Server
	out            io.Writer
	stdout, stderr io.Writer
	terminal       bool
	program        string

	signingSecrets []string
	sources        []webhook.Source // beside Slack
	botToken       string
	userToken      string
	appToken       string
	apiURL         string
	token          string // MCP's own bearer token
	tokenPath      string
	metadata       *access.Metadata // of OAuth; nil without it
}

// abandon releases what a failed New has opened.
func (b *builder) abandon() error {
	var errs []error
	errs = append(errs, b.closeStores())
	if b.sandbox != nil {
		errs = append(errs, b.sandbox.listener.Close())
	}
	return errors.Join(errs...)
}

func (b *builder) dataDir(context.Context) error {
	if !b.cfg.NeedsDataDir() {
		return nil
	}
	return config.PrepareDataDir(b.cfg.Queue.DataDir)
}

// fakeSlack puts the sandbox in Slack's place when the configuration says so.
func (b *builder) fakeSlack(ctx context.Context) error {
	s := b.cfg.Slack
	b.signingSecrets, b.apiURL = s.SigningSecrets.Reveal(), s.APIURL
	b.botToken, b.userToken, b.appToken = s.BotToken.Reveal(), s.UserToken.Reveal(), s.AppToken.Reveal()
	if !b.cfg.Sandbox {
		return nil
	}
	secret := ""
	if len(b.signingSecrets) > 0 {
		secret = b.signingSecrets[0]
	}
	f, err := newFakeSlack(ctx, secret, s.SocketMode, b.log)
	if err != nil {
		return err
	}
	b.sandbox = f
	b.signingSecrets, b.apiURL = []string{f.signingSecret}, f.apiURL()
	b.botToken, b.userToken, b.appToken = f.botToken, f.userToken, f.appToken
	b.readers = append(b.readers, part{"sandbox", f.run})
	return nil
}

func (b *builder) slackClient(context.Context) error {
	if b.botToken == "" {
		return nil
	}
	c, err := slackapi.New(slackapi.Options{
		BotToken: b.botToken, UserToken: b.userToken, URL: b.apiURL, Retries: b.cfg.Retry,
		OnCall: b.slackCalled,
	})
	if err != nil {
		return fmt.Errorf("slack client: %w", err)
	}
	b.slack = c
	b.metrics.Slack.Watch(c)
	b.identity = &identity{slack: c, hasUser: b.userToken != "", log: b.log, known: make(chan struct{})}
	b.readers = append(b.readers, part{"slack identity", b.identity.run})
	return nil
}

// certificate reads what HTTPS is served with.
func (b *builder) certificate(context.Context) (err error) {
	l := b.cfg.Listen
	if !l.TLS() {
		return nil
	}
	if b.tls, err = web.NewCertificate(l.TLSCertFile, l.TLSKeyFile, b.metrics.Listener.Reloaded, b.log); err != nil {
		return &config.Error{Problems: []config.Problem{{
			Setting: "TLS_CERT_FILE", What: "and TLS_KEY_FILE cannot be used (" + err.Error() + ")",
			Remedy: "name a certificate chain and its unencrypted private key, both in PEM and readable for this user",
		}}}
	}
	b.metrics.Listener.WatchCertificate(b.tls.NotAfter)
	b.reloads = append(b.reloads, b.tls.Reload)
	b.readers = append(b.readers, part{"certificate", b.tls.Run})
	return nil
}

func (b *builder) openStore(ctx context.Context) error {
	open := func(ctx context.Context) (queue.Queue, error) { return openStore(ctx, b.cfg, b.log) }
	if b.cfg.Events() && !b.cfg.Receives() && b.cfg.Queue.Backend.Embedded() {
		open = b.followed
	}
	q, err := open(ctx)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	b.store = &watchedStore{Queue: q}
	if b.cfg.Mode.Webhook() && !b.cfg.Queue.Backend.Embedded() {
		b.readers = append(b.readers, part{"engine", b.store.look})
	}
	if b.cfg.Mode.Webhook() {
		b.metrics.Store.Watch(q)
	}
	return nil
}

// closeStores gives the engine back. It is idempotent.
func (s *Server) closeStores() error {
	var errs []error
	if s.state != nil {
		errs = append(errs, s.state.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// slackState says what is known of the Slack side without asking it.
func (s *Server) slackState() string {
	if s.identity == nil {
		return "not_initialized"
	}
	return s.identity.String()
}

func newHealth(s *Server) *web.Health {
	o := web.HealthOptions{
		Store: s.store, Trouble: s.store.troubled, Slack: s.slackState, Notes: s.notes(), AdminToken: s.cfg.Admin.Token.Reveal(),
	}
	if s.journal != nil {
		o.Newest = s.journal.Newest
	}
	if s.slackSocket != nil {
		o.SocketMode = s.slackSocket.State
	}
	if s.gaps != nil {
		o.OpenGaps = s.gaps.OpenGaps
	}
	return web.NewHealth(o)
}

// web builds the routes and what serves them.
func (b *builder) web(context.Context) error {
	api, err := b.describe()
	if err != nil {
		return err
	}
	b.health = newHealth(b.Server)
	o := web.Options{
		HTTPS: b.cfg.Listen.TLS(), RequireHTTPS: b.cfg.Listen.RequireHTTPS, Proxies: b.proxies, SeparateAdmin: b.cfg.Admin.Addr != "",
		Health: b.health, Metrics: b.metrics.Handler(), API: api, Mount: b.cfg.MCP.MountPath, Logger: b.log,
	}
	if b.receiver != nil {
		o.Receiver = b.receiver
	}
	if b.mcp != nil {
		o.MCP = b.mcp
	}
	if b.metadata != nil {
		o.Metadata = b.metadata
	}
	if b.traces != nil {
		o.EnterMCP = b.incoming
	}
	b.site = web.New(o)
	b.front = web.NewServer(web.ServerOptions{
		Handler: b.site.Handler(), Certificate: b.tls, MaxConnections: b.cfg.Listen.MaxConnections, MaxBodyBytes: b.cfg.Receive.MaxBodyBytes, Logger: b.log,
	})
	b.metrics.Listener.WatchConnections(b.front.Connections)
	if o.SeparateAdmin {
		// It is among what ends last, so that an operator can watch the drain. It is HTTPS
		// where the main listener is and others than this machine can connect.
		certificate := b.tls
		if b.cfg.Admin.Loopback() {
			certificate = nil
		}
		b.readers = append(b.readers, part{"admin listener", func(ctx context.Context) error {
			return web.ServeAdmin(ctx, b.cfg.Admin.Addr, b.site.AdminHandler(), certificate, b.log)
		}})
	}
	b.onListen = b.announce
	return nil
}
