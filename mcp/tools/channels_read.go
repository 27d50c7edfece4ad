package tools

import (
	"context"
	"encoding/base64"
	"time"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// searchPatience bounds how long a search reads Slack's lists.
const searchPatience = 20 * time.Second

const noteUnfinished = "The workspace is large and its list is not read to the end yet: call again in 30 seconds to search the rest."

type listChannelsIn struct {
	Query           string   `json:"query,omitempty" doc:"Words of the name, topic or purpose; active public and private channels only"`
	Types           []string `json:"types,omitempty" alias:"channel_types" split:"," enum:"public_channel,private_channel,mpim,im" default:"public_channel,private_channel" doc:"Kinds to list, without query"`
	IncludeArchived bool     `json:"include_archived,omitempty" doc:"Archived ones too, without query"`
	Limit           int      `json:"limit,omitempty" min:"1" max:"200" default:"100" doc:"Most channels to return"`
	Cursor          string   `json:"cursor,omitempty" doc:"next_cursor of the last call, with the same arguments"`
}

func (k *kit) listChannels(ctx context.Context, _ *toolset.Call, in listChannelsIn) (channelsOut, error) {
	if in.Query != "" {
		return k.searchChannels(ctx, in)
	}
	page, err := k.Slack.ConversationList(ctx, slackapi.ListQuery{Types: in.Types, ExcludeArchived: !in.IncludeArchived, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return channelsOut{}, err
	}
	out := channelsOut{Channels: []view.Channel{}, NextCursor: page.NextCursor, HasMore: page.NextCursor != ""}
	for i := range page.Channels {
		k.Names.KeepChannel(&page.Channels[i])
		out.Channels = append(out.Channels, view.NewChannel(&page.Channels[i], false))
	}
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
		return channelsOut{}, unresolved(err)
	}
	out := channelsOut{Channels: []view.Channel{}, NextCursor: sealCursor(found.Next), HasMore: found.Next != "" || !found.Complete}
	for i := range found.Items {
		out.Channels = append(out.Channels, view.KnownChannel(&found.Items[i]))
	}
	if !found.Complete {
		out.Note = noteUnfinished
	}
	return out, nil
}

// A cursor into a list of names is sealed, so that no name stands outside the data.
func sealCursor(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func openCursor(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this tool's; start again without one"}
	}
	return string(b), nil
}

type channelIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link"`
}

type channelOut struct {
	OK      bool         `json:"ok"`
	Channel view.Channel `json:"channel"`
}

func (k *kit) channelInfo(ctx context.Context, _ *toolset.Call, in channelIn) (channelOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return channelOut{}, err
	}
	c, err := k.Slack.ConversationInfo(ctx, id)
	if err != nil {
		return channelOut{}, err
	}
	k.Names.KeepChannel(&c)
	return channelOut{OK: true, Channel: view.NewChannel(&c, true)}, nil
}

type membersIn struct {
	Channel        string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"200" default:"100" doc:"Most members to return"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: names are looked up"`
}

type usersOut struct {
	Users      []view.Person `json:"users"`
	HasMore    bool          `json:"has_more"`
	NextCursor string        `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
	Note       string        `json:"note,omitempty"`
}

func (k *kit) channelMembers(ctx context.Context, _ *toolset.Call, in membersIn) (usersOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return usersOut{}, err
	}
	page, err := k.Slack.Members(ctx, channel, in.Cursor, in.Limit)
	if err != nil {
		return usersOut{}, err
	}
	out := usersOut{NextCursor: page.NextCursor, HasMore: page.NextCursor != ""}
	out.Users = k.known(ctx, page.Members, in.ResponseFormat == detailed)
	return out, nil
}

// known shows users by what is known of them; with ask, some of the others are asked for.
func (k *kit) known(ctx context.Context, ids []string, ask bool) []view.Person {
	calls := 0
	if ask {
		calls = nameCalls
	}
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	found := k.Names.Users(ctx, ids, calls)
	team := k.home(ctx)
	list := []view.Person{}
	for _, id := range ids {
		u, ok := found[id]
		if !ok {
			u.ID = id
		}
		list = append(list, view.NewPerson(&u, team))
	}
	return list
}
