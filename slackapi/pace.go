package slackapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxGates bounds the channels whose pace is remembered; idle ones go first.
const maxGates = 4096

// A pacer keeps calls within Slack's limits: one gate for each method, and for posts
// one more for each channel.
type pacer struct {
	factor float64

	mu    sync.Mutex
	gates map[string]*gate // guarded by mu
}

// A gate lets calls through at a rate, and none while Slack said to wait.
type gate struct {
	method string
	rate   *rate.Limiter
	until  time.Time // guarded by the pacer's mu
}

func newPacer(factor float64) *pacer {
	return &pacer{factor: factor, gates: map[string]*gate{}}
}

// reserve takes a place in the queue of a call's method, and in that of its scope where
// there is one, and returns how long to wait for it. Where that is longer than patience
// the place is given back and ok is false.
func (p *pacer) reserve(c call, patience time.Duration) (wait time.Duration, ok bool) {
	if c.method.tier == tierNone {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var taken []*rate.Reservation
	for _, key := range c.gates() {
		g := p.gate(key, c)
		r := g.rate.ReserveN(now, 1)
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now), g.until.Sub(now))
	}
	if wait <= patience {
		return wait, true
	}
	for _, r := range taken {
		r.CancelAt(now)
	}
	return wait, false
}

// pause closes the gate of a call that Slack answered with 429.
func (p *pacer) pause(c call, wait time.Duration) {
	if c.method.tier == tierNone {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := c.gates()
	g := p.gate(keys[len(keys)-1], c)
	if until := time.Now().Add(wait); until.After(g.until) {
		g.until = until
	}
}

// closed is how much longer the gates of a call stay shut after a 429.
func (p *pacer) closed(c call) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wait time.Duration
	for _, key := range c.gates() {
		if g := p.gates[key]; g != nil {
			wait = max(wait, time.Until(g.until))
		}
	}
	return wait
}

// setTier changes the pace of methods: to tier1, which is one call a minute, and back.
func (p *pacer) setTier(slow bool, names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		m := methodOf(name)
		if slow {
			m.tier = tier1
		}
		g := p.gate(name, call{method: m})
		g.rate.SetLimit(p.limit(m.tier))
		g.rate.SetBurst(burst(m.tier))
	}
}

// gates are the keys of a call's gates, the narrowest last.
func (c call) gates() []string {
	if c.method.tier == tierPost && c.scope != "" {
		return []string{c.method.name, c.method.name + " " + c.scope}
	}
	return []string{c.method.name}
}

// gate returns the gate of a key, made when it is new. It requires p.mu.
func (p *pacer) gate(key string, c call) *gate {
	if g := p.gates[key]; g != nil {
		return g
	}
	if len(p.gates) >= maxGates {
		p.sweep()
	}
	t := c.method.tier
	if t == tierPost && key == c.method.name {
		t = tierSpecial // the workspace's share of posts: hundreds a minute
	}
	g := &gate{method: c.method.name, rate: rate.NewLimiter(p.limit(t), burst(t))}
	p.gates[key] = g
	return g
}

// sweep forgets the gates that stand open, and all of them when none does: a gate
// that is made again too early costs at most a 429. It requires p.mu.
func (p *pacer) sweep() {
	now := time.Now()
	for key, g := range p.gates {
		if g.until.Before(now) && g.rate.TokensAt(now) >= float64(g.rate.Burst()) {
			delete(p.gates, key)
		}
	}
	if len(p.gates) >= maxGates {
		clear(p.gates)
	}
}

func (p *pacer) limit(t tier) rate.Limit {
	perMinute := map[tier]float64{tier1: 1, tier2: 20, tier3: 50, tier4: 100, tierPost: 60, tierSpecial: 300}[t]
	return rate.Limit(perMinute / 60 * p.factor)
}

// burst is how many calls may follow each other at once. Slack counts by the minute
// and tolerates bursts; half of a tier's minute keeps the worst minute at one and a half.
func burst(t tier) int {
	return map[tier]int{tier1: 1, tier2: 10, tier3: 25, tier4: 50, tierPost: 3, tierSpecial: 50}[t]
}
