package tools

import (
	"context"

	"slackmcp/mcp/toolset"
)

// Why tools are for services only.
const (
	whyEvents = "the events that the server's Slack app receives, which people do not get yet"
	whyAsk    = "buttons of the server's Slack app, by which people cannot ask yet"
	whyQueue  = "the server's own queue, which its operator works"
)

// kits is the one place where tools get their kit from. A tool holds kits and not a kit, so that none
// can use the one of services for a person.
type kits struct {
	services *kit
}

func newKits(services *kit) *kits { return &kits{services: services} }

// of returns the kit for a call.
func (ks *kits) of(_ context.Context, t *toolset.Tool, c *toolset.Call) (*kit, error) {
	if _, person := c.Principal.SignIn(); person {
		return nil, &toolset.NotForPeopleError{Tool: t.Name, Why: t.Why}
	}
	return ks.services, nil
}

// define makes a tool whose handler is run with the kit of whoever calls.
func define[In, Out any](ks *kits, t toolset.Tool, run func(k *kit, ctx context.Context, c *toolset.Call, in In) (Out, error)) toolset.Tool {
	return toolset.Define(t, func(ctx context.Context, c *toolset.Call, in In) (out Out, err error) {
		k, err := ks.of(ctx, &t, c)
		if err != nil {
			return out, err
		}
		return run(k, ctx, c, in)
	})
}
