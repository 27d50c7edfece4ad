//go:build unix

package redis_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// rights is what an ACL user needs for one topic. Without INFO and CONFIG the queue works
// and cannot tell how durable it is.
const rights = "~{slack.events}:* -@all +@connection +@read +@write +@scripting +time -@dangerous"

func TestAccess(t *testing.T) {
	t.Parallel()
	s := newServer(t, everysec...)
	if err := s.client().Do(t.Context(), anys(strings.Fields("ACL SETUSER app on >secret "+rights))...).Err(); err != nil {
		t.Fatal(err)
	}
	t.Run("a user with the least rights can do everything", func(t *testing.T) {
		t.Parallel()
		exercise(t, "redis://app:secret@"+s.Addr()+"/0", "does not tell")
	})
	t.Run("a wrong password is refused at once", func(t *testing.T) {
		t.Parallel()
		q, err := redis.Open(t.Context(), redis.Options{URL: "redis://app:" + canary + "@" + s.Addr()})
		if err == nil || strings.Contains(err.Error(), "c4nary") || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("Open = %v, %v, want WRONGPASS without the password", q, err)
		}
	})
}

func anys(list []string) []any {
	var out []any
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// exercise publishes, works and reads on a URL; durability is what Stats has to mention.
func exercise(t *testing.T, url, durability string) {
	t.Helper()
	q, err := redis.Open(t.Context(), redis.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := q.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "Ev1", Raw: []byte("{}")}); err != nil {
		t.Fatalf("Publish: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := q.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error { cancel(); return nil }); err != nil {
		t.Errorf("Consume: %v", err)
	}
	p, err := q.History(t.Context(), event.Query{})
	if err != nil || len(p.Events) != 1 {
		t.Errorf("History: %+v, %v", p, err)
	}
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Groups[0].Done != 1 || !strings.Contains(stats.Durability, durability) {
		t.Errorf("Stats: %+v, %v, want one done, and %q", stats, err, durability)
	}
	if err := q.DropGroup(t.Context(), "g"); err != nil {
		t.Errorf("DropGroup: %v", err)
	}
}

// TestTLS speaks to a server that takes nothing but TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	port := freePort(t)
	newServer(t, append([]string{"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no"}, always...)...)
	url := "rediss://" + net.JoinHostPort("127.0.0.1", port) + "/0"
	if q, err := redis.Open(t.Context(), redis.Options{URL: url}); err == nil {
		if _, err := q.Stats(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("a certificate of an unknown authority was taken: %v", err)
		}
		_ = q.Close()
	}
	exercise(t, url+"?skip_verify=true", "appendfsync always")
}

// certificate makes one that no authority has signed.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
