package config

import (
	"errors"
	"path"
	"strings"
)

// Routes are the paths that the server answers itself, besides / ; an MCP mount may
// neither cover nor lie inside one.
func Routes() []string {
	return []string{
		"/slack/events", "/events", "/webhooks", "/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs",
	}
}

func parseMount(raw string) (string, error) {
	mount := strings.TrimRight(raw, "/")
	switch {
	case !strings.HasPrefix(raw, "/") || mount == "":
		return "", errors.New("write a path such as /mcp or /api/mcp")
	case path.Clean(mount) != mount || strings.ContainsAny(mount, "?#%*: \\") || !isPrintable(mount):
		return "", errors.New("write a plain path without dots, doubled slashes, wildcards and escapes, such as /api/mcp")
	}
	for _, route := range Routes() {
		if within(route, mount) || within(mount, route) {
			return "", errors.New("choose another path: it meets the server's own route " + route)
		}
	}
	return mount, nil
}

// within reports whether path is dir or lies under it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
