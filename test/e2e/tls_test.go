package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// writeCertificate has openssl make a pair with this name, as an operator would.
func writeCertificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	openssl := requires.Program(t, "openssl", "apt-get install openssl")
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	out, err := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-days", "30", "-subj", "/CN="+name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	return cert, key
}

func trusting(t *testing.T, cert string, http2 bool) *http.Client {
	t.Helper()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	transport := &http.Transport{ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestHTTPSAndRenewal posts signed events over HTTP/2 and HTTP/1.1 to the shipped
// binary, renews its certificate under it, and stops it: no event is refused.
func TestHTTPSAndRenewal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "first")
	p := spawn(t, options{args: []string{"--tls-cert-file", cert, "--tls-key-file", key}})
	p.url = "https://" + strings.TrimPrefix(p.url, "http://")
	port := p.url[strings.LastIndex(p.url, ":")+1:]
	probe := func(live ...string) error {
		args := append([]string{"health", "--no-env-file", "--host", "127.0.0.1", "--port", port, "--tls-cert-file", cert, "--tls-key-file", key}, live...)
		if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	eventually(t, 20*time.Second, func() error { return probe() })

	post := func(client *http.Client, id string) (proto, name string) {
		t.Helper()
		res, err := client.Do(signed(t, p.url, "application/json", message(id, "C1", "over https")))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s over %s answered %d", id, res.Proto, res.StatusCode)
		}
		return res.Proto, res.TLS.PeerCertificates[0].Subject.CommonName
	}
	two, one := trusting(t, cert, true), trusting(t, cert, false)
	for i := range 20 {
		if proto, _ := post(two, fmt.Sprintf("Ev0H2%03d", i)); proto != "HTTP/2.0" {
			t.Fatalf("spoke %s, want HTTP/2.0", proto)
		}
		if proto, _ := post(one, fmt.Sprintf("Ev0H1%03d", i)); proto != "HTTP/1.1" {
			t.Fatalf("spoke %s, want HTTP/1.1", proto)
		}
	}

	writeCertificate(t, dir, "second")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() error {
		conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", port), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer conn.Close()
		if name := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "second" {
			return fmt.Errorf("served %s", name)
		}
		return nil
	})
	if _, name := post(two, "Ev0H2OPEN"); name != "first" {
		t.Errorf("the open connection changed its certificate to %s", name)
	}
	if _, name := post(trusting(t, cert, true), "Ev0H2NEW"); name != "second" {
		t.Errorf("a new connection is served %s", name)
	}

	res, err := trusting(t, cert, true).Get(p.url + "/health/detailed")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct{ Queue struct{ Events int } }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil || body.Queue.Events != 42 {
		t.Errorf("%d events are stored (%v), want 42", body.Queue.Events, err)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "max-age=31536000",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with %d\n%s", code, p.logs)
	}
}

func TestHalfATLSPairIsAProblem(t *testing.T) {
	t.Parallel()
	p := spawn(t, options{args: []string{"--tls-cert-file", "/nowhere/tls.crt"}})
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(p.logs.String(), "TLS_KEY_FILE is missing") {
		t.Errorf("exit code %d, want 3 with the remedy:\n%s", code, p.logs)
	}
	p = spawn(t, options{args: []string{"--tls-cert-file", "/nowhere/tls.crt", "--tls-key-file", "/nowhere/tls.key"}})
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(p.logs.String(), "TLS_CERT_FILE and TLS_KEY_FILE cannot be used") {
		t.Errorf("exit code %d, want 3 with the remedy:\n%s", code, p.logs)
	}
}
