package config

import (
	"log/slog"
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
	maxSockets     = 10
)

var table = slices.Concat(startSettings, slackSettings, listenSettings, receiveSettings, senderSettings,
	queueSettings, workSettings, mcpSettings, accessSettings, toolSettings, pushSettings, operateSettings, traceSettings)

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
		bind: slackSecret(func(c *Config) *Secret { return &c.Slack.UserToken }),
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
		Help: "Connections that are open at once; more are closed as they come",
		More: "Assistants hold one each while they follow a stream.",
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
		Help: "Requests of senders that are served at once; more are answered 503",
		More: "Addresses from which no verified request came within a day may have half of them.",
		bind: number(func(c *Config) *int { return &c.Receive.MaxInFlight }, 2, maxInFlight),
	},
	{
		Key: "UNVERIFIED_PER_MINUTE", Flag: "unverified-per-minute", Section: SectionReceive, Kind: KindNumber, Default: "60",
		Help: "Requests that fail verification which one address may send in a minute; beyond it is answered 429",
		More: "An IPv6 address counts with its /64. An address from which a verified request came within a day is never held back. Behind a proxy, name it in TRUSTED_PROXIES.",
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
		More: "docs/sources.md says how it is written. SIGHUP reads it again, but for routes: a new sender needs a restart.",
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

var operateSettings = []Setting{
	{
		Key: "LOG_LEVEL", Flag: "log-level", Section: SectionOperate, Kind: KindChoice, Default: "info",
		Help: "Least level that is logged, in any case",
		bind: level(func(c *Config) *slog.Level { return &c.Log.Level }),
	},
	{
		Key: "LOG_FORMAT", Flag: "log-format", Section: SectionOperate, Kind: KindChoice, Default: LogAuto,
		Help: "Form of the log; auto is text on a terminal and JSON elsewhere",
		bind: choice(func(c *Config) *string { return &c.Log.Format }, LogAuto, LogText, LogJSON),
	},
	{
		Key: "AUDIT_LOG", Flag: "audit-log", Section: SectionOperate, Kind: KindText, Example: "/var/log/slack-webhook-server/audit.jsonl",
		DefaultNote: "no trail beside the log",
		Help:        "File for the audit trail of security events, in JSON lines; or stderr or stdout",
		More:        "The file is opened again on SIGHUP. See docs/audit.md for its schema.",
		bind:        text(func(c *Config) *string { return &c.Log.Audit }, "file"),
	},
	{
		Key: "ADMIN_ADDR", Flag: "admin-addr", Section: SectionOperate, Kind: KindText, Example: "127.0.0.1:9090",
		DefaultNote: "the main listener",
		Help:        "Second listener for /health/detailed, /metrics, /openapi.json and /docs",
		bind:        text(func(c *Config) *string { return &c.Admin.Addr }, "host:port"),
	},
	{
		Key: "ADMIN_TOKEN", Section: SectionOperate, Kind: KindSecret,
		Help: "Bearer token that lets /health/detailed show engine errors and addresses",
		bind: slackSecret(func(c *Config) *Secret { return &c.Admin.Token }),
	},
	{
		Key: "DRAIN_TIMEOUT", Flag: "drain-timeout", Section: SectionOperate, Kind: KindDuration, Default: "10s",
		Help: "How long open requests and running handlers may go on after a stop was asked for",
		bind: duration(func(c *Config) *time.Duration { return &c.Drain }, 0, 10*time.Minute),
	},
}
