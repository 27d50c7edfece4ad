package slackapi

// A tier is Slack's class of a method's rate limit, per workspace and app
// (docs.slack.dev/apis/web-api/rate-limits).
type tier uint8

const (
	tier1       tier = iota + 1 // 1 a minute and more
	tier2                       // 20
	tier3                       // 50
	tier4                       // 100
	tierPost                    // about 1 a second for each channel
	tierSpecial                 // hundreds a minute: auth.test, chat.getPermalink
	tierNone                    // not a Web API method: file contents, response URLs
)

// A bearer says whose token a method is called with.
type bearer uint8

const (
	bot bearer = iota
	user
	app
)

// A method is one row of what this package may call. safe reports that the call may
// be repeated, because it reads, or because doing it twice is doing it once.
type method struct {
	name string
	tier tier
	safe bool
	as   bearer
}

var (
	authTest = method{name: "auth.test", tier: tierSpecial, safe: true}

	chatPostMessage            = method{name: "chat.postMessage", tier: tierPost}
	chatPostEphemeral          = method{name: "chat.postEphemeral", tier: tier4}
	chatUpdate                 = method{name: "chat.update", tier: tier3}
	chatDelete                 = method{name: "chat.delete", tier: tier3}
	chatGetPermalink           = method{name: "chat.getPermalink", tier: tierSpecial, safe: true}
	chatScheduleMessage        = method{name: "chat.scheduleMessage", tier: tier3}
	chatScheduledMessagesList  = method{name: "chat.scheduledMessages.list", tier: tier3, safe: true}
	chatDeleteScheduledMessage = method{name: "chat.deleteScheduledMessage", tier: tier3}

	conversationsHistory    = method{name: "conversations.history", tier: tier3, safe: true}
	conversationsReplies    = method{name: "conversations.replies", tier: tier3, safe: true}
	conversationsInfo       = method{name: "conversations.info", tier: tier3, safe: true}
	conversationsList       = method{name: "conversations.list", tier: tier2, safe: true}
	conversationsMembers    = method{name: "conversations.members", tier: tier4, safe: true}
	conversationsCreate     = method{name: "conversations.create", tier: tier2}
	conversationsJoin       = method{name: "conversations.join", tier: tier3, safe: true}
	conversationsLeave      = method{name: "conversations.leave", tier: tier3, safe: true}
	conversationsInvite     = method{name: "conversations.invite", tier: tier3}
	conversationsKick       = method{name: "conversations.kick", tier: tier3}
	conversationsSetTopic   = method{name: "conversations.setTopic", tier: tier2}
	conversationsSetPurpose = method{name: "conversations.setPurpose", tier: tier2}
	conversationsRename     = method{name: "conversations.rename", tier: tier2}
	conversationsArchive    = method{name: "conversations.archive", tier: tier2}
	conversationsUnarchive  = method{name: "conversations.unarchive", tier: tier2}
	conversationsOpen       = method{name: "conversations.open", tier: tier3, safe: true}
	conversationsMark       = method{name: "conversations.mark", tier: tier3, safe: true}
	conversationsCanvas     = method{name: "conversations.canvases.create", tier: tier2}

	reactionsAdd    = method{name: "reactions.add", tier: tier3}
	reactionsRemove = method{name: "reactions.remove", tier: tier2}
	reactionsGet    = method{name: "reactions.get", tier: tier3, safe: true}
	emojiList       = method{name: "emoji.list", tier: tier2, safe: true}

	usersInfo          = method{name: "users.info", tier: tier4, safe: true}
	usersList          = method{name: "users.list", tier: tier2, safe: true}
	usersLookupByEmail = method{name: "users.lookupByEmail", tier: tier3, safe: true}
	usersProfileGet    = method{name: "users.profile.get", tier: tier4, safe: true}
	usersGetPresence   = method{name: "users.getPresence", tier: tier3, safe: true}
	usersConversations = method{name: "users.conversations", tier: tier3, safe: true}

	usergroupsList      = method{name: "usergroups.list", tier: tier2, safe: true}
	usergroupsUsersList = method{name: "usergroups.users.list", tier: tier2, safe: true}

	filesInfo           = method{name: "files.info", tier: tier4, safe: true}
	filesList           = method{name: "files.list", tier: tier3, safe: true}
	filesGetUploadURL   = method{name: "files.getUploadURLExternal", tier: tier4, safe: true}
	filesCompleteUpload = method{name: "files.completeUploadExternal", tier: tier4}
	filesUpload         = method{name: "files.upload", tier: tierNone, safe: true}
	filesDownload       = method{name: "files.download", tier: tierNone, safe: true}

	pinsAdd    = method{name: "pins.add", tier: tier2}
	pinsList   = method{name: "pins.list", tier: tier2, safe: true}
	pinsRemove = method{name: "pins.remove", tier: tier2}

	bookmarksAdd    = method{name: "bookmarks.add", tier: tier2}
	bookmarksEdit   = method{name: "bookmarks.edit", tier: tier2}
	bookmarksList   = method{name: "bookmarks.list", tier: tier3, safe: true}
	bookmarksRemove = method{name: "bookmarks.remove", tier: tier2}

	searchMessages         = method{name: "search.messages", tier: tier2, safe: true, as: user}
	assistantSearchContext = method{name: "assistant.search.context", tier: tier2, safe: true}

	canvasesCreate         = method{name: "canvases.create", tier: tier2}
	canvasesEdit           = method{name: "canvases.edit", tier: tier3}
	canvasesSectionsLookup = method{name: "canvases.sections.lookup", tier: tier3, safe: true}
	canvasesGetContent     = method{name: "canvases.getContent", tier: tier3, safe: true}

	// Slack publishes tier 1 for it; an app that has to renew several connections at once
	// needs more, and is slowed down by its own pauses.
	appsConnectionsOpen = method{name: "apps.connections.open", tier: tier2, safe: true, as: app}

	respond = method{name: "response_url", tier: tierNone}
)
