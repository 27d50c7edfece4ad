// Package event defines the [Event], which is what the receiving side is about: how it is
// read from the bytes that a sender posted ([DecodeSlack], [EncodingOf], [Path]), how it is
// found again ([Filter], [Query]), and how it is shown ([Sanitize]).
//
// It promises that Raw is the body as it came, byte for byte, and that decoding refuses
// nothing except a body that is not an object: an event of a type that this package does
// not know is an event like any other. It does not interpret events; a caller that wants
// more than the fields of an Event parses Raw.
//
// All packages may import this one, so it imports the standard library only, and jsontext,
// which is a part of the standard library since Go 1.27.
package event

import (
	"strconv"
	"strings"
	"time"
)

// SourceSlack is the Source of everything that Slack posts.
const SourceSlack = "slack"

// Unknown is the Kind's type of an event whose sender named none.
const Unknown = "unknown"

// An Event is one delivery of one sender. It is a value; the slice in Raw is
// shared by all copies and must not be written to.
type Event struct {
	// Source names who sent it: "slack", or the name of a configured source.
	Source string
	// ID is the delivery's id, unique within Source: Slack's event_id, webhook-id,
	// X-GitHub-Delivery and the like. Without one it is [DerivedID] of the body.
	ID string
	// Kind is the type and subtype as the sender wrote them.
	Kind Kind

	// Team, Channel, ChannelType and User are Slack's ids; empty where the event has none.
	// ChannelType is Slack's channel_type: channel, group, im, mpim or app_home.
	Team, Channel, ChannelType, User string
	// Thread is the ts of the thread that the event belongs to. A message outside
	// every thread is the root of the thread that it may get: its own ts. A reaction,
	// a pin or a click has the ts of its message, where Slack names no thread.
	Thread string
	// FromSelf reports that our own app caused the event, as far as the envelope shows.
	// When a person invited or removed our bot, our app did not cause the event. What a tool wrote in a
	// person's name our app did cause; its User is the person.
	FromSelf bool

	// At is when it happened according to the sender; zero where the sender says nothing.
	At time.Time
	// ReceivedAt is when the last byte of the body was read.
	ReceivedAt time.Time
	// Position is the event's place in the store, given by Publish; empty before.
	Position Position

	// Encoding says how Raw is to be parsed.
	Encoding Encoding
	// Raw is the request's body as it came, never re-encoded. It may hold secrets;
	// show it through [Sanitize] only.
	Raw []byte
	// Headers are those that the source of the event names; of Slack's events none.
	Headers Headers
	// Retry is what the sender said about earlier deliveries of the event.
	Retry Retry
}

// Kind is what a sender called an event, for example {message channel_join}.
type Kind struct {
	Type    string
	Subtype string
}

// String returns "type" or "type/subtype".
func (k Kind) String() string {
	if k.Subtype == "" {
		return k.Type
	}
	return k.Type + "/" + k.Subtype
}

// Encoding says how an event's Raw bytes are written.
type Encoding uint8

const (
	// JSON is a value in JSON (RFC 8259): of Slack an object, of others any value.
	JSON Encoding = iota
	// Form is application/x-www-form-urlencoded: Slack's slash commands and interactivity.
	Form
)

// String returns "json" or "form".
func (e Encoding) String() string {
	if e == Form {
		return "form"
	}
	return "json"
}

// Retry is Slack's X-Slack-Retry-Num and X-Slack-Retry-Reason. The zero value is a
// first delivery. It is recorded and counted, and never a reason to drop an event:
// a repetition may be the only copy that arrived.
type Retry struct {
	Num    int
	Reason string
}

// Position is an event's place in a store: opaque to clients, ordered as strings are
// within one epoch of the store, and never reused. The empty Position is before the
// first event.
//
// It is written "<epoch>-<sequence as 16 hexadecimal digits>". The epoch is
// made at random when a store is created, so that a cursor of another store, or of
// one that was emptied, is recognised.
type Position string

// NewPosition returns the position of a sequence number, which begins at 1.
func NewPosition(epoch string, seq uint64) Position {
	b := make([]byte, 0, 64) // on the stack: an epoch has 8 to 16 characters
	b = append(append(b, epoch...), '-')
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[seq>>shift&15])
	}
	return Position(b)
}

// Epoch returns the part that names the store, or "" for an ill-formed position.
func (p Position) Epoch() string {
	epoch, _, _ := p.split()
	return epoch
}

// Seq returns the sequence number and whether the position is well-formed.
func (p Position) Seq() (uint64, bool) {
	_, seq, ok := p.split()
	return seq, ok
}

func (p Position) split() (string, uint64, bool) {
	i := strings.LastIndexByte(string(p), '-')
	if i <= 0 || len(p)-i-1 != 16 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(string(p[i+1:]), 16, 64)
	if err != nil {
		return "", 0, false
	}
	return string(p[:i]), seq, true
}
