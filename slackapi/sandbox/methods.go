package sandbox

// endpoints is the Web API that the sandbox serves. A tier is Slack's calls a minute.
var endpoints = map[string]endpoint{
	"api.test":   {kinds: anyToken | appToken, tier: 100, run: apiTest},
	"auth.test":  {kinds: anyToken, tier: 300, run: authTest},
	"bots.info":  {scope: "users:read", kinds: anyToken, tier: 50, run: botsInfo},
	"team.info":  {scope: "team:read", kinds: anyToken, tier: 50, run: teamInfo},
	"emoji.list": {scope: "emoji:read", kinds: anyToken, tier: 20, run: emojiList},

	"chat.postMessage": {scope: "chat:write", kinds: anyToken, tier: 60, run: postMessage},

	"conversations.history": {kinds: anyToken, tier: 50, run: conversationsHistory},
	"conversations.replies": {kinds: anyToken, tier: 50, run: conversationsReplies},
	"conversations.info":    {kinds: anyToken, tier: 50, run: conversationsInfo},
	"conversations.list":    {kinds: anyToken, tier: 20, run: conversationsList},
	"conversations.members": {kinds: anyToken, tier: 100, run: conversationsMembers},

	"reactions.add":    {scope: "reactions:write", kinds: anyToken, tier: 50, run: reactionsAdd},
	"reactions.remove": {scope: "reactions:write", kinds: anyToken, tier: 20, run: reactionsRemove},
	"reactions.get":    {scope: "reactions:read", kinds: anyToken, tier: 50, run: reactionsGet},

	"users.info":          {scope: "users:read", kinds: anyToken, tier: 100, run: usersInfo},
	"users.list":          {scope: "users:read", kinds: anyToken, tier: 20, run: usersList},
	"users.lookupByEmail": {scope: "users:read.email", kinds: anyToken, tier: 50, run: usersLookupByEmail},
	"users.profile.get":   {scope: "users.profile:read", kinds: anyToken, tier: 100, run: usersProfileGet},
	"users.getPresence":   {scope: "users:read", kinds: anyToken, tier: 50, run: usersGetPresence},
	"users.conversations": {kinds: anyToken, tier: 50, run: usersConversations},
}
