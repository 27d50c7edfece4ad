// Package audit keeps the trail of security events apart from the log: who was refused
// and why, whose token was used, what was written to Slack, what an operator did.
//
// One [Record] is one line of JSON, written with one call before [Log.Record] returns.
// Its fields and the names of its events are a stable schema: docs/audit.md is made
// from the tables here, and fields are only ever added. A record never holds a secret, a
// token, a body or a text of a message; whatever looks like one is taken out by the
// writer that server puts in front.
//
// A file is opened for appending with mode 0600 and opened again by [Log.Reopen], so
// that it can be moved away by logrotate. A line that cannot be written is counted and
// told to the log; it stops nothing.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Options configure a Log.
type Options struct {
	// Path is a file's path. Empty writes to Writer.
	Path string
	// Writer is where lines go without a Path, such as stderr.
	Writer io.Writer
	// Scrub returns a writer that takes secrets out of lines; nil takes none out.
	Scrub func(io.Writer) io.Writer
	// Logger receives an error for lines that could not be written; nil discards it.
	Logger *slog.Logger
	// OnWritten is called after each record with whether it was written; nil is not called.
	OnWritten func(e Event, ok bool)
}

// A Log writes records. A nil Log writes none, so that no caller has to check whether there
// is one. It is safe for concurrent use.
type Log struct {
	opt Options

	mu     sync.Mutex
	file   *os.File  // guarded by mu; nil for a Writer
	out    io.Writer // guarded by mu
	broken bool      // guarded by mu: the last line was not written
}

// New opens the trail.
func New(o Options) (*Log, error) {
	if o.Path == "" && o.Writer == nil {
		return nil, errors.New("audit: Path or Writer is required")
	}
	if o.Scrub == nil {
		o.Scrub = func(w io.Writer) io.Writer { return w }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnWritten == nil {
		o.OnWritten = func(Event, bool) {}
	}
	l := &Log{opt: o}
	if o.Path == "" {
		l.out = o.Scrub(o.Writer)
		return l, nil
	}
	return l, l.open()
}

// open opens the file, and then closes the one before. It requires l.mu, or that nobody
// else knows l.
func (l *Log) open() error {
	f, err := os.OpenFile(l.opt.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.out = f, l.opt.Scrub(f)
	return err
}

// Record writes one line.
func (l *Log) Record(ctx context.Context, r Record) {
	if l == nil {
		return
	}
	r.Time = time.Now().UTC()
	r.cut()
	line, err := json.Marshal(r)
	if err != nil {
		return // texts, a number and a time can always be written
	}
	l.mu.Lock()
	_, err = l.out.Write(append(line, '\n'))
	first := err != nil && !l.broken
	l.broken = err != nil
	l.mu.Unlock()
	l.opt.OnWritten(r.Event, err == nil)
	if first {
		l.opt.Logger.LogAttrs(ctx, slog.LevelError, "the audit trail cannot be written", slog.String("error", err.Error()))
	}
}

// Reopen opens the file again under its path. The one before goes on where that fails.
func (l *Log) Reopen(ctx context.Context) {
	if l == nil || l.opt.Path == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		l.opt.Logger.LogAttrs(ctx, slog.LevelError, "the audit trail cannot be opened again", slog.String("error", err.Error()))
	}
}

// Close closes the file. Later records are lost.
func (l *Log) Close() error {
	if l == nil || l.file == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// An Event is what a record is about.
type Event string

// All events.
const (
	// SignatureRefused is a request whose signature was missing, wrong or stale.
	SignatureRefused Event = "signature_refused"
	// AddressHeldBack is an address that keeps failing verification at a route, and whose
	// long bodies are refused there unread from now on.
	AddressHeldBack Event = "address_held_back"
	// CallerRefused is a request to the MCP endpoint that was turned away for its token, or because its
	// principal had its share.
	CallerRefused Event = "caller_refused"
	// TokenUsed is the first use of a token from an address within an hour.
	TokenUsed Event = "token_used"
	// PersonSignedIn is a person who signed in with Slack, or was not let in, and PersonSignedOut one
	// whose sign-in was ended.
	PersonSignedIn  Event = "person_signed_in"
	PersonSignedOut Event = "person_signed_out"
	// SlackWrite is something that an assistant wrote to Slack, or was refused to.
	SlackWrite Event = "slack_write"
	// ConsoleSession is a session of the operator's console that began or ended, or was refused.
	ConsoleSession Event = "console_session"
	// Operation is something that an operator did to the running server.
	Operation Event = "operation"
	// Started and Stopped are the server's own life.
	Started Event = "started"
	Stopped Event = "stopped"
)

// An Outcome is how it ended.
type Outcome string

// All outcomes.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"
)

// A Record is one line. Fields that say nothing are left out.
type Record struct {
	// Time is set by Log.Record, in UTC.
	Time    time.Time `json:"time"`
	Event   Event     `json:"event"`
	Outcome Outcome   `json:"outcome"`
	// Reason is one of few words for each event, or a code.
	Reason string `json:"reason,omitempty"`
	// Address is where the request came from: the client's, behind trusted proxies.
	Address string `json:"address,omitempty"`
	// RequestID is that of the log and of the answer's X-Request-Id.
	RequestID string `json:"request_id,omitempty"`
	// Source is the sender that the route belongs to.
	Source string `json:"source,omitempty"`
	// Principal is the name of the token, or issuer and subject of a JWT.
	Principal string `json:"principal,omitempty"`
	// Tool, Channel and TS are what wrote, where, and the ts of what it wrote.
	Tool    string `json:"tool,omitempty"`
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
	// Operation is the name of what an operator did, Target what to.
	Operation string `json:"operation,omitempty"`
	Target    string `json:"target,omitempty"`
	// Count is how many it was about.
	Count int `json:"count,omitempty"`
	// Status is the HTTP status of the answer.
	Status int `json:"status,omitempty"`
	// Version is the program's.
	Version string `json:"version,omitempty"`
}

// maxText bounds what a record holds of a text that a client chose.
const maxText = 200

// cut shortens the texts that come from outside.
func (r *Record) cut() {
	for _, s := range []*string{&r.Reason, &r.Address, &r.RequestID, &r.Source, &r.Principal, &r.Tool, &r.Channel, &r.TS, &r.Operation, &r.Target} {
		if len(*s) > maxText {
			*s = (*s)[:maxText]
		}
	}
}

// events describes each event, with the fields that it has beside time, event and
// outcome. The table is the schema: see TestRecordsKeepToTheSchema.
var events = []struct {
	Event  Event
	What   string
	Fields []string
}{
	{SignatureRefused, "A request on a sender's route whose signature was not good. `reason` is missing, malformed, mismatch or stale. Its body is never kept. Of requests that are alike in address, source and reason the first has a record of its own; each minute one with `count` says how many followed.", []string{"reason", "address", "source", "request_id", "status", "count"}},
	{AddressHeldBack, "An address, or the /64 of one, that failed verification at a route more often than UNVERIFIED_PER_MINUTE allows. Its bodies above 64 KiB, or of unknown length, are answered 429 there and not recorded.", []string{"address", "source"}},
	{CallerRefused, "A request to the MCP endpoint that was turned away. `reason` is invalid_request, unauthorized, invalid_token, bound_token, insufficient_scope or temporarily_unavailable; or too_many_sessions and others of too_many_, where a principal had its share (MCP_SHARE). Those that are alike in address, or principal, and reason are counted as refused signatures are.", []string{"reason", "address", "principal", "request_id", "status", "count"}},
	{TokenUsed, "The first use of a token from an address within an hour.", []string{"principal", "address", "request_id"}},
	{PersonSignedIn, "A person who signed in with Slack, `T…/U…` as `principal`. Refused, where Slack or SIGN_IN_TEAMS did not let them in, or no longer; `reason` is workspace, guest, account, mismatch, scopes, code or grant then. Further refusals of the same are told once a minute, with their `count`.", []string{"reason", "principal", "count", "address", "request_id"}},
	{PersonSignedOut, "A person whose sign-ins were ended, with how many as `count` where that is not one. `reason` is client, where their client did it, person, where they did on their own page, operator, or why they may no longer be signed in: a reason of person_signed_in.", []string{"reason", "principal", "count", "address", "request_id"}},
	{SlackWrite, "A tool that wrote to Slack, or tried to. `reason` is the rule that refused it, or `error`; `ts` is Slack's of what was written, never its text.", []string{"reason", "principal", "tool", "channel", "ts"}},
	{ConsoleSession, "A session of the operator's console: one that began has no `reason`; one that ended has sign_out, token_reloaded, or too_many_sessions where it gave way to a newer one. Refused is a wrong token (invalid_token), and what came after ten of them within a minute (too_many_failures). `principal` names the session, as in what it changes.", []string{"reason", "principal", "address", "request_id"}},
	{Operation, "Something that an operator did: a reload of files, a command on the running server, a change by the console (with its session as `principal`), or a tool of the scope admin that changed something. A reload of the MCP tokens is `reload_tokens`, with how many there are now as `count`, beside `token_added`, `token_changed` and `token_removed` for each that is not as it was, with its name as `target`. What could not be used, so that nothing changed, is `reload_settings` or `reload_rules`, failed.", []string{"reason", "operation", "target", "count", "principal", "address", "request_id"}},
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
	{"address", "where the request came from; behind TRUSTED_PROXIES the client's. With `count` it may be an IPv6 address's /64, or `further clients`, where more than 1,000 kinds of refusal came within a minute"},
	{"request_id", "the id that the log and the answer's X-Request-Id have too"},
	{"source", "the sender that the route belongs to"},
	{"principal", "the name of the token, or issuer and subject of a JWT; `stdio` of who started the process; of a person who signed in `person:T…/U…#` and the sign-in's id, and `T…/U…` where it is about all their sign-ins"},
	{"tool", "the tool that wrote"},
	{"channel", "the id of the channel that it wrote to"},
	{"ts", "Slack's ts of what was written"},
	{"operation", "what an operator did: `reload` and the operations beside it, above; by a command `group dropped`, `dead letters redriven`, `dead letters dropped`, `events replayed`, `people_sign_out` or `visibility_explain`, whose target is a person and the id of an event; by the console also `gap filled`, `store backed up` and `store verified`, whose target is the name of a backup or \"the store\"; or the name of a tool of the scope admin"},
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
