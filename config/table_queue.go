package config

import "time"

// redisSchemes and natsSchemes are what the engines' clients read.
var (
	redisSchemes = []string{"redis", "rediss", "unix"}
	natsSchemes  = []string{"nats", "tls", "ws", "wss"}
)

var queueSettings = []Setting{
	{
		Key: "QUEUE_BACKEND_TYPE", Aliases: []string{"QUEUE_BACKEND"}, Flag: "queue-backend", Section: SectionQueue, Kind: KindChoice,
		DefaultNote: "redis when REDIS_URL is set, nats when NATS_URL is, else sqlite",
		Example:     "sqlite",
		Help:        "Engine that keeps the events",
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
		Help: "Name of the queue inside the engine",
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
