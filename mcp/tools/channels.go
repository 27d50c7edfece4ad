package tools

import (
	"context"
	"encoding/base64"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const (
	setConversations = "conversations"

	scopeCreate = "channels:manage|channels:write|groups:write"
	scopeOpen   = "im:write|mpim:write"
	scopeTopic  = "channels:manage|channels:write.topic|channels:write|groups:write|groups:write.topic|im:write|im:write.topic|mpim:write|mpim:write.topic"
	scopeInvite = "channels:manage|channels:write.invites|channels:write|groups:write|groups:write.invites"
)

func conversationTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_list_channels", Title: "List or search channels", Set: setConversations, Default: true,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeRead},
			Description: "List conversations, or with query find channels by words of their name, topic or purpose, which are shown then. Other tools take #name at once.",
		}, (*kit).listChannels),
		define(ks, toolset.Tool{
			Name: "slack_get_channel_info", Title: "Get a channel's details", Set: setConversations,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeRead},
			Description: "Get one conversation's name, topic, purpose, number of members, whether the bot is in it, and whether another organisation shares it.",
		}, (*kit).channelInfo),
		define(ks, toolset.Tool{
			Name: "slack_list_channel_members", Title: "List a channel's members", Set: setConversations,
			Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeRead},
			Description: "List who is in a conversation, with names where they are known. More about a person: slack_get_user_profiles.",
		}, (*kit).channelMembers),
		define(ks, toolset.Tool{
			Name: "slack_create_channel", Title: "Create a channel", Set: setConversations,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{scopeCreate},
			Description: "Create a public or private channel, with the bot as its first member. Then call slack_invite_to_channel and slack_set_channel_topic.",
		}, (*kit).createChannel),
		define(ks, toolset.Tool{
			Name: "slack_join_channel", Title: "Join a channel", Set: setConversations, Default: true,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Sets, Needs: []string{"channels:join"}, PersonNeeds: []string{"channels:write"},
			Description:       "Make the bot a member of a public channel. Into a private one a member must invite it.",
			PersonDescription: "Make the user a member of a public channel. Into a private one a member must invite them.",
		}, (*kit).joinChannel),
		define(ks, toolset.Tool{
			Name: "slack_leave_channel", Title: "Leave a channel", Set: setConversations,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{scopeCreate},
			Description:       "End the bot's membership of a channel: it reads and receives nothing of it any more, and cannot come back to a private one by itself.",
			PersonDescription: "End the user's membership of a channel. Back into a private one a member must invite them. Do it only when the user asked for it.",
		}, (*kit).leaveChannel),
		define(ks, toolset.Tool{
			Name: "slack_invite_to_channel", Title: "Invite to a channel", Set: setConversations,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Sets, Needs: []string{scopeInvite},
			Description: "Make users members of a channel that the bot is in. Each has its own result; who is a member already counts as done.",
		}, (*kit).invite),
		define(ks, toolset.Tool{
			Name: "slack_set_channel_topic", Title: "Set topic and purpose", Set: setConversations,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{scopeTopic},
			Description: "Replace a channel's topic, its purpose, or both. The old text is lost: see it first with slack_get_channel_info.",
		}, (*kit).setTopic),
		define(ks, toolset.Tool{
			Name: "slack_archive_channel", Title: "Archive a channel", Set: setConversations,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{scopeCreate},
			Description:       "Close a channel for everybody: it can be read, not written to. A bot cannot open it again. Do it only when the user asked for it.",
			PersonDescription: "Close a channel for everybody: it can be read, not written to. Do it only when the user asked for it.",
		}, (*kit).archiveChannel),
		define(ks, toolset.Tool{
			Name: "slack_open_conversation", Title: "Open a direct message", Set: setConversations,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Sets, Needs: []string{scopeOpen},
			Description: "Find or make the bot's direct message with a user, or a group message with up to eight, and get its id. slack_post_message also takes one user as channel.",
		}, (*kit).openConversation),
	}
}

// searchPatience bounds how long a search reads Slack's lists.
const searchPatience = 20 * time.Second

const noteUnfinished = "The workspace is large and its list is not read to the end yet: call again in 30 seconds to search the rest."

// noteTooLong is said of a list that is longer than what is kept of it.
const noteTooLong = "The workspace has more names than the server keeps: some may be missing here."

type listChannelsIn struct {
	Query           string   `json:"query,omitempty" doc:"Words of name, topic or purpose; no direct messages or archived channels"`
	Types           []string `json:"types,omitempty" alias:"channel_types" split:"," enum:"public_channel,private_channel,mpim,im" default:"public_channel,private_channel" doc:"Without query: kinds"`
	IncludeArchived bool     `json:"include_archived,omitempty" doc:"Without query: archived ones too"`
	Limit           int      `json:"limit,omitempty" min:"1" max:"200" default:"100" doc:"Most channels"`
	Cursor          string   `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

func (k *kit) listChannels(ctx context.Context, _ *toolset.Call, in listChannelsIn) (channelsOut, error) {
	if in.Query != "" {
		return k.searchChannels(ctx, in)
	}
	at, err := spotOf(in.Cursor)
	if err != nil {
		return channelsOut{}, err
	}
	page, err := k.Slack.ConversationList(ctx, slackapi.ListQuery{Types: in.Types, ExcludeArchived: !in.IncludeArchived, Limit: in.Limit + at.skip, Cursor: at.cursor})
	if err != nil {
		return channelsOut{}, err
	}
	k.Names.Meet(ctx, page.Channels)
	out, r := channelsOut{}, k.Judge.Reading(ctx)
	shown, cut := fit(view.NewBudget(), behind(at, page.Channels), func(c *slackapi.Channel) view.Channel {
		k.Names.KeepChannel(c)
		return r.BriefChannel(c)
	})
	out.Channels = shown
	out.page(at.next(len(shown), cut, page.NextCursor), cut)
	return out, nil
}

func (k *kit) searchChannels(ctx context.Context, in listChannelsIn) (channelsOut, error) {
	after, err := openCursor(in.Cursor)
	if err != nil {
		return channelsOut{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, searchPatience)
	defer cancel()
	found, err := k.Names.SearchChannels(ctx, in.Query, after, in.Limit)
	if err != nil {
		return channelsOut{}, k.unresolved(ctx, err)
	}
	out, r := channelsOut{}, k.Judge.Reading(ctx)
	shown, cut := fit(view.NewBudget(), found.Items, r.KnownChannel)
	if cut {
		found.Next = shown[len(shown)-1].ID
	}
	out.Channels = shown
	out.page(sealCursor(found.Next), cut)
	switch {
	case found.TooLong:
		out.Note = noteTooLong
	case !found.Complete:
		out.HasMore, out.Note = true, noteUnfinished
	}
	return out, nil
}

// A cursor into a list is sealed: nothing of the list stands outside the data.
func sealCursor(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func openCursor(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this tool's; start again without one"}
	}
	return string(b), nil
}

type channelIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"id, #name or link"`
}

type channelOut struct {
	view.Mark
	OK      bool         `json:"ok"`
	Channel view.Channel `json:"channel"`
	readBy
}

func (k *kit) channelInfo(ctx context.Context, call *toolset.Call, in channelIn) (channelOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return channelOut{}, err
	}
	var c slackapi.Channel
	by := k.reader(call)
	for by.next(err) {
		c, err = by.api.ConversationInfo(ctx, id)
	}
	if err != nil {
		return channelOut{}, err
	}
	k.Names.Meet(ctx, []slackapi.Channel{c})
	out := channelOut{OK: true, Channel: k.Judge.Reading(ctx).Channel(&c, true), readBy: by.readBy}
	if by.ReadAs == "" {
		k.Names.KeepChannel(&c)
	} else {
		out.Channel.IsMember = false // the token's owner is
	}
	return out, nil
}

type membersIn struct {
	Channel        string `json:"channel" alias:"channel_id" doc:"id, #name or link"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"200" default:"100" doc:"Most members"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: names are looked up"`
}

type usersOut struct {
	view.Mark
	Users []view.Person `json:"users"`
	paging
}

type membersOut struct {
	usersOut
	readBy
}

func (k *kit) channelMembers(ctx context.Context, c *toolset.Call, in membersIn) (membersOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return membersOut{}, err
	}
	at, err := spotOf(in.Cursor)
	if err != nil {
		return membersOut{}, err
	}
	var page slackapi.MemberPage
	by := k.reader(c)
	for by.next(err) {
		page, err = by.api.Members(ctx, channel, at.cursor, in.Limit+at.skip)
	}
	if err != nil {
		return membersOut{}, err
	}
	return membersOut{k.members(ctx, at, page.Members, page.NextCursor, in.ResponseFormat), by.readBy}, nil
}

// members shows a page of users by what is known of them; in detailed form some of the others are
// asked for.
func (k *kit) members(ctx context.Context, at spot, ids []string, slack, format string) usersOut {
	calls := 0
	if format == detailed {
		calls = nameCalls
	}
	ids = behind(at, ids)
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	found := k.Names.Users(ctx, ids, calls)
	r := k.Judge.Reading(ctx)
	var out usersOut
	shown, cut := fit(view.NewBudget(), ids, func(id *string) view.Person {
		u, ok := found[*id]
		if !ok {
			u.ID = *id
		}
		v := r.Person(&u)
		if format != detailed {
			v.Brief()
		}
		return v
	})
	out.Users = shown
	out.page(at.next(len(shown), cut, slack), cut)
	return out
}

// changedOut is what became of a channel.
type changedOut struct {
	view.Mark
	OK      bool        `json:"ok"`
	Channel *channelRef `json:"channel,omitempty"`
	carried
}

// A channelRef is a channel in short.
type channelRef struct {
	ID      string     `json:"id"`
	Name    string     `json:"name,omitempty"`
	Topic   string     `json:"topic,omitempty"`
	Purpose string     `json:"purpose,omitempty"`
	Flags   view.Flags `json:"flags,omitempty"`
}

// changed is the result of a call that changed a channel and answered with it.
func (k *kit) changed(ctx context.Context, ch slackapi.Channel, w *writing, err error) (changedOut, error) {
	if err != nil {
		return changedOut{}, err
	}
	out := changedOut{OK: true, carried: w.carried}
	if ch.ID == "" {
		return out, nil
	}
	if ch.Name != "" {
		k.Names.KeepChannel(&ch)
	}
	v := k.Judge.Reading(ctx).Channel(&ch, false)
	out.Channel = &channelRef{ID: v.ID, Name: v.Name, Topic: v.Topic, Purpose: v.Purpose, Flags: v.Flags}
	return out, nil
}

type createChannelIn struct {
	Name    string `json:"name" max:"80" doc:"Lower-case letters, digits, - and _, at most 80"`
	Private bool   `json:"is_private,omitempty" alias:"private" doc:"Only invited users see it"`
	safety
}

func (k *kit) createChannel(ctx context.Context, c *toolset.Call, in createChannelIn) (changedOut, error) {
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Arguments: []any{in.Name, in.Private}}, in.safety)
	if w.due {
		ch, err = w.slack.CreateChannel(ctx, in.Name, in.Private)
		w.wrote(ctx, k, ch.ID, view.KeyName, err)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ctx, ch, w, err)
}

type changeChannelIn struct {
	channelIn
	safety
}

func (k *kit) joinChannel(ctx context.Context, c *toolset.Call, in changeChannelIn) (changedOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return changedOut{}, err
	}
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Channel: id, Arguments: id}, in.safety)
	if w.due {
		ch, err = w.slack.JoinChannel(ctx, id)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ctx, ch, w, err)
}

func (k *kit) leaveChannel(ctx context.Context, c *toolset.Call, in changeChannelIn) (changedOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return changedOut{}, err
	}
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Channel: id, Arguments: id}, in.safety)
	if w.due {
		err = w.slack.LeaveChannel(ctx, id)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ctx, ch, w, err)
}

func (k *kit) archiveChannel(ctx context.Context, c *toolset.Call, in changeChannelIn) (changedOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return changedOut{}, err
	}
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Channel: id, Arguments: id}, in.safety)
	if w.due {
		err = w.slack.ArchiveChannel(ctx, id)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ctx, ch, w, err)
}

type inviteIn struct {
	channelIn
	Users []string `json:"users" alias:"user,user_ids" split:"," max:"30" doc:"ids, @names or e-mails"`
	safety
}

// invite asks for one user at a time: Slack invites none of several when one is wrong.
func (k *kit) invite(ctx context.Context, c *toolset.Call, in inviteIn) (responses, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return responses{}, err
	}
	users, err := k.users(ctx, in.Users)
	if err != nil {
		return responses{}, err
	}
	b := batch{fault: k.fault}
	for _, user := range users {
		if b.skips() {
			continue
		}
		_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, user}}, in.part(user))
		if w.due {
			if _, err = w.slack.Invite(ctx, channel, user); is(err, "already_in_channel") {
				err = nil
			}
			w.end(ctx, nothing{}, "", err)
		}
		b.add(item{User: user}, w.carried, err)
	}
	return b.result()
}

type setTopicIn struct {
	channelIn
	Topic   *string `json:"topic,omitempty" max:"250" doc:"The new topic; an empty text clears it"`
	Purpose *string `json:"purpose,omitempty" max:"250" doc:"The new purpose; an empty text clears it"`
	safety
}

func (k *kit) setTopic(ctx context.Context, c *toolset.Call, in setTopicIn) (changedOut, error) {
	if in.Topic == nil && in.Purpose == nil {
		return changedOut{}, &toolset.ArgumentError{Argument: "topic", Problem: "give a topic, a purpose, or both"}
	}
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return changedOut{}, err
	}
	calmed := false
	for _, text := range []*string{in.Topic, in.Purpose} {
		if text != nil {
			var c bool
			*text, c = k.Guard.Text(*text)
			calmed = calmed || c
		}
	}
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Channel: id, Arguments: []any{id, in.Topic, in.Purpose}}, in.safety)
	if calmed {
		w.Note = noteMentions
	}
	if w.due {
		if in.Topic != nil {
			ch, err = w.slack.SetTopic(ctx, id, *in.Topic)
			w.wrote(ctx, k, id, view.KeyTopic, err)
		}
		if in.Purpose != nil && err == nil {
			ch, err = w.slack.SetPurpose(ctx, id, *in.Purpose)
			w.wrote(ctx, k, id, view.KeyPurpose, err)
		}
		w.end(ctx, ch, "", err)
	}
	return k.changed(ctx, ch, w, err)
}

type openIn struct {
	Users []string `json:"users" alias:"user,user_ids" split:"," max:"8" doc:"ids, @names or e-mails; not the bot itself"`
	safety
}

func (k *kit) openConversation(ctx context.Context, c *toolset.Call, in openIn) (changedOut, error) {
	users, err := k.users(ctx, in.Users)
	if err != nil {
		return changedOut{}, err
	}
	write := guard.Write{Also: users, Arguments: users}
	if len(users) == 1 {
		write.Channel = users[0] // the conversation is named by the person
	}
	ch, w, err := begin[slackapi.Channel](ctx, k, c, write, in.safety)
	if w.due {
		ch, err = w.slack.OpenDM(ctx, users...)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ctx, ch, w, err)
}
