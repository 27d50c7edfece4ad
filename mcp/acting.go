package mcp

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// Bounds of finding out who the tokens act as.
const (
	// introducePatience is how long a client that connects waits for it.
	introducePatience = time.Second
	ownerPatience     = 20 * time.Second
	// ownerAgain is the pause after Slack did not say who the owner is.
	ownerAgain = time.Minute
)

// acting is who this server's tokens are in Slack: the bot, and the person whose user token it has. It
// is safe for concurrent use.
type acting struct {
	slack *slackapi.Client // nil without Slack
	names *names.Resolver
	// chosen is the operator's time zone; nil is the owner's.
	chosen *time.Location

	turn  chan struct{} // capacity 1: who asks for the owner holds the token
	tried time.Time     // guarded by turn
	owner atomic.Pointer[owner]
}

// An owner is the person whose user token the server has.
type owner struct {
	user slackapi.User
	zone *time.Location // nil where Slack does not say
}

func newActing(slack *slackapi.Client, chosen *time.Location) *acting {
	return &acting{slack: slack, chosen: chosen, turn: make(chan struct{}, 1)}
}

// zone is the time zone in which times are shown: the operator's setting, else that of the user token's
// owner once it is known, else UTC. It does not block.
func (a *acting) zone() *time.Location {
	if a.chosen != nil {
		return a.chosen
	}
	if o := a.owner.Load(); o != nil && o.zone != nil {
		return o.zone
	}
	return time.UTC
}

// whose returns who the user token's owner is, asking Slack while that is not known; nil where it is not
// found out, or there is no such token.
func (a *acting) whose(ctx context.Context) *owner {
	if o := a.owner.Load(); o != nil || a.slack == nil || !a.slack.HasUserToken() {
		return o
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil
	}
	if o := a.owner.Load(); o != nil || time.Since(a.tried) < ownerAgain {
		return o
	}
	a.tried = time.Now()
	ctx, cancel := context.WithTimeout(ctx, ownerPatience)
	defer cancel()
	self, err := a.slack.AsUser().AuthTest(ctx)
	if err != nil {
		return nil
	}
	o := &owner{user: slackapi.User{ID: self.UserID, Name: self.User}}
	if u, err := a.slack.AsUser().UserInfo(ctx, self.UserID); err == nil {
		o.user = u
	} else if u, err := a.slack.UserInfo(ctx, self.UserID); err == nil {
		o.user = u
	}
	if z, err := time.LoadLocation(o.user.TZ); err == nil && o.user.TZ != "" && o.user.TZ != "Local" {
		o.zone = z
	}
	a.owner.Store(o)
	return o
}

// instructions are for whoever is connecting: for a service the given ones, with who the server is in
// Slack. A person is told who they are; neither the bot's token nor the user token's owner is their matter.
func (a *acting) instructions(ctx context.Context, given string) string {
	if who, person := access.From(ctx).SignIn(); person {
		return personInstructions + "\n\nYou: in Slack the user is " + who.Person.User + "."
	}
	return given + a.introduction(ctx)
}

// introduction tells a model who it is in Slack, as far as that is found out within a second.
func (a *acting) introduction(ctx context.Context) string {
	if a.slack == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, introducePatience)
	defer cancel()
	var b strings.Builder
	if !a.slack.Personal() {
		if self, err := a.names.Self(ctx); err == nil && self.UserID != "" {
			b.WriteString("\n\nYou: in Slack this server is the bot " + called(self.UserID, self.User, "") + ". A mention of it is a mention of you, and its messages are yours.")
		}
	}
	found := make(chan *owner, 1)
	go func() { found <- a.whose(context.WithoutCancel(ctx)) }() // what takes longer is there for the next
	var o *owner
	select {
	case o = <-found:
	case <-ctx.Done():
	}
	b.WriteString(a.ofOwner(o))
	return b.String()
}

// ofOwner says who the user token's owner is, nil where that is not known, and what follows from it.
func (a *acting) ofOwner(o *owner) string {
	who := ""
	if o != nil {
		who = called(o.user.ID, o.user.Name, cmp.Or(o.user.RealName, o.user.Profile.RealName, o.user.Profile.DisplayName))
	}
	switch {
	case a.slack.Personal():
		return "\n\nYou: in Slack you act as " + cmp.Or(who, "the person whose token this server has") + ". There is no bot: you see what they see, and what you write appears as written by them, so write only what they want to have said."
	case who != "":
		return " The user token is that of " + who + "."
	}
	return ""
}

// A handle is one word, and a plain name at most three, so that none is a sentence: the instructions are
// what a model trusts.
var (
	handle    = regexp.MustCompile(`^[\p{L}\p{M}\p{N}._-]{1,80}$`)
	plainName = regexp.MustCompile(`^[\p{L}\p{M}.'’-]{1,30}( [\p{L}\p{M}.'’-]{1,30}){0,2}$`)
)

// called writes who somebody is: @ada, Ada Abbot (U0123456789).
func called(id, name, full string) string {
	var parts []string
	if handle.MatchString(name) {
		parts = append(parts, "@"+name)
	}
	if plainName.MatchString(full) && full != name {
		parts = append(parts, full)
	}
	if len(parts) == 0 {
		return id
	}
	return strings.Join(parts, ", ") + " (" + id + ")"
}
