package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writePair writes a certificate with this name and its key, as a renewal does.
func writePair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"events.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// trustingClient returns a client that trusts what stands in the file.
func trustingClient(t *testing.T, cert string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// TestRenewedCertificateIsServed renews the pair under a running listener: connections
// that are open go on, new ones get the new certificate, and a pair that does not fit
// changes nothing.
func TestRenewedCertificateIsServed(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, "first")
	logs := &bytes.Buffer{}
	reloads := make(chan bool, 10)
	c, err := NewCertificate(cert, key, func(ok bool) { reloads <- ok }, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c.every = 5 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(t.Context(), ServerOptions{
		Handler:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
		Certificate: c, Logger: slog.New(slog.DiscardHandler),
	})
	go func() { _ = srv.Serve(l) }()
	defer srv.http.Close()
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-watched; err != nil {
			t.Error(err)
		}
	}()

	url := "https://" + l.Addr().String()
	ask := func(client *http.Client) (name, proto string) {
		t.Helper()
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.TLS.PeerCertificates[0].Subject.CommonName, string(b)
	}
	first := trustingClient(t, cert)
	if name, proto := ask(first); name != "first" || proto != "HTTP/2.0" {
		t.Fatalf("served %s over %s, want first over HTTP/2.0", name, proto)
	}

	writePair(t, dir, "second")
	if !nextOK(t, reloads) {
		t.Fatalf("the renewed pair was not taken: %s", logs)
	}
	if name, _ := ask(first); name != "first" {
		t.Errorf("the open connection changed to %s", name)
	}
	if name, _ := ask(trustingClient(t, cert)); name != "second" {
		t.Errorf("a new connection is served %s, want second", name)
	}

	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if <-reloads {
		t.Fatal("a key that does not fit was taken")
	}
	if name, _ := ask(trustingClient(t, cert)); name != "second" {
		t.Errorf("after a pair that does not fit %s is served, want second", name)
	}
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	writePair(t, dir, "third")
	if !nextOK(t, reloads) {
		t.Fatalf("the next renewal was not taken")
	}
	if name, _ := ask(trustingClient(t, cert)); name != "third" {
		t.Errorf("served %s, want third", name)
	}
}

// nextOK waits for a pair that was taken. A look between the two files of a renewal
// finds a pair that does not fit, and the next look the whole.
func nextOK(t *testing.T, reloads <-chan bool) bool {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case ok := <-reloads:
			if ok {
				return true
			}
		case <-deadline:
			return false
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, "first")
	c, err := NewCertificate(cert, key, func(bool) {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(t.Context(), ServerOptions{Handler: http.NotFoundHandler(), Certificate: c, Logger: slog.New(slog.DiscardHandler)})
	go func() { _ = srv.Serve(l) }()
	defer srv.http.Close()
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}
