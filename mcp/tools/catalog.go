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
	return toolset.NewCatalog(slices.DeleteFunc(all(k), func(t toolset.Tool) bool {
		return callsSlack(&t) && o.Slack == nil || readsEvents(&t) && o.Events == nil
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
		messageTools(k),
		reactionTools(k),
		conversationTools(k),
		userTools(k),
		fileTools(k),
		pinTools(k),
		bookmarkTools(k),
		canvasTools(k),
	)
}
