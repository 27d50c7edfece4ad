package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	// Now is when the default workspace's history ends; zero is the time of New.
	Now time.Time
	// Empty leaves the default workspace's history out; people and channels stay.
	Empty bool
	// ExtraChannels and ExtraUsers grow the workspace; they are made when looked at.
	ExtraChannels, ExtraUsers int
	// Rates applies Slack's rate limits to the Web API.
	Rates bool
	// CappedHistory puts the app into the class of one history request a minute and
	// 15 messages a page; the rate itself holds with Rates only.
	CappedHistory bool

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

	mu            sync.Mutex // guards everything below
	base          string
	serial        uint64
	lastMicro     int64
	team          team
	app           app
	users         registry[*user]
	channels      registry[*channel]
	crowd         crowd
	emoji         map[string]string
	groups        []*userGroup
	files         map[string]*file
	fileOrder     []string
	uploads       map[string]*file
	scheduled     []*scheduled // by their time
	ephemerals    []Ephemeral
	canvases      map[string]*canvas
	responses     map[string]*responseURL
	interactivity string
	actionTokens  []string
	revoked       map[string]bool
	faults        []*Fault
	rates         map[string]*window
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
		files:     map[string]*file{},
		uploads:   map[string]*file{},
		canvases:  map[string]*canvas{},
		responses: map[string]*responseURL{},
		revoked:   map[string]bool{},
		rates:     map[string]*window{},
		clock:     make(chan struct{}, 1),
	}
	s.sockets = newSockets(opt.SocketMode)
	s.sender = newSender(opt, s.sockets)
	s.populate()
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
