package slackapi

import "strings"

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

// A method is one row of what this package may call. safe reports that the call may
// be repeated, because it reads, or because doing it twice is doing it once.
type method struct {
	name string
	tier tier
	safe bool
}

// What is called beside the methods of the Web API.
var (
	filesUpload   = method{name: "files.upload", tier: tierNone, safe: true}
	filesDownload = method{name: "files.download", tier: tierNone, safe: true}
	respond       = method{name: "response_url", tier: tierNone}
)

// methods are the methods of the Web API that this package calls.
var methods = byName([]struct {
	tier  tier
	safe  bool
	names string
}{
	{tierSpecial, true, "auth.test chat.getPermalink"},
	{tierPost, false, "chat.postMessage"},
	{tier2, true, `
		apps.connections.open assistant.search.context conversations.list emoji.list pins.list
		search.messages usergroups.list usergroups.users.list users.list
	`}, // Slack publishes tier 1 for apps.connections.open; an app that has to renew several connections at once needs more
	{tier2, false, `
		bookmarks.add bookmarks.edit bookmarks.remove canvases.create conversations.archive
		conversations.canvases.create conversations.create conversations.rename conversations.setPurpose
		conversations.setTopic conversations.unarchive pins.add pins.remove reactions.remove
	`},
	{tier3, true, `
		bookmarks.list canvases.getContent canvases.sections.lookup chat.scheduledMessages.list
		conversations.history conversations.info conversations.join conversations.leave conversations.mark
		conversations.open conversations.replies files.list reactions.get users.conversations
		users.getPresence users.lookupByEmail
	`},
	{tier3, false, `
		canvases.edit chat.delete chat.deleteScheduledMessage chat.scheduleMessage chat.update
		conversations.invite conversations.kick reactions.add
	`},
	{tier4, true, "conversations.members files.getUploadURLExternal files.info users.info users.profile.get"},
	{tier4, false, "chat.postEphemeral files.completeUploadExternal"},
})

func byName(rows []struct {
	tier  tier
	safe  bool
	names string
},
) map[string]method {
	all := map[string]method{}
	for _, r := range rows {
		for name := range strings.FieldsSeq(r.names) {
			all[name] = method{name: name, tier: r.tier, safe: r.safe}
		}
	}
	return all
}

// methodOf is the row of a method's name. One that the table does not have is paced and
// repeated with the most care.
func methodOf(name string) method {
	if m, ok := methods[name]; ok {
		return m
	}
	return method{name: name, tier: tier1}
}
