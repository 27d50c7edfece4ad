// Package config is where the program's settings are described, read and validated.
//
// One table ([Settings]) has a row for each setting; the row yields its flag, its
// environment variable and .env key, its default, its help line, its check, its place
// in docs/configuration.md and .env.example, and whether it is a secret. So none of
// these can drift from another.
//
// [Load] reads the sources it is given and nothing else: flag before environment
// before .env file before default. A secret may come from a file that VAR_FILE names
// and has no flag, because the arguments of a process are open to everyone on the
// machine. Load reports every problem at once, each with its remedy, as an [*Error].
//
// Secrets are held in types that print redacted in every format; [Secret.Reveal] is
// the only way to their text. The package promises that no error, warning or
// generated document of its own contains one. It does not promise that a value put
// into a plain setting by mistake stays hidden.
//
// The .env dialect is the shell's without expansion: KEY=value, an optional export,
// single quotes literal, double quotes with JSON's escapes, a comment after a space
// and #. A dollar sign is a dollar sign.
//
// It imports the standard library and the .env parser only.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"slackmcp/internal/logging"
)

// Config is the whole of the settings, parsed and checked. Load makes it; after that
// it is only read, except that Learn adds to the secrets that no log may hold. Its
// fields are plain values; only package server translates them into the Options of other packages.
type Config struct {
	// Mode says which sides run. It follows from the command and INTEGRATED.
	Mode Mode
	// Sandbox runs against the fake Slack workspace; no real token is set then.
	Sandbox bool
	// Retry is how often a retryable publish, or a safe Slack call, is tried in all;
	// 0 and 1 both mean one try.
	Retry int
	// Drain bounds the end: open requests and running handlers get this long.
	Drain time.Duration

	Listen  Listen
	Log     Log
	Slack   Slack
	Receive Receive
	Senders Senders
	Queue   Queue
	Worker  Worker
	Journal Journal
	MCP     MCP
	SignIn  SignIn
	Admin   Admin
	Trace   Trace

	// Replicas is how many processes serve the same queue, as the operator says; at least 1.
	Replicas int
	// Platform is where the process runs, as far as it tells.
	Platform Platform
	// Warnings are what an operator should know and the start survives: a key of the
	// .env file that looks like a misspelt setting, a token of an unusual form. They
	// contain no secret.
	Warnings []string

	integrated  bool              // what INTEGRATED says; Mode is what follows
	noAuthTimes int               // how often MCP_NO_AUTH was said; MCP.NoAuth is what follows
	follows     bool              // whether a process of stdio has events; the start finds out
	origins     map[string]Origin // setting key -> where its value came from
	named       func(string) (string, bool)
	known       *logging.Secrets // one for all copies
}

// A Mode says which sides of the product run.
type Mode string

const (
	// ModeStandalone runs the webhook side alone.
	ModeStandalone Mode = "standalone"
	// ModeIntegrated runs the webhook side and the MCP side in one process.
	ModeIntegrated Mode = "integrated"
	// ModeMCP runs the MCP side alone.
	ModeMCP Mode = "mcp"
)

// Webhook reports whether the webhook side runs.
func (m Mode) Webhook() bool { return m == ModeStandalone || m == ModeIntegrated }

// MCP reports whether the MCP side runs.
func (m Mode) MCP() bool { return m == ModeMCP || m == ModeIntegrated }

// Listen is where the process is reached.
type Listen struct {
	// Host is an address or a name; Port 0 takes any free one.
	Host string
	Port int
	// PublicURL is how the world reaches this server through a proxy, without a slash
	// at its end; "" when it is not set.
	PublicURL string
	// RequireHTTPS refuses requests that came over plain HTTP.
	RequireHTTPS bool
	// TrustedProxies may name the client's address and scheme by X-Forwarded-*.
	TrustedProxies []netip.Prefix
	// MaxConnections bounds what is open at once.
	MaxConnections int
	// TLSCertFile and TLSKeyFile are both set, or neither.
	TLSCertFile, TLSKeyFile string
}

// TLS reports whether the listener speaks HTTPS.
func (l Listen) TLS() bool { return l.TLSCertFile != "" }

// Scheme is how an address of the listener begins.
func (l Listen) Scheme() string {
	if l.TLS() {
		return "https"
	}
	return "http"
}

// Addr joins host and port.
func (l Listen) Addr() string { return net.JoinHostPort(l.Host, strconv.Itoa(l.Port)) }

// Loopback reports whether only this machine can connect.
func (l Listen) Loopback() bool {
	if l.Host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(l.Host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Slack is what connects to Slack.
type Slack struct {
	// SigningSecrets are tried in order; several while one replaces another.
	SigningSecrets Secrets
	BotToken       Secret
	UserToken      Secret
	// UserTokenReads lets bearers with the scope as-user read with UserToken where the bot cannot see.
	UserTokenReads bool
	// SocketMode receives over connections that AppToken opens, SocketConnections at once.
	SocketMode        bool
	AppToken          Secret
	SocketConnections int
	// APIURL is the base of the Web API and ends in a slash.
	APIURL string
}

// UserAlone reports that the user token is the only one with which Slack's Web API is called: the server
// acts as its owner.
func (s Slack) UserAlone() bool { return s.UserToken.IsSet() && !s.BotToken.IsSet() }

// Receive is how events are accepted.
type Receive struct {
	// MaxBodyBytes bounds one request's body.
	MaxBodyBytes int64
	// MaxInFlight bounds the verified requests that are stored and answered at once.
	MaxInFlight int
	// UnverifiedPerMinute is how many failures an address may have at a route in a minute.
	UnverifiedPerMinute int
	// TimestampTolerance is how far a signature's time may be off, either way.
	TimestampTolerance time.Duration
	// GapAfter is how long nothing may be received before that is a gap.
	GapAfter time.Duration
}

// Senders are the secrets of the senders that are not Slack; one that is unset is not
// served.
type Senders struct {
	// Webhook signs delivery receipts at /webhooks.
	Webhook Secret
	// WebhookProvider says who signs them: "bearer", or the name of a provider.
	WebhookProvider string
	// PrintReceipts prints each receipt to standard output.
	PrintReceipts bool
	// Contact signs /events/contact_created.
	Contact Secret
	// Stripe signs /events/payment_succeeded.
	Stripe Secret
	// SourcesFile describes further senders; "" is none. Package server reads the file.
	SourcesFile string
}

// Any reports whether at least one sender is configured.
func (s Senders) Any() bool {
	return s.Webhook.IsSet() || s.Contact.IsSet() || s.Stripe.IsSet() || s.SourcesFile != ""
}

// A Backend is what keeps the store: a database, or the memory of the process.
type Backend string

// The values of QUEUE_BACKEND_TYPE.
const (
	SQLite Backend = "sqlite"
	Memory Backend = "memory"
	Redis  Backend = "redis"
	NATS   Backend = "nats"
)

// Embedded reports whether the store is inside the process.
func (b Backend) Embedded() bool { return b == SQLite || b == Memory }

// Synchronous is when the embedded store syncs its log to the disk.
type Synchronous string

// The values of SQLITE_SYNCHRONOUS.
const (
	// SyncFull syncs before each answer.
	SyncFull Synchronous = "full"
	// SyncNormal leaves it to the operating system and the checkpoints.
	SyncNormal Synchronous = "normal"
)

// Queue is where events are kept.
type Queue struct {
	Backend Backend
	// Because says in words why this backend was chosen.
	Because string
	// Topic names the queue inside the store.
	Topic string
	// DedupeTTL is how long an event id is remembered.
	DedupeTTL time.Duration
	// RetentionAge and RetentionCount bound what is kept of finished events.
	RetentionAge   time.Duration
	RetentionCount int
	// Synchronous says when sqlite syncs its log.
	Synchronous Synchronous
	// TextIndex keeps an index of the words in the events of the embedded store.
	TextIndex bool
	// DataDir holds the embedded store, the MCP token and the operator socket.
	DataDir string
	// Backups are the copies that are made of the embedded store.
	Backups Backups

	RedisURL            SecretURL
	RedisMaxConnections int
	NATSURL             SecretURL
	// NATSReplicas is the number of servers of a NATS cluster that store each value.
	NATSReplicas int
	// NATSCredentials is the path of a file with a NATS user's JWT and seed; "" is none.
	NATSCredentials string
}

// Worker is how handlers work the queue.
type Worker struct {
	// Workers is how many handlers run at once.
	Workers int
	// MaxAttempts is how often an event is tried in all before it is a dead letter.
	MaxAttempts int
	// TargetPatience is for how long events of a rule wait whose target refuses.
	TargetPatience time.Duration
	// RulesFile says what to do with events without a program; "" is nothing. Package
	// server reads the file.
	RulesFile string
}

// Journal bounds the window of newest events that is held in memory.
type Journal struct {
	Events int
	Bytes  int64
}

// A Transport is how assistants connect.
type Transport string

// The values of MCP_TRANSPORT.
const (
	SSE            Transport = "sse"
	StreamableHTTP Transport = "streamable-http"
	Stdio          Transport = "stdio"
)

// A Lockdown says whose words are withheld from assistants.
type Lockdown string

// The values of LOCKDOWN.
const (
	LockdownOff     Lockdown = "false"
	LockdownOn      Lockdown = "true"
	LockdownMembers Lockdown = "members" // guests' words are withheld, too
)

// MCP is the assistants' side.
type MCP struct {
	Transport Transport
	// MountPath begins with a slash and does not end in one.
	MountPath string
	// AuthToken grants read, events and write; unset means the one in DataDir.
	AuthToken Secret
	// Tokens are further bearers with names and scopes of their own.
	Tokens []Token
	// NoAuth serves MCP to everyone who can connect.
	NoAuth bool
	// AllowedOrigins are origins of browser pages that may connect, as a browser sends
	// them. Empty means those of this machine and of PublicURL.
	AllowedOrigins []string
	// AllowedHosts are further values of the Host header that are ours.
	AllowedHosts []string
	OAuth        OAuth
	// MaxSessions, MaxStreams, MaxCalls and MaxWaits bound what assistants hold at once in this
	// process, and Share is how many percent of each one principal may hold.
	MaxSessions, MaxStreams, MaxCalls, MaxWaits, Share int
	// NamesChannels and NamesUsers are how many names of Slack's are kept.
	NamesChannels, NamesUsers int
	// ReadOnly hides and refuses every tool that writes.
	ReadOnly bool
	// Toolsets and Tools choose what is offered; both empty means the default.
	Toolsets []string
	Tools    []string
	// ChannelsAllow and ChannelsDeny bound where tools may write, by id, name, link or person.
	ChannelsAllow, ChannelsDeny []string
	// MassMentions lets tools call whole channels.
	MassMentions bool
	// SpeakAs is who answers events for a person.
	SpeakAs Speaker
	// AssistantLine lets Slack show below what tools post in people's names that an assistant sent it.
	AssistantLine bool
	// RemoteContent lets tools send what is fetched from elsewhere when it is shown.
	RemoteContent bool
	// SendsPerMinute bounds the messages to one channel.
	SendsPerMinute int
	// Lockdown withholds the words of outside authors, LockdownApps are the apps that it lets through.
	Lockdown     Lockdown
	LockdownApps []string
	// TimeZone is that in which times are shown; nil is the one of the user token's owner, else UTC.
	TimeZone *time.Location
	Channel  Channel
	// Push is how events reach those who asked for them.
	Push Push
}

// A Speaker is who writes for a person.
type Speaker string

// The values of SPEAK_AS.
const (
	SpeakAsPerson Speaker = "person"
	SpeakAsBot    Speaker = "bot"
)

// Push is the extension io.modelcontextprotocol/events.
type Push struct {
	// Webhooks posts events to subscribers who have an address.
	Webhooks bool
	// CallbackHosts may be posted to wherever they are, by http too; CallbackNetworks are
	// reached beside the public network.
	CallbackHosts    []string
	CallbackNetworks []netip.Prefix
	// PeopleHosts are the hosts to which the events of people who signed in may be posted.
	PeopleHosts []string
	Profile     PushProfile
	WebhookID   WebhookID
	// MaxSubscriptions bounds those of one principal.
	MaxSubscriptions int
	// TTL is the longest life of a subscription that is not refreshed.
	TTL time.Duration
	// Backlog is how old an event may be when it is delivered.
	Backlog time.Duration
}

// A PushProfile settles what the sources of the extension say differently.
type PushProfile string

// The values of EVENTS_PROFILE.
const (
	// PushDeployed is what deployed clients know.
	PushDeployed PushProfile = "deployed"
	// PushDraft is the text of the proposal.
	PushDraft PushProfile = "draft"
)

// A WebhookID is what a posted event's webhook-id is.
type WebhookID string

// The values of EVENTS_WEBHOOK_ID.
const (
	// EventWebhookID is the event's own id.
	EventWebhookID WebhookID = "event"
	// MessageWebhookID is an id of each message to each receiver.
	MessageWebhookID WebhookID = "message"
)

// A Channel pushes messages into the conversation of the client of stdio.
type Channel struct {
	Enabled bool
	// Senders are the users whose messages are pushed, by id or e-mail address.
	Senders []string
	// Watch are channels, by id or name, in which every message of a sender counts.
	Watch []string
	// Permissions is where permission prompts go: a channel or a user; with "" no prompt is sent.
	Permissions string
}

// A Token is a named bearer.
type Token struct {
	Name string
	// Scopes are of read, events, write, admin, as-user.
	Scopes []string
	Secret Secret
}

// OAuth describes the authorization server whose tokens are accepted.
type OAuth struct {
	// Issuer is its URL as it stands in the tokens; "" means that OAuth is off.
	Issuer string
	// Audience is what the tokens must be made for.
	Audience string
	// JWKSURL is where its keys are; "" means that its metadata says so.
	JWKSURL string
}

// Enabled reports whether tokens of an authorization server are accepted.
func (o OAuth) Enabled() bool { return o.Issuer != "" }

// Admin is the operator's listener.
type Admin struct {
	// Addr is host:port of a second listener for health details, metrics and docs;
	// "" keeps them on the first.
	Addr string
	// Token lets its bearer see the errors and addresses of the database on the detailed pages, and opens the
	// console.
	Token Secret
	// ConsoleHosts are the Host headers by which the console may be reached from beyond this machine.
	ConsoleHosts []string
}

// Loopback reports whether only this machine can connect to the operator's listener.
func (a Admin) Loopback() bool {
	host, _, err := net.SplitHostPort(a.Addr)
	return err == nil && Listen{Host: host}.Loopback()
}

// Origin returns where the value of a setting came from; an unknown key has the zero
// Origin.
func (c Config) Origin(key string) Origin { return c.origins[key] }

// Variable finds a variable that is no setting but that a file names, such as the secret
// of a source: in the environment, else in the .env file, else in the file that its name
// and _FILE name. What it returns may be a secret.
func (c Config) Variable(name string) (string, bool) {
	if c.named == nil {
		return "", false
	}
	return c.named(name)
}

// Events reports whether the process has the log of events: it receives them, or follows
// the store of those who do.
func (c Config) Events() bool {
	return c.Mode.Webhook() || c.MCP.Channel.Enabled || c.follows
}

// Following returns the configuration of a process of stdio that has events although it is no webhook side: those
// that it receives by Socket Mode, or else those of the store beside it. The start finds out which.
func (c Config) Following(receives bool) Config {
	c.follows, c.Slack.SocketMode = true, receives
	return c
}

// Receives reports whether events come in through this process.
func (c Config) Receives() bool {
	return c.Mode.Webhook() || c.Events() && c.Slack.SocketMode
}

// NeedsDataDir reports whether something will be kept in Queue.DataDir: the embedded
// store, or the MCP token that is made when none was set.
func (c Config) NeedsDataDir() bool {
	if c.Receives() && c.Queue.Backend == SQLite {
		return true
	}
	return c.Mode.MCP() && c.MCP.Transport != Stdio && !c.MCP.NoAuth && !c.MCP.AuthToken.IsSet() && !c.SignIn.Enabled()
}

// WorkspaceFile is the file in the data directory of a sandbox that holds the address of its workspace
// while it runs.
func WorkspaceFile(dir string) string { return filepath.Join(dir, "workspace") }

// PrepareDataDir makes the directory with mode 0700 unless it is there, and proves
// that files can be made in it. Its error is an *Error with the remedy.
func PrepareDataDir(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = tryFile(dir)
	}
	if err == nil {
		return nil
	}
	return &Error{Problems: []Problem{{
		Setting: "DATA_DIR",
		What:    "cannot be used at " + dir + " (" + reason(err) + ")",
		Remedy:  "make it writable for this user, or name another directory with --data-dir",
	}}}
}

// SharedDataDir is the warning that others than its owner can write a directory; "" where
// they cannot, or where there is none.
func SharedDataDir(dir string) string {
	const others = 0o022 // the permissions of the group and of everybody else to write
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&others == 0 {
		return ""
	}
	return fmt.Sprintf("DATA_DIR %s can be written by others than its owner (mode %04o), who could put files of theirs in place of the store's: say chmod go-w %s", dir, info.Mode().Perm(), dir)
}

func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Trace is where traces go, and which.
type Trace struct {
	Endpoint, TracesEndpoint string
	// Headers is name=value with commas between; see HeaderMap.
	Headers Secret
	Service string
	// Attributes are name=value; see AttributeMap.
	Attributes []string
	// Sampler is OpenTelemetry's name of one, Ratio the share that it keeps.
	Sampler  string
	Ratio    float64
	Disabled bool
}

// URL is where traces are posted, empty for none.
func (t Trace) URL() string {
	switch {
	case t.Disabled:
		return ""
	case t.TracesEndpoint != "":
		return t.TracesEndpoint
	case t.Endpoint != "":
		return strings.TrimRight(t.Endpoint, "/") + "/v1/traces"
	}
	return ""
}

// HeaderMap returns the headers by name.
func (t Trace) HeaderMap() map[string]string { return pairs(splitList(t.Headers.Reveal())) }

// AttributeMap returns the attributes by name.
func (t Trace) AttributeMap() map[string]string { return pairs(t.Attributes) }

func pairs(list []string) map[string]string {
	m := map[string]string{}
	for _, entry := range list {
		if name, value, err := parsePair(entry); err == nil { // Load has seen that it is nil
			m[name] = value
		}
	}
	return m
}

func parsePair(entry string) (name, value string, err error) {
	name, value, ok := strings.Cut(entry, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return "", "", errors.New("write name=value, with commas between")
	}
	value, err = url.QueryUnescape(strings.ReplaceAll(strings.TrimSpace(value), "+", "%2B"))
	if err != nil {
		return "", "", errors.New("write values percent-encoded: a percent sign is %25")
	}
	return name, value, nil
}

func parsePairs(raw string) ([]string, error) {
	list := splitList(raw)
	for _, entry := range list {
		if _, _, err := parsePair(entry); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func parseHeaders(raw string) (Secret, error) {
	_, err := parsePairs(raw)
	return NewSecret(raw), err
}

func parseShare(raw string) (float64, error) {
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, errors.New("write a number from 0 to 1, such as 0.1")
	}
	return f, nil
}
