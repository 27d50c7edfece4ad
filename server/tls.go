package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/config"
)

// certificateEvery is how often the certificate's files are looked at.
const certificateEvery = 10 * time.Second

// A certificate is the pair that HTTPS is served with. It is read again when its files
// change, so that a renewal needs no restart; what cannot be read leaves the pair that
// is in use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	every             time.Duration
	reloaded          func(ok bool) // told of each new pair, and of each that does not fit

	current atomic.Pointer[tls.Certificate]

	mu        sync.Mutex
	cert, key []byte // what is in use; guarded by mu
	trouble   string // the error that was told last; guarded by mu
}

// newCertificate reads the pair that the configuration names. Its error is a
// *config.Error with the remedy, and never holds what stands in the files.
func newCertificate(l config.Listen, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: l.TLSCertFile, keyFile: l.TLSKeyFile, log: log, every: certificateEvery, reloaded: func(bool) {}}
	if _, err := c.read(); err != nil {
		return nil, &config.Error{Problems: []config.Problem{{
			Setting: "TLS_CERT_FILE", What: "and TLS_KEY_FILE cannot be used (" + err.Error() + ")",
			Remedy: "name a certificate chain and its unencrypted private key, both in PEM and readable for this user",
		}}}
	}
	return c, nil
}

// read reads the files and takes a pair that is new. changed reports that one was there.
func (c *certificate) read() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, err
	}
	if bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return true, err
	}
	c.cert, c.key = cert, key
	c.current.Store(&pair)
	return true, nil
}

// reload reads the files again and says what came of it.
func (c *certificate) reload(ctx context.Context) {
	changed, err := c.read()
	switch {
	case err != nil && c.known(err.Error()):
	case err != nil:
		c.reloaded(false)
		c.log.LogAttrs(ctx, slog.LevelError, "the renewed certificate cannot be used; the old one stays",
			slog.String("file", c.certFile), slog.String("error", err.Error()))
	case changed:
		c.known("")
		c.reloaded(true)
		c.log.LogAttrs(ctx, slog.LevelInfo, "serving a renewed certificate", slog.Time("not_after", c.notAfter()))
	}
}

// known reports whether a trouble was told before; it is remembered.
func (c *certificate) known(trouble string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.trouble
	c.trouble = trouble
	return before == trouble
}

// run looks at the files until ctx ends.
func (c *certificate) run(ctx context.Context) error {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.reload(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// notAfter is when the certificate in use expires.
func (c *certificate) notAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// config is what a listener needs.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
