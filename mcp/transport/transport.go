// Package transport carries MCP between clients and an mcp-go server: over
// streamable HTTP, the older HTTP+SSE pair, the stateless 2026-07-28 revision and
// standard input and output, all from one [Transport].
//
// mcp-go parses messages and calls handlers; everything between its HandleMessage
// and the wire is here: sessions, streams, subscriptions, cancellation, requests to
// the client, status codes, and who may connect at all (docs/adr/0003-mcp-sessions.md
// says why).
//
// It promises:
//   - a session id is signed, bound to its principal, and worthless to another one;
//   - a notification that belongs to a call reaches that call's stream before the
//     result, however many calls run at once;
//   - an update of a subscribed resource is sent at once, further ones within the
//     coalescing window are joined, and the last one is always sent; a client that
//     was away gets one update of each resource that changed meanwhile;
//   - a call ends when its client goes away or cancels it, and no other client can end it;
//   - every queue, count and wait has a bound from [Options];
//   - neither a panic nor an internal error is described to a client.
//
// It does not promise that each of several updates of one resource arrives on its
// own (they say "read again", and carry nothing to lose), nor that an answer
// outlives the connection that asked for it.
package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

// A Transport serves one mcp-go server to many clients. Make it with New, build the
// server with its ServerOptions, Attach it, mount Handler and start Run. It is safe
// for concurrent use.
type Transport struct {
	opt       Options
	log       *slog.Logger
	public    string // path prefix that clients see before Mount
	server    *server.MCPServer
	table     *table
	sessions  *sessions
	relay     *relay // nil without replicas
	handler   http.Handler
	broadcast *broadcast
	versions  []string

	stopping chan struct{}   // closed when streams must end
	life     context.Context //nolint:containedctx // of the calls; it ends after their grace
	kill     context.CancelCauseFunc
	gate     *gate                        // streams and calls
	listen   sync.Map                     // *outbox of each 2026-07-28 listen stream -> struct{}
	discard  chan mcp.JSONRPCNotification // it is never read

	owner     atomic.Pointer[stdio] // the client of stdio, once there is one
	ready     chan struct{}         // closed when that client is initialized
	readyOnce sync.Once

	asked  atomic.Int64 // ids of our own requests
	quotas quotas
	count  counters
}

// maxAsked is below what every client's numbers hold exactly, by far.
const maxAsked = 1 << 52

// New checks the options and returns a Transport that is ready for ServerOptions and
// Attach.
func New(o Options) (*Transport, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	t := &Transport{
		opt: o, log: o.Logger, table: newTable(o.Coalesce), broadcast: newBroadcast(),
		stopping: make(chan struct{}), ready: make(chan struct{}), gate: newGate(), discard: make(chan mcp.JSONRPCNotification),
		versions: mcp.ValidProtocolVersions, quotas: newQuotas(o),
	}
	if u, err := url.Parse(o.PublicURL); err == nil {
		t.public = strings.TrimRight(u.Path, "/")
	}
	t.life, t.kill = context.WithCancelCause(context.Background())
	t.asked.Store(mathrand.Int64N(maxAsked)) //nolint:gosec // so that no two replicas ask under one id; it hides nothing
	if o.Shared != nil && !o.Single {
		t.relay = newRelay(t, o.Shared)
		t.table.recent, t.table.knownFrom = map[string]change{}, time.Now()
	}
	t.table.quota, t.table.told = t.quotas.subscriptions, o.MayTell
	if o.Audience != nil {
		t.table.audience = o.Audience
	}
	t.sessions = &sessions{
		sign: &keyring{shared: o.Shared, key: o.Key}, store: o.Store, table: t.table, limits: o, quota: t.quotas.sessions, live: map[string]*session{},
	}
	t.handler = newGuard(o).wrap(t.refused, o.Authenticate(http.HandlerFunc(t.route)))
	return t, nil
}

// ServerOptions returns what the mcp-go server must be built with: the capabilities
// that this layer serves, and the middleware by which it learns why a handler failed.
func (t *Transport) ServerOptions() []server.ServerOption {
	return []server.ServerOption{
		server.WithResourceCapabilities(true, true),
		server.WithToolCapabilities(true),
		server.WithLogging(),
		server.WithResourceHandlerMiddleware(t.watchRead),
		server.WithToolHandlerMiddleware(t.watchTool),
		server.WithPromptHandlerMiddleware(t.watchPrompt),
	}
}

// Attach gives the transport its server. It must be called once, before the first
// request.
func (t *Transport) Attach(s *server.MCPServer) error {
	if t.server != nil {
		return errors.New("transport: a server is attached already")
	}
	// mcp-go notifies its registered sessions when a list changed; ours are not among
	// them, so one is registered for all.
	if err := s.RegisterSession(t.life, t.broadcast); err != nil {
		return err
	}
	t.server = s
	return nil
}

// Handler returns the handler of the mount, and of everything under it.
func (t *Transport) Handler() http.Handler { return t.handler }

// RootHandler lets MCP clients that were given the bare address in, when streamable
// HTTP is the default transport: POST, DELETE, and a GET that asks for an event stream
// are served as if they had named the mount. The rest is next's.
func (t *Transport) RootHandler(next http.Handler) http.Handler {
	if t.opt.Default != StreamableHTTP {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/":
		case r.Method == http.MethodPost, r.Method == http.MethodDelete, r.Method == http.MethodOptions,
			r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), eventStream):
			r2 := r.Clone(r.Context())
			r2.URL.Path = t.opt.Mount
			t.handler.ServeHTTP(w, r2)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A Cause is why resources changed. It is kept for a while, and compared with nothing.
type Cause any

// A Verdict says whether a person may be told that something changed. The zero value is no.
type Verdict uint8

const (
	// NotTold is a no.
	NotTold Verdict = iota
	// Told is a yes.
	Told
	// Undecided is asked again for some minutes.
	Undecided
)

// Notify says that resources changed. Each client that follows one gets an update. It
// never waits for a client.
func (t *Transport) Notify(uris ...string) { t.NotifyOf(nil, uris...) }

// NotifyOf is Notify with why the resources changed: a person who has signed in gets an update if they may be
// told of that.
func (t *Transport) NotifyOf(why Cause, uris ...string) {
	for _, uri := range uris {
		t.table.notify(uri, why)
	}
}

// A List is a list that clients hold; they are notified when they have to fetch it again.
type List string

// The lists that can change.
const (
	Tools     List = "tools"
	Prompts   List = "prompts"
	Resources List = "resources"
)

// ListChanged says that a list changed. Changes that mcp-go notices itself, such as a
// tool that was added, need no call of it.
func (t *Transport) ListChanged(l List) { t.ListChangedFor(l, anybody) }

// ListChangedFor says that a list changed for those of the accounts that it concerns; see
// [access.Principal.Account].
func (t *Transport) ListChangedFor(l List, concerns func(account string) bool) {
	t.changedFor(map[List]listKind{Tools: toolsList, Prompts: promptsList, Resources: resourcesList}[l], concerns)
}

func anybody(string) bool { return true }

func (t *Transport) changed(kind listKind) { t.changedFor(kind, anybody) }

func (t *Transport) changedFor(kind listKind, concerns func(account string) bool) {
	mark := func(b *outbox) {
		if concerns(b.account) {
			b.markChanged(kind)
		}
	}
	for _, s := range t.sessions.all() {
		mark(s.box)
	}
	t.listen.Range(func(box, _ any) bool {
		mark(box.(*outbox)) //nolint:forcetypeassert // the map's only key type
		return true
	})
}

// EndSessions ends this process's sessions of a principal that has no access any more:
// their ids are worth nothing from now on, even if the principal comes back. Streams and
// calls without a session end with the context of their requests, for which Authenticate
// answers; so do all streams of one whose token was only exchanged.
func (t *Transport) EndSessions(ctx context.Context, principal string) error {
	var errs []error
	for _, s := range t.sessions.all() {
		if s.principal != principal {
			continue
		}
		if !s.stored {
			t.sessions.drop(s, errGone)
		} else if err := t.sessions.close(ctx, s, ErrNoSession); err != nil && !errors.Is(err, ErrNoSession) {
			errs = append(errs, fmt.Errorf("end a session of %s: %w", principal, err))
		}
	}
	return errors.Join(errs...)
}

// Run keeps the sessions until ctx ends; then every stream ends at once, running calls
// get Grace to finish, and Run returns when all are gone. Requests that come later are
// answered 503.
func (t *Transport) Run(ctx context.Context) error {
	var background sync.WaitGroup
	var watchErr error
	background.Go(func() {
		changed := func(id string) { t.sessions.changed(ctx, id) }
		if err := t.opt.Store.Watch(ctx, changed); err != nil && ctx.Err() == nil {
			watchErr = err
		}
	})
	background.Go(func() { t.broadcast.run(ctx, t.changed) })
	if t.relay != nil {
		background.Go(func() { t.relay.run(ctx) })
	}
	t.refreshSessions(ctx)
	background.Wait()
	t.shutDown()
	return watchErr
}

func (t *Transport) refreshSessions(ctx context.Context) {
	tick := time.NewTicker(min(max(t.opt.IdleTimeout/4, 10*time.Millisecond), time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := t.sessions.round(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn("sessions were not refreshed", slog.Any("error", err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// shutDown ends the streams, lets calls finish, then ends those too.
func (t *Transport) shutDown() {
	if !t.gate.close() {
		return
	}
	close(t.stopping)
	t.table.close()
	defer t.kill(errStopping)
	if t.left(t.opt.Grace) {
		return
	}
	t.kill(errStopping)
	// A handler that does not heed its context is left behind.
	if !t.left(t.opt.Grace) {
		t.log.Warn("calls did not end in time")
	}
}

// left reports whether all streams and calls ended within d.
func (t *Transport) left(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.gate.empty:
		return true
	case <-timer.C:
		return false
	}
}

// broadcast is the one session that mcp-go knows. It gets the notifications of changed
// lists for all of ours.
type broadcast struct {
	id    string
	notes chan mcp.JSONRPCNotification
}

func newBroadcast() *broadcast {
	return &broadcast{id: "broadcast-" + rand.Text(), notes: make(chan mcp.JSONRPCNotification, notesBuffer)}
}

func (b *broadcast) Initialize()                                         {}
func (b *broadcast) Initialized() bool                                   { return true }
func (b *broadcast) SessionID() string                                   { return b.id }
func (b *broadcast) NotificationChannel() chan<- mcp.JSONRPCNotification { return b.notes }

func (b *broadcast) run(ctx context.Context, changed func(listKind)) {
	for {
		select {
		case n := <-b.notes:
			for _, l := range lists {
				if n.Method == l.method {
					changed(l.kind)
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// A Kind is the transport that a bare GET of the mount opens.
type Kind string

const (
	// SSE answers a bare GET with the HTTP+SSE transport of 2024-11-05.
	SSE Kind = "sse"
	// StreamableHTTP answers a bare GET with 400: its streams belong to sessions.
	StreamableHTTP Kind = "streamable-http"
)

// Options configure a Transport. The zero value of each field has the meaning given
// beside it.
type Options struct {
	// Mount is the path of the endpoint; "/mcp" when empty. The SSE transport lives
	// under it, at Mount/sse and Mount/message.
	Mount string
	// Default is the transport that a bare GET of Mount opens; SSE when empty.
	Default Kind

	// PublicURL is the address under which clients reach the server, when that is a
	// proxy's: its host and origin are allowed, and its path prefixes Mount in the
	// addresses that clients get. Empty: clients connect directly.
	PublicURL string
	// AllowedOrigins are the browser origins that may call, beside PublicURL's and, for
	// a server that was reached by a loopback name, loopback origins.
	AllowedOrigins []string
	// AllowedHosts are further values of the Host header to answer to, with or without
	// a port.
	AllowedHosts []string
	// Authenticate stands in front of every route and puts the principal into the
	// request's context. Nil lets every request in, without a principal.
	Authenticate func(http.Handler) http.Handler
	// OnRefuse is called for each request whose Host or Origin is not allowed, with the reason
	// host or origin. It must not keep the request. nil is not called.
	OnRefuse func(r *http.Request, reason string)
	// Subscribable decides whether the caller in ctx may subscribe to a resource. An
	// error that wraps mcp-go's ErrResourceNotFound says that there is no such thing.
	// Nil allows every URI.
	Subscribable func(ctx context.Context, uri string) error
	// MayTell decides whether a person who has signed in may be told that resources changed for a cause: when
	// that happens, and again when it is written. It must not wait. Nil tells all.
	MayTell func(*access.Principal, Cause) Verdict
	// Audience returns the ids of the Slack users of whom MayTell may say more than no for a cause, each once, if they are
	// at most so many; without ok it may be anybody. The others are not asked of. It must not wait. Nil is always anybody.
	Audience func(why Cause, most int) (users []string, ok bool)
	// Absent says why a tool that was called is not offered to the caller in ctx. Nil leaves
	// mcp-go's words.
	Absent func(ctx context.Context, tool string) string
	// NeedsScope returns the scope that the caller in ctx, a person, has to give before they may call a
	// tool; "" where there is none. Clients of 2026-07-28 are then answered 403 over HTTP, as that
	// revision has it; others get what the tool says. Nil is never asked.
	NeedsScope func(ctx context.Context, tool string) access.Scope

	// OnServe returns the context in which a request is served, and what is called when its
	// answer is encoded and counted among those that clients have to read. Nil keeps the
	// request's.
	OnServe func(context.Context) (_ context.Context, done func())

	// HandshakeOnly serves clients of stdio in the eras that begin with initialize alone:
	// server/discover is an unknown method to it.
	HandshakeOnly bool

	// Extension serves methods that mcp-go does not know; none when nil.
	Extension Extension

	// Shared are the values that replicas share, which then serve the same sessions and
	// hand each other what is another's. Nil: there is one process, and sessions end with
	// it.
	Shared state.Store
	// Single says that no other process has the Shared values: they let sessions outlive
	// this one, and nothing is handed on.
	Single bool
	// Key signs session ids, at least 32 bytes. When empty the replicas agree on one, or
	// without Shared it is random.
	Key []byte
	// Store keeps the sessions; when nil a SharedStore, or without Shared a MemoryStore,
	// of MaxSessions.
	Store SessionStore
	// Logger receives what an operator should know; silent when nil.
	Logger *slog.Logger
	// OnBound is called when a caller is refused because it came to a bound, with the context of its
	// request; nil is not called. It must return at once.
	OnBound func(context.Context, access.Bound)

	// MaxBodyBytes bounds one message; 4 MiB when zero.
	MaxBodyBytes int64
	// Share is how many percent of the sessions, streams, calls, subscriptions and bytes that
	// there may be one authenticated principal may have in this process; 25 when zero.
	Share int
	// MaxSessions bounds the sessions kept; 10,000 when zero.
	MaxSessions int
	// MaxConnections is how many connections the listener has; a principal's requests in
	// progress, streams among them, have a share of it. 8,192 when zero.
	MaxConnections int
	// MaxStreams bounds the open streams of all kinds; 4,096 when zero.
	MaxStreams int
	// MaxCalls bounds the requests that run at once; 1,024 when zero.
	MaxCalls int
	// MaxCallsPerSession bounds them for one session; 64 when zero.
	MaxCallsPerSession int
	// MaxSubscriptions bounds the resources that one session may follow; 1,000 when zero.
	MaxSubscriptions int
	// MaxQueueBytes bounds what waits for one SSE or stdio client; 4 MiB when zero. A
	// call whose client does not read waits for space.
	MaxQueueBytes int

	// IdleTimeout ends a session that has neither an open stream nor a running call for
	// this long; one hour when zero.
	IdleTimeout time.Duration
	// Heartbeat is the longest silence on a stream; 12 s when zero, at most 15 s.
	Heartbeat time.Duration
	// WriteTimeout ends a stream or an answer of which the peer takes no 64 KiB within it; 10 s
	// when zero.
	WriteTimeout time.Duration
	// ReadTimeout bounds the reading of one message's body; 30 s when zero.
	ReadTimeout time.Duration
	// AnswerTimeout bounds the wait for a client's answer to a request of ours, behind
	// which a person may sit; five minutes when zero.
	AnswerTimeout time.Duration
	// Coalesce is the window within which updates of one resource are joined; 50 ms when
	// zero.
	Coalesce time.Duration
	// Grace is what running calls get to finish once the transport stops; 1 s when zero.
	Grace time.Duration
}

const (
	minKeyBytes  = 32
	maxHeartbeat = 15 * time.Second
)

// complete fills the defaults in and names every field that cannot work.
func (o Options) complete() (Options, error) {
	if o.Mount != "/" {
		o.Mount = cmp.Or(strings.TrimRight(o.Mount, "/"), "/mcp")
	}
	o.Default = cmp.Or(o.Default, SSE)
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, 4<<20)
	o.Share = cmp.Or(o.Share, 25)
	o.MaxSessions = cmp.Or(o.MaxSessions, 10_000)
	o.MaxConnections = cmp.Or(o.MaxConnections, 8192)
	o.MaxStreams = cmp.Or(o.MaxStreams, 4096)
	o.MaxCalls = cmp.Or(o.MaxCalls, 1024)
	o.MaxCallsPerSession = cmp.Or(o.MaxCallsPerSession, 64)
	o.MaxSubscriptions = cmp.Or(o.MaxSubscriptions, 1000)
	o.MaxQueueBytes = cmp.Or(o.MaxQueueBytes, 4<<20)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Hour)
	o.Heartbeat = cmp.Or(o.Heartbeat, 12*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, 30*time.Second)
	o.AnswerTimeout = cmp.Or(o.AnswerTimeout, 5*time.Minute)
	o.Coalesce = cmp.Or(o.Coalesce, 50*time.Millisecond)
	o.Grace = cmp.Or(o.Grace, time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Authenticate == nil {
		o.Authenticate = func(next http.Handler) http.Handler { return next }
	}
	if o.Subscribable == nil {
		o.Subscribable = func(context.Context, string) error { return nil }
	}
	if len(o.Key) == 0 && o.Shared == nil {
		o.Key = make([]byte, minKeyBytes)
		rand.Read(o.Key) // never fails
	}
	switch {
	case o.Store != nil:
	case o.Shared != nil:
		o.Store = NewSharedStore(o.Shared, o.MaxSessions, o.IdleTimeout)
	default:
		o.Store = NewMemoryStore(o.MaxSessions, o.IdleTimeout)
	}
	return o, o.validate()
}

func (o Options) validate() error {
	var errs []error
	if o.Mount == "/" || !strings.HasPrefix(o.Mount, "/") || strings.ContainsAny(o.Mount, "?#*{} ") {
		errs = append(errs, fmt.Errorf("transport: Mount %q is not a plain absolute path below /", o.Mount))
	}
	if o.Default != SSE && o.Default != StreamableHTTP {
		errs = append(errs, fmt.Errorf("transport: Default is %q, want %q or %q", o.Default, SSE, StreamableHTTP))
	}
	if len(o.Key) < minKeyBytes && (len(o.Key) > 0 || o.Shared == nil) {
		errs = append(errs, fmt.Errorf("transport: Key has %d bytes, want at least %d", len(o.Key), minKeyBytes))
	}
	if o.Heartbeat < 0 || o.Heartbeat > maxHeartbeat {
		errs = append(errs, fmt.Errorf("transport: Heartbeat is %s, want at most %s", o.Heartbeat, maxHeartbeat))
	}
	if o.Share < 0 || o.Share > 100 {
		errs = append(errs, fmt.Errorf("transport: Share is %d, want 1 to 100", o.Share))
	}
	errs = append(errs, o.validateNames()...)
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxBodyBytes", o.MaxBodyBytes},
		{"MaxSessions", int64(o.MaxSessions)},
		{"MaxStreams", int64(o.MaxStreams)},
		{"MaxConnections", int64(o.MaxConnections)},
		{"MaxCalls", int64(o.MaxCalls)},
		{"MaxCallsPerSession", int64(o.MaxCallsPerSession)},
		{"MaxSubscriptions", int64(o.MaxSubscriptions)},
		{"MaxQueueBytes", int64(o.MaxQueueBytes)},
		{"IdleTimeout", int64(o.IdleTimeout)},
		{"WriteTimeout", int64(o.WriteTimeout)},
		{"ReadTimeout", int64(o.ReadTimeout)},
		{"AnswerTimeout", int64(o.AnswerTimeout)},
		{"Coalesce", int64(o.Coalesce)},
		{"Grace", int64(o.Grace)},
	} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("transport: %s is negative", f.name))
		}
	}
	return errors.Join(errs...)
}

// validateNames checks what says who may call.
func (o Options) validateNames() []error {
	var errs []error
	if o.PublicURL != "" {
		if u, err := url.Parse(o.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			errs = append(errs, errors.New("transport: PublicURL is not an absolute http or https URL"))
		}
	}
	for _, origin := range o.AllowedOrigins {
		if _, err := normalOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("transport: AllowedOrigins has %q, want scheme://host[:port] (list each one; there is no wildcard)", origin))
		}
	}
	return errs
}

// counters only ever grow.
type counters struct {
	calls, busy, panics                    atomic.Uint64
	refusedHost, refusedOrigin             atomic.Uint64
	sessionsOpened, sessionsFull           atomic.Uint64
	streamsOpened, streamsFull, streamsCut atomic.Uint64
}

// Stats are the transport's figures at one moment. Those that only grow say so.
type Stats struct {
	// Sessions is how many sessions this process serves, SSE and stdio included.
	Sessions int
	// Streams is how many GET, SSE and listen streams are open.
	Streams int
	// Subscriptions is how many pairs of a client and a resource there are.
	Subscriptions int
	// Calls is how many requests run.
	Calls int

	// CallsTotal grows with each request that was begun.
	CallsTotal uint64
	// BusyTotal grows with each request refused for a bound on calls.
	BusyTotal uint64
	// PanicsTotal grows with each handler that panicked.
	PanicsTotal uint64
	// RefusedHostTotal and RefusedOriginTotal grow with each request refused for its
	// Host or Origin.
	RefusedHostTotal, RefusedOriginTotal uint64
	// SessionsTotal grows with each session opened, SessionsFullTotal with each refused
	// because the store was full.
	SessionsTotal, SessionsFullTotal uint64
	// StreamsTotal grows with each stream opened, StreamsFullTotal with each refused for
	// because there were too many, StreamsCutTotal with each ended because its peer took nothing.
	StreamsTotal, StreamsFullTotal, StreamsCutTotal uint64
	// SharesTotal grows with what was refused because a principal had its share.
	SharesTotal Shares
	// UpdatesTotal grows with each change of a followed resource, CoalescedTotal with
	// those that were joined with another one.
	UpdatesTotal, CoalescedTotal uint64
}

// Shares counts, of each thing, what was refused because a principal had its share.
type Shares struct{ Sessions, Streams, Calls, Bodies, Queues, Subscriptions, Connections uint64 }

// Stats returns the figures of now.
func (t *Transport) Stats() Stats {
	return Stats{
		Sessions:           t.sessions.count(),
		Streams:            int(t.quotas.streams.all()),
		Subscriptions:      int(t.table.subscriptions.Load()),
		Calls:              int(t.quotas.calls.all()),
		CallsTotal:         t.count.calls.Load(),
		BusyTotal:          t.count.busy.Load(),
		PanicsTotal:        t.count.panics.Load(),
		RefusedHostTotal:   t.count.refusedHost.Load(),
		RefusedOriginTotal: t.count.refusedOrigin.Load(),
		SessionsTotal:      t.count.sessionsOpened.Load(),
		SessionsFullTotal:  t.count.sessionsFull.Load(),
		StreamsTotal:       t.count.streamsOpened.Load(),
		StreamsFullTotal:   t.count.streamsFull.Load(),
		StreamsCutTotal:    t.count.streamsCut.Load(),
		SharesTotal: Shares{
			Sessions: t.quotas.sessions.refused.Load(), Streams: t.quotas.streams.refused.Load(), Calls: t.quotas.calls.refused.Load(),
			Bodies: t.quotas.bodies.refused.Load(), Queues: t.quotas.queues.refused.Load(), Subscriptions: t.quotas.subscriptions.refused.Load(),
			Connections: t.quotas.connections.refused.Load(),
		},
		UpdatesTotal:   t.table.updates.Load(),
		CoalescedTotal: t.table.coalesced.Load(),
	}
}

// A gate counts the streams and calls that are open. Once it is closed none can enter,
// and empty is closed when the last one left.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	empty  chan struct{} // closed when the gate is closed and inside is 0
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.closed && g.inside == 0 {
		close(g.empty)
	}
}

// close reports whether this call closed the gate.
func (g *gate) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.closed = true
	if g.inside == 0 {
		close(g.empty)
	}
	return true
}
