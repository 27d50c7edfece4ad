package config

var mcpSettings = []Setting{
	{
		Key: "MCP_TRANSPORT", Flag: "mcp-transport", Section: SectionMCP, Kind: KindChoice, Default: string(SSE),
		Help: "How assistants connect; stdio for the command mcp only",
		More: "Over HTTP every era of the protocol is served either way: it decides what a bare GET of the mount means.",
		bind: choice(func(c *Config) *Transport { return &c.MCP.Transport }, SSE, StreamableHTTP, Stdio),
	},
	{
		Key: "MCP_MOUNT_PATH", Flag: "mcp-mount-path", Section: SectionMCP, Kind: KindText, Default: "/mcp",
		Help: "Path of the MCP endpoint",
		bind: into(func(c *Config) *string { return &c.MCP.MountPath }, parseMount),
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
		Help: "Further bearer tokens, each as name:scope+scope:token; the scopes are read, events, write, admin",
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
		Help:        "Channels, by id or name, that tools may write to; nothing else then",
		bind:        list(func(c *Config) *[]string { return &c.MCP.ChannelsAllow }),
	},
	{
		Key: "CHANNELS_DENY", Flag: "channels-deny", Section: SectionTools, Kind: KindList, Example: "announcements",
		DefaultNote: "none",
		Help:        "Channels, by id or name, that tools may not write to, also where allowed",
		bind:        list(func(c *Config) *[]string { return &c.MCP.ChannelsDeny }),
	},
	{
		Key: "MASS_MENTIONS", Flag: "mass-mentions", Section: SectionTools, Kind: KindBoolean, Default: "false",
		Help: "Let @channel, @here and @everyone in a tool's text call people",
		bind: boolean(func(c *Config) *bool { return &c.MCP.MassMentions }),
	},
	{
		Key: "SENDS_PER_MINUTE", Flag: "sends-per-minute", Section: SectionTools, Kind: KindNumber, Default: "30",
		Help: "Messages that tools may send to one channel within a minute",
		bind: number(func(c *Config) *int { return &c.MCP.SendsPerMinute }, 1, maxSends),
	},
	{
		Key: "LOCKDOWN", Flag: "lockdown", Section: SectionTools, Kind: KindBoolean, Default: "false",
		Help: "Withhold from assistants the words of authors who are not known to be of the workspace",
		bind: boolean(func(c *Config) *bool { return &c.MCP.Lockdown }),
	},
}
