package slackapi

import (
	"maps"
	"slices"
)

// Methods are the names of everything that the client can call.
func Methods() []string {
	all := slices.Sorted(maps.Keys(methods))
	return append(slices.DeleteFunc(all, func(name string) bool { return name == "apps.connections.open" }), filesUpload.name, filesDownload.name, respond.name)
}

// KindOf is the Kind of one of Slack's codes.
func KindOf(code string) Kind { return kindOf(code) }

// Gates is how many gates the client's pacer remembers.
func (c *Client) Gates() int { return len(c.pace.gates) }
