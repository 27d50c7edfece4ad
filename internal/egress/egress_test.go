package egress_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/egress"
)

func TestGlobal(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true,
		"0.0.0.0": false, "10.1.2.3": false, "100.64.0.1": false, "127.0.0.1": false, "127.255.0.9": false,
		"169.254.169.254": false, "172.31.255.255": false, "192.168.1.1": false, "192.0.0.8": false, "198.18.0.1": false,
		"224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "203.0.113.5": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"fe80::1": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false, "fec0::1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false,
		"2002:7f00:1::1": false, "2001:0:1::1": false, "2001:db8::1": false, "3fff::1": false, "100::1": false,
	} {
		if got := egress.Global(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Global(%s) = %v, want %v", addr, got, want)
		}
	}
}

func newClient(t *testing.T, o egress.Options) *egress.Client {
	t.Helper()
	c, err := egress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCheck(t *testing.T) {
	c := newClient(t, egress.Options{HTTPSOnly: true, Hosts: []string{"Hooks.Internal:8443", "127.0.0.9"}, Networks: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}})
	for target, want := range map[string]string{
		"https://hooks.example.com/x?y=z":       "",
		"https://hooks.internal:8443/x":         "",
		"https://10.9.1.1/":                     "",
		"https://127.0.0.9:1/":                  "",
		"https://[2606:4700::1111]/":            "",
		"http://hooks.example.com/":             "https://",
		"http://hooks.internal:8443/x":          "",
		"ftp://hooks.example.com/":              "https://",
		"hooks.example.com":                     "not as",
		"https://":                              "not as",
		"https:///path":                         "not as",
		"https://a:b@hooks.example.com/":        "password",
		"https://hooks.example.com/#x":          "fragment",
		"https://hooks.example.com/#":           "fragment",
		"https://127.0.0.1/":                    "public network",
		"https://[::1]/":                        "public network",
		"https://[::ffff:127.0.0.1]/":           "public network",
		"https://[::ffff:7f00:1]/":              "public network",
		"https://[fe80::1%25eth0]/":             "zone",
		"https://169.254.169.254/latest":        "public network",
		"https://2130706433/":                   "decimal numbers",
		"https://0x7f000001/":                   "decimal numbers",
		"https://0x7f.1/":                       "decimal numbers",
		"https://0177.0.0.1/":                   "decimal numbers",
		"https://127.1/":                        "decimal numbers",
		"https://127.0.0.1./":                   "decimal numbers",
		"https://10.8.1.1/":                     "public network",
		"https://x/" + strings.Repeat("a", 4e3): "longer",
	} {
		err := c.Check(target)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Check(%.60s) = %v, want %q", target, err, want)
		}
	}
}

// resolveTo is a resolver that knows one address for every name, and counts.
func resolveTo(t *testing.T, addr netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(dnsAnswer(buf[:n], addr), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// dnsAnswer answers a question of one name with one A record, or with none for other types.
func dnsAnswer(q []byte, addr netip.Addr) []byte {
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	question := q[12 : end+5]
	isA := q[end+2] == 1
	a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	if isA {
		a[7] = 1
		ip := addr.As4()
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		a = append(a, ip[:]...)
	}
	return a
}

// TestNamesAreJudgedByTheirAddress has a name that looks harmless and leads inside.
func TestNamesAreJudgedByTheirAddress(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	resolver := resolveTo(t, netip.MustParseAddr("127.0.0.1"))

	_, err := newClient(t, egress.Options{Resolver: resolver}).Post(t.Context(), "http://hooks.example.com"+port+"/secret-path", nil, nil)
	refused, ok := errors.AsType[*egress.RefusedError](err)
	if !ok || !strings.Contains(refused.Host, "hooks.example.com") || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("Post: %v, want a refusal that names the host and not the path", err)
	}
	if hits.Load() != 0 {
		t.Fatal("the inside was reached")
	}
	for name, o := range map[string]egress.Options{
		"by its network":       {Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		"by its name":          {Hosts: []string{"hooks.example.com"}},
		"by its name and port": {Hosts: []string{"HOOKS.example.com." + port}},
	} {
		o.Resolver = resolver
		if r, err := newClient(t, o).Post(t.Context(), "http://hooks.example.com"+port+"/", nil, nil); err != nil || !r.OK() {
			t.Errorf("allowed %s: %v, %v", name, r.Status, err)
		}
	}
	o := egress.Options{Resolver: resolver, Hosts: []string{"hooks.example.com:1"}}
	if _, err := newClient(t, o).Post(t.Context(), "http://hooks.example.com"+port+"/", nil, nil); err == nil {
		t.Error("allowed at another port: it was reached")
	}
}

// loopback allows this machine.
var loopback = egress.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func TestPost(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Echo", r.Header.Get("Webhook-Id")+" "+r.UserAgent()+"|"+r.Header.Get("Accept-Encoding"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	}))
	defer srv.Close()
	r, err := newClient(t, loopback).Post(t.Context(), srv.URL, http.Header{"Webhook-Id": {"msg_1"}}, []byte("hello"))
	if err != nil || r.Status != http.StatusAccepted || string(r.Body) != "hello" || r.Cut || r.Header.Get("X-Echo") != "msg_1 slack-webhook-server|" {
		t.Errorf("Post = %+v, %v", r, err)
	}
}

func TestRedirectsAreAnswers(t *testing.T) {
	var hits atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer inside.Close()
	srv := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	r, err := newClient(t, loopback).Post(t.Context(), srv.URL, nil, []byte("x"))
	if err != nil || r.Status != http.StatusTemporaryRedirect || r.OK() || hits.Load() != 0 {
		t.Errorf("Post = %+v, %v; %d requests followed the redirect", r, err, hits.Load())
	}
}

func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	var hits atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	o := egress.Options{Resolver: resolveTo(t, netip.MustParseAddr("127.0.0.1"))}
	if _, err := newClient(t, o).Post(t.Context(), "http://hooks.example.com/", nil, nil); err == nil || hits.Load() != 0 {
		t.Errorf("Post: %v, the proxy was asked %d times", err, hits.Load())
	}
}

func TestRepliesAreBounded(t *testing.T) {
	block := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<10)); err != nil {
					return
				}
			}
		case "/silent":
			<-block
		}
	}))
	defer srv.Close()
	defer close(block)
	o := loopback
	o.MaxReply = 10 << 10
	r, err := newClient(t, o).Post(t.Context(), srv.URL+"/endless", nil, nil)
	if err != nil || len(r.Body) != 10<<10 || !r.Cut {
		t.Errorf("an endless reply: %d bytes, cut %v, %v", len(r.Body), r.Cut, err)
	}
	o.Timeout = 50 * time.Millisecond
	if _, err := newClient(t, o).Post(t.Context(), srv.URL+"/silent", nil, nil); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "silent") {
		t.Errorf("a silent target: %v, want the deadline, without the path", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-3": 0, "soon": 0, "99999999": 24 * time.Hour,
		"Wed, 25 Nov 2026 12:01:00 GMT": time.Minute, "Wed, 25 Nov 2026 11:00:00 GMT": 0,
	} {
		r := egress.Reply{Header: http.Header{"Retry-After": {v}}}
		if got := r.RetryAfter(now); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", v, got, want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := egress.New(egress.Options{Timeout: -1}); err == nil {
		t.Error("a negative timeout is taken")
	}
}

// FuzzCheck holds what passes against a second reading of the URL.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"https://hooks.example.com/", "https://127.1/", "https://[::ffff:7f00:1]/", "http://0x7f.1:80/?a#b", "http://a@b/", "https://1.1.1.1:444/"} {
		f.Add(s)
	}
	c, err := egress.New(egress.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if c.Check(target) != nil {
			return
		}
		u, err := url.Parse(target)
		if err != nil || u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Fatalf("Check passes %q", target)
		}
		host := u.Hostname()
		if a, err := netip.ParseAddr(host); err == nil && !egress.Global(a) {
			t.Errorf("Check passes the address %q of %q", a, target)
		}
		last := strings.TrimSuffix(host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:], ".")
		_, notANumber := strconv.ParseUint(last, 0, 64)
		if _, notAnAddress := netip.ParseAddr(host); notANumber == nil && notAnAddress != nil {
			t.Errorf("Check passes %q, which some resolvers read as an address", target)
		}
	})
}

func TestNamed(t *testing.T) {
	t.Parallel()
	hosts := []string{"Hooks.example.com", "other.example:8443", "2001:db8::1"}
	for target, want := range map[string]bool{
		"https://hooks.example.com/x": true, "https://HOOKS.example.com.:1/x": true, "https://other.example:8443/": true, "https://[2001:db8::1]/": true,
		"https://other.example/": false, "https://hooks.example.com.evil.example/": false, "https://x@evil.example/": false,
		"https://hooks.example.com@evil.example/": false, "::": false, "": false,
	} {
		if got := egress.Named(hosts, target); got != want {
			t.Errorf("%q: %v", target, got)
		}
	}
	if egress.Named(nil, "https://hooks.example.com/") {
		t.Error("nobody is named, and somebody is")
	}
}
