package view

import (
	"slackmcp/slackapi"
)

// A UserGroup is users who are mentioned together.
type UserGroup struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Handle      string `json:"handle"`
	Description string `json:"description,omitempty"`
	UserCount   int    `json:"user_count"`
	IsExternal  bool   `json:"is_external,omitempty"`
	IsDisabled  bool   `json:"is_disabled,omitempty"`
	Flags       Flags  `json:"flags,omitempty"`
}

// UserGroup shows a user group. Our own workspace and organisation name theirs, another organisation
// those that are external. Where Slack does not say which organisation a workspace's group is of, as
// of a sister workspace's, it is of those who made and changed it.
func (r *Reading) UserGroup(g *slackapi.UserGroup) UserGroup {
	v := UserGroup{ID: g.ID, UserCount: g.UserCount, IsExternal: g.IsExternal, IsDisabled: g.Deleted != 0}
	if r.Lockdown() && (g.IsExternal || !r.homeGroup(g)) {
		v.Flags.Add(FlagWithheld)
		return v
	}
	v.Name, v.Handle, v.Description = v.Flags.Name(g.Name), v.Flags.Name(g.Handle), v.Flags.Name(g.Description)
	return v
}

func (r *Reading) homeGroup(g *slackapi.UserGroup) bool {
	switch own := r.home(); {
	case own.has(g.TeamID):
		return true
	case g.EnterpriseID != "" && !own.isZero():
		return own.has(g.EnterpriseID)
	}
	return g.TeamID != "" && r.member(g.CreatedBy, "", "") && r.member(g.UpdatedBy, "", "")
}

// A Bookmark is a link at the top of a conversation.
type Bookmark struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Link    string `json:"link"`
	Emoji   string `json:"emoji,omitempty"`
	Created string `json:"created,omitempty"`
	Flags   Flags  `json:"flags,omitempty"`
}

// maxLink bounds an address, in characters.
const maxLink = 4000

// Bookmark shows a bookmark, which is of who wrote it last.
func (r *Reading) Bookmark(b *slackapi.Bookmark) Bookmark {
	v := Bookmark{ID: b.ID, Created: Unix(b.Created)}
	if !r.member(b.UpdatedBy, "", b.ID) {
		v.Flags.Add(FlagWithheld)
		return v
	}
	v.Title, v.Link, v.Emoji = v.Flags.Name(b.Title), v.Flags.Text(b.Link, maxLink), v.Flags.Name(b.Emoji)
	return v
}

// Scheduled is what passes of a message of ours that waits for its time.
func (r *Reading) Scheduled(m *slackapi.Scheduled, maxText int, f *Flags) string {
	if r.Lockdown() && !r.ours(&scene{}, m.ID) {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Text(m.Text, maxText)
}
