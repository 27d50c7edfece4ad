package tools

import "slackmcp/mcp/toolset"

// Catalog returns every tool that can work with what the options hold.
func Catalog(o Options) (*toolset.Catalog, error) {
	k, err := newKit(o)
	if err != nil {
		return nil, err
	}
	var all []toolset.Tool
	for _, set := range []func(*kit) []toolset.Tool{
		messageTools,
		reactionTools,
		eventTools,
	} {
		all = append(all, set(k)...)
	}
	return toolset.NewCatalog(all...)
}
