package access

// A Person is who somebody is in Slack. It decides what may be seen and which grant of Slack's is
// used; it is no caller by itself: callers are sign-ins of a person. The zero value is nobody.
type Person struct {
	// Host is Slack's own: "slack.com", or "slack-gov.com".
	Host string `json:"host"`
	// Enterprise is the organization's id (E…), empty for a workspace that belongs to none. Team is
	// the workspace's id (T…), empty where the app is installed for the whole organization. One of
	// them is given.
	Enterprise string `json:"enterprise,omitempty"`
	Team       string `json:"team,omitempty"`
	// User is the user's id (U… or W…).
	User string `json:"user"`
}

// Valid reports whether the person is somebody: a host, a user, and a workspace or an organization.
func (p Person) Valid() bool {
	return p.Host != "" && p.User != "" && (p.Enterprise != "" || p.Team != "")
}

// Same reports whether two are one person: users are known throughout an organization, and outside
// of one within their workspace. Nobody is the same as anybody.
func (p Person) Same(q Person) bool {
	if !p.Valid() || !q.Valid() || p.Host != q.Host || p.User != q.User || p.Enterprise != q.Enterprise {
		return false
	}
	return p.Enterprise != "" || p.Team == q.Team
}

// String is the person for logs and for people who operate: "T…/U…", or "E…/U…" where there is no
// workspace.
func (p Person) String() string {
	if p.Team == "" {
		return p.Enterprise + "/" + p.User
	}
	return p.Team + "/" + p.User
}
