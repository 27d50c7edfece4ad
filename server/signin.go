package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"slackmcp/config"
	"slackmcp/internal/egress"
	"slackmcp/mcp/access"
	"slackmcp/server/audit"
	"slackmcp/server/web"
	"slackmcp/signin"
	"slackmcp/signin/oauth"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/signin/slack"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/refusals"
)

// A signInSide is "Sign in with Slack": who has signed in, and the authorization server.
type signInSide struct {
	slack *slack.Side
	rows  *rows.SignIns
	oauth *oauth.Server
	keys  []string // the ids of the keys
	log   *slog.Logger
	host  string        // of the people
	again chan struct{} // asks for a recheck
	// events is where events of Slack are, which are worked within drain; nil is nowhere.
	events  queue.Queue
	drain   time.Duration
	cursors *seal.Sealer // of the events that people read
	// sealed keeps what is known of who is where.
	sealed state.Store
}

// personalScopes are those that people may give, within the settings.
func personalScopes(cfg config.Config) []access.Scope {
	var scopes []access.Scope
	for _, s := range cfg.SignIn.Scopes {
		if s == string(access.Read) || s == string(access.Write) && !cfg.MCP.ReadOnly || s == string(access.Events) && cfg.Events() {
			scopes = append(scopes, access.Scope(s))
		}
	}
	return scopes
}

// subscriber is the caller of a sign-in by its name, nil where it has ended. The error says that it cannot be found
// out now.
func (s *signInSide) subscriber(ctx context.Context, principal string) (*access.Principal, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // nobody signs in any more
	}
	p, err := s.rows.Caller(ctx, principal)
	if errors.Is(err, rows.ErrInvalid) {
		return nil, nil //nolint:nilnil // it has ended
	}
	return p, err
}

// newSignIn builds the side by which people sign in; nil where nobody does. End is called with the
// principal of each sign-in that has ended.
func newSignIn(ctx context.Context, cfg config.Config, a slackAccess, store queue.Queue, values state.Store, h *hooks, end func(ctx context.Context, principal string) error) (*signInSide, error) {
	if !cfg.SignIn.Enabled() {
		return nil, withoutSignIn(ctx, cfg, store, values)
	}
	keys, err := identityKeys(cfg)
	if err != nil {
		return nil, err
	}
	scopes := personalScopes(cfg)
	s := &signInSide{keys: keys.IDs(), log: h.log, host: a.host, again: make(chan struct{}, 1), drain: cfg.Drain}
	if err := s.admit(ctx, cfg, store, values, keys); err != nil {
		return nil, err
	}
	s.rows, err = rows.New(rows.Options{
		State: values, Keys: keys, Ceiling: scopes, Logger: h.log,
		OnEnd: func(ctx context.Context, principal string) {
			if err := end(ctx, principal); err != nil {
				h.log.LogAttrs(ctx, slog.LevelWarn, "the sessions of a sign-in that has ended were not all ended", slog.Any("error", err))
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if s.slack, err = newSlackSide(cfg, a, values, keys, s.rows, h); err != nil {
		return nil, err
	}
	s.oauth, err = s.newOAuth(cfg, keys, scopes, h)
	return s, err
}

// dropTime bounds how long a start waits for a store from which something is dropped.
const dropTime = 2 * time.Second

// withoutSignIn lets go of what signing in has left in a store, where nobody signs in any more.
func withoutSignIn(ctx context.Context, cfg config.Config, store queue.Queue, values state.Store) error {
	if cfg.Mode.Webhook() { // a channel reads the store of a server where people may sign in
		// A group that nobody works keeps its events from being removed. A store that is away has its
		// group until the next start.
		drop, cancel := context.WithTimeout(ctx, dropTime)
		defer cancel()
		err := store.DropGroup(drop, hintsGroup)
		if err != nil && drop.Err() == nil && !errors.Is(err, queue.ErrNoGroup) && !errors.Is(err, queue.ErrUnavailable) {
			return err
		}
	}
	if !cfg.Sandbox {
		return nil
	}
	return forgetSandbox(ctx, values)
}

// admit looks at what a store has of people before anybody is let in by it.
func (s *signInSide) admit(ctx context.Context, cfg config.Config, store queue.Queue, values state.Store, keys *seal.Keyring) error {
	now := peopleMark{Host: s.host}
	if cfg.Events() {
		s.events = store
		stats, err := store.Stats(ctx)
		if err != nil {
			return err
		}
		now.Epoch = stats.Epoch
	}
	dropped, err := admitPeople(ctx, values, now)
	if err != nil {
		return err
	}
	if dropped > 0 && !cfg.Sandbox {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the store has lost something, or is a backup that was put in place: everybody signs in again", slog.Int("rows", dropped))
	}
	sealed, err := seal.NewRows(values, keys)
	if err != nil {
		return err
	}
	s.sealed = sealed
	if s.cursors, err = keys.For("cursors"); err != nil {
		return err
	}
	lost := 0
	for _, prefix := range signInPrefixes() { // what else there is of people is asked of Slack anew
		n, err := sealed.Lost(ctx, prefix)
		if err != nil {
			return err
		}
		lost += n
	}
	s.sayLost(ctx, lost)
	return nil
}

// newSlackSide builds what asks Slack who signs in, and keeps what they allowed there.
func newSlackSide(cfg config.Config, a slackAccess, values state.Store, keys *seal.Keyring, people signin.People, h *hooks) (*slack.Side, error) {
	app, err := slackapi.NewApp(slackapi.AppOptions{ClientID: a.clientID, ClientSecret: a.clientSecret, URL: a.url, OnCall: h.personCalled})
	if err != nil {
		return nil, err
	}
	return slack.New(slack.Options{
		App: app, ClientID: a.clientID, AuthorizeURL: a.authorizeURL(), Host: a.host, Redirect: cfg.Listen.PublicURL + signin.CallbackPath,
		Teams: cfg.SignIn.Teams, Guests: cfg.SignIn.Guests, State: values, Keys: keys, People: people,
		OnEnd: h.personEnded,
	})
}

// newOAuth builds the authorization server.
func (s *signInSide) newOAuth(cfg config.Config, keys *seal.Keyring, scopes []access.Scope, h *hooks) (*oauth.Server, error) {
	named, err := oauth.ParseClients(cfg.SignIn.Clients)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{{
			Setting: "SIGN_IN_CLIENTS", What: "cannot be read (" + err.Error() + ")", Remedy: "see docs/configuration.md",
		}}}
	}
	out, err := egress.New(egress.Options{HTTPSOnly: true, Timeout: oauth.FetchTime, MaxReply: oauth.MaxDocument})
	if err != nil {
		return nil, err
	}
	return oauth.New(oauth.Options{
		Issuer: cfg.Listen.PublicURL, Resource: cfg.Listen.PublicURL + cfg.MCP.MountPath, Slack: s.slack, SignIns: s.rows, Keys: keys,
		Named: named, Egress: out, Ceiling: scopes, OnEvent: h.signedIn, Logger: h.log,
		Client: func(r *http.Request) netip.Prefix { return limiter.Client(h.proxies.Client(r)) },
	})
}

// identityKeys reads the keys that seal what is kept of people. The sandbox, which keeps no real
// people, makes one where none is named.
func identityKeys(cfg config.Config) (*seal.Keyring, error) {
	if err := seal.NoCoreDumps(); err != nil {
		return nil, fmt.Errorf("switch core dumps off: %w", err)
	}
	if cfg.SignIn.KeysFile == "" && cfg.Sandbox {
		key := make([]byte, seal.KeyBytes)
		_, _ = rand.Read(key) // it never fails
		return seal.NewKeyring(key)
	}
	keys, err := seal.Load(cfg.SignIn.KeysFile, cfg.Queue.DataDir)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{{
			Setting: "IDENTITY_KEYS_FILE", What: "cannot be used (" + err.Error() + ")",
			Remedy: "make one of mode 0600 outside of DATA_DIR with: slack-webhook-server keys new /etc/slack-webhook-server/identity.keys",
		}}}
	}
	return keys, nil
}

// require adds people to those who are let in, and the document by which their clients find where to
// sign in.
func (s *signInSide) require(cfg config.Config, o access.RequireOptions) (access.RequireOptions, *access.Metadata, error) {
	metadata, err := signInMetadata(cfg)
	if err != nil {
		return o, nil, err
	}
	o.Authenticator, o.MetadataURL, o.Offer = access.Any(o.Authenticator, s.rows), metadata.URL(), personalScopes(cfg)
	return o, metadata, nil
}

// signInMetadata is the document by which clients find that this server is its own authorization
// server.
func signInMetadata(cfg config.Config) (*access.Metadata, error) {
	return access.NewMetadata(access.MetadataOptions{
		Resource: cfg.Listen.PublicURL + cfg.MCP.MountPath, Issuers: []string{cfg.Listen.PublicURL}, Name: web.ServiceName, Scopes: personalScopes(cfg),
	})
}

// routeSignIn is where people are refused who sign in with Slack.
const routeSignIn = "sign-in"

// signedIn records what happened to somebody's signing in; of refusals of a kind the first one in a minute.
func (h *hooks) signedIn(r *http.Request, e oauth.Event) {
	record := audit.Record{
		Event: audit.PersonSignedIn, Outcome: audit.OK, Reason: e.Reason, Address: web.AddressText(h.proxies.Client(r)), RequestID: r.Header.Get(web.RequestIDHeader),
	}
	if e.Person.Valid() {
		record.Principal = e.Person.String()
	}
	switch e.What {
	case oauth.SignedOut:
		record.Event = audit.PersonSignedOut
	case oauth.Refused:
		record.Outcome = audit.Refused
		k := refusals.Kind{Principal: record.Principal, Route: routeSignIn, Outcome: string(audit.PersonSignedIn), Reason: e.Reason, Status: http.StatusForbidden}
		if k.Principal == "" {
			k.Client = limiter.Client(h.proxies.Client(r))
		}
		if !h.refusals.First(k) {
			return
		}
	}
	h.audit.Record(r.Context(), record)
	h.log.LogAttrs(r.Context(), slog.LevelInfo, "sign in with slack",
		slog.String("what", e.What), slog.String("person", record.Principal), slog.String("reason", e.Reason), slog.String("request_id", record.RequestID))
}

// foreseen are the routes of an authorization server that does not run.
type foreseen []string

// Paths implements web.Receiver.
func (f foreseen) Paths() []string { return f }

// ServeHTTP implements web.Receiver.
func (foreseen) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
