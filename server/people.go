package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/server/audit"
	"slackmcp/server/operate"
	"slackmcp/signin"
	"slackmcp/signin/rows"
	"slackmcp/signin/slack"
)

// The routes of the operator socket for people who have signed in.
const (
	routePeople        = "people/list"
	routePerson        = "people/show"
	routeSignOut       = "people/sign-out"
	peopleUnavailable  = "nobody signs in at this server: it runs without the MCP side (--integrated), or SIGN_IN_TEAMS is not set"
	peoplePage         = 500 // sign-ins that are read at once
	signedOutByOperate = "operator"
)

// Person is that of the operator socket.
type Person = operate.Person

// PersonDetail is that of the operator socket.
type PersonDetail = operate.PersonDetail

// SignedOut is that of the operator socket.
type SignedOut = operate.SignedOut

// who names a person, or one sign-in by its id.
type who struct {
	Who string `json:"who"`
}

// servePeople lets an operator look at who has signed in, and sign people out.
func servePeople(socket *operate.Server, people *signInSide, j *visibility.Judge, h *hooks) {
	there := func() error {
		if people == nil {
			return errors.New(peopleUnavailable)
		}
		return nil
	}
	socket.Handle(routePeople, operate.Stream(func(ctx context.Context, _ struct{}, send func(Person) error) error {
		if err := there(); err != nil {
			return err
		}
		return people.list(ctx, send)
	}))
	socket.Handle(routePerson, operate.Call(func(ctx context.Context, in who) (PersonDetail, error) {
		if err := there(); err != nil {
			return PersonDetail{}, err
		}
		p, err := people.find(ctx, in.Who)
		if err != nil {
			return PersonDetail{}, err
		}
		return people.show(ctx, p, j)
	}))
	socket.Handle(routeSignOut, operate.Call(func(ctx context.Context, in who) (SignedOut, error) {
		if err := there(); err != nil {
			return SignedOut{}, err
		}
		out, err := people.signOut(ctx, in.Who)
		h.operated(ctx, "people_sign_out", cmp.Or(out.Person, in.Who), err)
		h.signedOut(ctx, out)
		return out, err
	}))
}

// signedOut records that an operator signed a person out.
func (h *hooks) signedOut(ctx context.Context, out SignedOut) {
	if len(out.Ended) > 0 {
		h.audit.Record(ctx, audit.Record{
			Event: audit.PersonSignedOut, Outcome: audit.OK, Reason: signedOutByOperate, Principal: out.Person, Count: len(out.Ended),
		})
	}
}

// list calls fn with each person.
func (s *signInSide) list(ctx context.Context, fn func(Person) error) error {
	return s.each(ctx, func(p Person, _ access.Person) error { return fn(p) })
}

// each calls fn with each person who has signed in. Sign-ins of a person stand together.
func (s *signInSide) each(ctx context.Context, fn func(Person, access.Person) error) error {
	var own []rows.Info
	err := s.eachSignIn(ctx, func(one rows.Info) error {
		if len(own) > 0 && own[0].Person != one.Person {
			if err := fn(summary(own), own[0].Person); err != nil {
				return err
			}
			own = own[:0]
		}
		own = append(own, one)
		return nil
	})
	if err != nil || len(own) == 0 {
		return err
	}
	return fn(summary(own), own[0].Person)
}

func (s *signInSide) eachSignIn(ctx context.Context, fn func(rows.Info) error) error {
	for after := ""; ; {
		page, next, err := s.rows.Page(ctx, after, peoplePage)
		if err != nil {
			return err
		}
		for _, one := range page {
			if err := fn(one); err != nil {
				return err
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// summary is a person by their sign-ins, of which there is at least one.
func summary(list []rows.Info) Person {
	newest := slices.MaxFunc(list, func(a, b rows.Info) int { return a.Created.Compare(b.Created) })
	p := Person{Person: newest.Person.String(), Name: newest.Name, Workspace: newest.Workspace, SignIns: len(list)}
	for _, one := range list {
		if one.Used.After(p.Used) {
			p.Used = one.Used
		}
		if name := cmp.Or(one.ClientName, one.Host); !slices.Contains(p.Clients, name) {
			p.Clients = append(p.Clients, name)
		}
	}
	slices.Sort(p.Clients)
	return p
}

// find returns the person whom an operator means: by "T…/U…", or by the user's id alone. Those who have
// a grant of Slack's left and no sign-in are found too.
func (s *signInSide) find(ctx context.Context, text string) (access.Person, error) {
	var found []access.Person
	add := func(p access.Person) {
		if (p.String() == text || p.User == text) && !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	err := s.each(ctx, func(_ Person, p access.Person) error {
		add(p)
		return nil
	})
	for after := ""; err == nil; {
		var page []slack.Info
		if page, after, err = s.slack.Grants(ctx, after); after == "" {
			break
		}
		for _, g := range page {
			add(g.Person)
		}
	}
	switch {
	case err != nil:
		return access.Person{}, err
	case len(found) == 0:
		return access.Person{}, fmt.Errorf("nobody who has signed in is %q: people list shows who has, as T…/U…", text)
	case len(found) > 1:
		names := make([]string, len(found))
		for i, p := range found {
			names[i] = p.String()
		}
		return access.Person{}, fmt.Errorf("%q may be %s: say which", text, strings.Join(names, " or "))
	}
	return found[0], nil
}

// show returns a person with their sign-ins, the last used first.
func (s *signInSide) show(ctx context.Context, p access.Person, j *visibility.Judge) (PersonDetail, error) {
	d := PersonDetail{Person: Person{Person: p.String()}, List: []rows.Info{}}
	if j != nil {
		known := j.Known(p)
		d.Sees = &known
	}
	list, err := s.rows.Of(ctx, p)
	if err != nil {
		return d, err
	}
	if len(list) > 0 {
		slices.SortFunc(list, func(a, b rows.Info) int { return b.Used.Compare(a.Used) })
		d.Person, d.List = summary(list), list
	}
	switch g, err := s.slack.Grant(ctx, p); {
	case err == nil:
		d.Grant = &g
	case !errors.As(err, new(*signin.RefusedError)):
		return d, err
	}
	return d, nil
}

// signOut ends one sign-in, by its id, or all of a person, and what they have opened. With the last one
// it ends the grant at Slack.
func (s *signInSide) signOut(ctx context.Context, text string) (out SignedOut, err error) {
	var p access.Person
	if rows.IsID(text) {
		one, err := s.rows.End(ctx, text)
		if errors.Is(err, rows.ErrInvalid) {
			return out, errors.New("there is no such sign-in: people show lists those of a person")
		}
		if err != nil {
			return out, err
		}
		p, out.Ended = one.Person, []rows.Info{one}
	} else if p, err = s.find(ctx, text); err != nil {
		return out, err
	} else if out.Ended, err = s.endAll(ctx, p); err != nil {
		return out, err
	}
	out.Person = p.String()
	left, err := s.rows.Of(ctx, p)
	if err != nil {
		return out, err
	}
	out.Left = len(left)
	if in, err := s.rows.Has(ctx, p); in || err != nil {
		return out, err
	}
	if err := s.slack.Release(ctx, p); err != nil {
		return out, fmt.Errorf("%s is signed out here, and Slack could not be asked to end what they allowed: run people sign-out %s again: %w", p, p, err)
	}
	return out, nil
}

// endAll ends the sign-ins of a person.
func (s *signInSide) endAll(ctx context.Context, p access.Person) ([]rows.Info, error) {
	list, err := s.rows.Of(ctx, p)
	if err != nil {
		return nil, err
	}
	ended := []rows.Info{}
	for _, one := range list {
		switch was, err := s.rows.End(ctx, one.ID); {
		case err == nil:
			ended = append(ended, was)
		case !errors.Is(err, rows.ErrInvalid): // it has ended meanwhile
			return ended, err
		}
	}
	return ended, nil
}

// People are those who have signed in at a running server, as an operator's commands work on them.
type People struct{ client *operate.Client }

// OperatePeople finds the server behind what [OpenOperator] opened. ErrNoRunningServer when that is a
// store without one.
func OperatePeople(store any) (People, error) {
	c, ok := store.(*operate.Client)
	if !ok {
		return People{}, ErrNoRunningServer
	}
	return People{c}, nil
}

// List calls fn with each person, in no order that means anything.
func (p People) List(ctx context.Context, fn func(Person) error) error {
	return operate.Follow(ctx, p.client, routePeople, struct{}{}, fn)
}

// Show returns a person, by "T…/U…" or a user's id.
func (p People) Show(ctx context.Context, person string) (PersonDetail, error) {
	return operate.Ask[PersonDetail](ctx, p.client, routePerson, who{person})
}

// SignOut ends a sign-in, by its id, or all of a person, as Show takes them.
func (p People) SignOut(ctx context.Context, what string) (SignedOut, error) {
	return operate.Ask[SignedOut](ctx, p.client, routeSignOut, who{what})
}
