package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificateEvery is how often the files of the certificate are read.
const certificateEvery = 10 * time.Second

// A Certificate is the pair that HTTPS is served with. It is read again when its files
// change, so that a renewal needs no restart; what cannot be read leaves the pair that
// is in use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	every             time.Duration
	onReload          func(ok bool)

	current atomic.Pointer[tls.Certificate]

	mu        sync.Mutex
	cert, key []byte // what is in use; guarded by mu
	trouble   string // the error that was logged last; guarded by mu
}

// NewCertificate reads the pair in two PEM files. Its error never holds what stands in the
// files. onReload is called for each renewed pair, with false for one that does not fit.
func NewCertificate(certFile, keyFile string, onReload func(ok bool), log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, every: certificateEvery, onReload: onReload}
	_, err := c.read()
	return c, err
}

// read reads the files and takes a pair that is new. changed reports that one was there.
func (c *Certificate) read() (changed bool, err error) {
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

// Reload reads the files again and logs a change, or what is wrong with them.
func (c *Certificate) Reload(ctx context.Context) {
	changed, err := c.read()
	switch {
	case err != nil && c.known(err.Error()):
	case err != nil:
		c.onReload(false)
		c.log.LogAttrs(ctx, slog.LevelError, "the renewed certificate cannot be used; the old one stays",
			slog.String("file", c.certFile), slog.String("error", err.Error()))
	case changed:
		c.known("")
		c.onReload(true)
		c.log.LogAttrs(ctx, slog.LevelInfo, "serving a renewed certificate", slog.Time("not_after", c.NotAfter()))
	}
}

// known reports whether an error was the last one that was logged, and remembers it.
func (c *Certificate) known(trouble string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.trouble
	c.trouble = trouble
	return before == trouble
}

// Run reads the files every ten seconds until ctx ends.
func (c *Certificate) Run(ctx context.Context) error {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.Reload(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// NotAfter is when the certificate in use expires.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// config is what a listener needs.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
