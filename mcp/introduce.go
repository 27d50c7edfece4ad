package mcp

import (
	"encoding/base64"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	// listTTL is how long a 2026-07-28 client may keep a list, in milliseconds. A change
	// is announced besides.
	listTTL = 60_000
	// pageSize bounds one page of a list; the default lists fit into one.
	pageSize = 100
)

// icon is a bell in a speech bubble, drawn for light and dark backgrounds.
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">` +
	`<path fill="#2d6cdf" d="M8 6h32a5 5 0 0 1 5 5v20a5 5 0 0 1-5 5H22l-9 8v-8H8a5 5 0 0 1-5-5V11a5 5 0 0 1 5-5z"/>` +
	`<path fill="#fff" d="M24 11a7 7 0 0 0-7 7v5l-2 4h18l-2-4v-5a7 7 0 0 0-7-7zm-2.6 17.5a2.6 2.6 0 0 0 5.2 0z"/></svg>`

// introduce says who the server is, and how its lists are cut and kept. What a list
// holds depends on the caller's scopes, so nobody between may share it; what a resource
// holds changes with each event.
func introduce() []server.ServerOption {
	return []server.ServerOption{
		server.WithTitle("Slack events and tools"),
		server.WithDescription("Received Slack events and other webhooks, as they arrive, and tools that call the Slack Web API."),
		server.WithIcons(mcp.Icon{
			Src:      "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(icon)),
			MIMEType: "image/svg+xml", Sizes: []string{"any"},
		}),
		server.WithPaginationLimit(pageSize),
		server.WithCacheHints(listTTL, mcp.CacheScopePrivate),
		server.WithMethodCacheHints(mcp.MethodResourcesRead, 0, mcp.CacheScopePrivate),
	}
}
