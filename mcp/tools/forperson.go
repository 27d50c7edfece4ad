package tools

import (
	"context"
	"errors"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// asBot returns the kit with which the bot writes: of a person's kit one whose writes are the bot's, for the
// person, who has to be found in the conversation first, see [kit.present]. Nothing else of a person's
// calls may be made with it. The kit of services is its own.
func (k *kit) asBot() *kit {
	if k.bot == nil {
		return k
	}
	by := *k
	by.Slack = by.bot
	return &by
}

// answering returns the kit with which an event of a conversation is answered: the caller's own or, for a person
// where the operator prefers that, the bot's, and the line that names the person then.
func (k *kit) answering(ctx context.Context, channel string) (by *kit, line string, err error) {
	if k.bot == nil || !k.SpeakAsBot {
		return k, "", nil
	}
	if err := k.present(ctx, channel); err != nil {
		return nil, "", err
	}
	return k.asBot(), k.onBehalf(ctx), nil
}

// errAbsent refuses what the bot would do in a conversation that the person is not in.
var errAbsent = fault("not_a_member: the bot does this for the user only in a conversation that the user is a member of at this moment, or in a public channel that they may write in. Nothing was done. Give such a conversation, or the user themself.")

// present returns an error unless the one whose kit this is is a member of a conversation at this moment, or may write
// in it because it is public. Slack is asked, with their own token; of a service nothing is asked.
func (k *kit) present(ctx context.Context, channel string) error {
	if k.bot == nil {
		return nil
	}
	c, err := k.Slack.ConversationInfo(ctx, channel)
	if e, ok := errors.AsType[*slackapi.Error](err); ok && e.Kind == slackapi.NotFound {
		return errAbsent // it is hidden, or there is none
	}
	switch {
	case err != nil:
		return err
	case c.IsArchived || c.IsReadOnly: // of the latter Slack does not say who may write
	case c.IsMember && !c.IsIM, c.IsMPIM:
		return nil
	case c.IsIM && c.User == k.botUser:
		return nil
	case c.IsChannel && !c.IsIM && !c.IsPrivate && !c.IsGroup && !c.IsExtShared && !c.IsPendingExtShared && !k.guest:
		return nil
	}
	return errAbsent
}

// place returns the conversation that the bot is to write in for the one whose kit this is. A person names a
// conversation, or themself: then it is the bot's direct message with them.
func (k *kit) place(ctx context.Context, s string, how safety) (id string, own bool, err error) {
	if k.bot == nil {
		id, _, err = k.recipient(ctx, s, how)
		return id, true, err
	}
	id, user, err := k.conversation(ctx, s)
	switch {
	case err != nil || user == "":
		return id, false, err
	case user != k.ofUser:
		return "", false, &toolset.ArgumentError{Argument: "channel", Problem: "the bot writes for the user where the user is a member; the bot's direct message with somebody else is none such. Name a channel, or the user themself"}
	case how.DryRun:
		return user, true, nil
	}
	c, err := k.bot.OpenDM(ctx, user)
	return c.ID, true, err
}

// onBehalf names the person for whom the bot writes, in plain words that mention nobody; "" where a service does.
func (k *kit) onBehalf(ctx context.Context) string {
	if k.bot == nil {
		return ""
	}
	u, err := k.Names.User(ctx, k.ofUser)
	if err != nil {
		u = names.User{ID: k.ofUser}
	}
	return "By an assistant of " + k.called(ctx, []names.User{u})
}
