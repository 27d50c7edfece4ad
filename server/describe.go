package server

import (
	"fmt"
	"slices"
	"strings"

	"slackmcp/server/apidoc"
)

// describe makes the description of what the server answers. It comes before the routes,
// because two of them serve it.
func (b *builder) describe() (*apidoc.API, error) {
	o := apidoc.Options{
		Version: b.version, PublicURL: b.cfg.Listen.PublicURL,
		Paths: []string{"/", "/health", "/livez", "/readyz", "/health/detailed", "/metrics", apidoc.DocumentPath, apidoc.PagePath},
	}
	if b.receiver != nil {
		o.Paths = append(o.Paths, b.receiver.Paths()...)
		if slices.ContainsFunc(o.Paths, func(p string) bool { return strings.HasPrefix(p, "/events/") }) {
			o.Paths = append(o.Paths, "/events/{type}")
		}
	}
	if b.mcp != nil {
		o.Mount = b.cfg.MCP.MountPath
	}
	api, err := apidoc.New(o)
	if err != nil {
		return nil, fmt.Errorf("describe the routes: %w", err)
	}
	return api, nil
}
