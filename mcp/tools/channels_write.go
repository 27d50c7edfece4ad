package tools

import (
	"context"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// changedOut is what became of a channel.
type changedOut struct {
	OK      bool        `json:"ok"`
	Channel *channelRef `json:"channel,omitempty"`
	carried
}

// A channelRef is a channel in short.
type channelRef struct {
	Untrusted bool       `json:"untrusted"`
	ID        string     `json:"id"`
	Name      string     `json:"name,omitempty"`
	Topic     string     `json:"topic,omitempty"`
	Purpose   string     `json:"purpose,omitempty"`
	Flags     view.Flags `json:"flags,omitempty"`
}

// changeChannel carries out one call that changes a channel and answers with it.
func (k *kit) changeChannel(ctx context.Context, c *toolset.Call, channel string, arguments any, s safety, do func(api *slackapi.Client) (slackapi.Channel, error)) (changedOut, error) {
	ch, how, err := write(ctx, k, c, guard.Write{Channel: channel, Arguments: arguments}, s,
		func(api *slackapi.Client) (slackapi.Channel, string, error) {
			ch, err := do(api)
			return ch, "", err
		})
	if err != nil {
		return changedOut{}, err
	}
	out := changedOut{OK: true, carried: how}
	if ch.ID == "" {
		return out, nil
	}
	if ch.Name != "" {
		k.Names.KeepChannel(&ch)
	}
	v := view.NewChannel(&ch, false)
	out.Channel = &channelRef{Untrusted: true, ID: v.ID, Name: v.Name, Topic: v.Topic, Purpose: v.Purpose, Flags: v.Flags}
	return out, nil
}

type createChannelIn struct {
	Name    string `json:"name" max:"80" doc:"Lower-case letters, digits, - and _, at most 80"`
	Private bool   `json:"is_private,omitempty" alias:"private" doc:"Only invited users see it"`
	safety
}

func (k *kit) createChannel(ctx context.Context, c *toolset.Call, in createChannelIn) (changedOut, error) {
	return k.changeChannel(ctx, c, "", []any{in.Name, in.Private}, in.safety, func(api *slackapi.Client) (slackapi.Channel, error) {
		return api.CreateChannel(ctx, in.Name, in.Private)
	})
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
	return k.changeChannel(ctx, c, id, id, in.safety, func(api *slackapi.Client) (slackapi.Channel, error) {
		return api.JoinChannel(ctx, id)
	})
}

func (k *kit) leaveChannel(ctx context.Context, c *toolset.Call, in changeChannelIn) (changedOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return changedOut{}, err
	}
	return k.changeChannel(ctx, c, id, id, in.safety, func(api *slackapi.Client) (slackapi.Channel, error) {
		return slackapi.Channel{}, api.LeaveChannel(ctx, id)
	})
}

func (k *kit) archiveChannel(ctx context.Context, c *toolset.Call, in changeChannelIn) (changedOut, error) {
	id, err := k.channel(ctx, in.Channel)
	if err != nil {
		return changedOut{}, err
	}
	return k.changeChannel(ctx, c, id, id, in.safety, func(api *slackapi.Client) (slackapi.Channel, error) {
		return slackapi.Channel{}, api.ArchiveChannel(ctx, id)
	})
}

type inviteIn struct {
	channelIn
	Users []string `json:"users" alias:"user,user_ids" split:"," max:"30" doc:"User ids, @names or e-mails"`
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
	return k.each(users, func(b *batch, user string) error {
		s := in.part(user)
		_, how, err := write(ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, user}}, s,
			func(api *slackapi.Client) (struct{}, string, error) {
				_, err := api.Invite(ctx, channel, user)
				if is(err, "already_in_channel") {
					err = nil
				}
				return struct{}{}, "", err
			})
		b.add(item{User: user}, how, err)
		return err
	})
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
	return k.changeChannel(ctx, c, id, []any{id, in.Topic, in.Purpose}, in.safety, func(api *slackapi.Client) (ch slackapi.Channel, err error) {
		if in.Topic != nil {
			if ch, err = api.SetTopic(ctx, id, *in.Topic); err != nil {
				return ch, err
			}
		}
		if in.Purpose != nil {
			ch, err = api.SetPurpose(ctx, id, *in.Purpose)
		}
		return ch, err
	})
}

type openIn struct {
	Users []string `json:"users" alias:"user,user_ids" split:"," max:"8" doc:"User ids, @names or e-mails; not the bot itself"`
	safety
}

func (k *kit) openConversation(ctx context.Context, c *toolset.Call, in openIn) (changedOut, error) {
	users, err := k.users(ctx, in.Users)
	if err != nil {
		return changedOut{}, err
	}
	return k.changeChannel(ctx, c, "", users, in.safety, func(api *slackapi.Client) (slackapi.Channel, error) {
		return api.OpenDM(ctx, users...)
	})
}
