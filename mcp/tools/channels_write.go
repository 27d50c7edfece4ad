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

// changed is the result of a call that changed a channel and answered with it.
func (k *kit) changed(ch slackapi.Channel, w *writing, err error) (changedOut, error) {
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
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Arguments: []any{in.Name, in.Private}}, in.safety)
	if w.due {
		ch, err = w.slack.CreateChannel(ctx, in.Name, in.Private)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ch, w, err)
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
	return k.changed(ch, w, err)
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
	return k.changed(ch, w, err)
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
	return k.changed(ch, w, err)
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
	var b batch
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
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Channel: id, Arguments: []any{id, in.Topic, in.Purpose}}, in.safety)
	if w.due {
		if in.Topic != nil {
			ch, err = w.slack.SetTopic(ctx, id, *in.Topic)
		}
		if in.Purpose != nil && err == nil {
			ch, err = w.slack.SetPurpose(ctx, id, *in.Purpose)
		}
		w.end(ctx, ch, "", err)
	}
	return k.changed(ch, w, err)
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
	ch, w, err := begin[slackapi.Channel](ctx, k, c, guard.Write{Arguments: users}, in.safety)
	if w.due {
		ch, err = w.slack.OpenDM(ctx, users...)
		w.end(ctx, ch, "", err)
	}
	return k.changed(ch, w, err)
}
