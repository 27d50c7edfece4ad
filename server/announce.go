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
	"slackmcp/slackapi/sandbox"
)

// announce says that the server can be reached: a line in the log for programs, the
// banner for people, who see it first. In the sandbox it also connects the workspace to the receiver.
func (s *Server) announce(ctx context.Context) {
	if s.opt.Terminal { // the log of a terminal is on the same screen
		s.show(ctx)
		close(s.shown)
	}
	paths := []string{}
	if s.receiver != nil {
		paths = s.receiver.Paths()
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving",
		slog.String("addr", s.Addr()), slog.String("mode", string(s.cfg.Mode)), slog.Bool("sandbox", s.cfg.Sandbox),
		slog.String("queue_backend", string(s.cfg.Queue.Backend)), slog.String("because", s.cfg.Queue.Because),
		slog.Any("receives", paths), slog.Any("rules", s.ruleNames()), slog.String("version", s.opt.Version))
	for _, note := range notes(s.cfg) {
		s.log.LogAttrs(ctx, slog.LevelWarn, "note", slog.String("note", note))
	}
	if s.assistants.tokenPath != "" {
		s.log.LogAttrs(ctx, slog.LevelInfo, "the mcp token is in a file", slog.String("file", s.assistants.tokenPath))
	}
	if s.sandbox != nil {
		s.sandbox.tell(ctx, config.WorkspaceFile(s.cfg.Queue.DataDir))
		if s.assistants.mcp != nil {
			s.sandbox.box.SetAssistantsURL(s.endpointURL())
		}
	}
	if s.sandbox != nil && s.slackSocket == nil {
		s.sandbox.subscribe(ctx, "http://"+s.localAddr()+"/slack/events")
	}
	if !s.opt.Terminal {
		s.show(ctx)
	}
}

// afterBanner lets a part that logs at once begin when a person at a terminal has seen the banner.
func (s *Server) afterBanner(run func(context.Context) error) func(context.Context) error {
	if !s.opt.Terminal || s.opt.Out == nil {
		return run
	}
	return func(ctx context.Context) error {
		select {
		case <-s.shown:
			return run(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// show prints the banner.
func (s *Server) show(ctx context.Context) {
	if s.opt.Out == nil {
		return
	}
	if err := s.banner(ctx).write(s.opt.Out, s.opt.Terminal || s.cfg.Sandbox); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the start lines could not be printed", slog.String("error", err.Error()))
	}
}

// localURL is the listener's address as a URL for a client on this machine.
func (s *Server) localURL() string { return s.cfg.Listen.Scheme() + "://" + s.localAddr() }

// localAddr is the listener's address as a client on this machine writes it.
func (s *Server) localAddr() string { return reachable(s.Addr()) }

// reachable is an address of a listener as a client on this machine writes it.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (s *Server) banner(ctx context.Context) *banner {
	bn := &banner{version: s.opt.Version, mode: string(s.cfg.Mode), token: s.assistants.token, tokenPath: s.assistants.tokenPath, notes: notes(s.cfg)}
	row := func(what, where string) { bn.rows = append(bn.rows, [2]string{what, where}) }
	if s.sandbox != nil {
		row("open", s.sandbox.url()+" in a browser: the workspace, and what to try there")
	}
	if s.cfg.Sandbox {
		bn.mode += ", in the sandbox (no Slack account is used)"
	}
	if s.receiver != nil {
		row("receives", s.localURL()+strings.Join(s.receiver.Paths(), ", "))
	}
	if names := s.ruleNames(); len(names) > 0 {
		row("rules", strings.Join(names, ", "))
	}
	if s.slackSocket != nil {
		state, _ := s.slackSocket.State()
		row("slack", "over socket mode, "+string(state))
	}
	if s.assistants.mcp != nil {
		bn.mcpURL = s.endpointURL()
		row("mcp", bn.mcpURL+" (streamable HTTP), "+bn.mcpURL+"/sse (SSE)")
		if s.assistants.tokenPath != "" {
			row("token", "in "+s.assistants.tokenPath)
		}
		row("clients", s.clientCommand())
	}
	row("health", s.localURL()+"/health/detailed")
	if s.console != nil {
		row("console", s.consoleURL())
	}
	if stats, err := s.store.Stats(ctx); err == nil {
		row("queue", stats.Backend+": "+stats.Durability+" ("+s.cfg.Queue.Because+")")
	}
	if s.sandbox != nil {
		if s.assistants.mcp != nil {
			row("people", s.tryPeople())
		}
		row("try", s.opt.Program+" sandbox say --workspace "+s.sandbox.url()+` "hello, assistant"`)
	}
	return bn
}

// clientCommand is what prints how a client connects to this server, to be pasted as it is but for the client.
func (s *Server) clientCommand() string {
	line := s.opt.Program + " client-config --url " + s.endpointURL()
	if from := s.cfg.Origin("DATA_DIR").Kind; s.assistants.tokenPath != "" && from == config.FromFlag {
		line += " --data-dir '" + s.cfg.Queue.DataDir + "'"
	} else if s.cfg.Sandbox && s.cfg.Origin("SANDBOX").Kind == config.FromFlag {
		line += " --sandbox"
	}
	return line + " claude-code (or codex, cursor, vscode and others: docs/clients.md)"
}

// tryPeople says how to sign in as people of the sandbox.
func (s *Server) tryPeople() string {
	if s.assistants.people == nil {
		return "SIGN_IN_TEAMS=" + sandbox.Team + " lets people of the workspace sign in; each reads and writes as themselves"
	}
	return "connect two clients to " + s.endpointURL() + " without a token: a page asks each who you are. Be Alice Nguyen in one and Bob Okafor in the other"
}

// notes are what the operator should know about this start.
func notes(cfg config.Config) []string {
	var notes []string
	if cfg.Queue.Backend == config.Memory {
		notes = append(notes, "the memory backend forgets every event when the process ends")
	}
	if cfg.Queue.Backend == config.SQLite && cfg.Mode.Webhook() {
		if why := ephemeral(cfg.Platform, cfg.Queue.DataDir); why != "" {
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
// In a container a directory that is no volume goes with it; elsewhere no
// reason is known.
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
