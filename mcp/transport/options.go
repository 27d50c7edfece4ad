package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"slackmcp/store/state"
)

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
	// proxy's: its host and origin are allowed, its path prefixes Mount in what clients
	// are told. Empty: clients connect directly.
	PublicURL string
	// AllowedOrigins are the browser origins that may call, beside PublicURL's and, for
	// a server that was reached by a loopback name, loopback origins.
	AllowedOrigins []string
	// AllowedHosts are further values of the Host header to answer to, with or without
	// a port.
	AllowedHosts []string
	// Authenticate stands in front of every route and puts the principal into the
	// request's context. Nil lets everybody in, as nobody.
	Authenticate func(http.Handler) http.Handler
	// Subscribable decides whether the caller in ctx may subscribe to a resource. An
	// error that wraps mcp-go's ErrResourceNotFound says that there is no such thing.
	// Nil allows every URI.
	Subscribable func(ctx context.Context, uri string) error

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

	// MaxBodyBytes bounds one message; 4 MiB when zero.
	MaxBodyBytes int64
	// MaxSessions bounds the sessions kept; 10,000 when zero.
	MaxSessions int
	// MaxStreams bounds the open streams of all kinds; 4,096 when zero.
	MaxStreams int
	// MaxCalls bounds the requests that run at once; 1,024 when zero.
	MaxCalls int
	// MaxCallsPerSession bounds them for one session; 64 when zero.
	MaxCallsPerSession int
	// MaxSubscriptions bounds the resources that one session may follow; 1,000 when zero.
	MaxSubscriptions int
	// MaxQueueBytes bounds what waits for one SSE or stdio client; 4 MiB when zero. A
	// call whose client does not read waits for room.
	MaxQueueBytes int

	// IdleTimeout ends a session that has neither an open stream nor a running call for
	// this long; one hour when zero.
	IdleTimeout time.Duration
	// Heartbeat is the longest silence on a stream; 12 s when zero, at most 15 s.
	Heartbeat time.Duration
	// WriteTimeout ends a stream whose peer takes nothing for this long; 10 s when zero.
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
	o.MaxSessions = cmp.Or(o.MaxSessions, 10_000)
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
	errs = append(errs, o.validateNames()...)
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxBodyBytes", o.MaxBodyBytes},
		{"MaxSessions", int64(o.MaxSessions)},
		{"MaxStreams", int64(o.MaxStreams)},
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
