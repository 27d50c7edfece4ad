package tools

import (
	"context"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
)

// The two values of response_format.
const (
	concise  = "concise"
	detailed = "detailed"
)

// channel returns the id of a channel as somebody wrote it.
func (k *kit) channel(_ context.Context, s string) (string, error) {
	ref, err := names.ParseChannel(s)
	if err != nil {
		return "", &toolset.ArgumentError{Argument: "channel", Problem: err.Error()}
	}
	if ref.ID != "" {
		return ref.ID, nil
	}
	return "", &toolset.ArgumentError{Argument: "channel", Problem: "names cannot be resolved here; give the id"}
}

// user returns the id of a user as somebody wrote it.
func (k *kit) user(_ context.Context, s string) (string, error) {
	ref, err := names.ParseUser(s)
	if err != nil {
		return "", &toolset.ArgumentError{Argument: "user", Problem: err.Error()}
	}
	if ref.ID != "" {
		return ref.ID, nil
	}
	return "", &toolset.ArgumentError{Argument: "user", Problem: "names cannot be resolved here; give the id"}
}
