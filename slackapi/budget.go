package slackapi

import "time"

// A Budget is what the limiter leaves of one method's rate at one moment.
type Budget struct {
	Method string
	// Remaining is how many calls may follow at once; below 0 calls wait.
	Remaining float64
	// Burst is the most that Remaining can be.
	Burst int
	// Paused is how much longer Slack asked for no calls; 0 when it did not.
	Paused time.Duration
}

// Budgets lists the methods that were called, in no order. The limits of single
// channels are not among them.
func (c *Client) Budgets() []Budget { return c.pace.budgets(time.Now()) }

func (p *pacer) budgets(now time.Time) []Budget {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Budget
	for key, g := range p.gates {
		if g.method != key {
			continue // a channel's
		}
		list = append(list, Budget{
			Method: key, Remaining: g.rate.TokensAt(now), Burst: g.rate.Burst(), Paused: max(0, g.until.Sub(now)),
		})
	}
	return list
}
