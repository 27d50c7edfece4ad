package consume

import (
	"context"
	"log/slog"
	"time"

	"slackmcp/store/internal/remote"
)

// renew extends what is held, three times within a lease, until ctx is done.
func (c *crew[L]) renew(ctx context.Context) {
	tick := time.NewTicker(max(c.o.Lease/3, time.Millisecond))
	defer tick.Stop()
	// The loop that takes events tells of the engine's trouble; two voices are too many.
	trouble := remote.NewOutage(slog.New(slog.DiscardHandler), "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for c.extend(ctx) != nil {
			if !trouble.Wait(ctx, nil) {
				return
			}
		}
		trouble.Over(ctx)
	}
}

// extend renews every lease whose attempt is within its time, and cancels the handlers
// of those that were lost.
func (c *crew[L]) extend(ctx context.Context) error {
	leases := c.renewable(time.Now())
	if len(leases) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lost, err := c.e.Extend(ctx, leases)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, lease := range lost {
		if h := c.held[lease]; h != nil {
			h.lose(ErrLost)
		}
	}
	return nil
}

func (c *crew[L]) renewable(now time.Time) []L {
	c.mu.Lock()
	defer c.mu.Unlock()
	leases := make([]L, 0, len(c.held))
	for lease, h := range c.held {
		if now.Before(h.until) {
			leases = append(leases, lease)
		}
	}
	return leases
}
