package tools

import (
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

const (
	setConversations = "conversations"

	scopeCreate = "channels:manage|channels:write|groups:write"
	scopeOpen   = "im:write|mpim:write"
	scopeTopic  = "channels:manage|channels:write.topic|channels:write|groups:write|groups:write.topic|im:write|im:write.topic|mpim:write|mpim:write.topic"
	scopeInvite = "channels:manage|channels:write.invites|channels:write|groups:write|groups:write.invites"
)

func conversationTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_list_channels", Title: "List or search channels", Set: setConversations, Default: true,
			Scope: access.Read, Needs: []string{scopeRead},
			Description: "List the conversations that the bot can see, or, with query, find channels by words of their name, topic or purpose. Elsewhere a channel can be given as #name at once, without looking it up here.",
		}, k.listChannels),
		toolset.Define(toolset.Tool{
			Name: "slack_get_channel_info", Title: "Get a channel's details", Set: setConversations,
			Scope: access.Read, Needs: []string{scopeRead},
			Description: "Get one conversation's name, topic, purpose, number of members, whether the bot is in it, and whether another organisation shares it.",
		}, k.channelInfo),
		toolset.Define(toolset.Tool{
			Name: "slack_list_channel_members", Title: "List a channel's members", Set: setConversations,
			Scope: access.Read, Needs: []string{scopeRead},
			Description: "List who is in a conversation, with names where they are known. More about a person: slack_get_user_profiles.",
		}, k.channelMembers),
		toolset.Define(toolset.Tool{
			Name: "slack_create_channel", Title: "Create a channel", Set: setConversations,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{scopeCreate},
			Description: "Create a public or private channel, with the bot as its first member. Then call slack_invite_to_channel and slack_set_channel_topic.",
		}, k.createChannel),
		toolset.Define(toolset.Tool{
			Name: "slack_join_channel", Title: "Join a channel", Set: setConversations, Default: true,
			Scope: access.Write, Effect: toolset.Sets, Needs: []string{"channels:join"},
			Description: "Make the bot a member of a public channel, so that it can post and read there and receives its events. To a private channel a member has to invite the bot.",
		}, k.joinChannel),
		toolset.Define(toolset.Tool{
			Name: "slack_leave_channel", Title: "Leave a channel", Set: setConversations,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{scopeCreate},
			Description: "End the bot's membership of a channel: it reads nothing there any more and receives no events of it. It cannot come back to a private channel by itself.",
		}, k.leaveChannel),
		toolset.Define(toolset.Tool{
			Name: "slack_invite_to_channel", Title: "Invite to a channel", Set: setConversations,
			Scope: access.Write, Effect: toolset.Sets, Needs: []string{scopeInvite},
			Description: "Make users members of a channel that the bot is in. Each has its own result; who is a member already counts as done.",
		}, k.invite),
		toolset.Define(toolset.Tool{
			Name: "slack_set_channel_topic", Title: "Set topic and purpose", Set: setConversations,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{scopeTopic},
			Description: "Replace a channel's topic, its purpose, or both. The old text is lost: see it first with slack_get_channel_info.",
		}, k.setTopic),
		toolset.Define(toolset.Tool{
			Name: "slack_archive_channel", Title: "Archive a channel", Set: setConversations,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{scopeCreate},
			Description: "Close a channel for everybody: it can be read, not written to. A bot cannot open it again. Do it only when the user asked for it.",
		}, k.archiveChannel),
		toolset.Define(toolset.Tool{
			Name: "slack_open_conversation", Title: "Open a direct message", Set: setConversations,
			Scope: access.Write, Effect: toolset.Sets, Needs: []string{scopeOpen},
			Description: "Find or make the direct message of the bot with one user, or the group message with up to eight, and get its channel id for slack_post_message. For one user slack_post_message also takes the user as channel.",
		}, k.openConversation),
	}
}
