package sqlite

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
	DefaultRetentionAge   = 30 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
)

// Synchronous says when a commit is durable.
type Synchronous string

const (
	// Full waits for the fsync of the write-ahead log with each commit.
	Full Synchronous = "full"
	// Normal leaves the writing to the operating system: a crash of the process loses
	// nothing, a power loss what was acknowledged in the last seconds.
	Normal Synchronous = "normal"
)

// Options configure a Queue.
type Options struct {
	// Dir is the directory of the store; it is made, for the owner alone, unless it
	// exists. Required.
	Dir string
	// Topic names the queue within the store; each has its own file. "" means "slack.events".
	Topic string
	// DedupeTTL is how long an event id counts as seen; 0 means 48 hours.
	DedupeTTL time.Duration
	// RetentionAge is how long an event, or a dead letter, is kept that no group waits
	// for; 0 means 30 days, and a negative value leaves it to RetentionCount.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 1,000,000.
	RetentionCount int
	// Synchronous is Full unless it says otherwise.
	Synchronous Synchronous
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger hears of trouble and recovery; nil is silent.
	Logger *slog.Logger
}

// maxTopic bounds a topic's name, so that every file system takes the file's.
const maxTopic = 75

func (o Options) normalize() (Options, error) {
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.Synchronous == "" {
		o.Synchronous = Full
	}
	switch {
	case o.Dir == "":
		return o, errors.New("sqlite queue: Dir is missing")
	case len(o.Topic) > maxTopic:
		return o, fmt.Errorf("sqlite queue: Topic has %d bytes, at most %d are possible", len(o.Topic), maxTopic)
	case o.DedupeTTL < 0:
		return o, errors.New("sqlite queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("sqlite queue: RetentionCount is negative")
	case o.Synchronous != Full && o.Synchronous != Normal:
		return o, fmt.Errorf("sqlite queue: Synchronous is %q: use full or normal", o.Synchronous)
	}
	if o.DedupeTTL == 0 {
		o.DedupeTTL = DefaultDedupeTTL
	}
	if o.RetentionAge == 0 {
		o.RetentionAge = DefaultRetentionAge
	}
	if o.RetentionCount == 0 {
		o.RetentionCount = DefaultRetentionCount
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
