package view_test

import (
	"testing"

	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// TestIntroductionOfNamesakes: of two authors of one name, known by their messages alone, each is told
// apart where the id is left out.
func TestIntroductionOfNamesakes(t *testing.T) {
	t.Parallel()
	r := view.NewJudge(view.JudgeOptions{}).Reading(t.Context())
	var met view.Introduction
	names := map[string]string{}
	for _, user := range []string{"U1AA", "U2AA", "U1AA", "U2AA"} {
		m := r.Message(&slackapi.Message{User: user, Username: "Alice", TS: "1700000000.000100"}, view.MessageOptions{})
		met.Message(&m)
		if m.User != "" {
			names[m.UserName] = m.User
		}
		if names[m.UserName] != user {
			t.Errorf("%s is called %q, which is %q", user, m.UserName, names[m.UserName])
		}
	}
}
