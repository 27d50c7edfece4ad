package config

import (
	"log/slog"
	"time"
)

// operateSettings are those of an operator: log, trail, routes of their own, stopping.
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
		Help:        "Second listener for /health/detailed, /metrics, /openapi.json, /docs and /console",
		bind:        text(func(c *Config) *string { return &c.Admin.Addr }, "host:port"),
	},
	{
		Key: "ADMIN_TOKEN", Section: SectionOperate, Kind: KindSecret,
		Help: "Token that opens the operator's console, and to its bearer the details of /health/detailed",
		More: "The console takes one from 16 characters on; the details are errors and addresses of the database. SIGHUP reads it again; another one ends the sessions of the console. See docs/console.md.",
		bind: slackSecret(func(c *Config) *Secret { return &c.Admin.Token }),
	},
	{
		Key: "CONSOLE_HOSTS", Flag: "console-hosts", Section: SectionOperate, Kind: KindList, Example: "ops.example.com:9090",
		DefaultNote: "only browsers on this machine, by a name of this machine",
		Help:        "Host headers, with their ports, by which the console may be reached from elsewhere",
		bind:        list(func(c *Config) *[]string { return &c.Admin.ConsoleHosts }),
	},
	{
		Key: "DRAIN_TIMEOUT", Flag: "drain-timeout", Section: SectionOperate, Kind: KindDuration, Default: "10s",
		Help: "How long open requests and running handlers may go on after a stop was asked for",
		bind: duration(func(c *Config) *time.Duration { return &c.Drain }, 0, 10*time.Minute),
	},
}
