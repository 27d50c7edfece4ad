package memory

import (
	"errors"
	"time"
)

// What zero Options mean.
const (
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 100_000
	DefaultMaxBytes       = 8 << 20
)

// Options configure a Store.
type Options struct {
	// DedupeTTL is how long an event id is remembered; 0 means 48 hours. A remembered
	// id costs about 50 bytes, also after its event is gone.
	DedupeTTL time.Duration
	// RetentionAge is how long an event is kept that no group waits for; 0 means 7
	// days, and a negative value keeps it until the other bounds are reached.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 100,000.
	RetentionCount int
	// MaxBytes bounds the bodies and fields of what is kept; 0 means 8 MiB: some 6,000
	// events, with which a small process stays below 64 MiB.
	MaxBytes int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o Options) normalize() (Options, error) {
	switch {
	case o.DedupeTTL < 0:
		return o, errors.New("memory queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("memory queue: RetentionCount is negative")
	case o.MaxBytes < 0:
		return o, errors.New("memory queue: MaxBytes is negative")
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
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
