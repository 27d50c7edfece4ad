package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

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
		InsecureSkipVerify: onThisMachine(plain), //nolint:gosec // whoever has this machine's port is here already
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
