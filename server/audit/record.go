package audit

import "time"

// An Event is what a record is about.
type Event string

// All events.
const (
	// SignatureRefused is a request whose signature was missing, wrong or stale.
	SignatureRefused Event = "signature_refused"
	// AddressHeldBack is an address that keeps failing verification, and whose requests
	// are refused unread from now on.
	AddressHeldBack Event = "address_held_back"
	// CallerRefused is a request to the MCP endpoint that was turned away for its token.
	CallerRefused Event = "caller_refused"
	// TokenUsed is the first use of a token from an address within an hour.
	TokenUsed Event = "token_used"
	// SlackWrite is something that an assistant wrote to Slack, or was refused to.
	SlackWrite Event = "slack_write"
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

// maxText bounds what a record holds of a text that somebody else chose.
const maxText = 200

// cut shortens the texts that come from outside.
func (r *Record) cut() {
	for _, s := range []*string{&r.Reason, &r.Address, &r.RequestID, &r.Source, &r.Principal, &r.Tool, &r.Channel, &r.TS, &r.Operation, &r.Target} {
		if len(*s) > maxText {
			*s = (*s)[:maxText]
		}
	}
}
