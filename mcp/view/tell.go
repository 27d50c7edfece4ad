package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// A telling puts into words what an event of Slack's that is no message tells of: what the one
// who caused it did, and to what. Each piece of it that somebody wrote is judged by its own
// author; what is not listed in fields is left out under lockdown.
type telling struct {
	*Reading
	event *event.Event
	what  *happening
	flags *Flags
	in    told
}

// told are the fields that events tell something in. Field names are those of
// docs.slack.dev/reference/events.
type told struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	OldName  string   `json:"old_name"`
	NewName  string   `json:"new_name"`
	Names    []string `json:"names"`
	Reaction string   `json:"reaction"`
	ItemUser string   `json:"item_user"`
	Item     struct {
		Type    string            `json:"type"`
		Message *slackapi.Message `json:"message"`
		File    *slackapi.File    `json:"file"`
		FileID  string            `json:"file_id"`
	} `json:"item"`
	Inviter      string        `json:"inviter"`
	FileID       string        `json:"file_id"`
	File         slackapi.File `json:"file"`
	OldChannel   string        `json:"old_channel_id"`
	NewChannel   string        `json:"new_channel_id"`
	Connected    string        `json:"connected_team_id"`
	Unconnected  string        `json:"previously_connected_team_id"`
	Tab          string        `json:"tab"`
	CallID       string        `json:"call_id"`
	SubteamID    string        `json:"subteam_id"`
	AddedUsers   []string      `json:"added_users"`
	RemovedUsers []string      `json:"removed_users"`
	TeamIDs      []string      `json:"team_ids"`
	Scopes       any           `json:"scopes"` // a list, or a text
	WorkflowID   string        `json:"workflow_id"`
	CallbackID   string        `json:"callback_id"`
	Domain       string        `json:"domain"`
	EmailDomain  string        `json:"email_domain"`
	ChannelIDs   []string      `json:"channel_ids"`
	EntityURL    string        `json:"entity_url"`
	Links        []struct {
		URL string `json:"url"`
	} `json:"links"`
	Subteam   slackapi.UserGroup `json:"subteam"`
	Assistant struct {
		Context struct {
			Channel string `json:"channel_id"`
		} `json:"context"`
	} `json:"assistant_thread"`
	Function struct {
		ID         string `json:"id"`
		CallbackID string `json:"callback_id"`
		Title      string `json:"title"`
	} `json:"function"`
	Inputs map[string]any `json:"inputs"`
	Tokens struct {
		OAuth []string `json:"oauth"`
		Bot   []string `json:"bot"`
	} `json:"tokens"`
	Metadata struct {
		Type string `json:"event_type"`
	} `json:"metadata"`
	DoNotDisturb struct {
		Enabled bool `json:"dnd_enabled"`
	} `json:"dnd_status"`
	Invite struct {
		User struct {
			ID string `json:"id"`
		} `json:"inviting_user"`
	} `json:"invite"`
	InviteRequest struct {
		Email      string   `json:"email"`
		ChannelIDs []string `json:"channel_ids"`
	} `json:"invite_request"`
	AppRequest struct {
		App struct {
			Name string `json:"name"`
		} `json:"app"`
		Message string `json:"message"`
	} `json:"app_request"`
	MessageTS string `json:"message_ts"`
	Container struct {
		MessageTS string `json:"message_ts"`
	} `json:"container"`
}

// telling begins to tell of an event. What Slack writes otherwise than documented is as if it were
// absent.
func (r *Reading) telling(h *happening, e *event.Event, f *Flags) *telling {
	t := &telling{Reading: r, event: e, what: h, flags: f}
	_ = json.Unmarshal(h.raw, &t.in)
	return t
}

// words is what an event tells; "" of a type that this package does not know.
func (t *telling) words() string {
	if tell, ok := tellings[t.event.Kind.Type]; ok {
		return tell(t)
	}
	return ""
}

// messageTS is the ts of the message that an event is about; "" where it is about none.
func (t *telling) messageTS() string {
	var ts string
	if m := t.in.Item.Message; m != nil {
		ts = m.TS
	}
	var at struct {
		Item struct {
			TS string `json:"ts"`
		} `json:"item"`
		Message struct {
			TS string `json:"ts"`
		} `json:"message"`
	}
	_ = json.Unmarshal(t.what.raw, &at)
	return t.id(cmp.Or(at.Item.TS, ts, t.in.Container.MessageTS, at.Message.TS, t.in.MessageTS))
}

// tellings are the sentences of each type of event, without the one who did it, whom the view
// names beside them.
var tellings = map[string]func(*telling) string{
	"app_context_changed":              always("looks at something else in Slack"),
	"app_deleted":                      always("the app was deleted"),
	"app_home_opened":                  func(t *telling) string { return t.with("opened the app's home: ", t.id(t.in.Tab)) },
	"app_installed":                    always("the app was installed"),
	"app_rate_limited":                 always("Slack withheld events for a minute, because there were too many"),
	"app_requested":                    (*telling).appRequested,
	"app_uninstalled":                  always("the app was uninstalled"),
	"app_uninstalled_team":             always("the app was uninstalled from a workspace"),
	"assistant_thread_started":         func(t *telling) string { return t.with("began a conversation with the app", t.lookingAt()) },
	"assistant_thread_context_changed": func(t *telling) string { return t.with("went on in the conversation with the app", t.lookingAt()) },
	"call_rejected":                    func(t *telling) string { return t.with("rejected the call ", t.id(t.in.CallID)) },
	"channel_archive":                  always("archived the channel"),
	"channel_created":                  func(t *telling) string { return t.with("created the channel ", t.channelName()) },
	"channel_deleted":                  always("deleted the channel"),
	"channel_history_changed":          always("many messages of the channel changed at once"),
	"channel_id_changed": func(t *telling) string {
		return "the channel's id changed from " + t.id(t.in.OldChannel) + " to " + t.id(t.in.NewChannel)
	},
	"channel_left":   always("the bot left the channel, or was removed from it"),
	"channel_rename": func(t *telling) string { return t.with("the channel was renamed to ", t.channelName()) },
	"channel_shared": func(t *telling) string {
		return t.with("the channel is now shared with the workspace ", t.id(t.in.Connected))
	},
	"channel_unarchive": always("unarchived the channel"),
	"channel_unshared": func(t *telling) string {
		return t.with("the channel is no longer shared with the workspace ", t.id(t.in.Unconnected))
	},
	"dnd_updated":      (*telling).doNotDisturb,
	"dnd_updated_user": (*telling).doNotDisturb,
	"email_domain_changed": func(t *telling) string {
		return t.with("the workspace's e-mail domain is now ", t.unlisted(t.in.EmailDomain))
	},
	"emoji_changed":             (*telling).emojiChanged,
	"entity_comments_requested": func(t *telling) string { return t.with("asked for the comments on ", t.unlisted(t.in.EntityURL)) },
	"entity_details_requested":  func(t *telling) string { return t.with("asked for the details of ", t.unlisted(t.in.EntityURL)) },
	"file_change":               func(t *telling) string { return "changed " + t.file() },
	"file_comment_added":        func(t *telling) string { return "commented on " + t.file() },
	"file_comment_deleted":      func(t *telling) string { return "deleted a comment on " + t.file() },
	"file_comment_edited":       func(t *telling) string { return "changed a comment on " + t.file() },
	"file_created":              func(t *telling) string { return "created " + t.file() },
	"file_deleted": func(t *telling) string {
		return "deleted " + t.file() + prefixed(", which was in ", t.channels(t.in.ChannelIDs))
	},
	"file_public":             func(t *telling) string { return "made public " + t.file() },
	"file_shared":             func(t *telling) string { return "shared " + t.file() },
	"file_unshared":           func(t *telling) string { return "stopped sharing " + t.file() },
	"function_executed":       (*telling).functionExecuted,
	"grid_migration_finished": always("the workspace's move into an organisation has ended"),
	"grid_migration_started":  always("the workspace's move into an organisation has begun"),
	"group_archive":           always("archived the channel"),
	"group_close":             always("closed the conversation"),
	"group_deleted":           always("deleted the channel"),
	"group_history_changed":   always("many messages of the channel changed at once"),
	"group_left":              always("the bot left the channel, or was removed from it"),
	"group_open":              always("opened the conversation"),
	"group_rename":            func(t *telling) string { return t.with("the channel was renamed to ", t.channelName()) },
	"group_unarchive":         always("unarchived the channel"),
	"im_close":                always("closed the conversation"),
	"im_created":              always("began the conversation"),
	"im_history_changed":      always("many messages of the conversation changed at once"),
	"im_open":                 always("opened the conversation"),
	"invite_requested":        (*telling).inviteRequested,
	"link_shared":             (*telling).linkShared,
	"member_joined_channel":   func(t *telling) string { return t.with("joined the channel", t.invited()) },
	"member_left_channel":     always("left the channel"),
	"message_metadata_deleted": func(t *telling) string {
		return t.with("deleted the metadata of a message ", t.unlisted(t.in.Metadata.Type))
	},
	"message_metadata_posted": func(t *telling) string {
		return t.with("posted a message with metadata ", t.unlisted(t.in.Metadata.Type))
	},
	"message_metadata_updated": func(t *telling) string {
		return t.with("changed the metadata of a message ", t.unlisted(t.in.Metadata.Type))
	},
	"pin_added":      func(t *telling) string { return "pinned " + t.item() },
	"pin_removed":    func(t *telling) string { return "unpinned " + t.item() },
	"reaction_added": func(t *telling) string { return "reacted with " + t.emojiName(t.in.Reaction) + " to " + t.item() },
	"reaction_removed": func(t *telling) string {
		return "took back the reaction " + t.emojiName(t.in.Reaction) + " to " + t.item()
	},
	"resources_added":                 always("the app got access to more of the workspace"),
	"resources_removed":               always("the app lost access to a part of the workspace"),
	"scope_denied":                    func(t *telling) string { return t.with("denied the app the scopes ", t.scopes()) },
	"scope_granted":                   func(t *telling) string { return t.with("granted the app the scopes ", t.scopes()) },
	"shared_channel_invite_accepted":  func(t *telling) string { return "accepted the invitation to share " + t.sharedBy() },
	"shared_channel_invite_approved":  func(t *telling) string { return "approved the invitation to share " + t.sharedBy() },
	"shared_channel_invite_declined":  func(t *telling) string { return "declined the invitation to share " + t.sharedBy() },
	"shared_channel_invite_received":  func(t *telling) string { return "invited the workspace to share " + t.sharedBy() },
	"shared_channel_invite_requested": always("asked to invite others to the channel"),
	"star_added":                      func(t *telling) string { return "starred " + t.item() },
	"star_removed":                    func(t *telling) string { return "unstarred " + t.item() },
	"subteam_created":                 func(t *telling) string { return "created " + t.group() },
	"subteam_members_changed":         (*telling).groupChanged,
	"subteam_self_added":              func(t *telling) string { return "the bot is now in the user group " + t.id(t.in.SubteamID) },
	"subteam_self_removed":            func(t *telling) string { return "the bot is no longer in the user group " + t.id(t.in.SubteamID) },
	"subteam_updated":                 (*telling).groupUpdated,
	"team_access_granted":             func(t *telling) string { return t.with("the app got access to the workspaces ", t.ids(t.in.TeamIDs)) },
	"team_access_revoked":             func(t *telling) string { return t.with("the app lost access to the workspaces ", t.ids(t.in.TeamIDs)) },
	"team_domain_change":              func(t *telling) string { return t.with("the workspace's address is now ", t.unlisted(t.in.Domain)) },
	"team_join":                       func(t *telling) string { return t.with("joined the workspace", t.profile(false)) },
	"team_rename":                     func(t *telling) string { return t.with("the workspace is now called ", t.unlisted(t.in.Name)) },
	"tokens_revoked":                  (*telling).tokensRevoked,
	"user_change":                     func(t *telling) string { return t.with("changed their profile or account", t.profile(true)) },
	"user_connection":                 always("asked to connect their account with the app, or to disconnect it"),
	"user_huddle_changed":             (*telling).huddle,
	"user_profile_changed":            func(t *telling) string { return t.with("changed their profile", t.profile(true)) },
	"user_resource_denied":            func(t *telling) string { return t.with("denied the app the scopes ", t.scopes()) },
	"user_resource_granted":           func(t *telling) string { return t.with("granted the app the scopes ", t.scopes()) },
	"user_resource_removed":           always("took the app's access back"),
	"user_status_changed":             func(t *telling) string { return t.with("changed their status", t.profile(true)) },
	"workflow_deleted":                func(t *telling) string { return t.with("the workflow was deleted: ", t.id(t.in.WorkflowID)) },
	"workflow_published":              func(t *telling) string { return t.with("the workflow was published: ", t.id(t.in.WorkflowID)) },
	"workflow_step_deleted": func(t *telling) string {
		return t.with("a step of the app was taken out of the workflow ", t.id(t.in.WorkflowID))
	},
	"workflow_step_execute": func(t *telling) string { return t.with("a workflow runs the app's step ", t.id(t.in.CallbackID)) },
	"workflow_unpublished":  func(t *telling) string { return t.with("the workflow was unpublished: ", t.id(t.in.WorkflowID)) },

	"block_actions":       (*telling).used,
	"interactive_message": (*telling).used,
	"block_suggestion":    (*telling).suggestion,
	"dialog_suggestion":   (*telling).suggestion,
	"shortcut":            func(t *telling) string { return t.with("used the shortcut ", t.id(t.in.CallbackID)) },
	"message_action":      (*telling).messageShortcut,
	"view_submission":     (*telling).submitted,
	"dialog_submission":   (*telling).submitted,
	"view_closed":         func(t *telling) string { return t.with("closed the form ", t.form()) },
	"dialog_cancellation": func(t *telling) string { return t.with("closed the form ", t.form()) },
	"workflow_step_edit":  func(t *telling) string { return t.with("edits the workflow step ", t.id(t.in.CallbackID)) },
}

func always(s string) func(*telling) string { return func(*telling) string { return s } }

// with is a sentence that ends with a piece; without the piece it ends before.
func (t *telling) with(sentence, piece string) string {
	if piece == "" {
		return strings.TrimRight(sentence, " :")
	}
	return sentence + piece
}

// id shows an id or a word for programs.
func (t *telling) id(s string) string { return t.ID(s, t.flags) }

// ids shows several.
func (t *telling) ids(list []string) string {
	var all []string
	for _, s := range list[:min(len(list), maxTold)] {
		all = append(all, t.id(s))
	}
	return strings.Join(all, ", ")
}

// maxTold bounds the members of a list that are told.
const maxTold = 25

// person mentions a user.
func (t *telling) person(id string) string {
	if id = t.id(id); id == "" {
		return ""
	}
	return "<@" + id + ">"
}

// people mentions several.
func (t *telling) people(ids []string) string {
	var all []string
	for _, id := range ids[:min(len(ids), maxTold)] {
		if one := t.person(id); one != "" {
			all = append(all, one)
		}
	}
	return strings.Join(all, ", ")
}

// channels mentions conversations.
func (t *telling) channels(ids []string) string {
	var all []string
	for _, id := range ids[:min(len(ids), maxTold)] {
		if id = t.id(id); id != "" {
			all = append(all, "<#"+id+">")
		}
	}
	return strings.Join(all, ", ")
}

// unlisted shows a text of which no owner is known: lockdown withholds it.
func (t *telling) unlisted(s string) string {
	if s != "" && t.Lockdown() {
		t.flags.Add(FlagWithheld)
		return ""
	}
	return s
}

func (t *telling) emojiName(name string) string {
	if name = t.Emoji(t.event, name, t.flags); name == "" {
		return "an emoji"
	}
	return ":" + name + ":"
}

// announced is what Slack's own announcement in a channel does not say: who invited the one who
// joined, and the new name of the channel.
func (t *telling) announced(m *slackapi.Message) string {
	switch m.Subtype {
	case "channel_join", "group_join":
		return t.invited()
	case "channel_name", "group_name":
		if name := t.Named(t.event, &slackapi.Channel{ID: t.event.Channel, Name: t.in.Name}, t.flags); !strings.Contains(m.Text, name) || t.Lockdown() {
			return prefixed(": #", name)
		}
	}
	return ""
}

// item is the message or the file that a reaction, a pin or a star is about.
func (t *telling) item() string {
	in := &t.in.Item
	if in.Message == nil && (in.Type == "file" || in.File != nil || in.FileID != "") {
		f := slackapi.File{ID: in.FileID}
		if in.File != nil {
			f = *in.File
		}
		return t.fileName(&f)
	}
	m := in.Message
	if m == nil {
		m = &slackapi.Message{}
	}
	return t.message(m, t.in.ItemUser)
}

// message is a message that an event is about: whose it is, and what it says.
func (t *telling) message(m *slackapi.Message, user string) string {
	said := "a message"
	if by := t.person(cmp.Or(m.User, user)); by != "" {
		said += " by " + by
	}
	if m.TS == "" {
		return said
	}
	m.Channel = t.event.Channel
	v := t.Reading.message(m, authorOf(m), t.what.scene.quoted(), MessageOptions{Bare: true}) // the whole text gets its names
	for _, f := range v.Flags {
		t.flags.Add(f)
	}
	if v.Text == "" {
		return said
	}
	return said + ":\n> " + strings.ReplaceAll(v.Text, "\n", "\n> ")
}

func (t *telling) file() string {
	f := t.in.File
	f.ID = cmp.Or(f.ID, t.in.FileID)
	return t.fileName(&f)
}

func (t *telling) fileName(f *slackapi.File) string {
	said := t.with("the file ", t.id(f.ID))
	if f.Name == "" && f.Title == "" {
		return said
	}
	if shown := t.fileRef(f, t.flags); shown.Name != "" {
		said += " (" + inText(shown.Name) + ")"
	}
	return said
}

// channelName is the name that an event gives a conversation.
func (t *telling) channelName() string {
	var in struct {
		Channel slackapi.Channel `json:"channel"`
	}
	_ = json.Unmarshal(t.what.raw, &in)
	if name := t.Named(t.event, &in.Channel, t.flags); name != "" {
		return "#" + name
	}
	return ""
}

func (t *telling) invited() string {
	return t.with("", prefixed(", invited by ", t.person(t.in.Inviter)))
}

// prefixed puts a text before another one that is not empty.
func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func (t *telling) lookingAt() string {
	channel := t.id(t.in.Assistant.Context.Channel)
	if channel == "" {
		return ""
	}
	return ", looking at <#" + channel + ">"
}

func (t *telling) sharedBy() string {
	said := cmp.Or(t.channelName(), "the channel")
	if by := t.in.Invite.User.ID; by != t.event.User {
		said += prefixed(", which is from ", t.person(by))
	}
	return said
}

func (t *telling) appRequested() string {
	said := t.with("asked for the app ", t.unlisted(t.in.AppRequest.App.Name))
	return said + prefixed(":\n> ", strings.ReplaceAll(t.unlisted(t.in.AppRequest.Message), "\n", "\n> "))
}

func (t *telling) inviteRequested() string {
	said := t.with("asked to invite ", t.unlisted(t.in.InviteRequest.Email))
	return said + prefixed(" to ", t.channels(t.in.InviteRequest.ChannelIDs))
}

func (t *telling) huddle() string {
	var in struct {
		User struct {
			Profile struct {
				State string `json:"huddle_state"`
			} `json:"profile"`
		} `json:"user"`
	}
	_ = json.Unmarshal(t.what.raw, &in)
	if in.User.Profile.State == "in_a_huddle" {
		return "joined a huddle" + t.profile(false)
	}
	return "left a huddle" + t.profile(false)
}

func (t *telling) doNotDisturb() string {
	if t.in.DoNotDisturb.Enabled {
		return "do-not-disturb is on"
	}
	return "do-not-disturb is off"
}

func (t *telling) emojiChanged() string {
	switch {
	case t.in.NewName != "":
		return "the emoji " + t.emojiName(t.in.OldName) + " was renamed to " + t.emojiName(t.in.NewName)
	case len(t.in.Names) > 0:
		var all []string
		for _, name := range t.in.Names[:min(len(t.in.Names), maxTold)] {
			all = append(all, t.emojiName(name))
		}
		return "emoji were removed: " + strings.Join(all, ", ")
	}
	return "the emoji " + t.emojiName(t.in.Name) + " was added"
}

func (t *telling) functionExecuted() string {
	in := &t.in.Function
	said := t.with("a workflow calls the app's function ", t.id(in.ID))
	if t.Lockdown() {
		t.flags.Add(FlagWithheld)
		return said
	}
	said = t.with("a workflow calls the app's function ", cmp.Or(in.Title, in.CallbackID, in.ID))
	return said + t.lines(t.in.Inputs)
}

// lines are the members of an object, one a line.
func (t *telling) lines(members map[string]any) string {
	var said strings.Builder
	for _, name := range sorted(members) {
		v, ok := members[name].(string)
		if raw, err := encodeJSON(members[name]); !ok && err == nil {
			v = string(raw)
		}
		fmt.Fprintf(&said, "\n%s: %s", name, v)
	}
	return said.String()
}

func (t *telling) linkShared() string {
	var all []string
	for _, link := range t.in.Links[:min(len(t.in.Links), maxTold)] {
		if url := t.Said(t.event, link.URL, t.flags); url != "" {
			all = append(all, url)
		}
	}
	return t.with("wrote links that the app previews: ", strings.Join(all, " "))
}

func (t *telling) scopes() string {
	switch v := t.in.Scopes.(type) {
	case string:
		return t.id(v)
	case []any:
		var all []string
		for _, s := range v {
			if s, ok := s.(string); ok {
				all = append(all, s)
			}
		}
		return t.ids(all)
	}
	return ""
}

// group is the user group that an event tells of.
func (t *telling) group() string {
	g := t.UserGroup(&t.in.Subteam)
	for _, f := range g.Flags {
		t.flags.Add(f)
	}
	said := "the user group " + t.id(g.ID)
	if g.Handle != "" || g.Name != "" {
		said += " (" + inText(prefixed("@", g.Handle)+" "+g.Name) + ")"
	}
	return said
}

func (t *telling) groupUpdated() string {
	if t.in.Subteam.Deleted != 0 {
		return "disabled " + t.group()
	}
	return "changed " + t.group()
}

func (t *telling) groupChanged() string {
	said := "the members of the user group " + t.id(t.in.SubteamID) + " changed"
	return said + prefixed("; new: ", t.people(t.in.AddedUsers)) + prefixed("; gone: ", t.people(t.in.RemovedUsers))
}

// profile is what a user's profile says now; with whole also title and status.
func (t *telling) profile(whole bool) string {
	var in struct {
		User slackapi.User `json:"user"`
	}
	_ = json.Unmarshal(t.what.raw, &in)
	if in.User.ID == "" {
		return ""
	}
	u := t.User(&in.User)
	for _, f := range u.Flags {
		t.flags.Add(f)
	}
	said := prefixed(": ", inText(cmp.Or(u.DisplayName, u.RealName, u.Handle)))
	if whole {
		said += prefixed(", title: ", inText(u.Title)) + prefixed(", status: ", inText(u.Status))
	}
	if u.IsDeleted {
		said += ", deactivated"
	}
	return said
}

func (t *telling) tokensRevoked() string {
	said := "tokens of the app were revoked"
	return said + prefixed(", of users: ", t.people(t.in.Tokens.OAuth)) + prefixed(", of bots: ", t.people(t.in.Tokens.Bot))
}

// moment is an instant in Unix seconds, as an element has it.
func moment(seconds json.Number) string {
	n, err := strconv.ParseInt(seconds.String(), 10, 64)
	if err != nil {
		return ""
	}
	return Time(time.Unix(n, 0))
}
