package server

import (
	"context"

	"slackmcp/mcp"
	"slackmcp/server/metrics"
)

// measure makes the registry of the metrics, before what is measured.
func (b *builder) measure(context.Context) error {
	tools, err := mcp.ToolNames()
	if err != nil {
		return err
	}
	b.metrics = metrics.New(metrics.Options{Version: b.version, Sources: b.sourceNames(), Tools: tools})
	b.proxies = b.cfg.Listen.TrustedProxies
	return nil
}
