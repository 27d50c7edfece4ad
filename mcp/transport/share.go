package transport

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
)

// A thing is what quotas are kept of.
type thing string

// The things of which there are quotas.
const (
	ofSessions      thing = "sessions"
	ofStreams       thing = "streams"
	ofCalls         thing = "requests at once"
	ofBodies        thing = "bytes of requests"
	ofQueues        thing = "bytes of unread answers"
	ofSubscriptions thing = "subscriptions"
	ofConnections   thing = "connections"
)

// code is what the thing is called in the error of a refusal, such as too_many_sessions.
func (t thing) code() string { return (&quotaError{of: t}).bound().Code() }

// A quota bounds what is held of one thing: by all clients of this process together, and by
// one account. What several replicas hold is not counted together.
type quota struct {
	of         thing
	most, each int64

	mu    sync.Mutex
	total int64            // guarded by mu, as is held
	held  map[string]int64 // by account

	refused atomic.Uint64 // because an account had its share
}

// newQuota returns a quota of which one account may have a share, in percent.
func newQuota(of thing, most int64, share int) *quota {
	return &quota{of: of, most: most, each: max(1, most*int64(share)/100), held: map[string]int64{}}
}

// A quotaError says that a quota is used up.
type quotaError struct {
	of    thing
	share bool  // the account's share, and not all that there is
	most  int64 // how much that is
}

func (e *quotaError) Error() string {
	if e.share {
		return fmt.Sprintf("%s: this caller has %d %s, which is the share of one: end some, or wait (the operator's setting is MCP_SHARE)", e.of.code(), e.most, e.of)
	}
	return fmt.Sprintf("%s: the server has %d %s, as many as it may: try again later", e.of.code(), e.most, e.of)
}

func (e *quotaError) bound() access.Bound {
	return access.Bound{Of: strings.ReplaceAll(string(e.of), " ", "_"), Share: e.share, Most: e.most}
}

// Is makes a quota of calls errBusy, so that it is answered as such.
func (e *quotaError) Is(target error) bool { return target == errBusy && e.of == ofCalls }

// status is the HTTP status of a refusal: 429 where the caller can do something about it.
func (e *quotaError) status() int {
	if e.share {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

// take counts n for an account, or fails with a *quotaError. An account that is "" stands
// for everybody, where nobody has to authenticate, and has no share.
func (q *quota) take(account string, n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case account != "" && q.held[account]+n > q.each:
		q.refused.Add(1)
		return &quotaError{q.of, true, q.each}
	case q.total+n > q.most:
		return &quotaError{q.of, false, q.most}
	}
	q.add(account, n)
	return nil
}

// room is take without counting.
func (q *quota) room(account string, n int64) error {
	if err := q.take(account, n); err != nil {
		return err
	}
	q.give(account, n)
	return nil
}

// force counts what cannot be refused any more, and give takes it back.
func (q *quota) force(account string, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(account, n)
}

func (q *quota) give(account string, n int64) { q.force(account, -n) }

// add requires q.mu.
func (q *quota) add(account string, n int64) {
	q.total += n
	if q.held[account] += n; q.held[account] == 0 {
		delete(q.held, account)
	}
}

// all is how much is held.
func (q *quota) all() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}

// The quotas of a transport.
type quotas struct {
	sessions, streams, calls, bodies, queues, waiting, subscriptions, connections *quota
}

// What all clients together may have the server keep for them.
const (
	maxBodies        = 64 << 20 // bytes of requests that are read or served
	maxQueues        = 64 << 20 // bytes of messages that clients do not read
	maxWaiting       = 32 << 20 // bytes of answers for which there is no space among them yet
	maxSubscriptions = 100_000
)

func newQuotas(o Options) quotas {
	sessions := newQuota(ofSessions, int64(o.MaxSessions), o.Share)
	sessions.most = math.MaxInt64 // their store counts those of all replicas, and evicts
	connections := newQuota(ofConnections, int64(o.MaxConnections), o.Share)
	connections.most = math.MaxInt64 // the listener knows how many there are
	return quotas{
		sessions:      sessions,
		connections:   connections,
		streams:       newQuota(ofStreams, int64(o.MaxStreams), o.Share),
		calls:         newQuota(ofCalls, int64(o.MaxCalls), o.Share),
		bodies:        newQuota(ofBodies, max(maxBodies, o.MaxBodyBytes), o.Share),
		queues:        newQuota(ofQueues, max(maxQueues, int64(o.MaxQueueBytes)), o.Share),
		waiting:       newQuota(ofQueues, maxWaiting, o.Share),
		subscriptions: newQuota(ofSubscriptions, max(maxSubscriptions, int64(o.MaxSubscriptions)), o.Share),
	}
}

// account is whose share a request counts against; see access.Principal.
func account(ctx context.Context) string { return access.From(ctx).Account() }

// quotaRefused tells of a refusal and counts what is full.
func (t *Transport) quotaRefused(ctx context.Context, e *quotaError) {
	switch {
	case e.share:
	case e.of == ofSessions:
		t.count.sessionsFull.Add(1)
	case e.of == ofStreams:
		t.count.streamsFull.Add(1)
	}
	if t.opt.OnBound != nil {
		t.opt.OnBound(ctx, e.bound())
	}
}

// noteQuota is quotaRefused for an error that may be one.
func (t *Transport) noteQuota(ctx context.Context, err error) {
	if e, ok := errors.AsType[*quotaError](err); ok {
		t.quotaRefused(ctx, e)
	}
}

// refuseQuota answers a request that is refused for a quota.
func (t *Transport) refuseQuota(w http.ResponseWriter, r *http.Request, e *quotaError) {
	t.quotaRefused(r.Context(), e)
	w.Header().Set("Retry-After", retryAfter)
	_, detail, _ := strings.Cut(e.Error(), ": ")
	reply(w, e.status(), e.of.code(), detail)
}

// What is kept of a client's words about itself, in characters.
const (
	maxClientName    = 128
	maxClientVersion = 64
)

// keptInfo is what is kept of a client's name: it may send megabytes.
func keptInfo(i mcp.Implementation) mcp.Implementation {
	clip := func(s string, n int) string {
		if len(s) > n {
			s = strings.ToValidUTF8(s[:n], "")
		}
		return strings.Clone(s)
	}
	return mcp.Implementation{Name: clip(i.Name, maxClientName), Version: clip(i.Version, maxClientVersion), Title: clip(i.Title, maxClientName)}
}

// keptCapabilities are those that are asked for again.
func keptCapabilities(c mcp.ClientCapabilities) mcp.ClientCapabilities {
	return mcp.ClientCapabilities{Roots: c.Roots, Sampling: c.Sampling, Elicitation: c.Elicitation}
}

// maxURI bounds the address of a resource that is followed, in bytes.
const maxURI = 4 << 10

// weight is what following a resource counts: a long address takes as much memory as several.
func weight(uri string) int64 { return 1 + int64(len(uri)>>10) }

// Held is what one account has open at this process.
type Held struct {
	// Account is whose it is: a principal, or a person with all their sign-ins.
	Account                                 string
	Sessions, Streams, Calls, Subscriptions int64
}

// Held lists what each account has open, by account. What a quota of subscriptions counts are those to
// resources, weighed as the quota does.
func (t *Transport) Held() []Held {
	all := map[string]*Held{}
	of := func(q *quota, field func(*Held) *int64) {
		q.mu.Lock()
		defer q.mu.Unlock()
		for account, n := range q.held {
			if all[account] == nil {
				all[account] = &Held{Account: account}
			}
			*field(all[account]) = n
		}
	}
	of(t.quotas.sessions, func(h *Held) *int64 { return &h.Sessions })
	of(t.quotas.streams, func(h *Held) *int64 { return &h.Streams })
	of(t.quotas.calls, func(h *Held) *int64 { return &h.Calls })
	of(t.quotas.subscriptions, func(h *Held) *int64 { return &h.Subscriptions })
	list := make([]Held, 0, len(all))
	for _, h := range all {
		list = append(list, *h)
	}
	slices.SortFunc(list, func(a, b Held) int { return strings.Compare(a.Account, b.Account) })
	return list
}

// Followers returns how many clients of this process follow a resource.
func (t *Transport) Followers(uri string) int {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	if tp, ok := t.table.topics[uri]; ok {
		return len(tp.subs)
	}
	return 0
}
