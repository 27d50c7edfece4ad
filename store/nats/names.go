package nats

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"slackmcp/store/internal/eventlog"
)

// names are what a topic is called inside JetStream.
type names struct {
	stream  string // the events
	subject string // of which each event has a child
	news    string // the subject on which the server tells of new events
	bucket  string // what the groups know
}

func namesOf(topic string) names {
	n := escape(topic)
	return names{stream: "EVENTS-" + n, subject: subjectOf(topic), news: "_EVENTS." + n, bucket: "WORK-" + n}
}

// event is the subject of one event.
func (n names) event(k eventlog.Key) string { return n.subject + "." + hex.EncodeToString(k[:]) }

// escape writes a text with the characters that JetStream takes in every kind of name. Two
// texts never become one: what is escaped, the underscore too, is an underscore and two
// hexadecimal digits.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// subjectOf is the topic itself where that is a subject that belongs to nobody else;
// otherwise its bytes are escaped with percent signs, which no topic keeps.
func subjectOf(topic string) string {
	if validSubject(topic) {
		return topic
	}
	var b strings.Builder
	for _, c := range []byte(topic) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// validSubject reports whether a topic is made of tokens that NATS takes. "$" and "_"
// begin subjects of NATS itself.
func validSubject(topic string) bool {
	if topic[0] == '$' || topic[0] == '_' {
		return false
	}
	for token := range strings.SplitSeq(topic, ".") {
		if token == "" {
			return false
		}
		for _, c := range []byte(token) {
			if c <= ' ' || c > '~' || c == '*' || c == '>' || c == '%' {
				return false
			}
		}
	}
	return true
}

// Keys of the bucket.
const (
	logKey      = "log"
	groupPrefix = "group."
	workPrefix  = "work."
)

func groupKey(name string) string { return groupPrefix + escape(name) }

func workKey(group string, seq int64) string { return escapedWorkKey(escape(group), seq) }

// escapedWorkKey is workKey of an escaped name.
func escapedWorkKey(escaped string, seq int64) string {
	return workPrefix + escaped + fmt.Sprintf(".%016x", seq)
}

// parseWorkKey returns the escaped group and the sequence number of a work key.
func parseWorkKey(key string) (group string, seq int64, ok bool) {
	group, digits, ok := strings.Cut(strings.TrimPrefix(key, workPrefix), ".")
	if !ok {
		return "", 0, false
	}
	seq, err := strconv.ParseInt(digits, 16, 64)
	return group, seq, err == nil
}

// consumerOf is the name of a group's durable consumer.
func consumerOf(group string) string { return "GROUP-" + escape(group) }
