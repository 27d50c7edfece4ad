package operate

import (
	"time"

	"slackmcp/mcp/visibility"
	"slackmcp/signin/rows"
	"slackmcp/signin/slack"
)

// A Person is somebody who has signed in, as an operator's commands show them. Names come from Slack
// and from clients, and may hold anything.
type Person struct {
	// Person is who it is, as the other commands take it: "T…/U…".
	Person    string    `json:"person"`
	Name      string    `json:"name"`
	Workspace string    `json:"workspace"`
	SignIns   int       `json:"sign_ins"`
	Used      time.Time `json:"used"`
	// Clients are the names of the programs that they have signed in with, or their hosts.
	Clients []string `json:"clients"`
}

// A PersonDetail is a person with each of their sign-ins.
type PersonDetail struct {
	Person
	List []rows.Info `json:"list"`
	// Grant is what they have allowed at Slack; nil where nothing is known of it.
	Grant *slack.Info `json:"grant"`
	// Sees is what is known of what they may see in Slack; nil where nobody is shown events by that.
	Sees *visibility.Known `json:"sees,omitempty"`
}

// A SignedOut says what has ended.
type SignedOut struct {
	Person string      `json:"person"`
	Ended  []rows.Info `json:"ended"`
	// Left is how many sign-ins the person still has. With none, their grant at Slack has ended too.
	Left int `json:"left"`
}
