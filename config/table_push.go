package config

import (
	"net/netip"
	"time"
)

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
