package view

import (
	"cmp"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// A User is a person or a bot.
type User struct {
	Untrusted   bool   `json:"untrusted"`
	ID          string `json:"id"`
	Handle      string `json:"name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	RealName    string `json:"real_name,omitempty"`
	Title       string `json:"title,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty"`
	Pronouns    string `json:"pronouns,omitempty"`
	Status      string `json:"status,omitempty"`
	TimeZone    string `json:"tz,omitempty"`
	Team        string `json:"team,omitempty"`
	IsBot       bool   `json:"is_bot,omitempty"`
	IsAdmin     bool   `json:"is_admin,omitempty"`
	IsGuest     bool   `json:"is_guest,omitempty"`
	IsExternal  bool   `json:"is_external,omitempty" doc:"of another organisation"`
	IsDeleted   bool   `json:"is_deleted,omitempty"`
	Flags       Flags  `json:"flags,omitempty"`
}

// NewUser shows a user's profile; team is our own, "" when it is not known.
func NewUser(u *slackapi.User, team string) User {
	v := User{
		Untrusted: true, ID: u.ID, IsBot: u.IsBot, IsGuest: u.IsRestricted || u.IsUltraRestricted,
		IsExternal: u.IsStranger || team != "" && u.TeamID != "" && u.TeamID != team, IsDeleted: u.Deleted,
	}
	v.Handle, v.DisplayName = v.Flags.Name(u.Name), v.Flags.Name(u.Profile.DisplayName)
	v.RealName, v.Title = v.Flags.Name(cmp.Or(u.RealName, u.Profile.RealName)), v.Flags.Name(u.Profile.Title)
	v.Email = v.Flags.Name(u.Profile.Email)
	v.Phone, v.Pronouns = v.Flags.Name(u.Profile.Phone), v.Flags.Name(u.Profile.Pronouns)
	v.Status = v.Flags.Name(status(&u.Profile))
	v.TimeZone, v.Team, v.IsAdmin = v.Flags.Name(u.TZ), u.TeamID, u.IsAdmin || u.IsOwner
	return v
}

func status(p *slackapi.Profile) string {
	if p.StatusEmoji != "" && p.StatusText != "" {
		return p.StatusEmoji + " " + p.StatusText
	}
	return cmp.Or(p.StatusText, p.StatusEmoji)
}

// A Person is a user in short: who it is, and whether to trust their words.
type Person struct {
	Untrusted   bool   `json:"untrusted"`
	ID          string `json:"id"`
	Handle      string `json:"name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	RealName    string `json:"real_name,omitempty"`
	Title       string `json:"title,omitempty"`
	IsBot       bool   `json:"is_bot,omitempty"`
	IsGuest     bool   `json:"is_guest,omitempty"`
	IsExternal  bool   `json:"is_external,omitempty"`
	IsDeleted   bool   `json:"is_deleted,omitempty"`
	Flags       Flags  `json:"flags,omitempty"`
}

// NewPerson shows what was kept of a user; team is our own, "" when it is not known.
func NewPerson(u *names.User, team string) Person {
	v := Person{
		Untrusted: true, ID: u.ID, IsBot: u.Bot, IsGuest: u.Guest,
		IsExternal: u.Stranger || team != "" && u.Team != "" && u.Team != team, IsDeleted: u.Deleted,
	}
	v.Handle, v.DisplayName = v.Flags.Name(u.Handle), v.Flags.Name(u.Display)
	v.RealName, v.Title = v.Flags.Name(u.Real), v.Flags.Name(u.Title)
	return v
}
