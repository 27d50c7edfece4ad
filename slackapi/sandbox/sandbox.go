// Package sandbox is a Slack workspace that runs in this process: a stateful Web API
// that official clients can use unchanged, and a sender that turns what happens in
// the workspace into signed deliveries, with Slack's own retry clock and judgement.
//
// It promises the Web API's shapes, error codes, paging, scopes and limits for the
// methods in its table, as docs.slack.dev describes them; that one change makes the
// events that Slack would make of it; and that it takes only tokens that are worth
// nothing elsewhere (xoxb-sandbox-…, xoxp-sandbox-…, xapp-sandbox-…).
//
// It does not promise Slack's search ranking, its HTML pages, images of emoji, or an
// enterprise grid of several workspaces. All state is in memory and ends with the process.
//
// It signs with its own few lines, so that it judges a receiver instead of agreeing
// with it.
package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tokens that a new sandbox knows. Any other token with the prefix of its kind is
// taken as well; after xoxp-sandbox- a user's id makes it that user's.
const (
	DefaultBotToken  = "xoxb-sandbox-bot"  //nolint:gosec // worth nothing outside a sandbox
	DefaultUserToken = "xoxp-sandbox-user" //nolint:gosec // worth nothing outside a sandbox
)

// DefaultSigningSecret signs the deliveries of a sandbox that was given no other.
const DefaultSigningSecret = "sandbox-signing-secret"

// Options configure a [Sandbox].
type Options struct {
	// SigningSecret signs what is delivered; empty is [DefaultSigningSecret].
	SigningSecret string
	// BaseURL is where Handler will be reached, without a path, such as
	// http://127.0.0.1:4000. Empty: see [Sandbox.SetBaseURL].
	BaseURL string
	// BotScopes and UserScopes are what the tokens may do; nil is everything.
	BotScopes, UserScopes []string
	// ClientID and ClientSecret are the app's where people sign in; empty are [DefaultClientID] and
	// [DefaultClientSecret].
	ClientID, ClientSecret string
	// RedirectURLs are where the authorize page may send browsers back to, and what lies below;
	// without one it refuses all, as Slack does.
	RedirectURLs []string
	// TokenRotation gives people tokens of 12 hours with refresh tokens.
	TokenRotation bool
	// Organization is the id (E…) of an organization for which the app is installed, in which the workspace is the
	// one that it was added to; empty installs it in the workspace.
	Organization string
	// Now is when the default workspace's history ends; zero is the time of New.
	Now time.Time
	// Workspace is what the sandbox holds; nil is the default workspace.
	Workspace *Workspace
	// Empty leaves the default workspace's history out; people and channels stay.
	Empty bool
	// ExtraChannels and ExtraUsers grow the workspace; they are made when looked at.
	ExtraChannels, ExtraUsers int
	// Rates applies Slack's rate limits to the Web API.
	Rates bool
	// CappedHistory puts the app into the class of one history request a minute and
	// 15 messages a page; the rate itself holds with Rates only.
	CappedHistory bool
	// Unstamped leaves the app's names out of what is posted with a person's token: nothing but metadata
	// then tells it from what the person typed. Slack has posted so in the past.
	Unstamped bool

	// Speed compresses the clock of deliveries: 60 makes a minute of Slack's retry
	// schedule a second. 0 is 1.
	Speed float64
	// AnswerWithin is how long a receiver has to answer; 0 is Slack's 3 s. It is not
	// compressed.
	AnswerWithin time.Duration
	// DelayedEvents goes on after the three repetitions, hourly for 24 h.
	DelayedEvents bool
	// HourlyLimit is the most deliveries in 60 minutes; 0 is Slack's 30,000.
	HourlyLimit int
	// SocketMode delivers over the connections that the app opens, in place of the Request
	// URL; see [Sandbox.SetSocketMode].
	SocketMode bool
	// Client carries deliveries; nil is a client of the sandbox's own.
	Client *http.Client
}

// A Sandbox is a fake Slack workspace with one installed app. It is safe for
// concurrent use. [Sandbox.Handler] serves at once; deliveries are made while
// [Sandbox.Run] runs.
type Sandbox struct {
	opt     Options
	sender  *sender
	sockets *sockets
	clock   chan struct{} // wakes the clock of scheduled messages

	mu     sync.Mutex // guards everything below
	base   string
	serial uint64
	held
	uploads       map[string]*file
	scheduled     []*scheduled // by their time
	ephemerals    []Ephemeral
	canvases      map[string]*canvas
	responses     map[string]*responseURL
	interactivity string
	actionTokens  []string
	revoked       map[string]bool
	uninstalled   bool
	oauth         oauthSide
	faults        []*Fault
	rates         map[string]*window
	watch         watch
	assistants    string // where they reach the server; empty is unknown
	triggers      map[string]*trigger
	modals        map[string]*openView // by person
	offers        map[offerOf][]optionView
}

// A held is what the workspace holds, which [Sandbox.Load] makes anew.
type held struct {
	lastMicro int64
	team      team
	app       app
	users     registry[*user]
	bots      []*bot
	channels  registry[*channel]
	crowd     crowd
	emoji     map[string]string
	groups    []*userGroup
	files     map[string]*file
	fileOrder []string
}

// newHeld is an empty workspace with the app in it.
func (s *Sandbox) newHeld() held {
	return held{
		team: team{id: Team, name: "Lantern Works", domain: "lantern-works"},
		app: app{
			id: AppID, name: "Wick", botID: BotID, botUser: BotUser, installer: Alice,
			verification: "sandbox-verification-token", subscribed: s.app.subscribed,
		},
		crowd: crowd{users: s.opt.ExtraUsers, channels: s.opt.ExtraChannels, kept: map[string]*channel{}},
		files: map[string]*file{},
	}
}

// A team is the workspace.
type team struct {
	id, name, domain string
}

// An app is the one app that is installed: who the bot token is, and where its
// deliveries go.
type app struct {
	id, name, botID, botUser, installer string
	verification                        string
	subscribed                          map[string]bool // event types; nil is all
}

// New makes a workspace. The error names the option that is wrong.
func New(opt Options) (*Sandbox, error) {
	var errs []error
	if opt.Speed < 0 || opt.AnswerWithin < 0 || opt.HourlyLimit < 0 {
		errs = append(errs, errors.New("sandbox: Speed, AnswerWithin and HourlyLimit must not be negative"))
	}
	if opt.ExtraChannels < 0 || opt.ExtraChannels > maxCrowd || opt.ExtraUsers < 0 || opt.ExtraUsers > maxCrowd {
		errs = append(errs, fmt.Errorf("sandbox: ExtraChannels and ExtraUsers must be 0 to %d", maxCrowd))
	}
	if opt.BaseURL != "" {
		if err := checkBase(opt.BaseURL); err != nil {
			errs = append(errs, err)
		}
	}
	for _, u := range opt.RedirectURLs {
		if !redirectable(u) {
			errs = append(errs, fmt.Errorf("sandbox: RedirectURLs has %q, must be https (or http of this machine), without a fragment, such as https://app.example/callback", u))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	opt.SigningSecret = or(opt.SigningSecret, DefaultSigningSecret)
	opt.Speed = or(opt.Speed, 1)
	opt.AnswerWithin = or(opt.AnswerWithin, answerWithin)
	opt.HourlyLimit = or(opt.HourlyLimit, hourlyLimit)
	if opt.Now.IsZero() {
		opt.Now = time.Now()
	}
	s := &Sandbox{
		opt:       opt,
		base:      strings.TrimSuffix(opt.BaseURL, "/"),
		uploads:   map[string]*file{},
		canvases:  map[string]*canvas{},
		responses: map[string]*responseURL{},
		revoked:   map[string]bool{},
		oauth:     newOAuthSide(),
		rates:     map[string]*window{},
		triggers:  map[string]*trigger{},
		modals:    map[string]*openView{},
		offers:    map[offerOf][]optionView{},
		clock:     make(chan struct{}, 1),
	}
	s.sockets = newSockets(opt.SocketMode)
	s.sender = newSender(opt, s.sockets)
	s.sender.changed = func() { s.watch.live.Changed(changedSent) }
	s.held = s.newHeld()
	s.sender.app, s.sender.team = s.app, s.team
	if opt.Workspace == nil {
		s.populate()
		return s, nil
	}
	if err := s.Load(opt.Workspace); err != nil {
		return nil, err
	}
	return s, nil
}

// SetBaseURL says where Handler is reached, without a path. URLs in answers and
// deliveries begin with it; until it is known they begin with the host that the
// latest request asked for.
func (s *Sandbox) SetBaseURL(base string) error {
	if err := checkBase(base); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = strings.TrimSuffix(base, "/")
	s.opt.BaseURL = s.base
	return nil
}

// SetAssistantsURL says where assistants reach the app's server, for the page that says what to try.
func (s *Sandbox) SetAssistantsURL(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assistants = to
}

// APIURL is the root of the Web API, as clients want it; empty while the sandbox does
// not know where it is reached.
func (s *Sandbox) APIURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base == "" {
		return ""
	}
	return s.base + "/api/"
}

// SigningSecret is the secret that deliveries are signed with.
func (s *Sandbox) SigningSecret() string { return s.opt.SigningSecret }

// Revoke makes a token answer token_revoked.
func (s *Sandbox) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[token] = true
}

// Uninstall removes the app from the workspace: its tokens are refused, and Slack sends the
// two events of it, if the app is subscribed to them.
func (s *Sandbox) Uninstall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uninstalled = true
	people := append([]string{}, slices.Sorted(maps.Keys(s.oauth.grants))...)
	for _, user := range people {
		s.endGrant(s.oauth.grants[user])
	}
	s.emitRevoked(people, []string{s.app.botUser})
	s.emitAll("app_uninstalled", object{"type": "app_uninstalled", "event_ts": s.newTS()})
}

func checkBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("sandbox: BaseURL %q must be a scheme and a host, such as http://127.0.0.1:4000", base)
	}
	return nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Handler serves the Web API below /api/, what its answers point to (files, uploads,
// response URLs), and the control endpoints below /sandbox/ to loopback clients.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", s.serveAPI)
	mux.HandleFunc("POST /upload/v1/{secret}", s.serveUpload)
	mux.HandleFunc("GET /files-pri/{file}/{name}", s.serveFile)
	mux.HandleFunc("GET /files-pri/{file}/download/{name}", s.serveFile)
	mux.HandleFunc("POST /actions/{team}/{secret}", s.serveResponse)
	mux.HandleFunc("GET /link/{$}", s.serveSocket)
	s.pages(mux)
	s.control(mux)
	s.authorize(mux)
	return mux
}

// Serve serves Handler on a listener and delivers events until ctx ends. It closes
// the listener, and returns nil after a stop by ctx.
func (s *Sandbox) Serve(ctx context.Context, ln net.Listener) error {
	if s.RequestBase() == "" {
		if err := s.SetBaseURL("http://" + ln.Addr().String()); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	var both sync.WaitGroup
	var served, delivered error
	both.Go(func() {
		defer stop()
		served = server.Serve(ln)
	})
	both.Go(func() { delivered = s.Run(ctx) })
	<-ctx.Done()
	closed := server.Close()
	both.Wait()
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	if err := errors.Join(served, closed, delivered); err != nil {
		return fmt.Errorf("sandbox: serve: %w", err)
	}
	return nil
}

// RequestBase returns the base URL that was set; empty when none was.
func (s *Sandbox) RequestBase() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opt.BaseURL
}

// newID makes the next id of a kind: its letters and nine capitals and digits.
func (s *Sandbox) newID(prefix string) string {
	s.serial++
	return prefix + "0S" + fmt.Sprintf("%08s", strings.ToUpper(strconv.FormatUint(s.serial, 36)))
}

// newTS makes a message's ts: the time in microseconds, later than any before.
func (s *Sandbox) newTS() string {
	s.lastMicro = max(time.Now().UnixMicro(), s.lastMicro+1)
	return formatTS(s.lastMicro)
}

// nowMicro is the time of the workspace, which no ts is ahead of.
func (s *Sandbox) nowMicro() int64 { return max(time.Now().UnixMicro(), s.lastMicro) }

func formatTS(micro int64) string {
	return fmt.Sprintf("%d.%06d", micro/1e6, micro%1e6)
}

// parseTS reads a ts, or a number of seconds, as microseconds.
func parseTS(ts string) (int64, bool) {
	sec, frac, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || n < 0 || n > 1e12 || len(frac) > 6 {
		return 0, false
	}
	frac += strings.Repeat("0", 6-len(frac))
	f, err := strconv.ParseInt(frac, 10, 64)
	if err != nil || f < 0 {
		return 0, false
	}
	return n*1e6 + f, true
}

// digest is a short stable name made of parts: a client_msg_id, a block id, a hash.
func digest(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:n]
}

func uuidOf(parts ...string) string {
	d := digest(32, parts...)
	return d[:8] + "-" + d[8:12] + "-4" + d[13:16] + "-a" + d[17:20] + "-" + d[20:]
}

func encodeCursor(kind, at string) string {
	return base64.StdEncoding.EncodeToString([]byte(kind + ":" + at))
}

// decodeCursor returns where a cursor of a kind points; ok is false for any other text.
func decodeCursor(kind, cursor string) (at string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(cursor)
	if err != nil {
		return "", false
	}
	k, at, found := strings.Cut(string(raw), ":")
	return at, found && k == kind
}

// A registry keeps things in the order in which they came, and finds them by id.
type registry[T any] struct {
	order []string
	byID  map[string]T
	index map[string]int
}

func (r *registry[T]) put(id string, v T) {
	if r.byID == nil {
		r.byID, r.index = map[string]T{}, map[string]int{}
	}
	if _, there := r.byID[id]; !there {
		r.index[id] = len(r.order)
		r.order = append(r.order, id)
	}
	r.byID[id] = v
}

func (r *registry[T]) get(id string) (T, bool) {
	v, ok := r.byID[id]
	return v, ok
}

// pageOf walks a sequence of n things from the one that a cursor names.
//
// at returns the i-th thing, or false where the caller does not want it; a page counts
// what is wanted. next is the cursor's text, empty at the end.
func pageOf[T any](n, from, limit int, at func(i int) (T, bool)) (items []T, next int) {
	items = []T{}
	for i := from; i < n; i++ {
		v, ok := at(i)
		if !ok {
			continue
		}
		if len(items) == limit {
			return items, i
		}
		items = append(items, v)
	}
	return items, -1
}
