package mcp

import (
	"time"

	"slackmcp/mcp/events"
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
}

// extend adds the protocol's extensions to the transport, and returns what is to be
// declared of them.
func (s *Server) extend(o *Options) (map[string]any, error) {
	if o.Events == nil {
		return nil, nil //nolint:nilnil // without events there is nothing to extend
	}
	catalog, err := events.NewCatalog(o.Lockdown)
	if err != nil {
		return nil, err
	}
	x, err := events.New(events.Options{
		Catalog: catalog, Reader: events.NewReader(o.Events), Codes: o.Push.Codes,
		StrictUnsubscribe: o.Push.StrictUnsubscribe, Heartbeat: o.Push.Heartbeat,
	})
	if err != nil {
		return nil, err
	}
	o.Transport.Extension = x
	return map[string]any{events.Name: struct{}{}}, nil
}
