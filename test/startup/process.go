package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	mcpToken = "a-token-of-the-start-driver-0123"
	patience = 20 * time.Second
)

// A process is one command of the binary.
type process struct {
	cmd  *exec.Cmd
	base string
	dir  string
}

// launch starts the binary on a free port, with its output in a file.
func launch(ctx context.Context, server string, env []string, args ...string) (*process, time.Time, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, time.Time{}, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, time.Time{}, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, time.Time{}, err
	}
	dir, err := os.MkdirTemp("", "startup")
	if err != nil {
		return nil, time.Time{}, err
	}
	p := &process{base: "http://" + addr, dir: dir}
	p.cmd = exec.CommandContext(ctx, server, append(args, "--no-env-file", "--host", "127.0.0.1", "--port", port)...)
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	logs, err := os.Create(filepath.Join(dir, "output.log"))
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() { _ = logs.Close() }()
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, time.Time{}, errors.Join(err, os.RemoveAll(dir))
	}
	return p, began, nil
}

// await polls until path answers with 200. The pause between two tries is what the
// measured time may be too long by.
func (p *process) await(ctx context.Context, path string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if status, err := get(ctx, p.base+path); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			said, _ := os.ReadFile(filepath.Join(p.dir, "output.log"))
			return fmt.Errorf("%s is not ready after %s: %s", p.cmd, patience, said)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func get(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// stop ends the process and removes what it kept.
func (p *process) stop() error {
	err := p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait() // how it ended is not what is measured
	return errors.Join(err, os.RemoveAll(p.dir))
}

// startServer starts the integrated server on a store and returns when it is ready, with the time
// that took.
func startServer(ctx context.Context, server, data string, slack *workspace) (*process, time.Duration, error) {
	p, began, err := launch(ctx, server, append([]string{"MCP_AUTH_TOKEN=" + mcpToken}, slack.env...), "--integrated", "--data-dir", data, "--mcp-transport", "streamable-http")
	if err != nil {
		return nil, 0, err
	}
	if err := p.await(ctx, "/readyz"); err != nil {
		return nil, 0, errors.Join(err, p.stop())
	}
	return p, time.Since(began), nil
}

// resolve calls a tool with a channel's name.
func (p *process) resolve(ctx context.Context, slack *workspace, name string) (lookup, error) {
	before := slack.pages.Load()
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	const tool = "slack_read_channel_messages"
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + meta + `,"name":"` + tool + `","arguments":{"channel":"#` + name + `","limit":1}}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/mcp", strings.NewReader(body))
	if err != nil {
		return lookup{}, err
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + mcpToken}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {tool},
	}
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return lookup{}, err
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	took := time.Since(began)
	if err != nil {
		return lookup{}, err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(said, []byte(`"error":{`)) {
		return lookup{}, fmt.Errorf("%d: %s", res.StatusCode, said)
	}
	// The bot is not in every channel: that Slack was asked for its history shows that
	// the name was found.
	if !slack.asked.CompareAndSwap(true, false) {
		return lookup{}, fmt.Errorf("#%s was not found: %s", name, said)
	}
	return lookup{took: took, pages: slack.pages.Load() - before}, nil
}
