package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"slackmcp/config"
)

// announce tells that the server can be reached: a line in the log for programs, the
// banner for people. In the sandbox it also connects the workspace to the receiver.
func (b *builder) announce(ctx context.Context) {
	paths := []string{}
	if b.receiver != nil {
		paths = b.receiver.Paths()
	}
	b.log.LogAttrs(ctx, slog.LevelInfo, "serving",
		slog.String("addr", b.Addr()), slog.String("mode", string(b.cfg.Mode)), slog.Bool("sandbox", b.cfg.Sandbox),
		slog.String("queue_backend", string(b.cfg.Queue.Backend)), slog.String("because", b.cfg.Queue.Because),
		slog.Any("receives", paths), slog.Any("rules", b.ruleNames()), slog.String("version", b.version))
	for _, note := range b.notes() {
		b.log.LogAttrs(ctx, slog.LevelWarn, "note", slog.String("note", note))
	}
	if b.tokenPath != "" {
		b.log.LogAttrs(ctx, slog.LevelInfo, "the mcp token is in a file", slog.String("file", b.tokenPath))
	}
	if b.sandbox != nil && b.slackSocket == nil {
		b.sandbox.subscribe(ctx, "http://"+b.localAddr()+"/slack/events")
	}
	if b.out == nil {
		return
	}
	if err := b.banner(ctx).write(b.out, b.terminal || b.cfg.Sandbox); err != nil {
		b.log.LogAttrs(ctx, slog.LevelWarn, "the start lines could not be printed", slog.String("error", err.Error()))
	}
}

// localURL is the listener's address as a URL for a client on this machine.
func (s *Server) localURL() string { return s.cfg.Listen.Scheme() + "://" + s.localAddr() }

// localAddr is the listener's address as a client on this machine writes it.
func (s *Server) localAddr() string {
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		return s.Addr()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (b *builder) banner(ctx context.Context) *banner {
	bn := &banner{version: b.version, mode: string(b.cfg.Mode), token: b.token, tokenPath: b.tokenPath, notes: b.notes()}
	row := func(what, where string) { bn.rows = append(bn.rows, [2]string{what, where}) }
	if b.cfg.Sandbox {
		bn.mode += ", in the sandbox (no Slack account is used)"
	}
	if b.receiver != nil {
		row("receives", b.localURL()+strings.Join(b.receiver.Paths(), ", "))
	}
	if names := b.ruleNames(); len(names) > 0 {
		row("rules", strings.Join(names, ", "))
	}
	if b.slackSocket != nil {
		row("slack", "over socket mode, "+b.slackSocket.State())
	}
	if b.mcp != nil {
		bn.mcpURL = b.endpointURL()
		row("mcp", bn.mcpURL+" (streamable HTTP), "+bn.mcpURL+"/sse (SSE)")
		if b.tokenPath != "" {
			row("token", "in "+b.tokenPath)
		}
	}
	row("health", b.localURL()+"/health/detailed")
	if stats, err := b.store.Stats(ctx); err == nil {
		row("queue", stats.Backend+": "+stats.Durability+" ("+b.cfg.Queue.Because+")")
	}
	if b.sandbox != nil {
		row("workspace", b.sandbox.url())
		row("try", b.program+` send --sandbox --url http://`+b.localAddr()+`/slack/events --text "hello"`)
	}
	return bn
}

// notes are what the operator should know about this start.
func (s *Server) notes() []string {
	var notes []string
	if s.cfg.Queue.Backend == config.Memory {
		notes = append(notes, "the memory backend forgets every event when the process ends")
	}
	if s.cfg.Queue.Backend == config.SQLite && s.cfg.Mode.Webhook() {
		if why := ephemeral(s.cfg.Platform, s.cfg.Queue.DataDir); why != "" {
			notes = append(notes, "ephemeral: "+why+", and the sqlite queue with it: use a volume, REDIS_URL or NATS_URL")
		}
	}
	return notes
}

// A banner is what a person is shown when the server has started.
type banner struct {
	version, mode string
	rows          [][2]string // what, where
	notes         []string
	mcpURL        string // empty without an MCP side
	token         string // shown to a person only
	tokenPath     string
}

// write prints the banner. reveal says that the reader may see the token: a terminal,
// or a sandbox, whose token opens nothing real.
func (b *banner) write(w io.Writer, reveal bool) error {
	var s strings.Builder
	fmt.Fprintf(&s, "slack-webhook-server %s, %s\n\n", b.version, b.mode)
	for _, r := range b.rows {
		fmt.Fprintf(&s, "  %-9s %s\n", r[0], r[1])
	}
	for _, n := range b.notes {
		fmt.Fprintf(&s, "  %-9s %s\n", "note", n)
	}
	if b.mcpURL != "" && reveal {
		snippet, err := b.snippet()
		if err != nil {
			return err
		}
		fmt.Fprintf(&s, "\nPaste this into your MCP client:\n\n%s\n", snippet)
	}
	s.WriteString("\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// snippet is the entry that MCP clients' configuration files have in common.
func (b *banner) snippet() (string, error) {
	type entry struct {
		Type    string            `json:"type"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers,omitempty"`
	}
	e := entry{Type: "http", URL: b.mcpURL}
	if b.token != "" {
		e.Headers = map[string]string{"Authorization": "Bearer " + b.token}
	}
	out, err := json.MarshalIndent(map[string]any{"mcpServers": map[string]entry{"slack": e}}, "", "  ")
	return string(out), err
}

// ephemeral says in words why what is in a directory will not outlive the process, or "".
// In a container a directory that is no volume goes with it; elsewhere nobody knows of a
// reason.
func ephemeral(p config.Platform, dir string) string {
	switch {
	case p.Vanishes():
		return "on " + string(p) + " every file goes with the instance"
	case p == config.Kubernetes && inContainer(dir):
		return "DATA_DIR is no volume and goes with the pod"
	case p == config.ECS && inContainer(dir):
		return "DATA_DIR is no volume and goes with the task"
	}
	return ""
}
