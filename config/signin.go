package config

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// SignIn is "Sign in with Slack": people sign in with their own Slack account.
type SignIn struct {
	// Teams are the workspaces (T…) and organizations (E…) whose people may sign in; none means that
	// signing in is off.
	Teams []string
	// Guests lets guests of these sign in too.
	Guests bool
	// Scopes are what people may give to a client at most: read, write.
	Scopes []string
	// Clients are further clients, and hosts to which browsers may be sent back.
	Clients []string
	// KeysFile has the keys that seal what is kept of people.
	KeysFile string
	// ClientID and ClientSecret are the Slack app's.
	ClientID     string
	ClientSecret Secret
}

// Enabled reports whether people may sign in.
func (s SignIn) Enabled() bool { return len(s.Teams) > 0 }

var signInSettings = []Setting{
	{
		Key: "SIGN_IN_TEAMS", Flag: "sign-in-teams", Section: SectionSignIn, Kind: KindList, Example: "T0123456789",
		DefaultNote: "nobody signs in",
		Help:        "Workspaces and organizations whose people may sign in with Slack; switches signing in on",
		bind:        into(func(c *Config) *[]string { return &c.SignIn.Teams }, parseTeams),
	},
	{
		Key: "SIGN_IN_GUESTS", Flag: "sign-in-guests", Section: SectionSignIn, Kind: KindBoolean, Default: "false",
		Help: "Let guests of these sign in too",
		bind: boolean(func(c *Config) *bool { return &c.SignIn.Guests }),
	},
	{
		Key: "SIGN_IN_SCOPES", Flag: "sign-in-scopes", Section: SectionSignIn, Kind: KindList, Default: "read,write",
		Help: "What people may give to an assistant at most: read, events, write",
		More: "With events it is told of what the person may see in Slack; READ_ONLY takes write away.",
		bind: into(func(c *Config) *[]string { return &c.SignIn.Scopes }, parsePersonalScopes),
	},
	{
		Key: "SIGN_IN_CLIENTS", Flag: "sign-in-clients", Section: SectionSignIn, Kind: KindList,
		Example:     "agents.example.com,https://agents.example.com/client.json,my-agent=https://agents.example.com/callback",
		DefaultNote: "programs on the person's computer, and the known clients",
		Help:        "Further clients: hosts to send browsers back to, client metadata documents, and clients as id=redirect",
		bind:        list(func(c *Config) *[]string { return &c.SignIn.Clients }),
	},
	{
		Key: "IDENTITY_KEYS_FILE", Flag: "identity-keys-file", Section: SectionSignIn, Kind: KindText, Example: "/etc/slack-webhook-server/identity.keys",
		DefaultNote: "nobody signs in",
		Help:        "File with the keys that seal what is kept of people, the newest first",
		More:        "It has mode 0600, belongs to the user of the process and lies outside of DATA_DIR.",
		bind:        text(func(c *Config) *string { return &c.SignIn.KeysFile }, "file"),
	},
	{
		Key: "SLACK_CLIENT_ID", Flag: "slack-client-id", Section: SectionSignIn, Kind: KindText, Example: "1234567890.1234567890",
		DefaultNote: "nobody signs in",
		Help:        "Client id of the Slack app, for signing in",
		bind:        text(func(c *Config) *string { return &c.SignIn.ClientID }, "id"),
	},
	{
		Key: "SLACK_CLIENT_SECRET", Section: SectionSignIn, Kind: KindSecret, Example: "0123456789abcdef0123456789abcdef",
		Help: "Client secret of the Slack app, for signing in",
		More: "Find both at api.slack.com/apps under Basic Information, App Credentials.",
		bind: slackSecret(func(c *Config) *Secret { return &c.SignIn.ClientSecret }),
	},
}

func parseTeams(raw string) ([]string, error) {
	teams := splitList(raw)
	for _, t := range teams {
		if len(t) < 2 || len(t) > 32 || t[0] != 'T' && t[0] != 'E' || strings.Trim(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return nil, errors.New("write ids of workspaces and organizations such as T0123456789 or E0123456789")
		}
	}
	return teams, nil
}

func parsePersonalScopes(raw string) ([]string, error) {
	scopes := splitList(raw)
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return s != "read" && s != "events" && s != "write" }) {
		return nil, errors.New("write read, with events, write or both: read,events,write")
	}
	return scopes, nil
}

// validateSignIn requires what signing in needs, and refuses what would go round it.
func (l *loader) validateSignIn() {
	c := &l.config
	if !c.SignIn.Enabled() {
		return
	}
	if c.MCP.Transport == Stdio {
		l.problems.add("SIGN_IN_TEAMS", "is set, and the client of stdio is the one who started it", "leave it out, or serve MCP over HTTP")
		return
	}
	for _, missing := range []struct{ key, value, remedy string }{
		{"IDENTITY_KEYS_FILE", c.SignIn.KeysFile, "make one outside of DATA_DIR: slack-webhook-server keys new /etc/slack-webhook-server/identity.keys"},
		{"SLACK_CLIENT_ID", c.SignIn.ClientID, "copy it from api.slack.com/apps, your app, Basic Information"},
		{"SLACK_CLIENT_SECRET", c.SignIn.ClientSecret.Reveal(), "copy it from api.slack.com/apps, your app, Basic Information, and set it in the environment or the .env file"},
	} {
		if missing.value == "" && !c.Sandbox {
			l.problems.add(missing.key, "is missing, and SIGN_IN_TEAMS is set", missing.remedy)
		}
	}
	l.validateIssuer()
	first, _, _ := strings.Cut(strings.TrimPrefix(c.MCP.MountPath, "/"), "/")
	if slices.Contains([]string{"authorize", "token", "register", "revoke", "oauth", "sign-ins", ".well-known"}, first) {
		l.problems.add("MCP_MOUNT_PATH", "lies where people sign in", "take another path, such as /mcp")
	}
	if c.MCP.NoAuth {
		l.problems.add("MCP_NO_AUTH", "lets everyone in without signing in, and SIGN_IN_TEAMS is set", "leave one of them out")
	}
	if c.MCP.OAuth.Enabled() {
		l.problems.add("MCP_OAUTH_ISSUER", "names another authorization server, and with SIGN_IN_TEAMS this server is its own", "leave one of them out")
	}
	if c.Slack.UserAlone() {
		l.problems.add("SLACK_BOT_TOKEN", "is missing, and SIGN_IN_TEAMS is set: everybody would have the rights of the owner of SLACK_USER_TOKEN", botRemedy)
	}
	if c.Slack.UserToken.IsSet() && !c.Slack.UserTokenReads {
		l.problems.add("SLACK_USER_TOKEN", "is set, and people who sign in see what they themselves may",
			"leave it out, or set SLACK_USER_TOKEN_READS for tokens of MCP_TOKENS with the scope as-user, which it then serves alone")
	}
	l.warnOfServices()
	switch {
	case c.Sandbox:
	case c.Queue.Backend == Memory:
		l.problems.add("QUEUE_BACKEND", "is memory, which forgets at each restart who has signed in", "take sqlite, redis or nats")
	case c.Queue.Backend.Embedded() && c.Mode == ModeMCP:
		l.problems.add("QUEUE_BACKEND", "belongs to the process that receives, and this one would forget at each restart who has signed in",
			"run both sides in one process, with INTEGRATED, or take redis or nats")
	}
}

// warnOfServices names the tokens that see more than a person does.
func (l *loader) warnOfServices() {
	const sees = "see all that the bot sees, private conversations and direct messages with it too, and are beside the people who sign in"
	var names []string
	if l.config.MCP.AuthToken.IsSet() {
		names = append(names, "MCP_AUTH_TOKEN")
	}
	for _, t := range l.config.MCP.Tokens {
		if slices.ContainsFunc(t.Scopes, func(scope string) bool { return scope != "write" }) {
			names = append(names, t.Name+" of MCP_TOKENS")
		}
	}
	if len(names) > 0 {
		l.warn("%s: these service tokens "+sees, strings.Join(names, ", "))
	}
}

// validateIssuer requires a public address that browsers can be sent to: it is the issuer of tokens.
func (l *loader) validateIssuer() {
	if listen := &l.config.Listen; l.config.Sandbox && listen.PublicURL == "" && listen.Port != 0 {
		listen.PublicURL = listen.Scheme() + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(listen.Port)) // its people are on this machine
	}
	u, err := url.Parse(l.config.Listen.PublicURL)
	switch {
	case l.config.Listen.PublicURL == "" || err != nil:
		l.problems.add("PUBLIC_URL", "is missing, and SIGN_IN_TEAMS is set: Slack sends browsers back to it", "set it to the https address of this server")
	case u.Path != "":
		l.problems.add("PUBLIC_URL", "has a path, and with SIGN_IN_TEAMS clients look for this server at an origin", "give the server a host of its own: "+u.Scheme+"://"+u.Host)
	case u.Scheme != "https" && !(Listen{Host: u.Hostname()}).Loopback():
		l.problems.add("PUBLIC_URL", "is no https, and with SIGN_IN_TEAMS tokens travel to it", "serve it by https")
	}
}
