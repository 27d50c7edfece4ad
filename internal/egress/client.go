package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The defaults of Options.
const (
	// DefaultTimeout is what the Standard Webhooks specification advises at least.
	DefaultTimeout = 15 * time.Second
	// DefaultMaxReply is far above what a receiver of webhooks has to say.
	DefaultMaxReply = 64 << 10
)

// Bounds of one connection that nobody needs to set.
const (
	dialTimeout     = 10 * time.Second
	idleTimeout     = 30 * time.Second
	maxReplyHeader  = 32 << 10
	maxIdle         = 64
	maxIdlePerHost  = 4
	maxConnsPerHost = 32
)

// Options configure a Client. The zero value reaches the public network only.
type Options struct {
	// HTTPSOnly refuses http, except to Hosts.
	HTTPSOnly bool
	// Networks may be reached besides the public network.
	Networks []netip.Prefix
	// Hosts may be reached wherever they are: names or addresses as they stand in the
	// URL, in any case, with a port ("hooks.internal:8443") for that port only.
	Hosts []string
	// Timeout bounds a call from the name's resolution to the answer's last byte; 0 means
	// DefaultTimeout. The context may end it sooner.
	Timeout time.Duration
	// MaxReply bounds what is read of an answer's body; 0 means DefaultMaxReply.
	MaxReply int64
	// UserAgent is sent with each request; empty sends "slack-webhook-server".
	UserAgent string
	// RootCAs are the authorities of https; nil means the system's.
	RootCAs *x509.CertPool
	// Resolver resolves names; nil means the system's.
	Resolver *net.Resolver
}

// A Client posts. It is safe for concurrent use, and keeps idle connections for 30
// seconds: Close lets go of them.
type Client struct {
	opt  Options
	http *http.Client
	pool *http.Transport
}

// New returns a Client. It fails when an option is negative.
func New(o Options) (*Client, error) {
	if o.Timeout < 0 || o.MaxReply < 0 {
		return nil, errors.New("egress: Timeout and MaxReply must not be negative")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxReply == 0 {
		o.MaxReply = DefaultMaxReply
	}
	if o.UserAgent == "" {
		o.UserAgent = "slack-webhook-server"
	}
	o.Hosts = slices.Clone(o.Hosts)
	for i, h := range o.Hosts {
		o.Hosts[i] = canonicalHost(h)
	}
	c := &Client{opt: o}
	guarded := &net.Dialer{Timeout: dialTimeout, Resolver: o.Resolver, ControlContext: c.judge}
	allowed := &net.Dialer{Timeout: dialTimeout, Resolver: o.Resolver}
	c.pool = &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if c.allowedHost(addr) {
				return allowed.DialContext(ctx, network, addr)
			}
			return guarded.DialContext(ctx, network, addr)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  o.Timeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxResponseHeaderBytes: maxReplyHeader,
	}
	c.http = &http.Client{
		Transport:     c.pool,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close lets go of idle connections. Calls that run are not touched.
func (c *Client) Close() { c.pool.CloseIdleConnections() }

// judge is called with the address itself, just before the connection to it is made.
func (c *Client) judge(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Reason: "its address cannot be read"}
	}
	if a := ap.Addr().Unmap().WithZone(""); Global(a) || within(c.opt.Networks, a) {
		return nil
	}
	return &RefusedError{Reason: "its address is not in the public network"}
}

// allowedHost reports whether the operator has named this host, or this host and port.
func (c *Client) allowedHost(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	host = canonicalHost(host)
	return slices.Contains(c.opt.Hosts, host) || slices.Contains(c.opt.Hosts, canonicalHost(net.JoinHostPort(host, port)))
}

// canonicalHost is how two spellings of a host, with or without a port, become one.
func canonicalHost(h string) string {
	h = strings.ToLower(strings.TrimSpace(h))
	if host, port, err := net.SplitHostPort(h); err == nil {
		return net.JoinHostPort(canonicalHost(host), port)
	}
	h = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(h, "["), "]"), ".")
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Unmap().String()
	}
	return h
}

// A RefusedError is a call that was not made because its target may not be reached.
// Another try changes nothing, unless the target's name is given another address.
type RefusedError struct {
	// Host is the target as the URL has it.
	Host string
	// Reason says why.
	Reason string
}

// Error names the host, the reason and the remedy.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is refused: %s; who means it has to allow the host or its network", e.Host, e.Reason)
}
