package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// startEngine runs a database of the test's own until the test ends.
func startEngine(t *testing.T, addr string, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, 15*time.Second, func() error {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func natsServer(t *testing.T) string {
	t.Helper()
	if home, err := os.UserHomeDir(); err == nil {
		if path := filepath.Join(home, "go", "bin", "nats-server"); exists(path) {
			return path
		}
	}
	return requires.Program(t, "nats-server", "make tools")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// backendEnv starts a database of the test's own and returns what selects it.
func backendEnv(t *testing.T, backend string) []string {
	t.Helper()
	port := freePort(t)
	switch backend {
	case "redis":
		redis := requires.Program(t, "redis-server", "apt-get install redis-server")
		startEngine(t, "127.0.0.1:"+port, redis, "--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", t.TempDir())
		return []string{"REDIS_URL=redis://127.0.0.1:" + port + "/0"}
	case "nats":
		startEngine(t, "127.0.0.1:"+port, natsServer(t), "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir())
		return []string{"NATS_URL=nats://127.0.0.1:" + port}
	}
	return []string{"QUEUE_BACKEND_TYPE=" + backend}
}

// TestExternalDatabases: two servers share a database. An event that both receive is stored
// once, both show it, and a server that comes later shows it too.
func TestExternalDatabases(t *testing.T) {
	for _, backend := range []string{"redis", "nats"} {
		t.Run(backend, func(t *testing.T) {
			o := options{env: backendEnv(t, backend)}
			a, b := integrated(t, o), integrated(t, o)
			const n = 50
			for i := range n {
				body := message(fmt.Sprintf("EvSHARED%03d", i), "C1", "to both")
				for _, p := range []*process{a, b} {
					if status, answer := p.post(body); status != 200 {
						t.Fatalf("post: %d %s", status, answer)
					}
				}
			}
			a.kill()
			c := integrated(t, o)
			for name, p := range map[string]*process{"the other server": b, "a later server": c} {
				eventually(t, 10*time.Second, func() error {
					seen := map[string]int{}
					for _, id := range listEventIDs(t, p) {
						seen[id]++
					}
					for i := range n {
						if k := seen[fmt.Sprintf("EvSHARED%03d", i)]; k != 1 {
							return fmt.Errorf("%s shows event %d %d times, want once", name, i, k)
						}
					}
					return nil
				})
			}
		})
	}
}
