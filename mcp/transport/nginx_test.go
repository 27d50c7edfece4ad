package transport_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/internal/requires"
	mcpclients "slackmcp/test/mcp-clients"
)

// The blocks in the middle are the seeds', with other addresses: nothing in them knows
// of streams.
const nginxConf = `
daemon off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path %[1]s/body;
proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi;
uwsgi_temp_path %[1]s/uwsgi;
scgi_temp_path %[1]s/scgi;

upstream slack_webhook {
server %[2]s;
}
server {
listen %[3]s;
location / {
proxy_pass http://slack_webhook;
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
}
}

}
`

// startNginx puts nginx in front of a server and returns its address.
func startNginx(t *testing.T, upstream string) string {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = requires.Program(t, "/usr/sbin/nginx", "apt-get install nginx-light")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, strings.TrimPrefix(upstream, "http://"), addr), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", conf)
	// Its workers end with it, when it is asked rather than killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	log := &lockedBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	eventually(t, "nginx", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return true
	})
	return "http://" + addr
}

// TestThroughNginx follows a channel through a proxy that nobody taught about streams.
func TestThroughNginx(t *testing.T) {
	t.Parallel()
	mcpclients.Install(t, mcpclients.Dir())
	for _, tc := range []struct{ name, script, path string }{
		{"streamable HTTP", "sdk.mjs", "/mcp"},
		{"SSE", "sdk.mjs", "/mcp/sse"},
		{"2026-07-28", "client.mjs", "/mcp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, trigger := sdkFixture(t)
			proxy := startNginx(t, f.base)
			mcpclients.Run(t, nil, tc.script, proxy+tc.path, "--trigger", trigger, "--n", "20", "--noise", "3", "--token", sdkToken)
		})
	}
}
