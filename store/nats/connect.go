package nats

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"slackmcp/internal/wait"
	"slackmcp/store/internal/eventlog"
)

// Bounds of a connection.
const (
	dialTimeout  = 2 * time.Second
	pingInterval = 5 * time.Second
	maxReconnect = 2 * time.Second
)

// servers checks the URLs and returns them, and how to name them without credentials.
// Its errors never repeat them: they may hold a password, also where none belongs.
func servers(raw string) (list []string, text string, err error) {
	var hosts []string
	for one := range strings.SplitSeq(raw, ",") {
		one = strings.TrimSpace(one)
		u, err := url.Parse(one)
		if err != nil || u.Host == "" {
			return nil, "", errors.New("nats: URL cannot be read: write nats://[user:password@]host:port, several with commas between, and percent-encode what is special in the password")
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return nil, "", errors.New("nats: URL: the scheme has to be nats, tls, ws or wss")
		}
		list = append(list, one)
		hosts = append(hosts, u.Scheme+"://"+u.Host)
	}
	return list, strings.Join(hosts, ","), nil
}

// dial connects, or begins to when no server answers. A server that answers and refuses is
// an error. on may set the connection's callbacks.
func dial(ctx context.Context, o Options, on func(*natsgo.Options)) (*natsgo.Conn, error) {
	list, text, err := servers(o.URL)
	if err != nil {
		return nil, err
	}
	opts := natsgo.GetDefaultOptions()
	opts.Servers = list
	opts.Name = "slack-webhook-server"
	opts.Timeout = dialTimeout
	opts.MaxReconnect = -1
	opts.PingInterval, opts.MaxPingsOut = pingInterval, 2
	// What cannot be sent now fails now: a publish must not be sent when no caller waits
	// for its answer any more.
	opts.ReconnectBufSize = -1
	opts.IgnoreAuthErrorAbort = true
	opts.CustomReconnectDelayCB = func(attempts int) time.Duration {
		return wait.Jitter(wait.Growth{First: 100 * time.Millisecond, Most: maxReconnect, Factor: 2}.After(attempts, 0))
	}
	opts.AsyncErrorCB = func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
		o.Logger.LogAttrs(context.WithoutCancel(ctx), slog.LevelDebug, "nats client", slog.Any("error", err))
	}
	if o.CredentialsFile != "" {
		if err := natsgo.UserCredentials(o.CredentialsFile)(&opts); err != nil {
			return nil, fmt.Errorf("nats: CredentialsFile: %w", err)
		}
	}
	on(&opts)
	nc, err := opts.Connect()
	switch {
	case err == nil:
		return nc, nil
	case refused(err):
		return nil, fmt.Errorf("nats at %s: %w", text, err)
	}
	o.Logger.LogAttrs(ctx, slog.LevelWarn, "nats cannot be reached yet, waiting for it",
		slog.String("nats", text), slog.Any("error", err))
	opts.RetryOnFailedConnect = true
	if nc, err = opts.Connect(); err != nil {
		return nil, fmt.Errorf("nats at %s: %w", text, err)
	}
	return nc, nil
}

// refused reports whether NATS answered and will answer the same later.
func refused(err error) bool {
	return errors.Is(err, natsgo.ErrAuthorization) || errors.Is(err, natsgo.ErrAuthExpired) ||
		errors.Is(err, natsgo.ErrAuthRevoked) || errors.Is(err, natsgo.ErrAccountAuthExpired) ||
		strings.Contains(strings.ToLower(err.Error()), "authorization violation")
}

// names are what a topic is called inside JetStream.
type names struct {
	stream  string // the events
	subject string // of which each event has a child
	news    string // the subject on which the server announces new events
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

// subjectOf is the topic itself where that is a subject that belongs to no other program;
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
