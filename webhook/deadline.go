package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadlineStep is how long one deadline is given to those who ask for one.
const deadlineStep = 50 * time.Millisecond

// deadlines hands out contexts that end a timeout after they were asked for, or up to
// deadlineStep earlier. Requests of the same moment share one, because a timer for each
// costs more than their publishing does. Nothing of a request's own context is in it:
// what was verified is stored also when the sender hangs up.
type deadlines struct {
	timeout time.Duration
	current atomic.Pointer[deadline]
	mu      sync.Mutex
}

type deadline struct {
	ctx    context.Context //nolint:containedctx // it is what is handed out
	cancel context.CancelFunc
	until  time.Time // handed out until then
}

func (d *deadlines) get(now time.Time) context.Context {
	if c := d.current.Load(); c != nil && now.Before(c.until) {
		return c.ctx
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.current.Load(); c != nil && now.Before(c.until) {
		return c.ctx
	}
	c := &deadline{until: now.Add(min(deadlineStep, d.timeout/20))}
	// The one before is left to its own timer: others may still work under it.
	c.ctx, c.cancel = context.WithDeadline(context.Background(), now.Add(d.timeout)) //nolint:gosec // its own timer ends it
	d.current.Store(c)
	return c.ctx
}
