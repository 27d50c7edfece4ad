package mcp

import (
	"context"
	"maps"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/events"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/sight"
)

// Push says how events reach those who ask for them by the extension
// io.modelcontextprotocol/events.
type Push struct {
	// Codes are the codes of its errors; events.DeployedCodes when zero.
	Codes events.Codes
	// StrictUnsubscribe answers NotFound to the end of a subscription that there is not.
	StrictUnsubscribe bool
	// Heartbeat is the longest silence on a stream; 10 s when zero.
	Heartbeat time.Duration
	// Webhooks delivers to subscribers who have an address, with its State and Client;
	// without these there are polls and streams only. Source, TerminatedCode and Logger are
	// set by New.
	Webhooks notify.Options
}

// extend adds the protocol's extensions to the transport, and returns what is to be
// declared of them.
func (s *Server) extend(o *Options) (map[string]any, error) {
	if o.Events == nil {
		return nil, nil //nolint:nilnil // without events there is nothing to extend
	}
	catalog, err := events.NewCatalog(s.judge)
	if err != nil {
		return nil, err
	}
	reader := events.NewReader(s.seen, s.judgeOf)
	if o.Push.Codes == (events.Codes{}) {
		o.Push.Codes = events.DeployedCodes()
	}
	eo := events.Options{
		Catalog: catalog, Reader: reader, Codes: o.Push.Codes,
		StrictUnsubscribe: o.Push.StrictUnsubscribe, Heartbeat: o.Push.Heartbeat,
	}
	if w := o.Push.Webhooks; w.State != nil && w.Client != nil {
		w.Source, w.TerminatedCode, w.Logger = events.NewSource(catalog, reader), o.Push.Codes.Forbidden, o.Logger
		if s.webhooks, err = notify.New(w); err != nil {
			return nil, err
		}
		eo.Subscriptions = s.webhooks
	}
	if o.Transport.Extension, err = events.New(eo); err != nil {
		return nil, err
	}
	return map[string]any{events.Name: struct{}{}}, nil
}

// forCaller leaves the extension of events out of what is declared to a person who sees none: they are refused
// all of it.
func (s *Server) forCaller(ctx context.Context, declared *mcp.ServerCapabilities) {
	p := access.From(ctx)
	if _, person := p.SignIn(); person && !s.seen.For(sight.Of(p)).Sees() {
		declared.Extensions = maps.Clone(declared.Extensions) // others are declared the same map
		delete(declared.Extensions, events.Name)
	}
}

// Webhooks is what delivers to subscribers who have an address; nil when nothing does.
func (s *Server) Webhooks() *notify.Notifier { return s.webhooks }
