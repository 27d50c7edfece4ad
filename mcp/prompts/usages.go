package prompts

import "slackmcp/mcp/access"

// usages are the prompts of the original, by its names.
func usages() []Prompt {
	usage := func(tool, title string, scope access.Scope, words string) Prompt {
		return Prompt{
			Name: tool + "_usage", Title: title, Description: "How to use " + tool + ".",
			Scopes: []access.Scope{scope},
			Words:  func(map[string]string) string { return words },
		}
	}
	return []Prompt{
		usage("slack_post_message", "Using slack_post_message", access.Write,
			"Use slack_post_message to post to a channel, a person or a thread.\n\n"+
				"Arguments: channel (#name, id, link, or a user for a direct message) and one of text (Slack's mrkdwn), markdown (standard Markdown) or blocks. thread_ts answers in a thread.\n"+
				"Give an idempotency_key when you may call again; dry_run shows the request without sending it.\n"+
				"The result has ts, which names the message, and a permalink. A failure is an error with what to do next; when it says that the outcome is not known, read the channel before you try again."),
		usage("slack_read_channel_messages", "Using slack_read_channel_messages", access.Read,
			"Use slack_read_channel_messages to read a channel, newest first.\n\n"+
				"Arguments: channel; limit; oldest and latest as a ts, an ISO 8601 time or an age (1d, 2w); response_format detailed for names and permalinks.\n"+
				"When has_more is true call again with the same arguments and cursor = next_cursor. Replies are not in the list: where reply_count is set call slack_read_thread_messages."),
		usage("slack_read_thread_messages", "Using slack_read_thread_messages", access.Read,
			"Use slack_read_thread_messages to read a thread, oldest first.\n\n"+
				"Arguments: channel and thread_ts (the ts of the thread's first message), or the permalink of a message alone as thread_ts.\n"+
				"When has_more is true call again with cursor = next_cursor."),
		usage("slack_thread_reply", "Using slack_thread_reply", access.Write,
			"Use slack_thread_reply to post one or several replies to a thread, in order.\n\n"+
				"Arguments: channel, thread_ts, texts (one message each).\n"+
				"The result has one entry for each text. When one fails, those after it are not sent: look at the entries before you call again, and send only what is missing."),
		usage("slack_read_emojis", "Using slack_read_emojis", access.Read,
			"Use slack_read_emojis to see the workspace's own emoji. Standard emoji (thumbsup, eyes, tada …) are not in the list and can always be used.\n\n"+
				"An entry is a name with the address of its image, or with alias:other_name."),
		usage("slack_add_reactions", "Using slack_add_reactions", access.Write,
			"Use slack_add_reactions to put emoji on a message.\n\n"+
				"Arguments: channel, timestamp (the message's ts, or its permalink alone), emojis (names without colons).\n"+
				"The result has one entry for each emoji; one that is there already counts as done."),
	}
}
