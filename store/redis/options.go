package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// What zero Options mean.
const (
	DefaultTopic          = "slack.events"
	DefaultMaxConnections = 50
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 100_000
	DefaultLease          = 30 * time.Second
)

// minLease leaves a renewal, which comes three times in a lease, time for a slow network.
const minLease = 100 * time.Millisecond

// minConnections are one that waits for new events, one that follows the changes of small
// values, and one that does all else.
const minConnections = 3

// Options configure a Store.
type Options struct {
	// URL is where Redis is; see Open for its forms. Required. It may hold a password,
	// which no error and no log line repeats.
	URL string
	// MaxConnections bounds the connections to each node; 0 means 50, the least is 3.
	MaxConnections int
	// Topic names the store inside Redis; "" means slack.events. It may not contain
	// braces, which delimit it in the keys.
	Topic string
	// DedupeTTL is how long an event id is remembered; 0 means 48 hours. A remembered
	// id costs about 140 bytes of Redis's memory, also after its event is gone.
	DedupeTTL time.Duration
	// RetentionAge is how long an event is kept that no group waits for; 0 means 7
	// days, and a negative value keeps it until RetentionCount is reached.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 100,000. An event
	// costs its body and about 300 bytes of Redis's memory.
	RetentionCount int
	// Lease is after which time without a sign of life an attempt counts as crashed; 0
	// means 30 seconds, the least is 100 ms.
	Lease time.Duration
	// StateOnly is for a process that uses only State: it makes no store of events, and
	// does not apply retention to one that exists.
	StateOnly bool
	// Logger gets a line when Redis goes away and one when it is back; nil discards.
	Logger *slog.Logger
}

func (o Options) normalize() (Options, error) {
	switch {
	case o.URL == "":
		return o, errors.New("redis queue: URL is missing, for example redis://localhost:6379/0")
	case o.MaxConnections < 0 || o.MaxConnections > 0 && o.MaxConnections < minConnections:
		return o, fmt.Errorf("redis queue: MaxConnections is %d, the least is %d", o.MaxConnections, minConnections)
	case strings.ContainsAny(o.Topic, "{}"):
		return o, fmt.Errorf("redis queue: Topic %q contains a brace", o.Topic)
	case o.DedupeTTL < 0:
		return o, errors.New("redis queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("redis queue: RetentionCount is negative")
	case o.Lease < 0 || o.Lease > 0 && o.Lease < minLease:
		return o, fmt.Errorf("redis queue: Lease is %v, the least is %v", o.Lease, minLease)
	}
	setDefault(&o.Topic, DefaultTopic)
	setDefault(&o.MaxConnections, DefaultMaxConnections)
	setDefault(&o.DedupeTTL, DefaultDedupeTTL)
	setDefault(&o.RetentionAge, DefaultRetentionAge)
	setDefault(&o.RetentionCount, DefaultRetentionCount)
	setDefault(&o.Lease, DefaultLease)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
