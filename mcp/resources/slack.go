package resources

import (
	"context"
	"encoding/json"
	"fmt"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/webhook/event"
)

// The addresses of what is read from Slack.
const (
	uriChannels   = "slack://channels"
	uriChannel    = "slack://channels/{channel}"
	uriUsers      = "slack://users"
	uriUser       = "slack://users/{user}"
	uriUserGroups = "slack://usergroups"
	uriEmojis     = "slack://emojis"
	uriThread     = "slack://threads/{channel}/{thread_ts}"
)

// A toolReader reads resources by calling tools, so that there is one way to see a
// channel, a user or a thread.
type toolReader struct {
	tools   map[string]toolset.Tool
	granted func(*toolset.Tool) bool // nil is always
}

func (r *toolReader) resources() []Resource {
	var all []Resource
	add := func(uri, name, title, description, tool string, arguments func(vars) map[string]any) {
		t, ok := r.tools[tool]
		if !ok {
			return
		}
		all = append(all, Resource{
			URI: uri, Name: name, Title: title, Description: description, Scope: t.Scope,
			read:   func(ctx context.Context, v vars) (any, error) { return call(ctx, &t, arguments(v)) },
			hidden: func() bool { return r.granted != nil && !r.granted(&t) },
		})
	}
	most := func(n int) func(vars) map[string]any {
		return func(vars) map[string]any { return map[string]any{"limit": n} }
	}
	add(uriChannels, "slack_channels", "Channels", "The first 200 conversations that the bot can see. More, and search: slack_list_channels.", "slack_list_channels", most(200))
	add(uriChannel, "slack_channel", "One channel", "A conversation's details, by its id.", "slack_get_channel_info",
		func(v vars) map[string]any { return map[string]any{"channel": v["channel"]} })
	add(uriUsers, "slack_users", "Users", "The first 200 members of the workspace. More: slack_list_users; search: slack_search_users.", "slack_list_users", most(200))
	add(uriUser, "slack_user", "One user", "A user's profile, by their id.", "slack_get_user_profiles",
		func(v vars) map[string]any { return map[string]any{"users": []string{v["user"]}} })
	add(uriUserGroups, "slack_usergroups", "User groups", "The workspace's user groups.", "slack_list_user_groups",
		func(vars) map[string]any { return map[string]any{} })
	add(uriEmojis, "slack_emojis", "Custom emoji", "The workspace's own emoji: name to image, or alias.", "slack_read_emojis", most(2000))
	add(uriThread, "slack_thread", "One thread", "A thread's messages, oldest first, by the ids of its channel and first message.", "slack_read_thread_messages",
		func(v vars) map[string]any {
			return map[string]any{"channel": v["channel"], "thread_ts": v["thread_ts"]}
		})
	return all
}

func call(ctx context.Context, t *toolset.Tool, arguments map[string]any) (any, error) {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	c := &toolset.Call{Tool: t.Name, Principal: access.From(ctx), Progress: func(float64, float64, string) {}}
	res, err := t.Run(ctx, c, raw)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", t.Name, err)
	}
	return res.Structured, nil
}

// changedInSlack lists the resources that read otherwise after an event about the
// workspace itself (docs.slack.dev/reference/events).
func changedInSlack(e *event.Event) []string {
	switch e.Kind.Type {
	case "channel_created", "channel_rename", "channel_archive", "channel_unarchive", "channel_deleted", "channel_id_changed",
		"channel_shared", "channel_unshared", "group_rename", "group_archive", "group_unarchive", "group_deleted",
		"member_joined_channel", "member_left_channel":
		return fill(uriChannels, "slack://channels/", e.Channel)
	case "user_change", "team_join", "user_profile_changed", "user_status_changed":
		return fill(uriUsers, "slack://users/", e.User)
	case "subteam_created", "subteam_updated", "subteam_members_changed":
		return []string{uriUserGroups}
	case "emoji_changed":
		return []string{uriEmojis}
	case "message", "reaction_added", "reaction_removed":
		if e.Channel != "" && e.Thread != "" {
			return []string{threadURI(e.Channel, e.Thread)}
		}
	}
	return nil
}
