package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// derive fills what follows from other settings.
func (l *loader) derive() {
	c := &l.config
	c.Slack.APIURL = strings.TrimRight(c.Slack.APIURL, "/") + "/"
	c.Listen.PublicURL = strings.TrimRight(c.Listen.PublicURL, "/")
	c.Mode = ModeStandalone
	switch {
	case l.src.Command == CommandMCP:
		c.Mode = ModeMCP
	case c.integrated, c.Sandbox && c.Origin("INTEGRATED").Kind == FromDefault:
		c.Mode = ModeIntegrated
	}
	l.chooseBackend()
	l.findPlatform()
	if c.Queue.DataDir == "" {
		c.Queue.DataDir = l.defaultDataDir()
	}
	if c.MCP.OAuth.Audience == "" && c.Listen.PublicURL != "" {
		c.MCP.OAuth.Audience = c.Listen.PublicURL + c.MCP.MountPath
	}
}

// chooseBackend takes the backend that was named, or the one whose address is known.
func (l *loader) chooseBackend() {
	q := &l.config.Queue
	origin := l.config.Origin("QUEUE_BACKEND_TYPE")
	switch {
	case origin.Kind != FromDefault:
		q.Because = "chosen by " + origin.String()
	case q.RedisURL.IsSet() && q.NATSURL.IsSet():
		l.problems.add("QUEUE_BACKEND_TYPE", "is not set, and both REDIS_URL and NATS_URL are", "set it to redis or nats, or unset one of the addresses")
	case q.RedisURL.IsSet():
		q.Backend, q.Because = Redis, "chosen because REDIS_URL is set"
	case q.NATSURL.IsSet():
		q.Backend, q.Because = NATS, "chosen because NATS_URL is set"
	default:
		q.Backend, q.Because = SQLite, "the default"
	}
	if q.Backend == Redis && !q.RedisURL.IsSet() {
		l.problems.add("REDIS_URL", "is missing, and the queue is to be kept in Redis", "set it, for example to redis://localhost:6379/0, or choose another QUEUE_BACKEND_TYPE")
	}
	if q.Backend == NATS && !q.NATSURL.IsSet() {
		l.problems.add("NATS_URL", "is missing, and the queue is to be kept in NATS", "set it, for example to nats://localhost:4222, or choose another QUEUE_BACKEND_TYPE")
	}
}

// dirName is the directory's name below the place where the system keeps state.
const dirName = "slack-webhook-server"

// defaultDataDir is in the state directory of the system for root and of the person
// otherwise. The sandbox has its own below it, so that what is played never mixes
// with what is real.
func (l *loader) defaultDataDir() string {
	dir := "/var/lib/" + dirName
	if !l.src.Root {
		state, _ := l.fromEnv("XDG_STATE_HOME")
		home, _ := l.fromEnv("HOME")
		switch {
		case filepath.IsAbs(state): // the specification has relative ones ignored
			dir = filepath.Join(state, dirName)
		case filepath.IsAbs(home):
			dir = filepath.Join(home, ".local", "state", dirName)
		}
	}
	if l.config.Sandbox {
		dir = filepath.Join(dir, sandboxName)
	}
	return dir
}

// sandboxName is the directory of the sandbox below the one of what is real.
const sandboxName = "sandbox"

// InSandbox returns the configuration with the data directory that a sandbox has with these settings: the
// one that is named, or else its own.
func (c Config) InSandbox() Config {
	if !c.Sandbox && c.Origin("DATA_DIR").Kind == FromDefault {
		c.Queue.DataDir = filepath.Join(c.Queue.DataDir, sandboxName)
	}
	c.Sandbox = true
	return c
}

const (
	appRemedy     = "make one at api.slack.com/apps, your app, Basic Information, App-Level Tokens, with the scope connections:write"
	signingRemedy = "copy the Signing Secret from api.slack.com/apps, your app, Basic Information, and set it in the environment or the .env file"
	userRemedy    = "copy the User OAuth Token from api.slack.com/apps, your app, OAuth & Permissions, or leave it out"
	botRemedy     = "copy the Bot User OAuth Token from api.slack.com/apps, your app, OAuth & Permissions, and set it in the environment or the .env file"
	orSandbox     = "; or try --sandbox, which needs nothing"
)

// validate compares the settings with what the command needs.
func (l *loader) validate() {
	switch l.src.Command {
	case CommandServe:
		l.validateSecrets()
		l.validateReceiving()
		l.validateListening()
		l.validateMCP()
		l.validateReplicas()
	case CommandMCP:
		l.validateSecrets()
		l.validateMCP()
		l.validateReplicas()
		if l.config.MCP.Transport != Stdio {
			l.validateListening()
		}
	case CommandSend:
		if !l.config.Slack.SigningSecrets.IsSet() && !l.config.Senders.Any() && !l.config.Sandbox {
			l.problems.add("SLACK_SIGNING_SECRET", "is missing", "set it to the secret of the server that you send to")
		}
	case CommandLambda:
		l.validateLambda()
		l.validateReceiving()
	case CommandHealth:
		l.validateListening()
	case CommandSandbox, CommandOperate, CommandManifest:
	}
}

// validateReceiving compares how long a delivery's signature is good with how long its id is
// known.
func (l *loader) validateReceiving() {
	c := &l.config
	if tolerance, ttl := c.Receive.TimestampTolerance, c.Queue.DedupeTTL; ttl < tolerance {
		l.problems.add("DEDUPE_TTL", fmt.Sprintf("is %s, and TIMESTAMP_TOLERANCE %s: a delivery that was seen on its way could be sent again when its id is forgotten, and would be taken", ttl, tolerance),
			"make DEDUPE_TTL at least as long as TIMESTAMP_TOLERANCE; 48h is the default")
	}
	if c.Queue.Backups.On() && c.Queue.Backend != SQLite {
		l.problems.add("BACKUPS", "is set, and the events are kept in "+string(c.Queue.Backend),
			"unset it, and back the database up with its own tools (docs/operations.md, Backups)")
	}
}

// validateLambda refuses what a function cannot do: keep anything, and hold a connection.
func (l *loader) validateLambda() {
	c := &l.config
	if c.Mode.MCP() {
		key := "INTEGRATED"
		if c.Sandbox {
			key = "SANDBOX"
		}
		l.problems.add(key, "is set, and a Lambda function serves the webhook side alone",
			"unset it, and run the MCP side in a server elsewhere on the same queue")
	} else {
		l.validateSecrets()
	}
	if c.Slack.SocketMode {
		l.problems.add("SOCKET_MODE", "is set, and a Lambda function holds no connection", "unset it, and let Slack post to the function's address")
	}
	if c.Queue.Backend.Embedded() {
		l.problems.add("QUEUE_BACKEND_TYPE", "comes to "+string(c.Queue.Backend)+", which a Lambda function forgets between its calls",
			"set REDIS_URL or NATS_URL to a database that the function reaches")
	}
}

// validateSecrets requires the secrets that each mode needs.
func (l *loader) validateSecrets() {
	c := &l.config
	if c.Sandbox {
		l.refuseRealTokens()
		return
	}
	switch c.Mode {
	case ModeStandalone:
		if !c.Slack.SigningSecrets.IsSet() && !c.Senders.Any() && !c.Slack.SocketMode {
			l.problems.add("SLACK_SIGNING_SECRET", "is missing, and so is every other sender's secret", signingRemedy+orSandbox)
		}
	case ModeIntegrated:
		if !c.Slack.SigningSecrets.IsSet() && !c.Slack.SocketMode {
			l.problems.add("SLACK_SIGNING_SECRET", "is missing, and --integrated needs it", signingRemedy+orSandbox)
		}
		l.wantBotToken("is missing, and --integrated needs it", botRemedy+orSandbox)
	case ModeMCP:
		if !c.Slack.UserAlone() {
			l.wantBotToken("is missing", botRemedy+"; or set SLACK_USER_TOKEN alone, for a server that acts as you")
		}
	}
	if c.Slack.SocketMode && c.Receives() && !c.Slack.AppToken.IsSet() {
		l.problems.add("SLACK_APP_TOKEN", "is missing, and --socket-mode needs it", appRemedy+orSandbox)
	}
	l.validateForms()
}

func (l *loader) wantBotToken(what, remedy string) {
	if l.config.Slack.UserToken.IsSet() {
		remedy += "; SLACK_USER_TOKEN alone is enough for the command mcp, which receives no events"
	}
	if !l.config.Slack.BotToken.IsSet() {
		l.problems.add("SLACK_BOT_TOKEN", what, remedy)
	}
}

// refuseRealTokens keeps a token that opens a real workspace out of a run that is
// meant to be harmless.
func (l *loader) refuseRealTokens() {
	for _, token := range []struct {
		key   string
		value Secret
	}{
		{"SLACK_BOT_TOKEN", l.config.Slack.BotToken},
		{"SLACK_USER_TOKEN", l.config.Slack.UserToken},
		{"SLACK_APP_TOKEN", l.config.Slack.AppToken},
	} {
		if token.value.IsSet() && !sandboxToken(token.value) {
			l.problems.add(token.key, "is set, and the sandbox takes no real token (from "+l.config.Origin(token.key).String()+")",
				"unset it, or add --no-env-file if it stands in the .env file; or leave --sandbox out")
		}
	}
}

// sandboxToken reports a token that only the fake workspace takes.
func sandboxToken(token Secret) bool {
	kind, rest, _ := strings.Cut(token.Reveal(), "-")
	return (kind == "xoxb" || kind == "xoxp" || kind == "xapp") && strings.HasPrefix(rest, "sandbox-")
}

func (l *loader) validateListening() {
	c := &l.config
	if !plausibleHost(c.Listen.Host) {
		l.problems.add("HOST", "is not an address or a name", "write for example 0.0.0.0, 127.0.0.1, ::1 or localhost")
	}
	l.validateTLS()
	l.warnOfProxies()
	if c.Admin.Addr != "" {
		if _, port, err := net.SplitHostPort(c.Admin.Addr); err != nil || !isPort(port) {
			l.problems.add("ADMIN_ADDR", "is not an address with a port", "write for example 127.0.0.1:9090")
		}
	}
}

func (l *loader) validateTLS() {
	c := &l.config
	switch {
	case c.Listen.TLSCertFile != "" && c.Listen.TLSKeyFile == "":
		l.problems.add("TLS_KEY_FILE", "is missing, and TLS_CERT_FILE is set", "set it to the file with the certificate's private key")
	case c.Listen.TLSCertFile == "" && c.Listen.TLSKeyFile != "":
		l.problems.add("TLS_CERT_FILE", "is missing, and TLS_KEY_FILE is set", "set it to the file with the key's certificate chain")
	case c.Listen.TLS() && c.Sandbox:
		l.warn("TLS_CERT_FILE is set, and the sandbox's workspace delivers over plain HTTP: no event of its own will arrive")
	}
}

// balancers are the platforms on which every request comes through a balancer, with the
// networks that it comes from.
var balancers = map[Platform]string{CloudRun: "169.254.0.0/16", Heroku: "10.0.0.0/8"}

// warnOfProxies says that a proxy in front is not known by its address. With a certificate
// of our own nothing has to be in front.
func (l *loader) warnOfProxies() {
	c := &l.config
	if len(c.Listen.TrustedProxies) > 0 || c.Listen.TLS() {
		return
	}
	const because = "so every client counts as the proxy, and one that keeps failing can slow all others down"
	if networks := balancers[c.Platform]; networks != "" {
		l.warn("TRUSTED_PROXIES is not set, and on %s a balancer is in front of this server, %s: set TRUSTED_PROXIES=%s", c.Platform, because, networks)
		return
	}
	if u, err := url.Parse(c.Listen.PublicURL); err == nil && u.Host != "" && !(Listen{Host: u.Hostname()}).Loopback() {
		l.warn("PUBLIC_URL is set, and TRUSTED_PROXIES is not, %s: set TRUSTED_PROXIES to the addresses of the proxy that serves %s (docs/deployment.md has them by platform)", because, u.Host)
	}
}

func plausibleHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	return host != "" && isPrintable(host) && !strings.ContainsAny(host, ":/@?#[] ")
}

func isPort(port string) bool {
	_, err := parseNumber(port, 0, maxPort)
	return err == nil
}

// minToken is the length below which a bearer can be guessed.
const (
	minToken    = 16
	tokenRemedy = "make one with: openssl rand -hex 32"
)

func (l *loader) validateMCP() {
	c := &l.config
	if !c.Mode.MCP() {
		return
	}
	if c.MCP.Transport == Stdio && c.Mode != ModeMCP {
		l.problems.add("MCP_TRANSPORT", "is stdio, which only the command mcp serves", "use sse or streamable-http, or run: slack-webhook-server mcp --transport stdio")
	}
	l.validateChannel()
	l.warnOfBounds()
	if len(c.MCP.LockdownApps) > 0 && c.MCP.Lockdown == LockdownOff {
		l.warn("LOCKDOWN_APPS is set, and LOCKDOWN is not: so nothing is withheld; set LOCKDOWN=true")
	}
	c.MCP.NoAuth = l.config.noAuthTimes > 0
	if c.noAuthTimes == 1 && !c.Listen.Loopback() && c.MCP.Transport != Stdio {
		l.problems.add("MCP_NO_AUTH", "would open MCP, and Slack through it, to everyone who reaches "+c.Listen.Host,
			"listen on --host 127.0.0.1, or set MCP_AUTH_TOKEN instead, or, where the network is closed to others, confirm it with MCP_NO_AUTH=2")
	}
	l.validateOAuth()
	l.warnOfUserReads()
	l.validateSignIn()
	if c.MCP.AuthToken.IsSet() && len(c.MCP.AuthToken.Reveal()) < minToken {
		l.problems.add("MCP_AUTH_TOKEN", fmt.Sprintf("is shorter than %d characters", minToken), tokenRemedy)
	}
	for _, token := range c.MCP.Tokens {
		if len(token.Secret.Reveal()) < minToken {
			l.problems.add("MCP_TOKENS", fmt.Sprintf("has a token for %s that is shorter than %d characters", token.Name, minToken), tokenRemedy)
		}
	}
}

// warnOfBounds warns where one bound can never be reached because another one is too low for it.
func (l *loader) warnOfBounds() {
	m, connections := l.config.MCP, l.config.Listen.MaxConnections
	if m.Transport == Stdio {
		return
	}
	for _, b := range []struct {
		low, high string
		has, need int
		because   string
	}{
		{
			"MAX_CONNECTIONS", "MCP_MAX_STREAMS and MCP_MAX_CALLS", connections, ((m.MaxStreams+m.MaxCalls)*8 + 4) / 5,
			"each stream has a connection, over HTTP/1.1 each request too, and of all connections five eighths at most are those of assistants",
		},
		{"MCP_MAX_SESSIONS", "MCP_MAX_STREAMS", m.MaxSessions, m.MaxStreams, "a stream belongs to a session, but for those of clients without sessions"},
		{"MCP_MAX_CALLS", "MCP_MAX_WAITS", m.MaxCalls, m.MaxWaits, "a request that waits is one that runs"},
	} {
		if b.has < b.need {
			l.warn("%s is %d, which is too low for %s: %s; raise it to at least %d, or lower %s", b.low, b.has, b.high, b.because, b.need, b.high)
		}
	}
}

// maxPrompted is how many people a permission prompt can name: each of them may answer it.
const maxPrompted = 50

// validateChannel requires the senders of a channel: without them anyone in Slack could give the
// client's model orders.
func (l *loader) validateChannel() {
	c := l.config.MCP.Channel
	switch {
	case !c.Enabled:
		return
	case l.config.Mode != ModeMCP:
		l.warn("MCP_CHANNEL is for the command mcp with --transport stdio, and changes nothing here")
		return
	case l.config.MCP.Transport != Stdio:
		l.problems.add("MCP_CHANNEL", "is set, and a channel belongs to the client that starts it", "run: slack-webhook-server mcp --transport stdio --channel")
	}
	if len(c.Senders) == 0 {
		l.problems.add("MCP_CHANNEL_SENDERS", "is missing, and without it nobody is heard", "name the people whose messages the assistant is to take: --channel-senders U0123456789")
	}
	if n := len(c.Senders); n > maxPrompted && c.Permissions != "" {
		l.problems.add("MCP_CHANNEL_SENDERS", fmt.Sprintf("names %d people, and a permission prompt names at most %d", n, maxPrompted),
			"name fewer, or leave MCP_CHANNEL_PERMISSIONS out")
	}
	for _, s := range c.Senders {
		if strings.HasPrefix(s, "@") || !strings.Contains(s, "@") && !strings.HasPrefix(s, "U") && !strings.HasPrefix(s, "W") {
			l.problems.add("MCP_CHANNEL_SENDERS", "names somebody otherwise than by id or e-mail address", "write U0123456789 or ada@example.com: a name can be taken by somebody else")
			return
		}
	}
}

// warnOfUserReads says what reading with the user token opens, and when it opens nothing.
func (l *loader) warnOfUserReads() {
	c := &l.config
	if c.Slack.UserAlone() {
		l.warnOfUserAlone()
		return
	}
	may := c.MCP.Transport == Stdio
	for _, token := range c.MCP.Tokens {
		if slices.Contains(token.Scopes, scopeAsUser) {
			may = true
			if !c.Slack.UserTokenReads {
				l.warn("MCP_TOKENS gives %s the scope as-user, and SLACK_USER_TOKEN_READS is not set: it reads with the bot token alone", token.Name)
			}
		}
	}
	switch {
	case !c.Slack.UserTokenReads:
	case !c.Slack.UserToken.IsSet() && !c.Sandbox:
		l.warn("SLACK_USER_TOKEN_READS is set, and SLACK_USER_TOKEN is not: nothing is read with it")
	case !may:
		l.warn("SLACK_USER_TOKEN_READS is set, and no token of MCP_TOKENS has the scope as-user: nothing is read with SLACK_USER_TOKEN")
	default:
		l.warn("SLACK_USER_TOKEN_READS is set: assistants with the scope as-user read all that the owner of SLACK_USER_TOKEN sees, private channels and direct messages too")
	}
}

// warnOfUserAlone says whom a server without a bot acts as.
func (l *loader) warnOfUserAlone() {
	c := &l.config
	if c.Mode == ModeMCP && c.MCP.Transport != Stdio && !c.Sandbox {
		l.warn("SLACK_USER_TOKEN is set without SLACK_BOT_TOKEN: whoever may call this server reads and writes as the token's owner, private channels and direct messages too")
	}
	if c.Mode == ModeMCP && c.Slack.UserTokenReads {
		l.warn("SLACK_USER_TOKEN_READS is set, and SLACK_BOT_TOKEN is not: everything is read with SLACK_USER_TOKEN")
	}
}

func (l *loader) validateOAuth() {
	oauth := l.config.MCP.OAuth
	switch {
	case oauth.Enabled() && oauth.Audience == "":
		l.problems.add("MCP_OAUTH_AUDIENCE", "is missing, and MCP_OAUTH_ISSUER is set", "set it, or PUBLIC_URL, to how assistants reach this server")
	case !oauth.Enabled() && oauth.JWKSURL != "":
		l.problems.add("MCP_OAUTH_ISSUER", "is missing, and MCP_OAUTH_JWKS_URL is set", "set it to the issuer that stands in the tokens")
	}
}

// A Platform is where the process runs, as far as its environment shows.
type Platform string

// The platforms that are recognized. Elsewhere it is "".
const (
	Kubernetes Platform = "Kubernetes"
	CloudRun   Platform = "Cloud Run"
	Heroku     Platform = "Heroku"
	ECS        Platform = "Amazon ECS"
	LambdaHost Platform = "AWS Lambda"
)

// Vanishes reports whether every file on the platform goes with the process, whatever
// directory it is in.
func (p Platform) Vanishes() bool { return p == CloudRun || p == Heroku || p == LambdaHost }

// platforms are recognized by a variable that each of them sets.
var platforms = []struct {
	key  string
	name Platform
}{
	{"K_SERVICE", CloudRun},
	{"AWS_LAMBDA_FUNCTION_NAME", LambdaHost},
	{"ECS_CONTAINER_METADATA_URI_V4", ECS},
	{"ECS_CONTAINER_METADATA_URI", ECS},
	{"DYNO", Heroku},
	{"KUBERNETES_SERVICE_HOST", Kubernetes},
}

func (l *loader) findPlatform() {
	for _, p := range platforms {
		if v, _ := l.fromEnv(p.key); v != "" {
			l.config.Platform = p.name
			return
		}
	}
}

// ordinal ends the name of a StatefulSet's pod.
var ordinal = regexp.MustCompile(`-([0-9]{1,4})$`)

// otherReplicas returns the sign by which the platform shows that this process is not the only
// one, or "". Most platforms do not show it.
func (l *loader) otherReplicas() string {
	if dyno, _ := l.fromEnv("DYNO"); above(dyno[strings.LastIndexByte(dyno, '.')+1:], 1) {
		return "DYNO is " + dyno
	}
	for _, key := range []string{"CF_INSTANCE_INDEX", "NOMAD_ALLOC_INDEX"} {
		if v, _ := l.fromEnv(key); above(v, 0) {
			return key + " is " + v
		}
	}
	if l.config.Platform == Kubernetes {
		name, _ := l.fromEnv("HOSTNAME")
		if m := ordinal.FindStringSubmatch(name); m != nil && above(m[1], 0) {
			return "the pod is " + name
		}
	}
	return ""
}

func above(number string, n int) bool {
	got, err := strconv.Atoi(number)
	return err == nil && got > n
}

// validateReplicas refuses what several replicas cannot do: share a store that one process
// keeps, or take a token that another of them made.
func (l *loader) validateReplicas() {
	c := &l.config
	var why string
	switch sign := l.otherReplicas(); {
	case c.Replicas > 1:
		why = fmt.Sprintf("is %d", c.Replicas)
	case sign != "":
		why = "is not set, and " + sign + ", so there are several"
	default:
		return
	}
	if c.Mode.Webhook() && c.Queue.Backend.Embedded() {
		l.problems.add("REPLICAS", why+", and the "+string(c.Queue.Backend)+" queue belongs to one process alone: each replica would have events that the others lack",
			"set REDIS_URL or NATS_URL, or run one replica")
	}
	http := c.Mode.MCP() && c.MCP.Transport != Stdio
	if http && !c.MCP.AuthToken.IsSet() && !c.MCP.OAuth.Enabled() && !c.SignIn.Enabled() && !c.MCP.NoAuth && len(c.MCP.Tokens) == 0 && !c.Sandbox {
		l.problems.add("MCP_AUTH_TOKEN", "is not set, and REPLICAS "+why+": each replica would make a token of its own that the others refuse",
			"set one token for all of them")
	}
}

// Routes are the paths that the server answers itself, besides / ; an MCP mount may
// neither cover nor lie inside one.
func Routes() []string {
	return []string{
		"/slack/events", "/events", "/webhooks", "/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs",
	}
}

func parseMount(raw string) (string, error) {
	mount := strings.TrimRight(raw, "/")
	switch {
	case !strings.HasPrefix(raw, "/") || mount == "":
		return "", errors.New("write a path such as /mcp or /api/mcp")
	case path.Clean(mount) != mount || strings.ContainsAny(mount, "?#%*: \\") || !isPrintable(mount):
		return "", errors.New("write a plain path without dots, doubled slashes, wildcards and escapes, such as /api/mcp")
	}
	for _, route := range Routes() {
		if within(route, mount) || within(mount, route) {
			return "", errors.New("choose another path: it meets the server's own route " + route)
		}
	}
	return mount, nil
}

// within reports whether path is dir or lies under it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
