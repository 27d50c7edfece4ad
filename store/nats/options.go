package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// What zero Options mean.
const (
	DefaultTopic          = "slack.events"
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 100_000
	DefaultLease          = 30 * time.Second
	DefaultReplicas       = 1
)

// minLease leaves a renewal, which comes three times in a lease, time for a slow network.
const minLease = 100 * time.Millisecond

// maxTopic bounds a topic's name, so that every name made from it is short enough.
const maxTopic = 64

// maxReplicas is JetStream's.
const maxReplicas = 5

// Options configure a Store.
type Options struct {
	// URL is where NATS is, for example nats://localhost:4222; several servers of a
	// cluster with commas between. tls:// demands TLS. Required. It may hold a password
	// or a token, which no error and no log line repeats.
	URL string
	// CredentialsFile is the path of a file with a user's JWT and seed; "" means none.
	CredentialsFile string
	// Topic names the store inside JetStream; "" means slack.events, the most is 64
	// characters. Those that NATS refuses in a name are escaped, one to one.
	Topic string
	// DedupeTTL is how long an event id is remembered; 0 means 48 hours. A remembered
	// id costs about 200 bytes of nats-server's memory.
	DedupeTTL time.Duration
	// RetentionAge is how long an event is kept that no group waits for; 0 means 7
	// days, and a negative value keeps it until RetentionCount is reached.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 100,000.
	RetentionCount int
	// Lease is after which time without a sign of life an attempt counts as crashed; 0
	// means 30 seconds, the least is 100 ms.
	Lease time.Duration
	// Replicas is on how many servers of a cluster everything is stored; 0 means 1, 3
	// survives the loss of one, 5 is the most.
	Replicas int
	// StateOnly is for a process that uses only State: it makes no stream of events, and
	// does not apply retention to one that exists.
	StateOnly bool
	// Logger gets a line when NATS goes away and one when it is back; nil discards.
	Logger *slog.Logger
}

func (o Options) normalize() (Options, error) {
	switch {
	case o.URL == "":
		return o, errors.New("nats queue: URL is missing, for example nats://localhost:4222")
	case len(o.Topic) > maxTopic:
		return o, fmt.Errorf("nats queue: Topic has %d characters, the most is %d", len(o.Topic), maxTopic)
	case o.DedupeTTL < 0:
		return o, errors.New("nats queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("nats queue: RetentionCount is negative")
	case o.Lease < 0 || o.Lease > 0 && o.Lease < minLease:
		return o, fmt.Errorf("nats queue: Lease is %v, the least is %v", o.Lease, minLease)
	case o.Replicas < 0 || o.Replicas > maxReplicas:
		return o, fmt.Errorf("nats queue: Replicas is %d, want 1 to %d", o.Replicas, maxReplicas)
	}
	setDefault(&o.Topic, DefaultTopic)
	setDefault(&o.DedupeTTL, DefaultDedupeTTL)
	setDefault(&o.RetentionAge, DefaultRetentionAge)
	setDefault(&o.RetentionCount, DefaultRetentionCount)
	setDefault(&o.Lease, DefaultLease)
	setDefault(&o.Replicas, DefaultReplicas)
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
