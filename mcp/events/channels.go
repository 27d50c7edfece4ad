package events

import (
	"encoding/json"

	"slackmcp/slackapi"
)

type channelArguments struct{ where }

type channelData struct {
	origin
	place
	Name    string `json:"name,omitempty" doc:"its name now, where Slack tells it"`
	Creator string `json:"creator,omitempty"`
}

// channel reads what Slack writes as an object in some events and as an id in others.
func channel(_ *channelArguments, s *seen) (channelData, bool) {
	in := inner[struct {
		Channel json.RawMessage `json:"channel"`
	}](s)
	var c struct {
		Name    string `json:"name"`
		Creator string `json:"creator"`
	}
	_ = json.Unmarshal(in.Channel, &c) // an id says no more than the envelope does
	d := channelData{place: s.place(), Name: s.words(c.Name), Creator: s.id(c.Creator)}
	d.origin = s.origin()
	return d, true
}

func channelTypes() []definition {
	return []definition{
		define("channel.created", "A public channel was created.", []string{"channel_created"}, channel),
		define("channel.renamed", "A channel got another name.", []string{"channel_rename", "group_rename"}, channel),
		define("channel.archived", "A channel was archived.", []string{"channel_archive", "group_archive"}, channel),
	}
}

type memberArguments struct{ where }

type memberData struct {
	origin
	place
	Inviter string `json:"inviter,omitempty" doc:"who brought them in"`
}

func member(_ *memberArguments, s *seen) (memberData, bool) {
	in := inner[struct {
		Inviter string `json:"inviter"`
	}](s)
	d := memberData{place: s.place(), Inviter: s.id(in.Inviter)}
	d.origin = s.origin()
	return d, true
}

type userArguments struct{ where }

type userData struct {
	origin
	place
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	RealName    string `json:"real_name,omitempty"`
	StatusText  string `json:"status_text,omitempty"`
	StatusEmoji string `json:"status_emoji,omitempty"`
	Deleted     bool   `json:"deleted,omitempty" doc:"the account was deactivated"`
	IsBot       bool   `json:"is_bot,omitempty"`
	Joined      bool   `json:"joined,omitempty" doc:"they are new in the workspace"`
}

func user(_ *userArguments, s *seen) (userData, bool) {
	in := inner[struct {
		User slackapi.User `json:"user"`
	}](s)
	u := &in.User
	d := userData{
		place: s.place(), Name: s.words(u.Name), DisplayName: s.words(u.Profile.DisplayName), RealName: s.words(u.Profile.RealName),
		StatusText: s.words(u.Profile.StatusText), StatusEmoji: s.id(u.Profile.StatusEmoji),
		Deleted: u.Deleted, IsBot: u.IsBot, Joined: s.Kind.Type == "team_join",
	}
	d.origin = s.origin()
	return d, true
}

type fileArguments struct{ where }

type fileData struct {
	origin
	place
	FileID string `json:"file_id" doc:"as slack_get_file_info takes it"`
}

func file(_ *fileArguments, s *seen) (fileData, bool) {
	in := inner[struct {
		FileID string `json:"file_id"`
	}](s)
	d := fileData{place: s.place(), FileID: s.id(in.FileID)}
	d.origin = s.origin()
	return d, true
}

func peopleTypes() []definition {
	return []definition{
		define("member.joined", "Somebody, perhaps the bot, joined a channel that the bot is in.", []string{"member_joined_channel"}, member),
		define("member.left", "Somebody left a channel that the bot is in.", []string{"member_left_channel"}, member),
		define("user.changed", "A person's profile or account changed, or they are new in the workspace.", []string{"user_change", "user_profile_changed", "user_status_changed", "team_join"}, user),
		define("file.shared", "Somebody shared a file.", []string{"file_shared"}, file),
	}
}
