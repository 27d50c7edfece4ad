package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook/limiter"
)

// The times that a new connection has until its first request's head is whole: a TLS handshake is
// part of it. Where many are open they are shorter.
const (
	headTimeout     = readHeaderTimeout
	headTimeoutHalf = 2 * time.Second // where more than half of MAX_CONNECTIONS are open
	headTimeoutMost = time.Second     // where more than three quarters are
)

// streamsPerConnection is how many requests one connection of HTTP/2 may have in flight.
const streamsPerConnection = 100

// connections keeps no more than a number of connections open. A newcomer is always accepted, and
// above the bound another one gives way to it; see rank for the order. Connections that serve a
// signed request or an authenticated call never give way. They hold at most three quarters of the
// bound, and those that serve calls five eighths. It is safe for concurrent use.
type connections struct {
	most    int // 0 is no bound
	proxies Proxies
	began   time.Time

	gaveWay atomic.Int64        // how many were closed to make room
	holding [kinds]atomic.Int64 // how many serve a request of each kind

	mu   sync.Mutex
	open map[*connection]struct{} // guarded by mu
	// owned are those of open that have carried calls of one account alone; guarded by mu.
	owned map[string]map[*connection]struct{}
	next  []candidate // guarded by mu; who gives way next, in order
}

// A phase is what a connection's client does, as net/http tells it.
type phase int32

const (
	beginning phase = iota // its first request has no whole head yet
	asking                 // a request with a whole head is not answered yet
	idle
)

// A kind is how a request was verified.
type kind int

const (
	signed kind = iota // by its signature
	called             // by its token
	kinds
)

// A connection is one that the listener accepted, with what is known of it. Under TLS it is the
// one below. Its methods are safe for concurrent use.
type connection struct {
	net.Conn
	of     *connections
	client netip.Prefix
	headBy time.Time // when the head of the first request is due

	phase   atomic.Int32
	since   atomic.Int64        // when the phase began, in nanoseconds after of.began
	serving [kinds]atomic.Int32 // verified requests in progress
	carried [kinds]atomic.Bool  // it has carried a verified request

	account string // whose calls it carries; guarded by of.mu, as is several
	several bool   // it carries calls of several accounts

	wanted time.Time // the deadline of reads that was asked for while the connection was beginning
}

// SetReadDeadline implements net.Conn. It shortens the deadline that net/http gives to the first
// head. Until that is whole, one goroutine alone reads from the connection and calls it.
func (c *connection) SetReadDeadline(t time.Time) error {
	if phase(c.phase.Load()) == beginning {
		if c.wanted = t; t.IsZero() || t.After(c.headBy) {
			t = c.headBy
		}
	}
	return c.Conn.SetReadDeadline(t)
}

// CloseWrite ends what the server sends, which net/http does before it closes a connection whose
// client still sends, so that the client receives the answer.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// enter moves a connection to a phase.
func (c *connection) enter(p phase) {
	began := phase(c.phase.Swap(int32(p))) == beginning
	c.since.Store(int64(time.Since(c.of.began)))
	if began {
		_ = c.Conn.SetReadDeadline(c.wanted) // The bound of the first head is over. A failed connection tells its reader.
	}
}

// hold begins a verified request, during which the connection does not give way. done ends
// it. Without ok too many connections are held already, and this one may give way. One that serves
// both kinds at once counts for each.
func (c *connection) hold(k kind) (done func(), ok bool) {
	c.carried[k].Store(true)
	done = func() { c.release(k) }
	if c.serving[k].Add(1) > 1 {
		return done, true // The connection is held already.
	}
	c.of.holding[k].Add(1)
	if c.of.mayHold(k) {
		return done, true
	}
	c.release(k)
	return func() {}, false
}

// mayHold reports whether no more connections are held than may be, with the one of this kind that
// was counted last. What calls may not hold is left to signed requests.
func (s *connections) mayHold(k kind) bool {
	if s.most == 0 {
		return true
	}
	calls := s.holding[called].Load()
	if k == called {
		return calls <= int64(max(1, s.most*5/8))
	}
	return calls+s.holding[signed].Load() <= int64(max(1, s.most*3/4))
}

func (c *connection) release(k kind) {
	if c.serving[k].Add(-1) == 0 {
		c.of.holding[k].Add(-1)
	}
}

// serves reports whether the connection serves a verified request.
func (c *connection) serves() bool {
	return c.serving[signed].Load() > 0 || c.serving[called].Load() > 0
}

// A listener accepts connections and counts them.
type listener struct {
	net.Listener
	of *connections
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.of.accept(raw), nil
}

// accept takes a newcomer, and closes the connection that gives way to it.
func (s *connections) accept(raw net.Conn) *connection {
	c := &connection{Conn: raw, of: s, client: peer(raw)}
	now := time.Now()
	c.since.Store(int64(now.Sub(s.began)))
	s.mu.Lock()
	s.open[c] = struct{}{}
	c.headBy = now.Add(s.headTime())
	var first *connection
	if s.most > 0 && len(s.open) > s.most {
		first = s.first(c)
		s.forget(first)
	}
	s.mu.Unlock()
	if first != nil {
		s.gaveWay.Add(1)
		_ = first.Close() // It is not the TLS connection above, which would wait to say goodbye.
	}
	return c
}

// headTime returns how long a newcomer's first head may take. It requires s.mu.
func (s *connections) headTime() time.Duration {
	switch n := len(s.open); {
	case s.most == 0 || n <= s.most/2:
		return headTimeout
	case n <= s.most*3/4:
		return headTimeoutHalf
	}
	return headTimeoutMost
}

// peer returns the client at the other end of a connection.
func peer(c net.Conn) netip.Prefix {
	at, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return limiter.Client(at.AddrPort().Addr())
}

// connectionOf returns what net/http's hooks are called with as a connection of ours; nil where it
// is none.
func connectionOf(c net.Conn) *connection {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	own, _ := c.(*connection)
	return own
}

// track is the http.Server's ConnState hook. A connection is active from its first whole head on.
func (s *connections) track(conn net.Conn, state http.ConnState) {
	c := connectionOf(conn)
	if c == nil {
		return
	}
	switch state {
	case http.StateActive:
		c.enter(asking)
	case http.StateIdle:
		c.enter(idle)
	case http.StateClosed, http.StateHijacked:
		s.mu.Lock()
		s.forget(c)
		s.mu.Unlock()
	case http.StateNew:
	}
}

// count returns how many connections are open, and how many gave way.
func (s *connections) count() (open, gaveWay int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.open)), s.gaveWay.Load()
}

// closeSilent closes the connections on which no request has begun after a grace, unless ctx ends
// before: clients dial more than they use, and http.Server.Shutdown would wait five seconds for each
// of them.
func (s *connections) closeSilent(ctx context.Context) {
	if wait.Sleep(ctx, silentGrace) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if phase(c.phase.Load()) == beginning {
			_ = c.Close()
		}
	}
}

// A class is how soon a connection gives way.
type class int8

// The classes, in the order in which they give way.
const (
	withoutHead  class = iota // its first request has no whole head yet
	unverified                // its request is not verified
	idleUnproven              // it is idle, and never carried a verified request
	idleCalled                // it is idle, and has carried authenticated calls, and no signed request
	idleSigned                // it is idle, and has carried a signed request
	recent                    // it is withoutHead or unverified, for less than freshTime
	idleSender                // it is idleSigned, and one of the newest of them; see senders
	held                      // it serves a verified request, and does not give way
)

// freshTime is how long a connection may be without a head, or its request not verified, before it
// gives way ahead of idle ones. Without it a flood of connections that fall idle at once would
// leave every newcomer no longer than until the next one comes to send its head. Until then it gives
// way after nearly all idle ones: the client of an idle one connects again, while that of a new one
// loses its request. Whether its head has come does not count before: else a newcomer would give way
// ahead of all those whose heads came at once and whose bodies never do.
const freshTime = 500 * time.Millisecond

// senders is the part of the bound that idle connections of signed senders may keep when others are
// recent: the sender may be about to use one again, and would lose that request. Nobody can open such
// a connection without a secret.
const senders = 8

// class returns a connection's class at a time after of.began. It does not tell idleSender.
func (c *connection) class(now time.Duration) class {
	p := phase(c.phase.Load())
	switch {
	case c.serves():
		return held
	case p == idle && c.carried[signed].Load():
		return idleSigned
	case p == idle && c.carried[called].Load():
		return idleCalled
	case p == idle:
		return idleUnproven
	case now-time.Duration(c.since.Load()) < freshTime:
		return recent
	case p == asking:
		return unverified
	}
	return withoutHead
}

// A candidate is a connection as it was when those that give way next were chosen.
type candidate struct {
	*connection
	class class
	since int64
	// surplus is how many connections of its class its client would keep until this one gives way,
	// the oldest first; 0 where age alone decides.
	surplus int
}

// candidates is the part of the bound that is chosen at once. To look at all connections takes
// a millisecond or two, which a flood of newcomers must not cost for each.
const candidates = 16

// first returns the connection that gives way to a newcomer, and nil where none may. It requires
// s.mu.
func (s *connections) first(newcomer *connection) *connection {
	for range 2 {
		for len(s.next) > 0 {
			n := s.next[0]
			s.next = s.next[1:]
			if _, open := s.open[n.connection]; open && !n.serves() && n.connection.since.Load() == n.since {
				return n.connection
			}
		}
		s.next = s.rank(newcomer)
	}
	return nil
}

// rank returns the connections that give way next, in their order: by class; in a class first
// those of the client with most of them; of one client the oldest. Where the client with most
// is a trusted proxy, or has more than half of all connections, as a proxy in front of everybody
// has, age alone decides in the class. It requires s.mu.
func (s *connections) rank(newcomer *connection) []candidate {
	now := time.Since(s.began)
	list := make([]candidate, 0, len(s.open))
	for c := range s.open {
		if k := c.class(now); k != held && c != newcomer {
			list = append(list, candidate{connection: c, class: k, since: c.since.Load()})
		}
	}
	order := func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.since, b.since))
	}
	slices.SortFunc(list, order)
	kept := max(1, s.most/senders)
	for i := len(list) - 1; i >= 0 && kept > 0; i-- {
		if list[i].class == idleSigned {
			list[i].class = idleSender
			kept--
		}
	}
	slices.SortStableFunc(list, order)
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].class == list[from].class {
			to++
		}
		s.share(list[from:to])
		from = to
	}
	return slices.Clone(list[:min(len(list), max(1, s.most/candidates))])
}

// share puts the connections of one class, which are sorted by age, in the order of the class. It
// requires s.mu.
func (s *connections) share(list []candidate) {
	left := map[netip.Prefix]int{}
	for _, c := range list {
		left[c.client]++
	}
	var most netip.Prefix
	for client, n := range left {
		if n > left[most] {
			most = client
		}
	}
	if s.proxies.contain(most.Addr()) || left[most] > len(s.open)/2 {
		return
	}
	for i := range list {
		list[i].surplus = left[list[i].client]
		left[list[i].client]--
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.surplus, a.surplus) })
}

type connectionKey struct{}

// carryConnection is the http.Server's ConnContext hook.
func carryConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
}

// Hold begins a request whose signature is good: until done, which is not nil, is called, its
// connection does not give way to newcomers, unless three quarters of all are held already.
func Hold(r *http.Request) (done func()) {
	done, _ = hold(r, signed)
	return done
}

func hold(r *http.Request, k kind) (done func(), ok bool) {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	if c == nil {
		return func() {}, true // The request came by no listener of ours.
	}
	return c.hold(k)
}
