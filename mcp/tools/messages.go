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
)

func messageTools(k *kit) []toolset.Tool {
	if k.Slack == nil {
		return nil
	}
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
	}
}
