package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// patience bounds the start and the end of a server.
const patience = 30 * time.Second

// A child is a server of this program that runs beside.
type child struct {
	cmd    *exec.Cmd
	dir    string
	url    string
	secret string
	ready  time.Duration // from the start of the process
	ended  chan struct{}
	err    error // of the process, once ended is closed
}

// start runs the program with its store in dir and waits until it is ready.
func start(ctx context.Context, program, dir string) (*child, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	c := &child{dir: dir, url: "http://" + addr, secret: rand.Text(), ended: make(chan struct{})}
	//nolint:gosec // the program is this one
	c.cmd = exec.CommandContext(ctx, program, "--no-env-file", "--host", host, "--port", port, "--data-dir", dir, "--queue-backend", "sqlite", "--log-level", "warning")
	c.cmd.Env = []string{"SLACK_SIGNING_SECRET=" + c.secret, "HOME=" + dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	logs, err := os.Create(filepath.Join(dir, "server.log")) //nolint:gosec // inside the folder that Run made
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }() // the child has its own
	c.cmd.Stdout, c.cmd.Stderr = logs, logs
	begun := time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	if err := c.await(ctx); err != nil {
		c.kill()
		said, _ := os.ReadFile(logs.Name())
		return nil, fmt.Errorf("the server did not start: %w\n%s", err, said)
	}
	c.ready = time.Since(begun)
	return c, nil
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// await polls the server until it says that it is ready.
func (c *child) await(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-c.ended:
			return errors.Join(errors.New("the process ended"), c.err)
		case <-deadline:
			return fmt.Errorf("it was not ready within %s", patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// kill ends the process as a crash does, and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // one that has ended needs none
	<-c.ended
}

// stop ends the process as an operator does.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-c.ended:
		return c.err
	case <-time.After(patience):
		c.kill()
		return fmt.Errorf("the server did not stop within %s", patience)
	}
}

// killLoad is how many connections are busy when the server is killed.
const killLoad = 32

// kill runs a server under load, kills it again and again, and then looks for each
// event that was acknowledged.
func (o Options) kill(ctx context.Context, dir string) (Kills, error) {
	var k Kills
	var acked []string
	for k.Kills < o.Kills {
		o.Progress(fmt.Sprintf("kill %d of %d", k.Kills+1, o.Kills))
		s, err := start(ctx, o.Program, dir)
		if err != nil {
			return k, err
		}
		k.Restart = max(k.Restart, s.ready)
		//nolint:gosec // when to kill is no secret
		after := time.Duration(300+mathrand.IntN(1000)) * time.Millisecond
		timer := time.AfterFunc(after, s.kill)
		got := s.blast(ctx, killLoad)
		timer.Stop()
		s.kill()
		if err := errors.Join(ctx.Err(), got.refused); err != nil {
			return k, err
		}
		acked = append(acked, got.acked...)
		k.Unanswered += got.unanswered
		k.Kills++
	}
	k.Acknowledged = len(acked)
	o.Progress(fmt.Sprintf("looking for %d events", len(acked)))
	stored, err := stored(ctx, dir)
	if err != nil {
		return k, err
	}
	for _, id := range acked {
		switch n := stored[id]; {
		case n == 0:
			k.Lost++
		case n > 1:
			k.Twice++
		}
	}
	return k, nil
}

// stored opens the store that the server left and counts each id in it.
func stored(ctx context.Context, dir string) (_ map[string]int, err error) {
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	count := map[string]int{}
	for query := (event.Query{Order: event.OldestFirst, Limit: event.MaxLimit}); ; {
		page, err := q.History(ctx, query)
		if err != nil {
			return nil, err
		}
		for i := range page.Events {
			count[page.Events[i].ID]++
		}
		if !page.More {
			return count, nil
		}
		query.After = page.Next
	}
}
