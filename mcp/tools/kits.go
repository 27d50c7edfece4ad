package tools

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
)

// Why tools are for services only.
const (
	whyQueue = "the server's own queue, which its operator works"
)

// kits is the one place where tools get their kit from. A tool holds kits and not a kit, so that none
// can use the one of services for a person.
type kits struct {
	services *kit
	people   *personKits // nil where nobody is served as themselves
}

func newKits(services *kit) *kits {
	ks := &kits{services: services}
	if services.People != nil {
		ks.people = &personKits{services: services, people: services.People, kits: map[access.Person]*personKit{}}
	}
	return ks
}

// of returns the kit for a call.
func (ks *kits) of(ctx context.Context, t *toolset.Tool, c *toolset.Call) (*kit, error) {
	who, person := c.Principal.SignIn()
	switch {
	case !person:
		return ks.services.by(c.Principal), nil
	case t.For == toolset.ServiceOnly || ks.people == nil || t.NotGiven(c.Principal) != "":
		return nil, t.NotForPeople() // the registry has said why before
	}
	k, err := ks.people.of(ctx, who)
	if err != nil {
		return nil, err
	}
	if t.For == toolset.BotForPerson && k.bot == nil {
		return nil, t.NotForPeople()
	}
	return k.by(c.Principal), nil
}

// ofCaller is an [Of].
func (ks *kits) ofCaller(ctx context.Context) (*names.Resolver, *view.Judge, error) {
	k := ks.services
	if who, person := access.From(ctx).SignIn(); person {
		if ks.people == nil {
			return nil, nil, access.ErrUnavailable
		}
		var err error
		if k, err = ks.people.of(ctx, who); err != nil {
			return nil, nil, err
		}
	}
	return k.Names, k.Judge, nil
}

// by returns the kit for the calls of one principal, who sees of the events what is theirs to see.
func (k *kit) by(p *access.Principal) *kit {
	bound := *k
	bound.log, bound.aid = k.Events.For(sight.Of(p)), k.Events.For(sight.Aiding(p))
	return &bound
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
