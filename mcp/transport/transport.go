package transport

import (
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
)

// A Transport serves one mcp-go server to many clients. Make it with New, build the
// server with its ServerOptions, Attach it, mount Handler and start Run. It is safe
// for concurrent use.
type Transport struct {
	opt      Options
	log      *slog.Logger
	public   string // path prefix that clients see before Mount
	server   *server.MCPServer
	table    *table
	sessions *sessions
	relay    *relay // nil without replicas
	handler  http.Handler
	hub      *broadcast
	versions []string

	stopping chan struct{}   // closed when streams must end
	hard     context.Context //nolint:containedctx // the life of calls, which ends after their grace
	kill     context.CancelCauseFunc
	gate     *gate                        // streams and calls
	listen   sync.Map                     // *outbox of each 2026-07-28 listen stream -> struct{}
	nowhere  chan mcp.JSONRPCNotification // nobody reads it
	buffers  buffers

	owner     atomic.Pointer[stdio] // the client of stdio, once there is one
	ready     chan struct{}         // closed when that client is initialized
	readyOnce sync.Once

	asked   atomic.Int64 // ids of our own requests
	running atomic.Int64 // calls
	open    atomic.Int64 // streams of all kinds
	count   counters
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
		opt: o, log: o.Logger, table: newTable(o.Coalesce), hub: newBroadcast(),
		stopping: make(chan struct{}), ready: make(chan struct{}), gate: newGate(), nowhere: make(chan mcp.JSONRPCNotification),
		versions: mcp.ValidProtocolVersions,
	}
	if u, err := url.Parse(o.PublicURL); err == nil {
		t.public = strings.TrimRight(u.Path, "/")
	}
	t.hard, t.kill = context.WithCancelCause(context.Background())
	t.asked.Store(mathrand.Int64N(maxAsked)) //nolint:gosec // so that no two replicas ask under one id; it hides nothing
	if o.Shared != nil && !o.Single {
		t.relay = newRelay(t, o.Shared)
		t.table.recent, t.table.knownFrom = map[string]time.Time{}, time.Now()
	}
	t.sessions = &sessions{sign: &keyring{shared: o.Shared, key: o.Key}, store: o.Store, table: t.table, limits: o, live: map[string]*session{}}
	t.handler = newGuard(o).wrap(t.refused, o.Authenticate(http.HandlerFunc(t.route)))
	return t, nil
}

// ServerOptions returns what the mcp-go server must be built with: the capabilities
// that this layer serves, and the middleware that tells it why a handler failed.
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
	// mcp-go tells its registered sessions when a list changed; ours are not among them,
	// so one stands there for all.
	if err := s.RegisterSession(t.hard, t.hub); err != nil {
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

// Notify says that resources changed. Who follows one is told to read it again. It
// never waits for a client.
func (t *Transport) Notify(uris ...string) {
	for _, uri := range uris {
		t.table.notify(uri)
	}
}

// A List is a list that clients hold and can be told to fetch again.
type List string

// The lists that can change.
const (
	Tools     List = "tools"
	Prompts   List = "prompts"
	Resources List = "resources"
)

// ListChanged says that a list changed. Changes that mcp-go notices itself, such as a
// tool that was added, are told without it.
func (t *Transport) ListChanged(l List) {
	switch l {
	case Tools:
		t.changed(toolsList)
	case Prompts:
		t.changed(promptsList)
	case Resources:
		t.changed(resourcesList)
	}
}

func (t *Transport) changed(kind listKind) {
	for _, s := range t.sessions.all() {
		s.box.markChanged(kind)
	}
	t.listen.Range(func(box, _ any) bool {
		box.(*outbox).markChanged(kind) //nolint:forcetypeassert // the map's only key type
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
	background.Go(func() { t.hub.run(ctx, t.changed) })
	if t.relay != nil {
		background.Go(func() { t.relay.run(ctx) })
	}
	t.keepHouse(ctx)
	background.Wait()
	t.shutDown()
	return watchErr
}

func (t *Transport) keepHouse(ctx context.Context) {
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

// stopped reports whether the transport takes no more requests.
func (t *Transport) stopped() bool {
	select {
	case <-t.stopping:
		return true
	default:
		return false
	}
}

// left reports whether everybody left within d.
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

// broadcast is the one session that mcp-go knows, and stands for all of ours when it
// tells that a list changed.
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
