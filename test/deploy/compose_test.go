package deploy

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed is deploy/compose.yaml as docker compose reads it, with its .env file.
func composed(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  filepath.Join(root, "deploy"),
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "deploy/compose.yaml")}},
		Environment: types.Mapping{"SLACK_SIGNING_SECRET": signingSecret, "SLACK_BOT_TOKEN": "xoxb-1", "MCP_AUTH_TOKEN": "0123456789abcdef"},
	}, loader.WithProfiles(profiles), func(o *loader.Options) { o.SetProjectName("slack-webhook", true) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompose(t *testing.T) {
	for profile, want := range map[string][]string{
		"":         {"event-processor", "redis", "server"},
		"replicas": {"event-processor", "nginx", "redis", "server", "server-2", "server-3"},
	} {
		p := composed(t, profile)
		if names := slices.Sorted(maps.Keys(p.Services)); !slices.Equal(names, want) {
			t.Errorf("with profile %q there are %v, want %v", profile, names, want)
		}
		for name, s := range p.Services {
			if s.Image != "slack-webhook-server" {
				continue
			}
			given := map[string]string{}
			for variable, value := range s.Environment {
				knowsVariable(t, "service "+name, variable)
				given[variable] = *value
			}
			knowsFlags(t, "service "+name, s.Command)
			if s.Command[0] != "consume" {
				takesValue(t, "service "+name, s.Command, given)
			}
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
				t.Errorf("service %s may do more than it needs", name)
			}
			if s.Build.Dockerfile != "deploy/Dockerfile" && s.Build.Dockerfile != filepath.Join(root, "deploy/Dockerfile") || s.Build.Context != root {
				t.Errorf("service %s is built from %s in %s", name, s.Build.Dockerfile, s.Build.Context)
			}
			if given["TRUSTED_PROXIES"] != nginxAddress(t, p) && profile == "replicas" {
				t.Errorf("service %s trusts %s, and nginx is %s", name, given["TRUSTED_PROXIES"], nginxAddress(t, p))
			}
		}
		redis := p.Services["redis"]
		if !strings.Contains(strings.Join(redis.Command, " "), "--appendonly yes") || len(redis.Volumes) != 1 {
			t.Errorf("redis forgets what it was given: %v on %v", redis.Command, redis.Volumes)
		}
	}
}

func nginxAddress(t *testing.T, p *types.Project) string {
	t.Helper()
	s, ok := p.Services["nginx"]
	if !ok {
		return ""
	}
	return s.Networks["inside"].Ipv4Address
}

// TestComposeTakesEverySetting: what an operator writes into .env reaches the servers, but for where they
// listen and what they keep events in.
func TestComposeTakesEverySetting(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "deploy"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "deploy", "compose.yaml")
	for name, text := range map[string][]byte{file: read(t, "deploy/compose.yaml"), filepath.Join(dir, ".env"): []byte("PORT=1\nREDIS_URL=redis://elsewhere:1/0\nREAD_ONLY=true\n")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: filepath.Join(dir, "deploy"), ConfigFiles: []types.ConfigFile{{Filename: file}},
		Environment: types.Mapping{"SLACK_SIGNING_SECRET": signingSecret, "SLACK_BOT_TOKEN": "xoxb-1", "MCP_AUTH_TOKEN": "0123456789abcdef"},
	}, loader.WithProfiles([]string{"replicas"}), func(o *loader.Options) { o.SetProjectName("slack-webhook", true) })
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range p.Services {
		if s.Image != "slack-webhook-server" {
			continue
		}
		for variable, want := range map[string]string{"PORT": "8080", "REDIS_URL": "redis://redis:6379/0", "READ_ONLY": "true"} {
			if got := s.Environment[variable]; got == nil || *got != want {
				t.Errorf("service %s does not have %s=%s", name, variable, want)
			}
		}
	}
}

// TestComposeNeedsItsSecrets: without them nothing is started, and what to do is said.
func TestComposeNeedsItsSecrets(t *testing.T) {
	_, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: filepath.Join(root, "deploy"), ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "deploy/compose.yaml")}},
	})
	if err == nil || !strings.Contains(err.Error(), "api.slack.com/apps") && !strings.Contains(err.Error(), "openssl") {
		t.Errorf("compose without an .env file: %v, want the remedy", err)
	}
}

var upstream = regexp.MustCompile(`(?m)^\s+server (\S+):8080;$`)

// TestNginx runs three servers on one Redis behind nginx with our configuration, in
// which only the addresses are this machine's.
func TestNginx(t *testing.T) {
	nginx := program(t, "nginx", "apt-get install nginx-light")
	redis := program(t, "redis-server", "apt-get install redis-server")
	text := string(read(t, "deploy/nginx/nginx.conf"))
	var hosts []string
	for _, m := range upstream.FindAllStringSubmatch(text, -1) {
		hosts = append(hosts, m[1])
	}
	p := composed(t, "replicas")
	for _, host := range hosts {
		if s, ok := p.Services[host]; !ok || *s.Environment["PORT"] != "8080" {
			t.Errorf("nginx sends requests to %s:8080, where no service of compose.yaml is", host)
		}
	}
	if len(hosts) != 3 {
		t.Fatalf("nginx has %v, want three servers", hosts)
	}

	dir, enginePort := t.TempDir(), freePort(t)
	engine := exec.Command(redis, append(slices.Clone(p.Services["redis"].Command[1:]), "--port", enginePort, "--bind", "127.0.0.1", "--dir", dir)...)
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Process.Kill(); _ = engine.Wait() })
	eventually(t, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+enginePort)
		if err != nil {
			return err
		}
		return c.Close()
	})
	var servers []string
	for _, host := range hosts {
		port := freePort(t)
		cmd := exec.Command(binary, p.Services[host].Command...)
		cmd.Env = []string{"HOST=127.0.0.1", "PORT=" + port, "DATA_DIR=" + t.TempDir()}
		for name, value := range p.Services[host].Environment {
			switch name {
			case "REDIS_URL":
				*value = "redis://127.0.0.1:" + enginePort + "/0"
			case "HOST", "PORT", "DATA_DIR":
				continue // of the container
			}
			cmd.Env = append(cmd.Env, name+"="+*value)
		}
		base := "http://127.0.0.1:" + port
		start(t, cmd, base)
		servers = append(servers, base)
		text = strings.Replace(text, " "+host+":8080;", " 127.0.0.1:"+port+";", 1)
	}
	port := freePort(t)
	text = strings.Replace(text, "listen 80;", "listen 127.0.0.1:"+port+";", 1)
	text = strings.Replace(text, "/tmp/nginx.pid", filepath.Join(dir, "nginx.pid"), 1)
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, text)
	if out, err := exec.Command(nginx, "-t", "-e", "stderr", "-c", conf).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	base := "http://127.0.0.1:" + port
	start(t, exec.Command(nginx, "-e", "stderr", "-c", conf, "-g", "daemon off;"), base)
	for _, id := range []string{"Ev1", "Ev2", "Ev3", "Ev1", "Ev2", "Ev3", "Ev4"} {
		accepts(t, base, id)
	}
	for _, server := range servers {
		if status, body, err := get(t.Context(), server+"/health/detailed"); err != nil || status != 200 || !strings.Contains(body, `"events":4,`) {
			t.Errorf("%s: %d %s, %v, want the four events", server, status, body, err)
		}
	}
	for path, want := range map[string]int{"/health": 200, "/health/detailed": 404, "/metrics": 404, "/mcp": 401, "/nowhere": 404} {
		if status, body, err := get(t.Context(), base+path); err != nil || status != want {
			t.Errorf("%s through nginx: %d %s, %v, want %d", path, status, body, err, want)
		}
	}
}
