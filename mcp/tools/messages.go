package tools

import (
	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
)

const setMessages = "messages"

// Slack's scopes for reading and writing conversations of every kind.
const (
	scopeHistory = "channels:history|groups:history|im:history|mpim:history"
	scopePost    = "chat:write"
	scopeRead    = "channels:read|groups:read|im:read|mpim:read"
	scopeManage  = "channels:write|channels:manage|groups:write|im:write|mpim:write"
)

func messageTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_post_message", Title: "Post a message", Set: setMessages, Default: true,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Post a message to a channel, a direct message or (with thread_ts) a thread, as the bot. Use slack_thread_reply for several replies, slack_reply_to_event to answer an event. Give an idempotency_key when you may repeat the call. The result's ts names the message for slack_update_message or slack_add_reactions.",
		}, k.post),
		toolset.Define(toolset.Tool{
			Name: "slack_thread_reply", Title: "Reply in a thread", Set: setMessages, Default: true,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Post one or more replies to a thread, in order. Each text becomes a message of its own, and each has its own result: when one fails, those after it are not sent. Read the thread first with slack_read_thread_messages.",
		}, k.threadReply),
		toolset.Define(toolset.Tool{
			Name: "slack_read_channel_messages", Title: "Read a channel", Set: setMessages, Default: true,
			Scope: access.Read, Needs: []string{scopeHistory},
			Description: "Read the messages of a channel or direct message, newest first; oldest and latest bound the time. Replies in threads are not among them: where reply_count is set, call slack_read_thread_messages. What just arrived is also in slack_list_events.",
		}, k.readChannel),
		toolset.Define(toolset.Tool{
			Name: "slack_read_thread_messages", Title: "Read a thread", Set: setMessages, Default: true,
			Scope: access.Read, Needs: []string{scopeHistory},
			Description: "Read a thread: its first message and then the replies, oldest first. Answer with slack_thread_reply.",
		}, k.readThread),
		toolset.Define(toolset.Tool{
			Name: "slack_update_message", Title: "Change a message", Set: setMessages, Default: true,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{scopePost},
			Description: "Replace what a message of the bot itself says. The old text is lost. For something new to say post a reply instead.",
		}, k.update),
		toolset.Define(toolset.Tool{
			Name: "slack_delete_message", Title: "Delete a message", Set: setMessages,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{scopePost},
			Description: "Delete a message of the bot itself, for good. Correct a mistake with slack_update_message instead.",
		}, k.delete),
		toolset.Define(toolset.Tool{
			Name: "slack_schedule_message", Title: "Schedule a message", Set: setMessages,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Let Slack post a message at a later time, up to 120 days ahead. The result's scheduled_message_id takes it back with slack_cancel_scheduled_message.",
		}, k.schedule),
		toolset.Define(toolset.Tool{
			Name: "slack_list_scheduled_messages", Title: "List scheduled messages", Set: setMessages,
			Scope: access.Read, Needs: []string{scopePost},
			Description: "List the bot's messages that wait for their time, of one channel or of all. Take one back with slack_cancel_scheduled_message.",
		}, k.listScheduled),
		toolset.Define(toolset.Tool{
			Name: "slack_cancel_scheduled_message", Title: "Cancel a scheduled message", Set: setMessages,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{scopePost},
			Description: "Take a scheduled message back before its time. Ids come from slack_schedule_message and slack_list_scheduled_messages.",
		}, k.cancelScheduled),
		toolset.Define(toolset.Tool{
			Name: "slack_post_ephemeral", Title: "Show a message to one user", Set: setMessages,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Show a message in a channel to one user only. It is gone when they reload and cannot be read, changed or deleted later. For something that should stay, send a direct message with slack_post_message.",
		}, k.postEphemeral),
		toolset.Define(toolset.Tool{
			Name: "slack_get_permalink", Title: "Get a message's link", Set: setMessages, Scope: access.Read, Needs: []string{scopePost + "|" + scopeHistory},
			Description: "Get the permanent link of a message, to show it to a person.",
		}, k.permalink),
		toolset.Define(toolset.Tool{
			Name: "slack_search_messages", Title: "Search messages", Set: setMessages, Default: true,
			Scope: access.Read, Needs: []string{"search:read.public"}, UserNeeds: []string{"search:read"},
			Description: "Search messages by words and filters. With a user token it searches all that its owner sees; with a bot token only public channels, on behalf of a received event (event_id). To read a known channel use slack_read_channel_messages; for received events slack_list_events.",
		}, k.search),
		toolset.Define(toolset.Tool{
			Name: "slack_list_unread", Title: "List unread conversations", Set: setMessages,
			Scope: access.Read, UserNeeds: []string{scopeRead},
			Description: "List the conversations in which the owner of the user token has unread messages. Read them with slack_read_channel_messages (oldest = last_read), then call slack_mark_read.",
		}, k.listUnread),
		toolset.Define(toolset.Tool{
			Name: "slack_mark_read", Title: "Mark as read", Set: setMessages,
			Scope: access.Write, Effect: toolset.Sets, UserNeeds: []string{scopeManage},
			Description: "Mark a conversation as read up to a message, for the owner of the user token. Do it only when the user asked for it.",
		}, k.markRead),
	}
}
