package slackapi

// Methods are the names of everything that the client can call.
func Methods() []string {
	all := []method{
		authTest, chatPostMessage, chatPostEphemeral, chatUpdate, chatDelete, chatGetPermalink, chatScheduleMessage,
		chatScheduledMessagesList, chatDeleteScheduledMessage, conversationsHistory, conversationsReplies, conversationsInfo,
		conversationsList, conversationsMembers, conversationsCreate, conversationsJoin, conversationsLeave, conversationsInvite,
		conversationsKick, conversationsSetTopic, conversationsSetPurpose, conversationsRename, conversationsArchive,
		conversationsUnarchive, conversationsOpen, conversationsMark, conversationsCanvas, reactionsAdd, reactionsRemove,
		reactionsGet, emojiList, usersInfo, usersList, usersLookupByEmail, usersProfileGet, usersGetPresence, usersConversations,
		usergroupsList, usergroupsUsersList, filesInfo, filesList, filesGetUploadURL, filesCompleteUpload, filesUpload,
		filesDownload, pinsAdd, pinsList, pinsRemove, bookmarksAdd, bookmarksEdit, bookmarksList, bookmarksRemove,
		searchMessages, assistantSearchContext, canvasesCreate, canvasesEdit, canvasesSectionsLookup, canvasesGetContent, respond,
	}
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.name
	}
	return names
}

// KindOf is the Kind of one of Slack's codes.
func KindOf(code string) Kind { return kindOf(code) }

// Gates is how many gates the client's pacer remembers.
func (c *Client) Gates() int { return len(c.pace.gates) }
