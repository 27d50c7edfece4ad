package config

import (
	"net/netip"
	"slices"
	"time"
)

// Bounds of values that a typing error would otherwise make harmful.
const (
	maxPort     = 65535
	maxRetry    = 20
	maxWorkers  = 1024
	maxAttempts = 1000
	minRedis    = 4 // one that waits for events, one for changes of small values, two for all else
	maxRedis    = 10_000
	maxReplicas = 1000
	// maxNATSReplicas is JetStream's own.
	maxNATSReplicas = 5
	maxRetention    = 1_000_000_000
	maxJournal      = 10_000_000
	maxBody         = 64 << 20
	maxWindow       = 4 << 30
	maxAge          = 3650 * day
	maxSends        = 10_000

	maxInFlight    = 1_000_000
	maxUnverified  = 1_000_000
	maxConnections = 1_000_000
	maxSessions    = 1_000_000
	maxSockets     = 10
	minNames       = 1000
	maxNames       = 10_000_000
)

var table = slices.Concat(startSettings, slackSettings, listenSettings, receiveSettings, senderSettings,
	queueSettings, workSettings, mcpSettings, accessSettings, signInSettings, toolSettings, pushSettings, operateSettings, traceSettings)

var startSettings = []Setting{
	{
		Key: "INTEGRATED", Flag: "integrated", Section: SectionStart, Kind: KindBoolean, Default: "false",
		Help: "Run the webhook side and the MCP side in one process",
		bind: boolean(func(c *Config) *bool { return &c.integrated }),
	},
	{
		Key: "SANDBOX", Flag: "sandbox", Section: SectionStart, Kind: KindBoolean, Default: "false",
		Help: "Use a fake Slack workspace inside the process",
		More: "It needs no other setting, implies INTEGRATED unless that is set, and refuses a real token.",
		bind: boolean(func(c *Config) *bool { return &c.Sandbox }),
	},
}

var slackSettings = []Setting{
	{
		Key: "SLACK_SIGNING_SECRET", Section: SectionSlack, Kind: KindSecret, Example: "0123456789abcdef0123456789abcdef",
		Help: "Signing secret of the Slack app; several with commas between while one replaces another",
		More: "Find it at api.slack.com/apps under Basic Information, App Credentials.",
		bind: slackSecrets(func(c *Config) *Secrets { return &c.Slack.SigningSecrets }),
	},
	{
		Key: "SLACK_BOT_TOKEN", Section: SectionSlack, Kind: KindSecret, Example: "xoxb-...",
		Help: "Bot token of the Slack app",
		More: "Find it at api.slack.com/apps under OAuth & Permissions, Bot User OAuth Token.",
		bind: slackSecret(func(c *Config) *Secret { return &c.Slack.BotToken }),
	},
	{
		Key: "SLACK_USER_TOKEN", Section: SectionSlack, Kind: KindSecret, Example: "xoxp-...",
		Help: "User token, for what Slack lets no bot do",
		More: "Without SLACK_BOT_TOKEN it is enough for the command mcp: the server reads and writes as the token's owner, for whoever may call it.",
		bind: slackSecret(func(c *Config) *Secret { return &c.Slack.UserToken }),
	},
	{
		Key: "SLACK_USER_TOKEN_READS", Flag: "slack-user-token-reads", Section: SectionSlack, Kind: KindBoolean, Default: "false",
		Help: "Let assistants with the scope as-user read with SLACK_USER_TOKEN where the bot cannot see",
		More: "Those are tokens of MCP_TOKENS that name the scope, and the client of stdio. They read all that the token's owner sees, private channels and direct messages too; each result that was read so says read_as: user.",
		bind: boolean(func(c *Config) *bool { return &c.Slack.UserTokenReads }),
	},
	{
		Key: "SOCKET_MODE", Flag: "socket-mode", Section: SectionSlack, Kind: KindBoolean, Default: "false",
		Help: "Receive over connections that this server opens to Slack; it needs no public address",
		More: "SLACK_APP_TOKEN is needed then, and SLACK_SIGNING_SECRET is not. See docs/slack.md.",
		bind: boolean(func(c *Config) *bool { return &c.Slack.SocketMode }),
	},
	{
		Key: "SLACK_APP_TOKEN", Section: SectionSlack, Kind: KindSecret, Example: "xapp-...",
		Help: "App-level token with the scope connections:write, for Socket Mode",
		More: "Find it at api.slack.com/apps under Basic Information, App-Level Tokens.",
		bind: slackSecret(func(c *Config) *Secret { return &c.Slack.AppToken }),
	},
	{
		Key: "SOCKET_CONNECTIONS", Flag: "socket-connections", Section: SectionSlack, Kind: KindNumber, Default: "2",
		Help: "Connections that Socket Mode keeps open at once",
		More: "Slack allows an app ten in all, those of its other processes included.",
		bind: number(func(c *Config) *int { return &c.Slack.SocketConnections }, 1, maxSockets),
	},
	{
		Key: "SLACK_API_URL", Flag: "slack-api-url", Section: SectionSlack, Kind: KindURL, Default: "https://slack.com/api/",
		Help: "Base address of the Slack Web API",
		bind: address(func(c *Config) *string { return &c.Slack.APIURL }, "https", "http"),
	},
}

var listenSettings = []Setting{
	{
		Key: "HOST", Flag: "host", Section: SectionListen, Kind: KindText, Default: "0.0.0.0",
		Help: "Address to listen on",
		bind: text(func(c *Config) *string { return &c.Listen.Host }, "address"),
	},
	{
		Key: "PORT", Flag: "port", Section: SectionListen, Kind: KindNumber, Default: "3000",
		Help: "Port to listen on; 0 takes a free one",
		bind: number(func(c *Config) *int { return &c.Listen.Port }, 0, maxPort),
	},
	{
		Key: "PUBLIC_URL", Flag: "public-url", Section: SectionListen, Kind: KindURL, Example: "https://events.example.com",
		DefaultNote: "unknown",
		Help:        "Address by which the world reaches this server, as behind a proxy",
		More:        "Its host and origin are allowed for MCP, and OAuth metadata names it.",
		bind:        address(func(c *Config) *string { return &c.Listen.PublicURL }, "https", "http"),
	},
	{
		Key: "REQUIRE_HTTPS", Flag: "require-https", Section: SectionListen, Kind: KindBoolean, Default: "false",
		Help: "Refuse requests that came over plain HTTP",
		More: "Behind a proxy, name it in TRUSTED_PROXIES so that its X-Forwarded-Proto counts.",
		bind: boolean(func(c *Config) *bool { return &c.Listen.RequireHTTPS }),
	},
	{
		Key: "TRUSTED_PROXIES", Flag: "trusted-proxies", Section: SectionListen, Kind: KindList, Example: "10.0.0.0/8,192.0.2.7",
		DefaultNote: "none",
		Help:        "Networks whose X-Forwarded headers are believed",
		bind:        prefixes(func(c *Config) *[]netip.Prefix { return &c.Listen.TrustedProxies }),
	},
	{
		Key: "MAX_CONNECTIONS", Flag: "max-connections", Section: SectionListen, Kind: KindNumber, Default: "8192",
		Help: "Connections that are open at once; for one more, another gives way",
		More: "Assistants hold one each while they follow a stream. docs/operations.md says which one gives way.",
		bind: number(func(c *Config) *int { return &c.Listen.MaxConnections }, 16, maxConnections),
	},
	{
		Key: "TLS_CERT_FILE", Flag: "tls-cert-file", Section: SectionListen, Kind: KindText, Example: "/etc/tls/tls.crt",
		DefaultNote: "plain HTTP",
		Help:        "Certificate chain in PEM; with TLS_KEY_FILE, serve HTTPS and HTTP/2",
		More:        "Both files are read again within 10 s of a change, and on SIGHUP; a pair that does not fit leaves the old one in place.",
		bind:        text(func(c *Config) *string { return &c.Listen.TLSCertFile }, "file"),
	},
	{
		Key: "TLS_KEY_FILE", Flag: "tls-key-file", Section: SectionListen, Kind: KindText, Example: "/etc/tls/tls.key",
		DefaultNote: "plain HTTP",
		Help:        "Private key of TLS_CERT_FILE in PEM",
		bind:        text(func(c *Config) *string { return &c.Listen.TLSKeyFile }, "file"),
	},
}

var receiveSettings = []Setting{
	{
		Key: "MAX_BODY_BYTES", Flag: "max-body-bytes", Section: SectionReceive, Kind: KindSize, Default: "1MiB",
		Help: "Largest request body that is accepted",
		bind: size(func(c *Config) *int64 { return &c.Receive.MaxBodyBytes }, 1<<10, maxBody),
	},
	{
		Key: "TIMESTAMP_TOLERANCE", Flag: "timestamp-tolerance", Section: SectionReceive, Kind: KindDuration, Default: "300",
		Help: "How far the time of a signature may be off, either way",
		bind: duration(func(c *Config) *time.Duration { return &c.Receive.TimestampTolerance }, time.Second, day),
	},
	{
		Key: "MAX_IN_FLIGHT", Flag: "max-in-flight", Section: SectionReceive, Kind: KindNumber, Default: "2048",
		Help: "Verified requests of senders that are stored and answered at once; more are answered 503",
		bind: number(func(c *Config) *int { return &c.Receive.MaxInFlight }, 2, maxInFlight),
	},
	{
		Key: "UNVERIFIED_PER_MINUTE", Flag: "unverified-per-minute", Section: SectionReceive, Kind: KindNumber, Default: "60",
		Help: "Requests that fail verification which one address may send to a route in a minute",
		More: "Beyond it a body above 64 KiB, or of unknown length, is answered 429 unread. Smaller requests are verified whatever their address did. An IPv6 address counts with its /64. An address from which a verified request came at the route within a day is not held back. Behind a proxy, name it in TRUSTED_PROXIES.",
		bind: number(func(c *Config) *int { return &c.Receive.UnverifiedPerMinute }, 1, maxUnverified),
	},
	{
		Key: "GAP_AFTER", Flag: "gap-after", Section: SectionReceive, Kind: KindDuration, Default: "5m",
		Help: "How long nothing may be received before it is recorded as a gap",
		More: "Slack gives an event up some six minutes after its first delivery. See docs/gaps.md.",
		bind: duration(func(c *Config) *time.Duration { return &c.Receive.GapAfter }, time.Second, day),
	},
	{
		Key: "RETRY", Flag: "retry", Section: SectionReceive, Kind: KindNumber, Default: "3",
		Help: "Tries in all of a publish, or a safe Slack call, that may succeed when repeated; 0 is none",
		bind: number(func(c *Config) *int { return &c.Retry }, 0, maxRetry),
	},
}

var senderSettings = []Setting{
	{
		Key: "WEBHOOK_SECRET", Section: SectionSenders, Kind: KindSecret,
		Help: "Secret of delivery receipts; when set, POST /webhooks is served",
		bind: secret(func(c *Config) *Secret { return &c.Senders.Webhook }),
	},
	{
		Key: "WEBHOOK_PROVIDER", Flag: "webhook-provider", Section: SectionSenders, Kind: KindChoice, Default: "bearer",
		Help: "Who sends delivery receipts: bearer is the documented sender, and WEBHOOK_SECRET the secret of either",
		More: "Twilio and MessageBird sign the address that they post to: set PUBLIC_URL to where they reach this server.",
		bind: choice(func(c *Config) *string { return &c.Senders.WebhookProvider }, "bearer", "twilio", "vonage", "messagebird"),
	},
	{
		Key: "PRINT_RECEIPTS", Flag: "print-receipts", Section: SectionSenders, Kind: KindBoolean, Default: "true",
		Help: "Print id, status and deliveredAt of each delivery receipt to standard output",
		More: "The document of its sender asks for it.",
		bind: boolean(func(c *Config) *bool { return &c.Senders.PrintReceipts }),
	},
	{
		Key: "CONTACT_WEBHOOK_SECRET", Section: SectionSenders, Kind: KindSecret,
		Help: "Secret of the contact sender; when set, POST /events/contact_created is served",
		bind: secret(func(c *Config) *Secret { return &c.Senders.Contact }),
	},
	{
		Key: "STRIPE_WEBHOOK_SECRET", Section: SectionSenders, Kind: KindSecret,
		Help: "Secret of the payment sender; when set, POST /events/payment_succeeded is served",
		bind: secret(func(c *Config) *Secret { return &c.Senders.Stripe }),
	},
	{
		Key: "SOURCES_FILE", Flag: "sources", Section: SectionSenders, Kind: KindText, DefaultNote: "none", Example: "/etc/slack-webhook-server/sources.yaml",
		Help: "File that describes further senders, each served at /events/<name>",
		More: "docs/sources.md says how it is written. SIGHUP reads it again: new senders get their routes, and the routes of those that are gone are closed.",
		bind: text(func(c *Config) *string { return &c.Senders.SourcesFile }, "file"),
	},
}

var workSettings = []Setting{
	{
		Key: "WORKERS", Flag: "workers", Section: SectionWork, Kind: KindNumber, Default: "8",
		Help: "Handlers that run at once",
		bind: number(func(c *Config) *int { return &c.Worker.Workers }, 1, maxWorkers),
	},
	{
		Key: "MAX_ATTEMPTS", Flag: "max-attempts", Section: SectionWork, Kind: KindNumber, Default: "5",
		Help: "Tries of a handler before an event becomes a dead letter",
		bind: number(func(c *Config) *int { return &c.Worker.MaxAttempts }, 1, maxAttempts),
	},
	{
		Key: "TARGET_PATIENCE", Flag: "target-patience", Section: SectionWork, Kind: KindDuration, Default: "24h",
		Help: "How long events of a rule wait whose target refuses",
		More: "Then, or once a tenth of RETENTION_COUNT or of the bytes that the store may have waits for the rule, they become dead letters.",
		bind: duration(func(c *Config) *time.Duration { return &c.Worker.TargetPatience }, time.Second, maxAge),
	},
	{
		Key: "RULES_FILE", Flag: "rules", Section: SectionWork, Kind: KindText, DefaultNote: "none", Example: "/etc/slack-webhook-server/rules.yaml",
		Help: "File of rules that work events: post to Slack, forward, run a command, log",
		More: "docs/rules.md says how it is written. SIGHUP reads it again.",
		bind: text(func(c *Config) *string { return &c.Worker.RulesFile }, "file"),
	},
	{
		Key: "JOURNAL_EVENTS", Flag: "journal-events", Section: SectionWork, Kind: KindNumber, Default: "10000",
		Help: "Newest events that are held in memory for assistants",
		bind: number(func(c *Config) *int { return &c.Journal.Events }, 1, maxJournal),
	},
	{
		Key: "JOURNAL_BYTES", Flag: "journal-bytes", Section: SectionWork, Kind: KindSize, Default: "16MiB",
		Help: "Memory that these events may take",
		bind: size(func(c *Config) *int64 { return &c.Journal.Bytes }, 64<<10, maxWindow),
	},
}

var mcpSettings = []Setting{
	{
		Key: "MCP_TRANSPORT", Flag: "mcp-transport", Section: SectionMCP, Kind: KindChoice, Default: string(SSE),
		Help: "How assistants connect; stdio for the command mcp only",
		More: "Over HTTP every era of the protocol is served either way: it decides what a bare GET of the mount means.",
		bind: alias(choice(func(c *Config) *Transport { return &c.MCP.Transport }, SSE, StreamableHTTP, Stdio), "http", string(StreamableHTTP)),
	},
	{
		Key: "MCP_MOUNT_PATH", Flag: "mcp-mount-path", Section: SectionMCP, Kind: KindText, Default: "/mcp",
		Help: "Path of the MCP endpoint",
		bind: into(func(c *Config) *string { return &c.MCP.MountPath }, parseMount),
	},
	{
		Key: "MCP_MAX_SESSIONS", Flag: "mcp-max-sessions", Section: SectionMCP, Kind: KindNumber, Default: "10000",
		Help: "Sessions of assistants that are kept at once",
		More: "With several replicas that share a store: by all of them together.",
		bind: number(func(c *Config) *int { return &c.MCP.MaxSessions }, 1, maxSessions),
	},
	{
		Key: "MCP_MAX_STREAMS", Flag: "mcp-max-streams", Section: SectionMCP, Kind: KindNumber, Default: "4096",
		Help: "Streams to assistants that are open at once",
		bind: number(func(c *Config) *int { return &c.MCP.MaxStreams }, 1, maxSessions),
	},
	{
		Key: "MCP_MAX_CALLS", Flag: "mcp-max-calls", Section: SectionMCP, Kind: KindNumber, Default: "1024",
		Help: "Requests of assistants that run at once",
		bind: number(func(c *Config) *int { return &c.MCP.MaxCalls }, 1, maxSessions),
	},
	{
		Key: "MCP_MAX_WAITS", Flag: "mcp-max-waits", Section: SectionMCP, Kind: KindNumber, Default: "200",
		Help: "Requests of these that wait for an event or an answer at once",
		bind: number(func(c *Config) *int { return &c.MCP.MaxWaits }, 1, maxSessions),
	},
	{
		Key: "MCP_SHARE", Flag: "mcp-share", Section: SectionMCP, Kind: KindNumber, Default: "25",
		Help: "Percent of these bounds that one token, subject of an authorization server, or person may have",
		More: "It counts in each process by itself. Where only one token is used, 100 gives it all. docs/operations.md says what else is shared so.",
		bind: number(func(c *Config) *int { return &c.MCP.Share }, 1, 100),
	},
	{
		Key: "MCP_CHANNEL", Flag: "channel", Section: SectionMCP, Kind: KindBoolean, Default: "false",
		Help: "Push messages of chosen people into the client's conversation; for mcp --transport stdio",
		More: "It is then a channel of Claude Code. Events come over --socket-mode, from Redis or NATS, or from the server that runs with the same DATA_DIR. See docs/channels.md.",
		bind: boolean(func(c *Config) *bool { return &c.MCP.Channel.Enabled }),
	},
	{
		Key: "MCP_CHANNEL_SENDERS", Flag: "channel-senders", Section: SectionMCP, Kind: KindList, Example: "U0123456789,ada@example.com",
		DefaultNote: "a channel needs them",
		Help:        "Whose messages are pushed: Slack user ids or e-mail addresses, and nobody else",
		bind:        list(func(c *Config) *[]string { return &c.MCP.Channel.Senders }),
	},
	{
		Key: "MCP_CHANNEL_WATCH", Flag: "channel-watch", Section: SectionMCP, Kind: KindList, Example: "C0123456789,deployments",
		DefaultNote: "none",
		Help:        "Slack channels in which every message of a sender is pushed, not mentions alone",
		bind:        list(func(c *Config) *[]string { return &c.MCP.Channel.Watch }),
	},
	{
		Key: "MCP_CHANNEL_PERMISSIONS", Flag: "channel-permissions", Section: SectionMCP, Kind: KindText, Example: "U0123456789",
		DefaultNote: "they stay in the client",
		Help:        "Where the client's permission prompts are asked with buttons: a user or a channel of Slack",
		bind:        text(func(c *Config) *string { return &c.MCP.Channel.Permissions }, "place"),
	},
}

var accessSettings = []Setting{
	{
		Key: "MCP_AUTH_TOKEN", Section: SectionAccess, Kind: KindSecret,
		DefaultNote: "made once, in DATA_DIR/mcp-token",
		Help:        "Bearer token of assistants, with the scopes read, events and write",
		More:        "SIGHUP reads it again.",
		bind:        slackSecret(func(c *Config) *Secret { return &c.MCP.AuthToken }),
	},
	{
		Key: "MCP_TOKENS", Section: SectionAccess, Kind: KindSecret, Example: "alice:read+events:3f9a0c6e1b7d4a52,bob:read+events+write:77c1d0e2a94b4f6e",
		Help: "Further bearer tokens, each as name:scope+scope:token; the scopes are read, events, write, admin, as-user",
		More: "SIGHUP reads them again; one that is gone is refused at once, and what it has open ends.",
		bind: into(func(c *Config) *[]Token { return &c.MCP.Tokens }, parseTokens),
	},
	{
		Key: "MCP_NO_AUTH", Flag: "mcp-no-auth", Section: SectionAccess, Kind: KindTimes, Default: "false",
		Help: "Serve MCP without a token; refused beyond loopback unless said twice",
		More: "Said twice is the flag given twice, or the value 2.",
		bind: into(func(c *Config) *int { return &c.noAuthTimes }, parseTimes),
	},
	{
		Key: "MCP_ALLOWED_ORIGINS", Flag: "mcp-allowed-origins", Section: SectionAccess, Kind: KindList, Example: "https://app.example.com",
		DefaultNote: "pages of this machine and of PUBLIC_URL",
		Help:        "Origins of browser pages that may use MCP",
		bind:        into(func(c *Config) *[]string { return &c.MCP.AllowedOrigins }, parseOrigins),
	},
	{
		Key: "MCP_ALLOWED_HOSTS", Flag: "mcp-allowed-hosts", Section: SectionAccess, Kind: KindList, Example: "events.example.com",
		DefaultNote: "PUBLIC_URL's host, and loopback names on a loopback address",
		Help:        "Further Host headers that are ours, as a proxy may send",
		bind:        list(func(c *Config) *[]string { return &c.MCP.AllowedHosts }),
	},
	{
		Key: "MCP_OAUTH_ISSUER", Flag: "mcp-oauth-issuer", Section: SectionAccess, Kind: KindURL, Example: "https://login.example.com",
		DefaultNote: "OAuth is off",
		Help:        "Authorization server whose tokens are accepted",
		bind:        address(func(c *Config) *string { return &c.MCP.OAuth.Issuer }, "https", "http"),
	},
	{
		Key: "MCP_OAUTH_AUDIENCE", Flag: "mcp-oauth-audience", Section: SectionAccess, Kind: KindText, Example: "https://events.example.com/mcp",
		DefaultNote: "PUBLIC_URL with the mount path",
		Help:        "Audience that these tokens must be made for",
		bind:        text(func(c *Config) *string { return &c.MCP.OAuth.Audience }, "uri"),
	},
	{
		Key: "MCP_OAUTH_JWKS_URL", Flag: "mcp-oauth-jwks-url", Section: SectionAccess, Kind: KindURL, Example: "https://login.example.com/jwks.json",
		DefaultNote: "what the issuer's metadata says",
		Help:        "Where the keys of the authorization server are",
		bind:        address(func(c *Config) *string { return &c.MCP.OAuth.JWKSURL }, "https", "http"),
	},
}

var toolSettings = []Setting{
	{
		Key: "READ_ONLY", Flag: "read-only", Section: SectionTools, Kind: KindBoolean, Default: "false",
		Help: "Hide and refuse every tool that changes something in Slack",
		bind: boolean(func(c *Config) *bool { return &c.MCP.ReadOnly }),
	},
	{
		Key: "TOOLSETS", Flag: "toolsets", Section: SectionTools, Kind: KindList, Example: "all",
		DefaultNote: "the default set",
		Help:        "Groups of tools to offer; all is every one",
		bind:        list(func(c *Config) *[]string { return &c.MCP.Toolsets }),
	},
	{
		Key: "TOOLS", Flag: "tools", Section: SectionTools, Kind: KindList, Example: "slack_post_message,slack_list_events",
		DefaultNote: "those of the toolsets",
		Help:        "Single tools to offer; with TOOLSETS unset, only these",
		bind:        list(func(c *Config) *[]string { return &c.MCP.Tools }),
	},
	{
		Key: "CHANNELS_ALLOW", Flag: "channels-allow", Section: SectionTools, Kind: KindList, Example: "C0123456789,team-bots",
		DefaultNote: "every channel",
		Help:        "Conversations that tools may write to; nothing else then",
		More:        "Write an id, #name, a link, or a person's id or e-mail address for the direct message. A name stays with the channel that had it when it was looked up first, which the store keeps and the log shows; while Slack does not say which, what it may concern is refused. What makes a new conversation, or names none, is refused too.",
		bind:        list(func(c *Config) *[]string { return &c.MCP.ChannelsAllow }),
	},
	{
		Key: "CHANNELS_DENY", Flag: "channels-deny", Section: SectionTools, Kind: KindList, Example: "announcements",
		DefaultNote: "none",
		Help:        "Conversations that tools may not write to, also where allowed",
		More:        "Written like those of CHANNELS_ALLOW. A name concerns the channel that had it when it was looked up first, and any that has it today.",
		bind:        list(func(c *Config) *[]string { return &c.MCP.ChannelsDeny }),
	},
	{
		Key: "MASS_MENTIONS", Flag: "mass-mentions", Section: SectionTools, Kind: KindBoolean, Default: "false",
		Help: "Let @channel, @here, @everyone and groups of users in a tool's text call people",
		bind: boolean(func(c *Config) *bool { return &c.MCP.MassMentions }),
	},
	{
		Key: "ASSISTANT_LINE", Flag: "assistant-line", Section: SectionTools, Kind: KindBoolean, Default: "true",
		Help: "Show below what tools post in people's names that an assistant sent it",
		More: "Slack itself shows such a message as the person's own, and colleagues cannot tell who speaks. Readers of this server know it without the line.",
		bind: boolean(func(c *Config) *bool { return &c.MCP.AssistantLine }),
	},
	{
		Key: "SPEAK_AS", Flag: "speak-as", Section: SectionTools, Kind: KindChoice, Default: string(SpeakAsPerson),
		Help: "Who answers an event for a person who has signed in: the person, or the bot, which names the person below",
		More: "The bot answers only where the person is a member at that moment. Questions with buttons are the bot's in any case.",
		bind: choice(func(c *Config) *Speaker { return &c.MCP.SpeakAs }, SpeakAsPerson, SpeakAsBot),
	},
	{
		Key: "REMOTE_CONTENT", Flag: "remote-content", Section: SectionTools, Kind: KindBoolean, Default: "true",
		Help: "Let tools send what is fetched when a message is shown: previews of links, images by URL",
		More: "The address that is fetched can carry data out without a click. With false a message that asks for a preview is refused, and so are images and videos by URL in blocks, Markdown and canvases, bookmarks, whose icon Slack fetches, and links where Slack takes no word about previews: in a message that is changed, in a question, and beside a file. What Slack could make a link of counts as one there, such as example.com; the name of a file, such as README.md, does not.",
		bind: boolean(func(c *Config) *bool { return &c.MCP.RemoteContent }),
	},
	{
		Key: "SENDS_PER_MINUTE", Flag: "sends-per-minute", Section: SectionTools, Kind: KindNumber, Default: "30",
		Help: "Messages that tools may send to one channel within a minute",
		bind: number(func(c *Config) *int { return &c.MCP.SendsPerMinute }, 1, maxSends),
	},
	{
		Key: "TIME_ZONE", Flag: "time-zone", Section: SectionTools, Kind: KindText, Example: "Europe/Berlin",
		DefaultNote: "that of the user token's owner, else UTC",
		Help:        "Time zone in which assistants are shown times, and in which a time without a zone is meant",
		More:        "A name of the IANA database. Each result says it once.",
		bind:        into(func(c *Config) **time.Location { return &c.MCP.TimeZone }, parseZone),
	},
	{
		Key: "NAMES_CHANNELS", Flag: "names-channels", Section: SectionTools, Kind: KindNumber, Default: "50000",
		Help: "Channels whose names are kept in memory",
		More: "In a workspace that has more a name that is not kept is said to be unknown, not to be nobody's. Somebody who signed in has a tenth.",
		bind: number(func(c *Config) *int { return &c.MCP.NamesChannels }, minNames, maxNames),
	},
	{
		Key: "NAMES_USERS", Flag: "names-users", Section: SectionTools, Kind: KindNumber, Default: "100000",
		Help: "People whose names are kept in memory",
		More: "As NAMES_CHANNELS.",
		bind: number(func(c *Config) *int { return &c.MCP.NamesUsers }, minNames, maxNames),
	},
	{
		Key: "LOCKDOWN", Flag: "lockdown", Section: SectionTools, Kind: KindBoolean, Default: "false",
		Help: "Withhold from assistants the words of authors who are not known to be of the workspace",
		More: "With members those of guests are withheld too. [SECURITY.md](SECURITY.md#prompt-injection) says what passes.",
		bind: into(func(c *Config) *Lockdown { return &c.MCP.Lockdown }, parseLockdown),
	},
	{
		Key: "LOCKDOWN_APPS", Flag: "lockdown-apps", Section: SectionTools, Kind: KindList, Example: "A0123456789",
		DefaultNote: "none",
		Help:        "Apps, by their ids, whose messages LOCKDOWN lets through",
		More:        "Workflows and other apps write what others typed, so name only those whose every author you trust.",
		bind:        into(func(c *Config) *[]string { return &c.MCP.LockdownApps }, parseApps),
	},
}

// Bounds of the push settings.
const (
	maxSubscriptions   = 1000
	maxSubscriptionTTL = 7 * day
)

var pushSettings = []Setting{
	{
		Key: "EVENTS_WEBHOOKS", Flag: "events-webhooks", Section: SectionPush, Kind: KindBoolean, Default: "true",
		Help: "Post events to assistants that subscribe with an address",
		More: "Off, they can still poll and hold streams open. docs/events.md says which way fits which client.",
		bind: boolean(func(c *Config) *bool { return &c.MCP.Push.Webhooks }),
	},
	{
		Key: "EVENTS_CALLBACK_HOSTS", Flag: "events-callback-hosts", Section: SectionPush, Kind: KindList, Example: "hooks.internal:8443",
		DefaultNote: "none",
		Help:        "Hosts, with or without a port, that may be posted to inside the own network, and by http",
		More:        "Everything else has to be https at an address of the public network.",
		bind:        list(func(c *Config) *[]string { return &c.MCP.Push.CallbackHosts }),
	},
	{
		Key: "EVENTS_CALLBACK_NETWORKS", Flag: "events-callback-networks", Section: SectionPush, Kind: KindList, Example: "10.20.0.0/16",
		DefaultNote: "none",
		Help:        "Networks that may be posted to beside the public one, by https",
		bind:        prefixes(func(c *Config) *[]netip.Prefix { return &c.MCP.Push.CallbackNetworks }),
	},
	{
		Key: "PEOPLE_CALLBACK_HOSTS", Flag: "people-callback-hosts", Section: SectionPush, Kind: KindList, Example: "hooks.example.com",
		DefaultNote: "none",
		Help:        "Hosts, with or without a port, to which the events of people who signed in may be posted",
		More:        "Each person gets what they may see. EVENTS_CALLBACK_HOSTS is for other clients, and does not count here.",
		bind:        list(func(c *Config) *[]string { return &c.MCP.Push.PeopleHosts }),
	},
	{
		Key: "EVENTS_PROFILE", Flag: "events-profile", Section: SectionPush, Kind: KindChoice, Default: string(PushDeployed),
		Help: "Whose error codes the events extension speaks: those of deployed clients, or of the proposal's draft",
		More: "deployed: -32011 to -32015, and the end of an unknown subscription is no error. draft: -32023 to -32027, and it is one.",
		bind: choice(func(c *Config) *PushProfile { return &c.MCP.Push.Profile }, PushDeployed, PushDraft),
	},
	{
		Key: "EVENTS_WEBHOOK_ID", Flag: "events-webhook-id", Section: SectionPush, Kind: KindChoice, Default: string(EventWebhookID),
		Help: "Which webhook-id a posted event has: its own id, as deployed clients want it, or one for each message",
		bind: choice(func(c *Config) *WebhookID { return &c.MCP.Push.WebhookID }, EventWebhookID, MessageWebhookID),
	},
	{
		Key: "EVENTS_SUBSCRIPTIONS", Flag: "events-subscriptions", Section: SectionPush, Kind: KindNumber, Default: "100",
		Help: "Webhook subscriptions that one token may have",
		bind: number(func(c *Config) *int { return &c.MCP.Push.MaxSubscriptions }, 1, maxSubscriptions),
	},
	{
		Key: "EVENTS_SUBSCRIPTION_TTL", Flag: "events-subscription-ttl", Section: SectionPush, Kind: KindDuration, Default: "24h",
		Help: "How long a webhook subscription lives that its client does not refresh",
		bind: duration(func(c *Config) *time.Duration { return &c.MCP.Push.TTL }, time.Minute, maxSubscriptionTTL),
	},
	{
		Key: "EVENTS_BACKLOG", Flag: "events-backlog", Section: SectionPush, Kind: KindDuration, Default: "24h",
		Help: "How old an event may be when it is posted; a subscriber is told that older ones were lost",
		bind: duration(func(c *Config) *time.Duration { return &c.MCP.Push.Backlog }, time.Minute, maxAge),
	},
}

// redisSchemes and natsSchemes are the schemes that the clients of Redis and NATS read.
var (
	redisSchemes = []string{"redis", "rediss", "unix"}
	natsSchemes  = []string{"nats", "tls", "ws", "wss"}
)

var queueSettings = []Setting{
	{
		Key: "QUEUE_BACKEND_TYPE", Aliases: []string{"QUEUE_BACKEND"}, Flag: "queue-backend", Section: SectionQueue, Kind: KindChoice,
		DefaultNote: "redis when REDIS_URL is set, nats when NATS_URL is, else sqlite",
		Example:     "sqlite",
		Help:        "Backend that keeps the events",
		bind:        choice(func(c *Config) *Backend { return &c.Queue.Backend }, SQLite, Memory, Redis, NATS),
	},
	{
		Key: "DATA_DIR", Flag: "data-dir", Section: SectionQueue, Kind: KindText, Example: "/var/lib/slack-webhook-server",
		DefaultNote: "$XDG_STATE_HOME/slack-webhook-server, or /var/lib/slack-webhook-server for root",
		Help:        "Directory of the embedded store, the MCP token and the operator socket",
		More:        "It is made with mode 0700. The sandbox uses a directory of its own inside the default one.",
		bind:        text(func(c *Config) *string { return &c.Queue.DataDir }, "directory"),
	},
	{
		Key: "SLACK_EVENTS_TOPIC", Flag: "events-topic", Section: SectionQueue, Kind: KindText, Default: "slack.events",
		Help: "Name of the queue inside the store",
		bind: text(func(c *Config) *string { return &c.Queue.Topic }, "name"),
	},
	{
		Key: "DEDUPE_TTL", Flag: "dedupe-ttl", Section: SectionQueue, Kind: KindDuration, Default: "48h",
		Help: "How long the id of an event is remembered, so that a second delivery is not a second event",
		bind: duration(func(c *Config) *time.Duration { return &c.Queue.DedupeTTL }, time.Minute, maxAge),
	},
	{
		Key: "RETENTION_AGE", Flag: "retention-age", Section: SectionQueue, Kind: KindDuration, Default: "30d",
		Help: "How long an event is kept after it was worked",
		bind: duration(func(c *Config) *time.Duration { return &c.Queue.RetentionAge }, time.Minute, maxAge),
	},
	{
		Key: "RETENTION_COUNT", Flag: "retention-count", Section: SectionQueue, Kind: KindNumber, Default: "1000000",
		Help: "How many events are kept",
		bind: number(func(c *Config) *int { return &c.Queue.RetentionCount }, 1, maxRetention),
	},
	{
		Key: "SQLITE_SYNCHRONOUS", Flag: "sqlite-synchronous", Section: SectionQueue, Kind: KindChoice, Default: string(SyncFull),
		Help: "When the embedded store syncs its log to the disk",
		More: "full: before each answer, so that a power loss takes nothing. normal: now and then; a power loss can then take the last seconds, a crash of the process still nothing.",
		bind: choice(func(c *Config) *Synchronous { return &c.Queue.Synchronous }, SyncFull, SyncNormal),
	},
	{
		Key: "TEXT_INDEX", Flag: "text-index", Section: SectionQueue, Kind: KindBoolean, Default: "true",
		Help: "Keep an index of the words in the events of the embedded store",
		More: "Without it a search for words reads the events one by one. Word lists of events that were stored with it stay until retention removes those events.",
		bind: boolean(func(c *Config) *bool { return &c.Queue.TextIndex }),
	},
	{
		Key: "BACKUPS", Flag: "backups", Section: SectionQueue, Kind: KindText, Example: "/var/backups/slack every 24h keep 7",
		DefaultNote: "none",
		Help:        "Directory for backups of the embedded store, the time between two, and how many are kept",
		More:        "Each is verified after it is written. People who signed in are left out.",
		bind:        into(func(c *Config) *Backups { return &c.Queue.Backups }, parseBackups),
	},
	{
		Key: "REDIS_URL", Section: SectionQueue, Kind: KindSecretURL, Example: "redis://localhost:6379/0",
		Help: "Address of Redis",
		bind: secretURL(func(c *Config) *SecretURL { return &c.Queue.RedisURL }, redisSchemes...),
	},
	{
		Key: "REDIS_MAX_CONNECTIONS", Flag: "redis-max-connections", Section: SectionQueue, Kind: KindNumber, Default: "50",
		Help: "Most connections to Redis",
		bind: number(func(c *Config) *int { return &c.Queue.RedisMaxConnections }, minRedis, maxRedis),
	},
	{
		Key: "NATS_URL", Section: SectionQueue, Kind: KindSecretURL, Example: "nats://localhost:4222",
		Help: "Address of NATS with JetStream; several with commas between",
		bind: secretURL(func(c *Config) *SecretURL { return &c.Queue.NATSURL }, natsSchemes...),
	},
	{
		Key: "NATS_REPLICAS", Flag: "nats-replicas", Section: SectionQueue, Kind: KindNumber, Default: "1",
		Help: "On how many servers of a NATS cluster everything is stored",
		More: "3 survives the loss of one server.",
		bind: number(func(c *Config) *int { return &c.Queue.NATSReplicas }, 1, maxNATSReplicas),
	},
	{
		Key: "NATS_CREDENTIALS_FILE", Flag: "nats-credentials-file", Section: SectionQueue, Kind: KindText, Example: "/run/secrets/nats.creds",
		DefaultNote: "none",
		Help:        "File with the JWT and the seed of a NATS user",
		bind:        text(func(c *Config) *string { return &c.Queue.NATSCredentials }, "file"),
	},
	{
		Key: "REPLICAS", Flag: "replicas", Section: SectionQueue, Kind: KindNumber, Default: "1",
		Help: "How many processes serve this queue, so that what they cannot share is refused at the start",
		More: "It starts none. More than one need Redis or NATS, and one MCP_AUTH_TOKEN.",
		bind: number(func(c *Config) *int { return &c.Replicas }, 1, maxReplicas),
	},
}

// traceSettings have the names that OpenTelemetry gives them. Traces are off unless an
// endpoint is set.
var traceSettings = []Setting{
	{
		Key: "OTEL_EXPORTER_OTLP_ENDPOINT", Flag: "otel-exporter-otlp-endpoint", Section: SectionOperate, Kind: KindURL, Example: "http://collector:4318",
		DefaultNote: "no traces",
		Help:        "Collector of OpenTelemetry that traces are posted to, by OTLP over HTTP",
		More:        "The path /v1/traces is added. OTLP over gRPC is not spoken.",
		bind:        address(func(c *Config) *string { return &c.Trace.Endpoint }, "http", "https"),
	},
	{
		Key: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Flag: "otel-exporter-otlp-traces-endpoint", Section: SectionOperate, Kind: KindURL, Example: "http://collector:4318/v1/traces",
		DefaultNote: "OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces",
		Help:        "Address that traces are posted to, taken as it is",
		bind:        address(func(c *Config) *string { return &c.Trace.TracesEndpoint }, "http", "https"),
	},
	{
		Key: "OTEL_EXPORTER_OTLP_HEADERS", Section: SectionOperate, Kind: KindSecret, Example: "api-key=0123456789abcdef",
		Help: "Headers that go with the traces, as name=value with commas between, values percent-encoded",
		bind: into(func(c *Config) *Secret { return &c.Trace.Headers }, parseHeaders),
	},
	{
		Key: "OTEL_SERVICE_NAME", Flag: "otel-service-name", Section: SectionOperate, Kind: KindText, Default: "slack-webhook-server",
		Help: "Name of this service in traces",
		bind: text(func(c *Config) *string { return &c.Trace.Service }, "name"),
	},
	{
		Key: "OTEL_RESOURCE_ATTRIBUTES", Flag: "otel-resource-attributes", Section: SectionOperate, Kind: KindList, Example: "deployment.environment=production",
		DefaultNote: "none",
		Help:        "Attributes of this service in traces, as name=value with commas between, values percent-encoded",
		bind:        into(func(c *Config) *[]string { return &c.Trace.Attributes }, parsePairs),
	},
	{
		Key: "OTEL_TRACES_SAMPLER", Flag: "otel-traces-sampler", Section: SectionOperate, Kind: KindChoice, Default: "parentbased_always_on",
		Help: "Which traces are kept",
		bind: choice(func(c *Config) *string { return &c.Trace.Sampler },
			"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
	},
	{
		Key: "OTEL_TRACES_SAMPLER_ARG", Flag: "otel-traces-sampler-arg", Section: SectionOperate, Kind: KindText, Default: "1",
		Help: "Share of the traces that a ratio sampler keeps, from 0 to 1",
		bind: into(func(c *Config) *float64 { return &c.Trace.Ratio }, parseShare),
	},
	{
		Key: "OTEL_SDK_DISABLED", Flag: "otel-sdk-disabled", Section: SectionOperate, Kind: KindBoolean, Default: "false",
		Help: "Make no traces, whatever else is set",
		bind: boolean(func(c *Config) *bool { return &c.Trace.Disabled }),
	},
}
