package slackapi

import (
	"context"
	"slices"
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
		apps.connections.open assistant.search.context auth.teams.list conversations.list emoji.list pins.list
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

	mu     sync.Mutex // guards what follows
	home   string     // the workspace of the client, once it is known
	gates  map[string]*gate
	shares map[string]*gate // of persons
	slow   map[string]bool  // methods that are held to tier1
}

// A gate lets calls through at a rate, and none while Slack said to wait.
type gate struct {
	method string
	rate   *rate.Limiter
	until  time.Time     // guarded by the pacer's mu
	turn   chan struct{} // capacity 1, of a person's share: see [pacer.turn]
}

func newPacer(factor float64) *pacer {
	return &pacer{factor: factor, gates: map[string]*gate{}, shares: map[string]*gate{}, slow: map[string]bool{}}
}

// reserve takes a place in the queue of a call's method, and in that of its scope where
// there is one, and returns how long to wait for it. Where that is longer than patience
// the place is given back and ok is false.
// With ofPerson the places are in the person's shares of these queues.
func (p *pacer) reserve(c call, ofPerson bool, patience time.Duration) (wait time.Duration, ok bool) {
	if c.method.tier == tierNone {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var taken []*rate.Reservation
	for _, g := range p.all(c, ofPerson) {
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
	all := p.all(c, false)
	g := all[len(all)-1]
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
		p.slow[name] = slow
	}
	for _, gates := range []map[string]*gate{p.gates, p.shares} {
		for _, g := range gates {
			if slices.Contains(names, g.method) {
				t := p.tier(methodOf(g.method))
				g.rate.SetLimit(p.limit(t))
				g.rate.SetBurst(burst(t, g.turn != nil))
			}
		}
	}
}

// tier is the class to which a method is held. It requires p.mu.
func (p *pacer) tier(m method) tier {
	if p.slow[m.name] {
		return tier1
	}
	return m.tier
}

// gates are the keys of a call's gates, the narrowest last.
func (c call) gates() []string {
	key := c.method.name
	if c.team != "" {
		key = c.team + " " + key
	}
	if c.method.tier == tierPost && c.scope != "" {
		return []string{key, key + " " + c.scope}
	}
	return []string{key}
}

// all are the gates of a call, or of the person's shares of them, the narrowest last. It requires p.mu.
func (p *pacer) all(c call, ofPerson bool) []*gate {
	var all []*gate
	for i, key := range c.gates() {
		t := p.tier(c.method)
		if t == tierPost && i == 0 {
			t = tierSpecial // the workspace's share of posts: hundreds a minute
		}
		if ofPerson {
			all = append(all, p.gate(p.shares, c.who+" "+key, c.method.name, t, make(chan struct{}, 1)))
		} else {
			all = append(all, p.gate(p.gates, key, c.method.name, t, nil))
		}
	}
	return all
}

// gate returns the gate of a key, made when it is new. It requires p.mu.
func (p *pacer) gate(of map[string]*gate, key, method string, t tier, turn chan struct{}) *gate {
	if g := of[key]; g != nil {
		return g
	}
	if len(of) >= maxGates {
		sweep(of)
	}
	g := &gate{method: method, rate: rate.NewLimiter(p.limit(t), burst(t, turn != nil)), turn: turn}
	of[key] = g
	return g
}

// sweep forgets the gates that stand open, and all of them when none does: a gate
// that is made again too early costs at most a 429. It requires the pacer's mu.
func sweep(gates map[string]*gate) {
	now := time.Now()
	for key, g := range gates {
		if g.until.Before(now) && g.rate.TokensAt(now) >= float64(g.rate.Burst()) {
			delete(gates, key)
		}
	}
	if len(gates) >= maxGates {
		clear(gates)
	}
}

func (p *pacer) limit(t tier) rate.Limit {
	perMinute := map[tier]float64{tier1: 1, tier2: 20, tier3: 50, tier4: 100, tierPost: 60, tierSpecial: 300}[t]
	return rate.Limit(perMinute / 60 * p.factor)
}

// LimitOf returns how often a method may be called, a minute and at once, by all of one workspace and app.
func LimitOf(name string) (perMinute float64, atOnce int) {
	t := methodOf(name).tier
	return float64((&pacer{factor: 60}).limit(t)), burst(t, false)
}

// burst is how many calls may follow each other at once. Slack counts by the minute
// and tolerates bursts; half of a tier's minute keeps the worst minute at one and a half. One person
// has a quarter of it.
func burst(t tier, ofPerson bool) int {
	n := map[tier]int{tier1: 1, tier2: 10, tier3: 25, tier4: 50, tierPost: 3, tierSpecial: 50}[t]
	if ofPerson {
		return max(1, n/4)
	}
	return n
}

// turn waits until a person's call may take its place among those of all others. Until done is called no
// other call of this person and method does so: whoever calls much waits behind themselves, and of those
// who wait for a method each has one place. Without a person it is every call's turn.
func (p *pacer) turn(ctx context.Context, c call) (done func(), wait time.Duration, ok bool) {
	done = func() {}
	if c.who == "" || c.method.tier == tierNone {
		return done, 0, true
	}
	deadline, _ := ctx.Deadline()
	if wait, ok = p.reserve(c, true, time.Until(deadline)); !ok || !sleep(ctx, wait) {
		return done, wait, false
	}
	p.mu.Lock()
	turn := p.all(c, true)[0].turn
	p.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, 0, true
	case <-ctx.Done():
		return done, 0, false
	}
}

// settle says which workspace is the client's own.
func (p *pacer) settle(team string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.home = team
}

// abroad returns a workspace that has limits of its own; empty is the client's. Until it is known which
// that is, all have the same.
func (p *pacer) abroad(team string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.home == "" || p.home == team {
		return ""
	}
	return team
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
// channels, and of other workspaces than the client's own, are not among them.
func (c *Client) Budgets() []Budget { return c.pace.budgets(time.Now()) }

func (p *pacer) budgets(now time.Time) []Budget {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Budget
	for key, g := range p.gates {
		if g.method != key {
			continue // a channel's, or another workspace's
		}
		list = append(list, Budget{
			Method: key, Remaining: g.rate.TokensAt(now), Burst: g.rate.Burst(), Paused: max(0, g.until.Sub(now)),
		})
	}
	return list
}
