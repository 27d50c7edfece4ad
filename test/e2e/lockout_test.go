package e2e_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// slackWaits is how long Slack waits for the answer to an event.
const slackWaits = 3 * time.Second

// A slackSender posts signed events to an address, by turns over a connection that is kept and
// over a fresh one, and wants each answered 200 for as long as Slack waits.
type slackSender struct {
	t           *testing.T
	url         string
	kept, fresh http.Client
	n           int
	slowest     time.Duration
}

func newSlackSender(t *testing.T, url string) *slackSender {
	trust := &tls.Config{InsecureSkipVerify: true} // It is the test's own certificate, on the loopback.
	kept := &http.Transport{TLSClientConfig: trust}
	t.Cleanup(kept.CloseIdleConnections)
	return &slackSender{
		t: t, url: url,
		kept:  http.Client{Timeout: slackWaits, Transport: kept},
		fresh: http.Client{Timeout: slackWaits, Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}},
	}
}

// sendFor posts events for a time.
func (s *slackSender) sendFor(d time.Duration) {
	s.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		client := &s.kept
		if s.n++; s.n%2 == 0 {
			client = &s.fresh
		}
		id := fmt.Sprintf("Ev0LOCKOUT%06d", signedID.Add(1))
		began := time.Now()
		res, err := client.Do(signed(s.t, s.url, "application/json", message(id, "C1", "signed")))
		if err != nil {
			s.t.Errorf("event %d: %v", s.n, err)
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			s.t.Errorf("event %d was answered %d", s.n, res.StatusCode)
		}
		s.slowest = max(s.slowest, time.Since(began))
	}
}

// seconds is how long each part of an attack goes on: LOCKOUT_SECONDS, or else two.
func seconds(t *testing.T) time.Duration {
	return time.Duration(number(t, "LOCKOUT_SECONDS", 2)) * time.Second
}

// descriptors is how many files and connections a process may have open.
func descriptors(t *testing.T) int {
	t.Helper()
	var most syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most); err != nil {
		t.Fatal(err)
	}
	return int(most.Cur)
}

// needsLoopback skips where the attacks cannot be made.
func needsLoopback(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		requires.Missing(t, "chrt, and the loopback of Linux: run it there")
	}
}

// TestSignedEventsGetInUnderJunk posts junk from the signed sender's own address, which nothing
// is known of, faster than the server refuses it one by one: every signed event is answered 200, and
// the log grows by a few lines. The rates are those that the attack aims at; the log of the test has
// what it reached.
func TestSignedEventsGetInUnderJunk(t *testing.T) {
	needsLoopback(t)
	for _, tc := range []struct{ size, rate int }{{1 << 10, 10_000}, {64 << 10, 3000}} {
		t.Run(fmt.Sprintf("%d bytes", tc.size), func(t *testing.T) {
			p := start(t, options{})
			addr := strings.TrimPrefix(p.url, "http://")
			before := len(p.logs.String())
			attack := startIntruder(t, "junk", addr, tc.size, tc.rate, number(t, "LOCKOUT_WORKERS", 600))
			eventually(t, 20*time.Second, func() error {
				if n := strings.Count(p.logs.String(), "is held back"); n == 0 {
					return errors.New("the address has not used up its failures yet")
				}
				return nil
			})
			slack := newSlackSender(t, p.url)
			slack.sendFor(2 * seconds(t))
			answers := attack.stop()
			junk := 0
			for _, n := range answers {
				junk += n
			}
			// What a request costs the server and its sender says which of them is the bound of the rate.
			t.Logf("%d signed events, the slowest in %s; junk answered %v; of each request the server had %s of a processor, its sender %s; memory %d MiB",
				slack.n, slack.slowest, answers, cpu(t, p)/time.Duration(junk), attack.processor()/time.Duration(junk), residentMemory(t, p)>>20)
			if answers["401"] == 0 || answers["200"]+answers["429"] > 0 {
				t.Errorf("junk was answered %v, want 401", answers)
			}
			text := p.logs.String()[before:]
			if n := strings.Count(text, "bad_signature"); n == 0 || n > 10 {
				t.Errorf("the log speaks %d times of wrong signatures, want the first and a count a minute", n)
			}
			if code := p.stop(); code != 0 {
				t.Errorf("stopped with %d\n%s", code, p.logs)
			}
		})
	}
}

// TestNobodyTakesAllConnections opens connections all the time, twice as many in a second as there
// may be, and keeps more than that open: idle ones, ones whose head or body does not come, and TLS
// handshakes that do not end. All of them are from the signed sender's address. The signed sender is
// answered before and after a restart, also where a proxy of HTTP or of TCP stands in front of
// all. LOCKOUT_MOST is MAX_CONNECTIONS, 1,024 in CI.
func TestNobodyTakesAllConnections(t *testing.T) {
	needsLoopback(t)
	direct := func(_ *testing.T, addr string) string { return addr }
	nginx := func(t *testing.T, addr string) string {
		return strings.TrimPrefix(startNginx(t, []string{addr}), "http://")
	}
	relayed := func(t *testing.T, addr string) string {
		return startRelay(t, addr).line()
	}
	for _, tc := range []struct {
		name   string
		https  bool
		front  func(t *testing.T, addr string) string
		crowds []string
	}{
		{"idle", false, direct, []string{"idle"}},
		{"slow heads", false, direct, []string{"heads"}},
		{"slow bodies", false, direct, []string{"bodies"}},
		{"open handshakes", true, direct, []string{"handshakes"}},
		{"open handshakes behind a proxy of TCP", true, relayed, []string{"handshakes"}},
		{"all behind a proxy of TCP", false, relayed, []string{"idle", "heads", "bodies"}},
		{"all behind nginx", false, nginx, []string{"idle", "heads", "bodies"}},
		{"all behind haproxy, which passes TCP on", false, startHAProxy, []string{"idle", "heads", "bodies"}},
		{"open handshakes behind haproxy", true, startHAProxy, []string{"handshakes"}},
	} {
		if long := os.Getenv("LOCKOUT_MOST") != ""; strings.Contains(tc.name, "haproxy") && !long {
			continue // `make lockout` tries it
		}
		t.Run(tc.name, func(t *testing.T) {
			most := min(number(t, "LOCKOUT_MOST", 1024), descriptors(t)/3) // A relay has two for each connection.
			o := options{port: freePort(t), data: t.TempDir(), env: []string{"LOG_LEVEL=error", fmt.Sprintf("MAX_CONNECTIONS=%d", most)}}
			scheme := "http://"
			if tc.https {
				cert, key := writeCertificate(t, o.data, "lockout")
				o.args, scheme = []string{"--tls-cert-file", cert, "--tls-key-file", key}, "https://"
			}
			run := func() *process {
				p := spawn(t, o)
				slack := newSlackSender(t, scheme+"127.0.0.1:"+o.port)
				eventually(t, 20*time.Second, func() error {
					res, err := slack.fresh.Get(slack.url + "/readyz")
					if err != nil {
						return err
					}
					return res.Body.Close()
				})
				return p
			}
			p := run()
			addr := tc.front(t, "127.0.0.1:"+o.port)
			var attacks []*intruder
			for _, kind := range tc.crowds {
				attacks = append(attacks, startIntruder(t, "crowd", addr, kind, (most+most/8)/len(tc.crowds), 2*most/len(tc.crowds)))
			}
			slack := newSlackSender(t, scheme+addr)
			slack.sendFor(seconds(t))
			if code := p.stop(); code != 0 {
				t.Errorf("stopped with %d\n%s", code, p.logs)
			}
			run()
			slack.sendFor(seconds(t))
			var opened []map[string]int
			for _, a := range attacks {
				opened = append(opened, a.stop())
			}
			t.Logf("%d signed events, the slowest in %s; the attack made %v", slack.n, slack.slowest, opened)
		})
	}
}

// startHAProxy passes connections on to an address, as balancers of TCP do.
func startHAProxy(t *testing.T, addr string) string {
	t.Helper()
	program := requires.Program(t, "haproxy", "apt-get install haproxy")
	front, conf := "127.0.0.1:"+freePort(t), filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf("global\n maxconn %d\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\nlisten all\n bind %s\n server one %s\n", descriptors(t)/3, front, addr)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startEngine(t, front, program, "-db", "-f", conf)
	return front
}
