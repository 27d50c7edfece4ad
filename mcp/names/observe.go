package names

import (
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Observe learns from an event of Slack's what changed about channels and users, so
// that names stay right without asking.
func (r *Resolver) Observe(e *event.Event) {
	if e.Source != event.SourceSlack {
		return
	}
	switch e.Kind.Type {
	case "channel_created", "channel_rename", "group_rename", "channel_unarchive", "group_unarchive":
		r.observeChannel(e)
	case "channel_archive", "channel_deleted", "channel_left", "group_archive", "group_deleted", "group_left":
		r.channels.remove(e.Channel)
	case "channel_shared", "channel_unshared", "channel_id_changed":
		r.channels.remove(e.Channel)
		r.listing.reset()
	case "member_joined_channel":
		// Should it have been the bot, a private channel has come into sight.
		if _, known := r.KnownChannel(e.Channel); !known {
			r.listing.reset()
		}
	case "user_change", "team_join", "user_profile_changed":
		in, err := event.Inner[struct {
			User slackapi.User `json:"user"`
		}](e)
		if err == nil && in.User.ID != "" {
			r.KeepUser(&in.User)
		}
	}
}

func (r *Resolver) observeChannel(e *event.Event) {
	in, err := event.Inner[struct {
		Channel slackapi.Channel `json:"channel"`
	}](e)
	if err != nil || in.Channel.ID == "" || in.Channel.Name == "" {
		r.channels.remove(e.Channel)
		r.listing.reset()
		return
	}
	known, ok := r.KnownChannel(in.Channel.ID)
	if !ok {
		known = Channel{ID: in.Channel.ID}
	}
	known.Name = in.Channel.Name
	r.channels.put(known.ID, known, r.now())
}
