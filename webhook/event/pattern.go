package event

import (
	"fmt"
	"strings"
)

// A Pattern names kinds of events, as a handler, a rule or a list filter does:
//
//   - every event
//     message                every message, whatever its subtype
//     message/channel_join   one subtype
//     message/               a message without a subtype
//     message.channels       a message in a public channel, by its channel_type
//
// The dotted names are those that Slack's subscription page uses; no event carries
// them, so they are matched by channel_type (docs.slack.dev/reference/events).
// The zero Pattern matches nothing.
type Pattern struct {
	typ         string
	subtype     string
	bySubtype   bool
	channelType string
}

// channelTypes maps the suffix of a subscription name to the channel_type in the event.
var channelTypes = map[string]string{
	"channels": "channel",
	"groups":   "group",
	"im":       "im",
	"mpim":     "mpim",
	"app_home": "app_home",
}

// ParsePattern reads a pattern. The error says what can be written.
func ParsePattern(s string) (Pattern, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Pattern{}, fmt.Errorf("empty event type: write a type (message), a type and subtype (message/channel_join) or *")
	}
	if typ, suffix, ok := strings.Cut(s, "."); ok && typ == "message" {
		ct, known := channelTypes[suffix]
		if !known {
			return Pattern{}, fmt.Errorf("unknown event type %q: after \"message.\" comes channels, groups, im, mpim or app_home", s)
		}
		return Pattern{typ: typ, channelType: ct}, nil
	}
	typ, subtype, ok := strings.Cut(s, "/")
	if typ == "" {
		return Pattern{}, fmt.Errorf("event type %q has no type before the slash", s)
	}
	return Pattern{typ: typ, subtype: subtype, bySubtype: ok}, nil
}

// ParsePatterns reads several patterns and stops at the first that is wrong.
func ParsePatterns(list ...string) ([]Pattern, error) {
	var ps []Pattern
	for _, s := range list {
		p, err := ParsePattern(s)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// Match reports whether e is of the kind that p names.
func (p Pattern) Match(e *Event) bool {
	switch {
	case p.typ == "":
		return false
	case p.typ == "*":
		return true
	case p.typ != e.Kind.Type:
		return false
	case p.bySubtype:
		return p.subtype == e.Kind.Subtype
	case p.channelType != "":
		return p.channelType == e.ChannelType
	}
	return true
}

// Type returns the one type that p matches, or "" when it matches several or none.
func (p Pattern) Type() string {
	if p.typ == "*" {
		return ""
	}
	return p.typ
}

// String returns the pattern as ParsePattern reads it.
func (p Pattern) String() string {
	switch {
	case p.bySubtype:
		return p.typ + "/" + p.subtype
	case p.channelType != "":
		for suffix, ct := range channelTypes {
			if ct == p.channelType {
				return p.typ + "." + suffix
			}
		}
	}
	return p.typ
}
