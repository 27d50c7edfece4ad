package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// told returns the block of docs/deployment.md in a language.
func told(t *testing.T, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(read(t, "docs/deployment.md"))
	if m == nil {
		t.Fatalf("docs/deployment.md has no block of %s", language)
	}
	return strings.TrimSpace(string(m[1]))
}

// certificate makes an authority of its own and a certificate for the loopback.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "engine"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return cert, key
}

// startEngine runs a program until the test ends and waits until its port is open.
func startEngine(t *testing.T, port string, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	logs := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { end(cmd, done) })
	eventually(t, func() error {
		select {
		case <-done:
			t.Fatalf("%s ended:\n%s", path, logs)
		default:
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// works runs both sides on an engine: an event is taken once, listed, and worked by a
// consumer in a process of its own.
func works(t *testing.T, env ...string) {
	t.Helper()
	port := freePort(t)
	env = append(env, "HOST=127.0.0.1", "PORT="+port, "SLACK_SIGNING_SECRET="+signingSecret, "SLACK_BOT_TOKEN=xoxb-1",
		"SLACK_API_URL=http://127.0.0.1:1/", "MCP_AUTH_TOKEN=0123456789abcdef", "PATH="+os.Getenv("PATH"))
	server := exec.Command(binary, "--integrated", "--no-env-file")
	server.Env = append(env, "DATA_DIR="+t.TempDir())
	base := "http://127.0.0.1:" + port
	start(t, server, base)
	accepts(t, base, "EvMANAGED")
	accepts(t, base, "EvMANAGED")
	if status, text, err := get(t.Context(), base+"/health/detailed"); err != nil || status != 200 || !strings.Contains(text, `"events":1,`) {
		t.Errorf("health: %d %s, %v", status, text, err)
	}
	seen := filepath.Join(t.TempDir(), "seen")
	consumer := exec.Command(binary, "consume", "--no-env-file", "--exec", `echo "$EVENT_ID" >> `+seen)
	consumer.Env = append(env, "DATA_DIR="+t.TempDir())
	logs := &strings.Builder{}
	consumer.Stdout, consumer.Stderr = logs, logs
	if err := consumer.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = consumer.Wait(); close(done) }()
	defer end(consumer, done)
	eventually(t, func() error {
		got, err := os.ReadFile(seen)
		if err == nil && string(got) != "EvMANAGED\n" {
			err = fmt.Errorf("the consumer worked %q", got)
		}
		select {
		case <-done:
			t.Fatalf("the consumer ended: %s", logs)
		default:
		}
		return err
	})
}

// TestManagedRedis: TLS by an authority that the system does not know, and a user with the
// rights that the documents name, and no others.
func TestManagedRedis(t *testing.T) {
	redis, cli := program(t, "redis-server", "apt-get install redis-server"), program(t, "redis-cli", "apt-get install redis-tools")
	cert, key := certificate(t)
	port, tls := freePort(t), freePort(t)
	startEngine(t, tls, redis, "--port", port, "--tls-port", tls, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
		"--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", t.TempDir())
	for _, line := range []string{strings.Replace(told(t, "redis"), "PASSWORD", "s3cret", 1), "ACL SETUSER default off"} {
		out, err := exec.Command(cli, append([]string{"-p", port}, strings.Fields(line)...)...).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "OK" {
			t.Fatalf("%s: %s, %v", line, out, err)
		}
	}
	works(t, "REDIS_URL=rediss://slack-webhook:s3cret@127.0.0.1:"+tls+"/0", "SSL_CERT_FILE="+cert)
}

// TestManagedNATS is the same for NATS.
func TestManagedNATS(t *testing.T) {
	nats := program(t, "nats-server", "make tools")
	cert, key := certificate(t)
	port := freePort(t)
	conf := filepath.Join(t.TempDir(), "nats.conf")
	write(t, conf, fmt.Sprintf(`listen: "127.0.0.1:%s"
jetstream { store_dir: %q }
tls { cert_file: %q, key_file: %q }
authorization { users: [ { user: "slack-webhook", password: "s3cret", permissions: { %s } } ] }
`, port, t.TempDir(), cert, key, strings.ReplaceAll(told(t, "nats"), "\n", ", ")))
	startEngine(t, port, nats, "-c", conf)
	works(t, "NATS_URL=tls://slack-webhook:s3cret@127.0.0.1:"+port, "SSL_CERT_FILE="+cert)
}
