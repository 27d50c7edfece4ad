package view_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// nobody is a Slack that does not say who we are.
type nobody struct{ people }

func (nobody) Self(context.Context) (slackapi.Identity, error) {
	return slackapi.Identity{}, errors.New("Slack is down")
}

// said is a message's event with words that are in no id.
func said(more a) a {
	m := written(more)
	m["text"] = ours + " said"
	return m
}

// TestLockdownKnowsOurWorkspaceByOurToken: others may have installed the app, and what the envelope
// of such an event says makes nothing ours.
func TestLockdownKnowsOurWorkspaceByOurToken(t *testing.T) {
	t.Parallel()
	const evil, partner = "T0EVIL0001", "T0PARTNER01"
	installation := func(teams ...string) (all []any) {
		for _, team := range teams {
			all = append(all, a{"team_id": team, "user_id": "U0EVILBOT1", "is_bot": true})
		}
		return all
	}
	for name, tc := range map[string]struct {
		message, envelope a
		passes            bool
	}{
		"an event of a foreign installation": {
			a{"user": missing, "team": evil}, a{"team_id": evil, "is_ext_shared_channel": false, "authorizations": installation(evil)}, false,
		},
		"the same without a team of the author's": {
			a{"user": missing, "team": nil}, a{"team_id": evil, "is_ext_shared_channel": false, "authorizations": installation(evil)}, false,
		},
		"the same without authorizations": {
			a{"user": missing, "team": nil}, a{"team_id": evil, "is_ext_shared_channel": false, "authorizations": nil}, false,
		},
		"a partner who installed the app, in a shared conversation": {
			a{"user": outsider, "team": partner}, a{"team_id": partner, "is_ext_shared_channel": true, "authorizations": installation(partner)}, false,
		},
		"a foreign installation before ours": {
			a{"user": missing, "team": evil}, a{"is_ext_shared_channel": false, "authorizations": installation(evil, homeTeam)}, false,
		},
		"a foreign installation behind ours": {
			a{"user": missing, "team": nil}, a{"is_ext_shared_channel": false, "authorizations": installation(homeTeam, evil)}, false,
		},
		"a colleague, with a foreign installation before ours": {
			a{}, a{"is_ext_shared_channel": false, "authorizations": installation(evil, homeTeam)}, true,
		},
		"our own installation": {
			a{"user": missing, "team": nil}, a{"is_ext_shared_channel": false, "authorizations": installation(homeTeam)}, true,
		},
		"one whom Slack does not find, of our team by a message of a shared conversation": {
			a{"user": missing}, a{"is_ext_shared_channel": true}, false,
		},
		"one whom Slack does not find, of our team where it is not said what the conversation is": {
			a{"user": missing}, a{"is_ext_shared_channel": nil}, false,
		},
	} {
		e := eventtest.Envelope("Ev1", said(tc.message), tc.envelope)
		if got := seen(t, locked(t, view.Guests, nil), &e); strings.Contains(got, ours+" said") != tc.passes {
			t.Errorf("%s is shown as %s", name, got)
		}
	}
	e := eventtest.Envelope("Ev1", said(nil), inShared(false))
	r := view.NewJudge(view.JudgeOptions{Lockdown: view.Guests, People: &nobody{}}).Reading(t.Context())
	if got := seen(t, r, &e); strings.Contains(got, ours+" said") {
		t.Errorf("where it is not known who we are there is shown %s", got)
	}
}

// TestATeamAloneIsNoEvidence: of a message that was read from Slack, whose author could not be
// looked up.
func TestATeamAloneIsNoEvidence(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		m := slackapi.Message{User: missing, Team: homeTeam, Text: ours, TS: "1.000001", Channel: "C1"}
		if v := locked(t, view.Guests, nil).Message(&m, view.MessageOptions{Unshared: !shared}); v.Text != "" {
			t.Errorf("shown as %+v", v)
		}
	}
}
