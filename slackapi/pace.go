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

// reserve takes a place in m's queue, and in scope's where m has one, and returns how
// long to wait for it. Where that is longer than patience the place is given back and
// ok is false.
func (p *pacer) reserve(m method, scope string, patience time.Duration) (wait time.Duration, ok bool) {
	if m.tier == tierNone {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var taken []*rate.Reservation
	for _, key := range keys(m, scope) {
		g := p.gate(key, m, scope)
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
func (p *pacer) pause(m method, scope string, wait time.Duration) {
	if m.tier == tierNone {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := keys(m, scope)
	g := p.gate(k[len(k)-1], m, scope)
	if until := time.Now().Add(wait); until.After(g.until) {
		g.until = until
	}
}

// closed is how much longer the gates of a call stay shut after a 429.
func (p *pacer) closed(m method, scope string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wait time.Duration
	for _, key := range keys(m, scope) {
		if g := p.gates[key]; g != nil {
			wait = max(wait, time.Until(g.until))
		}
	}
	return wait
}

// slow brings m down to one call a minute.
func (p *pacer) slow(m method) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gate(m.name, m, "")
	g.rate.SetLimit(p.limit(tier1))
	g.rate.SetBurst(1)
}

// restore brings m back to its tier.
func (p *pacer) restore(m method) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gate(m.name, m, "")
	g.rate.SetLimit(p.limit(m.tier))
	g.rate.SetBurst(burst(m.tier))
}

// keys are the gates of a call, the narrowest last.
func keys(m method, scope string) []string {
	if m.tier == tierPost && scope != "" {
		return []string{m.name, m.name + " " + scope}
	}
	return []string{m.name}
}

// gate returns the gate of a key, made when it is new. It requires p.mu.
func (p *pacer) gate(key string, m method, scope string) *gate {
	if g := p.gates[key]; g != nil {
		return g
	}
	if len(p.gates) >= maxGates {
		p.sweep()
	}
	t := m.tier
	if t == tierPost && (scope == "" || key == m.name) {
		t = tierSpecial // the workspace's share of posts: hundreds a minute
	}
	g := &gate{method: m.name, rate: rate.NewLimiter(p.limit(t), burst(t))}
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
