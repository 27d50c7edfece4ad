package tools

import "slackmcp/mcp/toolset"

// Catalog returns every tool that can work with what the options hold. The order is
// that of the documentation.
func Catalog(o Options) (*toolset.Catalog, error) {
	k, err := newKit(o)
	if err != nil {
		return nil, err
	}
	var all []toolset.Tool
	for _, set := range []func(*kit) []toolset.Tool{
		eventTools,
		messageTools,
		reactionTools,
		conversationTools,
		userTools,
		fileTools,
		pinTools,
		bookmarkTools,
		canvasTools,
	} {
		all = append(all, set(k)...)
	}
	return toolset.NewCatalog(all...)
}
