package sandbox

// endpoints is the Web API that the sandbox serves. A tier is Slack's calls a minute.
var endpoints = map[string]endpoint{
	"api.test":   {kinds: anyToken | appToken, tier: 100, run: apiTest},
	"auth.test":  {kinds: anyToken, tier: 300, run: authTest},
	"bots.info":  {scope: "users:read", kinds: anyToken, tier: 50, run: botsInfo},
	"team.info":  {scope: "team:read", kinds: anyToken, tier: 50, run: teamInfo},
	"emoji.list": {scope: "emoji:read", kinds: anyToken, tier: 20, run: emojiList},

	"apps.connections.open": {scope: "connections:write", kinds: appToken, tier: 20, run: appsConnectionsOpen},

	"chat.postMessage":            {scope: "chat:write", kinds: anyToken, tier: 60, run: postMessage},
	"chat.postEphemeral":          {scope: "chat:write", kinds: anyToken, tier: 100, run: chatPostEphemeral},
	"chat.meMessage":              {scope: "chat:write", kinds: anyToken, tier: 50, run: chatMeMessage},
	"chat.update":                 {scope: "chat:write", kinds: anyToken, tier: 50, run: chatUpdate},
	"chat.delete":                 {scope: "chat:write", kinds: anyToken, tier: 50, run: chatDelete},
	"chat.getPermalink":           {kinds: anyToken, tier: 300, run: chatGetPermalink},
	"chat.scheduleMessage":        {scope: "chat:write", kinds: anyToken, tier: 50, run: chatScheduleMessage},
	"chat.scheduledMessages.list": {kinds: anyToken, tier: 50, run: chatScheduledMessagesList},
	"chat.deleteScheduledMessage": {scope: "chat:write", kinds: anyToken, tier: 50, run: chatDeleteScheduledMessage},

	"conversations.history":         {kinds: anyToken, tier: 50, run: conversationsHistory},
	"conversations.replies":         {kinds: anyToken, tier: 50, run: conversationsReplies},
	"conversations.info":            {kinds: anyToken, tier: 50, run: conversationsInfo},
	"conversations.list":            {kinds: anyToken, tier: 20, run: conversationsList},
	"conversations.members":         {kinds: anyToken, tier: 100, run: conversationsMembers},
	"conversations.create":          {kinds: anyToken, tier: 20, run: conversationsCreate},
	"conversations.join":            {kinds: anyToken, tier: 50, run: conversationsJoin},
	"conversations.leave":           {kinds: anyToken, tier: 50, run: conversationsLeave},
	"conversations.invite":          {kinds: anyToken, tier: 50, run: conversationsInvite},
	"conversations.kick":            {kinds: anyToken, tier: 50, run: conversationsKick},
	"conversations.setTopic":        {kinds: anyToken, tier: 20, run: conversationsSetTopic},
	"conversations.setPurpose":      {kinds: anyToken, tier: 20, run: conversationsSetPurpose},
	"conversations.rename":          {kinds: anyToken, tier: 20, run: conversationsRename},
	"conversations.archive":         {kinds: anyToken, tier: 20, run: conversationsArchive},
	"conversations.unarchive":       {kinds: anyToken, tier: 20, run: conversationsUnarchive},
	"conversations.open":            {kinds: anyToken, tier: 50, run: conversationsOpen},
	"conversations.close":           {kinds: anyToken, tier: 20, run: conversationsClose},
	"conversations.mark":            {kinds: anyToken, tier: 50, run: conversationsMark},
	"conversations.canvases.create": {scope: "canvases:write", kinds: anyToken, tier: 20, run: conversationsCanvasesCreate},

	"reactions.add":    {scope: "reactions:write", kinds: anyToken, tier: 50, run: reactionsAdd},
	"reactions.remove": {scope: "reactions:write", kinds: anyToken, tier: 20, run: reactionsRemove},
	"reactions.get":    {scope: "reactions:read", kinds: anyToken, tier: 50, run: reactionsGet},

	"users.info":          {scope: "users:read", kinds: anyToken, tier: 100, run: usersInfo},
	"users.list":          {scope: "users:read", kinds: anyToken, tier: 20, run: usersList},
	"users.lookupByEmail": {scope: "users:read.email", kinds: anyToken, tier: 50, run: usersLookupByEmail},
	"users.profile.get":   {scope: "users.profile:read", kinds: anyToken, tier: 100, run: usersProfileGet},
	"users.getPresence":   {scope: "users:read", kinds: anyToken, tier: 50, run: usersGetPresence},
	"users.conversations": {kinds: anyToken, tier: 50, run: usersConversations},

	"usergroups.list":       {scope: "usergroups:read", kinds: anyToken, tier: 20, run: usergroupsList},
	"usergroups.users.list": {scope: "usergroups:read", kinds: anyToken, tier: 20, run: usergroupsUsersList},

	"files.info":                   {scope: "files:read", kinds: anyToken, tier: 100, run: filesInfo},
	"files.list":                   {scope: "files:read", kinds: anyToken, tier: 50, run: filesList},
	"files.delete":                 {scope: "files:write", kinds: anyToken, tier: 50, run: filesDelete},
	"files.getUploadURLExternal":   {scope: "files:write", kinds: anyToken, tier: 100, run: filesGetUploadURL},
	"files.completeUploadExternal": {scope: "files:write", kinds: anyToken, tier: 100, run: filesCompleteUpload},

	"pins.add":    {scope: "pins:write", kinds: anyToken, tier: 20, run: pinsAdd},
	"pins.list":   {scope: "pins:read", kinds: anyToken, tier: 20, run: pinsList},
	"pins.remove": {scope: "pins:write", kinds: anyToken, tier: 20, run: pinsRemove},

	"bookmarks.add":    {scope: "bookmarks:write", kinds: anyToken, tier: 20, run: bookmarksAdd},
	"bookmarks.edit":   {scope: "bookmarks:write", kinds: anyToken, tier: 20, run: bookmarksEdit},
	"bookmarks.list":   {scope: "bookmarks:read", kinds: anyToken, tier: 50, run: bookmarksList},
	"bookmarks.remove": {scope: "bookmarks:write", kinds: anyToken, tier: 20, run: bookmarksRemove},

	"search.messages":          {scope: "search:read", kinds: userToken, tier: 20, run: searchMessages},
	"assistant.search.context": {scope: "search:read.public", kinds: anyToken, tier: 20, run: contextSearch},

	"canvases.create":          {scope: "canvases:write", kinds: anyToken, tier: 20, run: canvasesCreate},
	"canvases.edit":            {scope: "canvases:write", kinds: anyToken, tier: 50, run: canvasesEdit},
	"canvases.delete":          {scope: "canvases:write", kinds: anyToken, tier: 50, run: canvasesDelete},
	"canvases.getContent":      {scope: "canvases:read", kinds: anyToken, tier: 50, run: canvasesGetContent},
	"canvases.sections.lookup": {scope: "canvases:read", kinds: anyToken, tier: 50, run: canvasesSectionsLookup},
}
