package resources

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/view"
)

// gapsResource shows when events may have been missed.
func gapsResource(read func(ctx context.Context) (any, error)) Resource {
	return Resource{
		URI: view.GapsURI, Name: "slack_gaps", Title: "Gaps in the received events", Scope: access.Events,
		Description: "The times in which events may have been missed: Slack withheld them, or nothing could be received. A gap that is filled has its messages among the events, flagged filled_from_history; reactions, edits and joins of a gap stay unknown. For an open one read the channels with slack_read_channel_messages.",
		read:        func(ctx context.Context, _ vars) (any, error) { return read(ctx) },
	}
}
