package tools

import (
	"slices"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

// Catalog returns every tool that can work with what the options hold. The order is
// that of the documentation.
func Catalog(o Options) (*toolset.Catalog, error) {
	k, err := newKit(o)
	if err != nil {
		return nil, err
	}
	return possible(k, o.Slack != nil, o.Events != nil, o.Operator != nil)
}

// Foresee returns the tools of the [Catalog] of a server that has a Slack client, or
// events, or both; they are to be described and not to be called.
func Foresee(slack, events bool) (*toolset.Catalog, error) {
	k, err := newKit(Options{})
	if err != nil {
		return nil, err
	}
	return possible(k, slack, events, events)
}

func possible(k *kit, slack, events, queue bool) (*toolset.Catalog, error) {
	return toolset.NewCatalog(slices.DeleteFunc(all(k), func(t toolset.Tool) bool {
		return callsSlack(&t) && !slack || readsEvents(&t) && !events || t.Scope == access.Admin && !queue
	})...)
}

// Describe returns every tool that there is, to be described and not to be called.
func Describe() (*toolset.Catalog, error) {
	k, err := newKit(Options{})
	if err != nil {
		return nil, err
	}
	return toolset.NewCatalog(all(k)...)
}

func callsSlack(t *toolset.Tool) bool { return len(t.Needs)+len(t.UserNeeds) > 0 }

func readsEvents(t *toolset.Tool) bool { return t.Scope == access.Events || t.And == access.Events }

func all(k *kit) []toolset.Tool {
	return slices.Concat(
		eventTools(k),
		receiptTools(k),
		askTools(k),
		messageTools(k),
		reactionTools(k),
		conversationTools(k),
		userTools(k),
		fileTools(k),
		pinTools(k),
		bookmarkTools(k),
		canvasTools(k),
		adminTools(k),
	)
}
