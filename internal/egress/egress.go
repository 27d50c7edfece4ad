// Package egress goes to addresses that others chose: the webhooks of rules, the callbacks of
// subscriptions, the metadata documents of clients. None of them can reach a machine behind the firewall.
//
// A [Client] connects to globally routable addresses only, unless a network or a host
// was allowed. The address is judged when the connection is made, after the name was
// resolved, so that a name which resolves differently the second time gains nothing, and
// whatever way an address is written in, decimal or mapped into IPv6, it is the same
// address. It follows no redirect, uses no proxy, sends no cookie, asks for no
// compression, and reads a bounded answer within a bounded time.
//
// Errors name the host and never the path or the query, which may hold a secret of the
// receiver.
package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
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

// Bounds of one connection that have no setting.
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
	// Certificates are those that the client shows to targets which ask for one (mTLS).
	Certificates []tls.Certificate
	// Resolver resolves names; nil means the system's.
	Resolver *net.Resolver
}

// A Client posts and gets. It is safe for concurrent use. It keeps idle connections for 30 seconds;
// Close closes them.
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
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs, Certificates: o.Certificates},
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

// Close closes idle connections. It does not interrupt calls that run.
func (c *Client) Close() { c.pool.CloseIdleConnections() }

// judge refuses an address that may not be reached. It is called just before the
// connection is made, when the name is resolved.
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
	return named(c.opt.Hosts, host, port)
}

func named(hosts []string, host, port string) bool {
	host = canonicalHost(host)
	return slices.Contains(hosts, host) || slices.Contains(hosts, canonicalHost(net.JoinHostPort(host, port)))
}

// Named reports whether the target of a URL is among some hosts, which are written as in [Options].
func Named(hosts []string, target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = canonicalHost(h)
	}
	return named(all, u.Hostname(), port)
}

// canonicalHost returns one spelling for all spellings of a host, with or without a port.
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

// A Reply is what a target answered.
type Reply struct {
	Status int
	Header http.Header
	// Body is the answer's first bytes, at most Options.MaxReply; Cut says that it has more.
	Body []byte
	Cut  bool
}

// OK reports whether the status is 2xx.
func (r Reply) OK() bool { return r.Status >= 200 && r.Status < 300 }

// maxPause bounds what a target may ask for; a longer pause counts as this one.
const maxPause = 24 * time.Hour

// RetryAfter returns how long the target asks to wait before the next request, or 0. It
// reads the header Retry-After, in seconds or as a date, and returns a day at most.
func (r Reply) RetryAfter(now time.Time) time.Duration {
	v := r.Header.Get("Retry-After")
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(maxPause/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), maxPause)
	}
	return 0
}

// Post sends body to the target and returns what it answered, whatever its status: a
// redirect is an answer like any other. header is sent as it is, with the client's
// User-Agent unless it has one. Errors: *RefusedError, the form of the URL, and what the
// connection or the context said; none holds the URL's path.
func (c *Client) Post(ctx context.Context, target string, header http.Header, body []byte) (Reply, error) {
	return c.Send(ctx, http.MethodPost, target, header, body)
}

// Send is Post with another method.
func (c *Client) Send(ctx context.Context, method, target string, header http.Header, body []byte) (Reply, error) {
	return c.call(ctx, method, target, header, body)
}

// Get asks a target for what it has, and is otherwise like Post.
func (c *Client) Get(ctx context.Context, target string, header http.Header) (Reply, error) {
	return c.call(ctx, http.MethodGet, target, header, nil)
}

func (c *Client) call(ctx context.Context, method, target string, header http.Header, body []byte) (Reply, error) {
	u, err := c.parse(target)
	if err != nil {
		return Reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return Reply{}, fmt.Errorf("%s: the request cannot be made", u.Host)
	}
	maps.Copy(req.Header, header)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.opt.UserAgent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, fault(u, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, c.opt.MaxReply+1))
	r := Reply{Status: resp.StatusCode, Header: resp.Header, Body: b}
	if int64(len(b)) > c.opt.MaxReply {
		r.Body, r.Cut = b[:c.opt.MaxReply], true
		return r, nil
	}
	if err != nil {
		return r, fault(u, err)
	}
	return r, nil
}

// fault returns an error that names the host in place of the URL.
func fault(u *url.URL, err error) error {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return &RefusedError{Host: u.Host, Reason: refused.Reason}
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("%s: its name cannot be resolved: %w", u.Host, err)
	}
	return fmt.Errorf("%s: %w", u.Host, err)
}
