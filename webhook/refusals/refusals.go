// Package refusals keeps what is written about refused requests from growing with their number. The
// first refusal of a [Kind] is told at once, and those that follow it are counted and told
// as a number, once a minute.
//
// A refusal costs a look into a map. Of the clients at most 1,000 kinds are told apart in a
// minute; those of further clients are counted together.
package refusals

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// every is how often counts are told.
	every = time.Minute
	// maxKinds bounds the kinds that are told apart. What is written in a minute is twice as much.
	maxKinds = 1000
)

// A Kind is what refusals have in common that are told together.
type Kind struct {
	// Client is where they came from; the zero prefix stands for further clients.
	Client netip.Prefix
	// Principal is who was refused, where that is known; empty where the client tells refusals apart.
	Principal string
	// Route is the source of a sender's route, or another word for where it was refused.
	Route string
	// Outcome and Reason are of few words, Status is that of the answer.
	Outcome, Reason string
	Status          int
}

// Options configure a Counter. The zero value is ready to use.
type Options struct {
	// Logger gets a line for each count; nil logs nothing.
	Logger *slog.Logger
	// OnCount is called for each count, with how many refusals there were since the last one was
	// told; nil is not called.
	OnCount func(k Kind, n int)
}

// A Counter counts refusals. It is safe for concurrent use.
type Counter struct {
	opt Options

	mu    sync.Mutex
	kinds map[Kind]int // guarded by mu; how many were not told yet
	timer *time.Timer  // guarded by mu; nil while there is no kind
}

// New returns a Counter.
func New(o Options) *Counter {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnCount == nil {
		o.OnCount = func(Kind, int) {}
	}
	return &Counter{opt: o, kinds: map[Kind]int{}}
}

// First notes a refusal, and reports whether its caller is to tell it: it is the first of its kind
// for a minute or more. Another one is counted, and told later.
func (c *Counter) First(k Kind) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known := c.kinds[k]
	if !known && len(c.kinds) >= maxKinds {
		k.Client, k.Principal = netip.Prefix{}, ""
		n, known = c.kinds[k]
	}
	if known {
		c.kinds[k] = n + 1
		return false
	}
	c.kinds[k] = 0
	if c.timer == nil {
		c.timer = time.AfterFunc(every, c.Flush)
	}
	return true
}

// Flush tells what was counted since it was told last. It is called once a minute, and by who
// ends. Kinds of which there was none are forgotten.
func (c *Counter) Flush() {
	c.mu.Lock()
	counts := map[Kind]int{}
	for k, n := range c.kinds {
		if n == 0 {
			delete(c.kinds, k)
			continue
		}
		counts[k], c.kinds[k] = n, 0
	}
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if len(c.kinds) > 0 {
		c.timer = time.AfterFunc(every, c.Flush)
	}
	c.mu.Unlock()
	for k, n := range counts {
		c.log(k, n)
		c.opt.OnCount(k, n)
	}
}

func (c *Counter) log(k Kind, n int) {
	level := slog.LevelWarn
	if k.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("outcome", k.Outcome), slog.Int("status", k.Status), slog.String("source", k.Route),
		slog.String("remote", k.Remote()), slog.Int("count", n),
	}
	if k.Principal != "" {
		attrs[3] = slog.String("principal", k.Principal)
	}
	if k.Reason != "" {
		attrs = append(attrs, slog.String("reason", k.Reason))
	}
	c.opt.Logger.LogAttrs(context.Background(), level, "requests refused again", attrs...)
}

// Remote is the client in words: an address, or the /64 of one, or that it is several.
func (k Kind) Remote() string {
	switch {
	case !k.Client.IsValid():
		return "further clients"
	case k.Client.IsSingleIP():
		return k.Client.Addr().String()
	}
	return k.Client.String()
}
