package server

import (
	"context"
	"fmt"
	"strings"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
	"slackmcp/server/web"
	"slackmcp/webhook/journal"
)

// assist builds the assistant's side: the journal, who may connect, and what it sees.
func (b *builder) assist(ctx context.Context) error {
	if !b.cfg.Mode.MCP() {
		return nil
	}
	events, err := b.follow()
	if err != nil {
		return err
	}
	authenticate, err := b.access(ctx)
	if err != nil {
		return err
	}
	m := b.cfg.MCP
	o := mcp.Options{
		Name: web.ServiceName, Version: b.version,
		Choice: toolset.Choice{Toolsets: m.Toolsets, Tools: m.Tools, ReadOnly: m.ReadOnly},
		Write: guard.Options{
			Allow: m.ChannelsAllow, Deny: m.ChannelsDeny, MassMentions: m.MassMentions, PerMinute: m.SendsPerMinute, OnWritten: b.wrote,
		},
		Lockdown:    m.Lockdown,
		Channel:     b.channel(),
		Slack:       b.slack,
		Logger:      b.log,
		OnEnterCall: b.enterTool(), OnCall: b.toolCalled, RequestID: web.RequestID,
		Transport: transport.Options{
			Mount: m.MountPath, Default: transport.Kind(m.Transport),
			PublicURL: b.cfg.Listen.PublicURL, AllowedOrigins: m.AllowedOrigins, AllowedHosts: m.AllowedHosts,
			Authenticate: authenticate, Logger: b.log,
			Shared: b.sharedState(), Single: b.cfg.Queue.Backend == config.SQLite,
		},
	}
	if m.Transport == config.Stdio {
		o.Transport.Default = transport.SSE // nobody connects over HTTP then
	}
	if events != nil {
		o.Events, o.Operator = events, b.store
	}
	if b.gaps != nil {
		o.Gaps = b.gapsView
	}
	if o.Push, err = b.push(); err != nil {
		return err
	}
	var questions *asks
	if events != nil && b.slack != nil {
		questions = b.newAsks()
		o.OnAsk = questions.asked
	}
	if b.mcp, err = mcp.New(o); err != nil {
		return fmt.Errorf("mcp: %w", err)
	}
	b.metrics.MCP.Watch(b.mcp.Transport())
	if e := b.mcp.Webhooks(); e != nil {
		b.metrics.Push.Watch(e)
	}
	if questions != nil {
		questions.settle = b.mcp.Settle
	}
	b.assistants = append(b.assistants, part{"mcp", b.mcp.Run})
	if b.identity != nil {
		b.identity.grant = b.mcp.SetGrant
	}
	return nil
}

// follow builds the journal and the log that assistants read. Without a webhook side
// no events arrive, and there is no log.
func (b *builder) follow() (*eventLog, error) {
	if !b.cfg.Events() {
		return nil, nil //nolint:nilnil // there is no log, and that is no error
	}
	j, err := journal.New(journal.Options{
		MaxEvents: b.cfg.Journal.Events, MaxBytes: int(b.cfg.Journal.Bytes), Logger: b.log,
	})
	if err != nil {
		return nil, err
	}
	b.journal = j
	b.readers = append(b.readers, part{"journal", func(ctx context.Context) error { return j.Run(ctx, b.store) }})
	l := &eventLog{Journal: j, store: b.store}
	if b.cfg.Queue.Backend == config.Redis || b.cfg.Queue.Backend == config.NATS {
		l.newest = &newest{store: b.store}
	}
	return l, nil
}

// endpointURL is where a client on this machine, or through the proxy, finds MCP.
func (s *Server) endpointURL() string {
	base := s.cfg.Listen.PublicURL
	if base == "" {
		base = s.localURL()
	}
	return strings.TrimSuffix(base, "/") + s.cfg.MCP.MountPath
}
