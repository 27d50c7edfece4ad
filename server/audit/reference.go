package audit

import (
	"fmt"
	"strings"
)

// events describes each event, with the fields that it has beside time, event and
// outcome. The table is the schema: see TestRecordsKeepToTheSchema.
var events = []struct {
	Event  Event
	What   string
	Fields []string
}{
	{SignatureRefused, "A request on a sender's route whose signature was not good. `reason` is missing, malformed, mismatch or stale. Its body is never kept.", []string{"reason", "address", "source", "request_id", "status"}},
	{AddressHeldBack, "An address, or the /64 of one, that failed verification more often than UNVERIFIED_PER_MINUTE allows. Its further requests are answered 429 and not recorded.", []string{"address"}},
	{CallerRefused, "A request to the MCP endpoint that was turned away. `reason` is invalid_request, unauthorized, invalid_token, insufficient_scope or temporarily_unavailable.", []string{"reason", "address", "request_id", "status"}},
	{TokenUsed, "The first use of a token from an address within an hour.", []string{"principal", "address", "request_id"}},
	{SlackWrite, "A tool that wrote to Slack, or tried to. `reason` is the rule that refused it, or `error`; `ts` is Slack's of what was written, never its text.", []string{"reason", "principal", "tool", "channel", "ts"}},
	{Operation, "Something that an operator did: a reload of files, a command on the running server, or a tool of the scope admin that changed something. A reload of the MCP tokens is `reload_tokens`, with how many there are now as `count`, beside `token_added`, `token_changed` and `token_removed` for each that is not as it was, with its name as `target`. What could not be used, so that nothing changed, is `reload_settings` or `reload_rules`, failed.", []string{"reason", "operation", "target", "count", "principal", "request_id"}},
	{Started, "The server can be reached.", []string{"version"}},
	{Stopped, "The server has drained.", []string{"version"}},
}

// Events lists all events.
func Events() []Event {
	var list []Event
	for _, e := range events {
		list = append(list, e.Event)
	}
	return list
}

// fields describes each field, in the order of the lines.
var fields = []struct{ Name, What string }{
	{"time", "when, in UTC, as RFC 3339 with nanoseconds; always there"},
	{"event", "what it is about; always there"},
	{"outcome", "`ok`, `refused` or `failed`; always there"},
	{"reason", "why, as one of few words for each event"},
	{"address", "where the request came from; behind TRUSTED_PROXIES the client's"},
	{"request_id", "the id that the log and the answer's X-Request-Id have too"},
	{"source", "the sender that the route belongs to"},
	{"principal", "the name of the token, or issuer and subject of a JWT"},
	{"tool", "the tool that wrote"},
	{"channel", "the id of the channel that it wrote to"},
	{"ts", "Slack's ts of what was written"},
	{"operation", "what an operator did"},
	{"target", "what it was done to"},
	{"count", "how many it was about"},
	{"status", "the HTTP status of the answer"},
	{"version", "the program's version"},
}

// Reference is docs/audit.md, made from the tables.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("\n## Events\n\n| event | what happened | fields |\n|---|---|---|\n")
	for _, e := range events {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", e.Event, e.What, strings.Join(e.Fields, "`, `"))
	}
	b.WriteString("\n## Fields\n\n| field | what it is |\n|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, f.What)
	}
	return b.String()
}

const referenceHead = `<!-- Made from server/audit by ` + "`go generate ./...`" + `; edit there. -->

# Audit trail

AUDIT_LOG names where security events are written beside the log: a file, ` + "`stderr` or `stdout`" + `. Each is one line of
JSON. Events and fields are a stable schema: they are only ever added to, and a field that says nothing is left out.
No line holds a secret, a token, a body or a text of a message.

A file is appended to, with mode 0600, and opened again on SIGHUP: let logrotate move it and send the signal. A line that
cannot be written is counted (` + "`slack_webhook_server_audit_errors_total`" + `) and told to the log; it stops nothing.

    {"time":"2026-11-25T17:05:01.52Z","event":"signature_refused","outcome":"refused","reason":"mismatch","address":"192.0.2.7","request_id":"k3v9x2m1qa-17","source":"slack","status":401}
    {"time":"2026-11-25T17:05:09.04Z","event":"slack_write","outcome":"ok","principal":"alice","tool":"slack_post_message","channel":"C0123456789","ts":"1764090309.000200"}
`
