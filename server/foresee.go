package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
	"slackmcp/server/apidoc"
	"slackmcp/server/console"
	"slackmcp/server/web"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook"
)

// A Route is a path that a server answers.
type Route = web.Route

// OpenStore opens the queue backend that the configuration chose, as New does, but for
// the bounds of what is kept, which are its server's. The caller closes it. What the
// backend has to say goes to log; nil discards it.
func OpenStore(ctx context.Context, c config.Config, log *slog.Logger) (queue.Queue, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return openStore(ctx, forOperators(c), nil, log)
}

// Routes lists what a server with this configuration would answer, by listener and
// path. It opens and calls nothing. Over stdio nothing is listened to: the list is empty.
func Routes(ctx context.Context, c config.Config) ([]Route, error) {
	if c.MCP.Transport == config.Stdio && c.Mode.MCP() {
		return nil, nil
	}
	store, err := memory.New(memory.Options{})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	watched := &watchedStore{Queue: store, reads: newReads(c.Receive.MaxBodyBytes)}
	o := Options{Config: c}.withDefaults()
	slack := slackAccess{signingSecrets: c.Slack.SigningSecrets.Reveal()}
	if c.Sandbox && len(slack.signingSecrets) == 0 {
		slack.signingSecrets = []string{sandbox.DefaultSigningSecret}
	}
	others, err := otherSources(c)
	if err != nil {
		return nil, err
	}
	measured, err := newMetrics(o.Version, sourceNames(c, slack, others))
	if err != nil {
		return nil, err
	}
	h := &hooks{metrics: measured, log: o.Logger}
	receiver, err := newReceiver(o, slack, others, watched, nil, nil, h)
	if err != nil {
		return nil, err
	}
	assistants, err := routesOfAssistants(c, o.Logger)
	if err != nil {
		return nil, err
	}
	var pages web.Receiver
	if consoleOpen(c) {
		pages = foreseen((*console.Console)(nil).Paths())
	}
	site, err := newSite(o, newHealth(c, watched, nil, assistants, nil, nil, nil), receiver, assistants, pages, h)
	if err != nil {
		return nil, err
	}
	return site.Routes(c.Listen.Addr(), c.Admin.Addr), nil
}

// routesOfAssistants builds the assistants' side for its routes alone: without Slack, events
// and bearers, none of which changes a route.
func routesOfAssistants(c config.Config, log *slog.Logger) (a assistantSide, err error) {
	if !c.Mode.MCP() {
		return a, nil
	}
	switch {
	case c.SignIn.Enabled():
		a.metadata, err = signInMetadata(c)
	case c.MCP.OAuth.Enabled() && !c.MCP.NoAuth:
		_, a.metadata, err = issuer(c.MCP.OAuth, access.RequireOptions{}, log)
	}
	if err != nil {
		return a, err
	}
	a.mcp, err = mcp.New(mcp.Options{Transport: transport.Options{
		Mount: c.MCP.MountPath, Default: transport.Kind(c.MCP.Transport), PublicURL: c.Listen.PublicURL,
		AllowedOrigins: c.MCP.AllowedOrigins, AllowedHosts: c.MCP.AllowedHosts,
	}})
	return a, err
}

// HealthURL is where an operator on this machine finds the details of the server that
// this configuration starts, "" when its port is not known before it runs.
func HealthURL(c config.Config) string {
	if c.Admin.Addr == "" {
		return localURL(c.Listen.Scheme(), c.Listen.Addr(), "/health/detailed")
	}
	scheme := c.Listen.Scheme()
	if c.Admin.Loopback() {
		scheme = "http"
	}
	return localURL(scheme, c.Admin.Addr, "/health/detailed")
}

// ProbeURL is where a program on this machine asks whether the server that this
// configuration starts is ready, or with live, whether it runs at all; "" when its port
// is not known before it runs.
func ProbeURL(c config.Config, live bool) string {
	if live {
		return localURL(c.Listen.Scheme(), c.Listen.Addr(), "/livez")
	}
	return localURL(c.Listen.Scheme(), c.Listen.Addr(), "/readyz")
}

// BaseURL is how a program on this machine reaches the server that this configuration
// starts, without a path; "" when its port is not known before it runs.
func BaseURL(c config.Config) string { return localURL(c.Listen.Scheme(), c.Listen.Addr(), "") }

// localURL is how a client on this machine writes a path of a listener.
func localURL(scheme, addr, path string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + path
}

// ProbeClient returns a client for [HealthURL] and [ProbeURL]. It follows no redirect,
// uses no proxy, and takes any certificate from an address of this machine: the
// server's is made out to the name by which the world knows it.
func ProbeClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialTLSContext: dialProbe, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func dialProbe(ctx context.Context, network, addr string) (net.Conn, error) {
	plain, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(addr)
	c := tls.Client(plain, &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: host,
		InsecureSkipVerify: onThisMachine(plain), //nolint:gosec // a program that has this machine's port runs here already
	})
	if err := c.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return c, nil
}

// onThisMachine reports whether a connection does not leave the machine.
func onThisMachine(c net.Conn) bool {
	local, ok := c.LocalAddr().(*net.TCPAddr)
	remote, isTCP := c.RemoteAddr().(*net.TCPAddr)
	return ok && isTCP && (remote.IP.IsLoopback() || remote.IP.Equal(local.IP))
}

// describe makes the description of what the server answers. It comes before the routes,
// because two of them serve it.
func describe(opt Options, receiver *webhook.Receiver, assistants *mcp.Server) (*apidoc.API, error) {
	o := apidoc.Options{
		Version: opt.Version, PublicURL: opt.Config.Listen.PublicURL,
		Paths: []string{"/", "/health", "/livez", "/readyz", "/health/detailed", "/metrics", apidoc.DocumentPath, apidoc.PagePath},
	}
	if receiver != nil {
		o.Paths = append(o.Paths, receiver.Paths()...)
		if slices.ContainsFunc(o.Paths, func(p string) bool { return strings.HasPrefix(p, "/events/") }) {
			o.Paths = append(o.Paths, "/events/{type}")
		}
	}
	if assistants != nil {
		o.Mount = opt.Config.MCP.MountPath
	}
	api, err := apidoc.New(o)
	if err != nil {
		return nil, fmt.Errorf("describe the routes: %w", err)
	}
	return api, nil
}
