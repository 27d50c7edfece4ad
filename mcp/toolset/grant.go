package toolset

import (
	"slices"
	"strings"
)

// A Grant is what Slack gave to the tokens at hand. The zero value is a bot token whose
// scopes are not known yet, with which every bot's tool is worth a try.
type Grant struct {
	// Known reports that the scopes below are Slack's word.
	Known bool
	// Bot and User are the scopes of the two tokens.
	Bot, User []string
	// HasUser reports that there is a user token.
	HasUser bool
}

// Missing returns the Slack scopes for want of which the tool cannot be called, as
// the tool's Needs write them; nil when it can.
func (g Grant) Missing(t *Tool) []string {
	bot, byBot := g.ofBot(t)
	user, byUser := g.ofUser(t)
	switch {
	case len(t.Needs)+len(t.UserNeeds) == 0, byBot, byUser:
		return nil
	case len(t.Needs) > 0:
		return bot
	}
	return user
}

// ofBot returns what the bot token lacks, and whether it is enough.
func (g Grant) ofBot(t *Tool) (lacking []string, enough bool) {
	if len(t.Needs) == 0 {
		return nil, false
	}
	if !g.Known {
		return nil, true
	}
	lacking = without(t.Needs, g.Bot)
	return lacking, len(lacking) == 0
}

// ofUser returns what a user token would need, and whether there is one that has it.
func (g Grant) ofUser(t *Tool) (lacking []string, enough bool) {
	if len(t.UserNeeds) == 0 {
		return nil, false
	}
	if g.HasUser && (!g.Known || len(without(t.UserNeeds, g.User)) == 0) {
		return nil, true
	}
	for _, n := range t.UserNeeds {
		lacking = append(lacking, "user token: "+n)
	}
	return lacking, false
}

// without returns the needs that no scope of have satisfies.
func without(needs, have []string) []string {
	var lacking []string
	for _, need := range needs {
		if !slices.ContainsFunc(strings.Split(need, "|"), func(s string) bool { return slices.Contains(have, s) }) {
			lacking = append(lacking, need)
		}
	}
	return lacking
}
