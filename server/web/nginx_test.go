package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// documented returns the blocks of nginx in a page.
func documented(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```nginx\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, "events {}\nhttp {\n"+m[1]+"\n}")
	}
	return blocks
}

// TestNginxNamesTheClient starts nginx with each configuration that we give, in which only
// the addresses are this machine's, and sends it addresses that were made up: none reaches
// the server, and what operators look at reaches nobody.
func TestNginxNamesTheClient(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = requires.Program(t, "/usr/sbin/nginx", "apt-get install nginx-light")
	}
	deployed, err := os.ReadFile("../../deploy/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	configurations := map[string]string{"deploy/nginx/nginx.conf": string(deployed)}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md") {
		for i, block := range documented(t, page) {
			configurations[filepath.Base(page)+strings.Repeat("'", i)] = block
		}
	}
	if len(configurations) < 2 {
		t.Fatalf("found %d configurations", len(configurations))
	}
	for name, text := range configurations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxies := Proxies{netip.MustParsePrefix("127.0.0.1/32")}
			reached := make(chan string, 1000)
			clients := make(chan string, 1000)
			upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				clients <- strings.Join(r.Header["X-Forwarded-For"], "|") + " " + AddressText(proxies.Client(r))
				reached <- r.URL.Path
			}))
			t.Cleanup(upstream.Close)
			base := startNginx(t, nginx, text, upstream.Listener.Addr().String())
			for _, path := range []string{"/slack/events", "/mcp", "/health"} {
				for _, forged := range []string{"", "203.0.113.9", "203.0.113.9, 198.51.100.1", "127.0.0.1", "x"} {
					if status := through(t, base+path, forged); status != http.StatusOK {
						t.Errorf("%s with %q: %d", path, forged, status)
						continue
					}
					if got := <-clients; got != "127.0.0.1 127.0.0.1" {
						t.Errorf("%s with %q made up: the server reads %q, want the client's own", path, forged, got)
					}
					<-reached
				}
			}
			for _, path := range []string{"/metrics", "/health/detailed", "/openapi.json", "/docs"} {
				if status := through(t, base+path, ""); status != http.StatusNotFound {
					t.Errorf("%s is answered %d: it is shown to the world", path, status)
				}
			}
			if len(reached) > 0 {
				t.Errorf("the server was asked for %s", <-reached)
			}
		})
	}
}

func through(t *testing.T, url, forged string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if forged != "" {
		req.Header.Set("X-Forwarded-For", forged)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

var (
	upstreamServer = regexp.MustCompile(`(?m)^(\s+server) \S+:\d+;$`)
	listenLine     = regexp.MustCompile(`listen 80;`)
	pidLine        = regexp.MustCompile(`(?m)^pid .*;$`)
)

// startNginx runs nginx with a configuration, in front of one server, and returns its address.
func startNginx(t *testing.T, nginx, text, upstream string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text = pidLine.ReplaceAllString(text, "")
	text = upstreamServer.ReplaceAllString(text, "$1 "+upstream+";")
	text = listenLine.ReplaceAllString(text, "listen "+addr+";")
	text = strings.Replace(text, "http {", "http {\naccess_log off;\nclient_body_temp_path "+dir+"/body;\nproxy_temp_path "+dir+"/proxy;\nfastcgi_temp_path "+dir+"/fastcgi;\nuwsgi_temp_path "+dir+"/uwsgi;\nscgi_temp_path "+dir+"/scgi;\n", 1)
	text = strings.Replace(text, "    access_log off;\n", "", 1)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte("pid "+dir+"/pid;\ndaemon off;\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // its workers end with it
	cmd.WaitDelay = 10 * time.Second
	log := &strings.Builder{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
			return "http://" + addr
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx does not answer")
		}
	}
}
