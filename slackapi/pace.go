package slackapi

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A tier is Slack's class of a method's rate limit, per workspace and app
// (docs.slack.dev/apis/web-api/rate-limits).
type tier uint8

const (
	tier1       tier = iota + 1 // 1 a minute and more
	tier2                       // 20
	tier3                       // 50
	tier4                       // 100
	tierPost                    // about 1 a second for each channel
	tierSpecial                 // hundreds a minute: auth.test, chat.getPermalink
	tierNone                    // not a Web API method: file contents, response URLs
)

// A method is one row of what this package may call. safe reports that the call may
// be repeated, because it reads, or because doing it twice is doing it once.
type method struct {
	name string
	tier tier
	safe bool
}

// What is called beside the methods of the Web API.
var (
	filesUpload   = method{name: "files.upload", tier: tierNone, safe: true}
	filesDownload = method{name: "files.download", tier: tierNone, safe: true}
	respond       = method{name: "response_url", tier: tierNone}
)

// methods are the methods of the Web API that this package calls.
var methods = byName([]struct {
	tier  tier
	safe  bool
	names string
}{
	{tierSpecial, true, "auth.test chat.getPermalink"},
	{tierSpecial, false, "oauth.v2.access"},
	{tierPost, false, "chat.postMessage"},
	{tier2, true, `
		apps.connections.open assistant.search.context conversations.list emoji.list pins.list
		search.messages usergroups.list usergroups.users.list users.list
	`}, // Slack publishes tier 1 for apps.connections.open; an app that has to renew several connections at once needs more
	{tier2, false, `
		bookmarks.add bookmarks.edit bookmarks.remove canvases.create conversations.archive
		conversations.canvases.create conversations.create conversations.rename conversations.setPurpose
		conversations.setTopic conversations.unarchive pins.add pins.remove reactions.remove
	`},
	{tier3, true, `
		bookmarks.list canvases.getContent canvases.sections.lookup chat.scheduledMessages.list
		conversations.history conversations.info conversations.join conversations.leave conversations.mark
		conversations.open conversations.replies files.list reactions.get users.conversations
		users.getPresence users.lookupByEmail
	`},
	{tier3, false, `
		canvases.edit chat.delete chat.deleteScheduledMessage chat.scheduleMessage chat.update
		auth.revoke conversations.invite conversations.kick reactions.add
	`},
	{tier4, true, "conversations.members files.getUploadURLExternal files.info users.info users.profile.get"},
	{tier4, false, "chat.postEphemeral files.completeUploadExternal"},
})

func byName(rows []struct {
	tier  tier
	safe  bool
	names string
},
) map[string]method {
	all := map[string]method{}
	for _, r := range rows {
		for name := range strings.FieldsSeq(r.names) {
			all[name] = method{name: name, tier: r.tier, safe: r.safe}
		}
	}
	return all
}

// methodOf is the row of a method's name. A method that the table does not have is paced by
// the lowest tier and never repeated in doubt.
func methodOf(name string) method {
	if m, ok := methods[name]; ok {
		return m
	}
	return method{name: name, tier: tier1}
}

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
