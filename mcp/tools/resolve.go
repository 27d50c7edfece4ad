package tools

import (
	"context"
	"errors"
	"strings"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// The two values of response_format.
const (
	concise  = "concise"
	detailed = "detailed"
)

const (
	// resolvePatience bounds the search for one name.
	resolvePatience = 25 * time.Second
	// namePatience and nameCalls bound what is spent on showing people's names.
	namePatience = 3 * time.Second
	nameCalls    = 20
)

// channel returns the id of a channel as somebody wrote it.
func (k *kit) channel(ctx context.Context, s string) (string, error) {
	ref, err := names.ParseChannel(s)
	switch {
	case err != nil:
		return "", &toolset.ArgumentError{Argument: "channel", Problem: err.Error()}
	case ref.ID != "":
		return ref.ID, nil
	case k.Names == nil:
		return "", &toolset.ArgumentError{Argument: "channel", Problem: "without a Slack token names cannot be resolved; give the id"}
	}
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	if ref.User != nil {
		return k.directMessage(ctx, *ref.User)
	}
	id, err := k.Names.ChannelID(ctx, ref.Name)
	if err != nil {
		return "", unresolved(err)
	}
	return id, nil
}

// user returns the id of a user as somebody wrote it.
func (k *kit) user(ctx context.Context, s string) (string, error) {
	ref, err := names.ParseUser(s)
	switch {
	case err != nil:
		return "", &toolset.ArgumentError{Argument: "user", Problem: err.Error()}
	case ref.ID != "":
		return ref.ID, nil
	case k.Names == nil:
		return "", &toolset.ArgumentError{Argument: "user", Problem: "without a Slack token names cannot be resolved; give the id"}
	}
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	id, err := k.Names.UserID(ctx, ref)
	if err != nil {
		return "", unresolved(err)
	}
	return id, nil
}

// users returns the ids of several users.
func (k *kit) users(ctx context.Context, list []string) ([]string, error) {
	ids := make([]string, len(list))
	for i, s := range list {
		id, err := k.user(ctx, s)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// directMessage returns the conversation of the bot with a user. Slack makes it when
// there is none, which nobody sees.
func (k *kit) directMessage(ctx context.Context, ref names.UserRef) (string, error) {
	id, err := k.Names.UserID(ctx, ref)
	if err != nil {
		return "", unresolved(err)
	}
	c, err := k.Slack.OpenDM(ctx, id)
	return c.ID, err
}

// unresolved turns a resolver's error into words.
func unresolved(err error) error {
	var several *names.AmbiguousError
	switch {
	case errors.As(err, &several):
		return faultf("ambiguous_user: several users have that name. Give one of the ids: %s.", strings.Join(several.IDs, ", "))
	case errors.Is(err, names.ErrNoChannel):
		return fault("channel_not_found: no channel of that name is in sight of the bot. Find channels with slack_list_channels; ask a member of a private channel to invite the bot; an archived channel needs its id.")
	case errors.Is(err, names.ErrNoUser):
		return fault("user_not_found: nobody has that name or address. Find users with slack_search_users.")
	case errors.Is(err, names.ErrUnfinished):
		return fault("still_searching: the workspace is large and Slack limits how fast its lists can be read. Call again in 30 seconds to go on searching, or give the id.")
	}
	return err
}

// self returns who the bot is, or nobody when that cannot be found out: provenance is
// then unknown, which is the careful side.
func (k *kit) self(ctx context.Context) slackapi.Identity {
	id, err := k.Names.Self(ctx)
	if err != nil {
		return slackapi.Identity{}
	}
	return id
}

// home is the workspace whose users are ours, or "" where a user's workspace does not
// tell: in an organisation of several, and when it cannot be found out.
func (k *kit) home(ctx context.Context) string {
	self := k.self(ctx)
	if self.EnterpriseID != "" {
		return ""
	}
	return self.TeamID
}

// people tells what users are called, and which of them are of another organisation,
// as far as it is known. With ask, a few that are not known are asked for.
func (k *kit) people(ctx context.Context, ids []string, ask bool) (called map[string]string, outsiders map[string]bool) {
	calls := 0
	if ask {
		calls = nameCalls
	}
	team := k.home(ctx)
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	called, outsiders = map[string]string{}, map[string]bool{}
	for id, u := range k.Names.Users(ctx, ids, calls) {
		called[id] = u.Name()
		outsiders[id] = u.Stranger || team != "" && u.Team != "" && u.Team != team
	}
	return called, outsiders
}
