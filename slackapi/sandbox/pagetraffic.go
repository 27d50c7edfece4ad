package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const shownTraffic = 30

// A sentView is what was sent to the server, and how it answered.
type sentView struct {
	Time, Stamp, What, Where string
	State, Class, Words      string
	Attempts                 []attemptView
	Body                     string
	ID                       string

	at time.Time
}

type attemptView struct {
	Number int
	Time   string
	Status int
	Took   string
	Reason string
}

// sent lists the newest deliveries and interactions, the newest first. It requires that s.mu is free.
func (s *Sandbox) sent() []sentView {
	all := make([]sentView, 0, 2*shownTraffic)
	for _, d := range s.sender.newest(shownTraffic) {
		v := sentView{What: d.Type, Where: d.Channel, Body: pretty(d.Body), ID: d.EventID, at: d.came}
		if d.Subtype != "" {
			v.What += " · " + d.Subtype
		}
		v.State, v.Class, v.Words = stateWords(d)
		for i, a := range d.Attempts {
			v.Attempts = append(v.Attempts, attempt(i+1, a))
		}
		all = append(all, v)
	}
	s.mu.Lock()
	seen := slices.Clone(s.watch.interactions[max(0, len(s.watch.interactions)-shownTraffic):])
	for i, one := range seen {
		if u, ok := s.user(one.who); ok {
			seen[i].who = or(u.RealName, u.Name)
		}
	}
	s.mu.Unlock()
	for _, one := range seen {
		v := sentView{
			What: one.what, Where: "by " + one.who, Body: withoutSecrets(string(one.answer.Body)), at: one.answer.At, State: "taken", Class: "ok",
			Words: "The server answered within Slack's three seconds.", Attempts: []attemptView{attempt(1, one.answer.Attempt)},
		}
		if one.answer.Reason != "" {
			v.State, v.Class, v.Words = "refused", "bad", "The server did not take it. Slack shows the person a warning, and does not repeat it."
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b sentView) int { return b.at.Compare(a.at) })
	for i := range all {
		all[i].Time, all[i].Stamp = all[i].at.Format("15:04:05"), all[i].at.UTC().Format(time.RFC3339)
	}
	return all[:min(len(all), shownTraffic)]
}

func attempt(number int, a Attempt) attemptView {
	return attemptView{number, a.At.Format("15:04:05"), a.Status, took(a.Latency), a.Reason}
}

func took(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func stateWords(d Delivery) (state, class, words string) {
	switch d.State {
	case Delivered:
		return "stored", "ok", "The server answered 200: it has stored the event."
	case Failed:
		return "given up", "bad", "The server did not take it, and Slack tries no more."
	case Withheld:
		return "withheld", "warn", "Slack sends nothing now: too many events in an hour, or too many failures."
	case Pending:
	}
	if len(d.Attempts) > 0 {
		return "will be repeated", "warn", "The server did not take it. Slack repeats at once, after a minute and after five."
	}
	return "on its way", "", "The server has not answered yet."
}

// newest are copies of the newest deliveries, oldest first.
func (s *sender) newest(n int) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Delivery, 0, n)
	for _, d := range s.log[max(0, len(s.log)-n):] {
		one := *d
		one.Attempts = slices.Clone(d.Attempts)
		all = append(all, one)
	}
	return all
}

// A callView is what the app called.
type callView struct {
	Time, Stamp, Method, Who string
	State, Class             string
	Took                     string
	Args                     []argument
	Answer                   string
}

// calls are the newest calls, the newest first.
func (l lookout) calls() (all []callView) {
	seen := l.watch.calls[max(0, len(l.watch.calls)-shownTraffic):]
	for _, c := range slices.Backward(seen) {
		v := callView{
			Time: c.at.Format("15:04:05"), Stamp: c.at.UTC().Format(time.RFC3339), Method: c.method, Took: took(c.took), Args: c.args,
			Answer: pretty([]byte(c.answer)), State: "ok", Class: "ok", Who: "without a token",
		}
		switch {
		case c.bot:
			v.Who = "as " + l.app.name + ", the bot"
		case c.who != "":
			v.Who = "as " + l.names('@', c.who, c.who)
		}
		if c.problem != "" {
			v.State, v.Class = c.problem, "bad"
		}
		all = append(all, v)
	}
	return all
}

// A grantView is a person for whom assistants act, since they have signed in.
type grantView struct {
	Person personView
	Scopes []string
	Last   string // what was called last
}

// grants are the people who have allowed the app to act for them.
func (l lookout) grants() (all []grantView) {
	for id, g := range l.oauth.grants {
		u, ok := l.user(id)
		if !ok {
			continue
		}
		v := grantView{Person: l.person(u), Scopes: g.scopes, Last: "nothing was called yet"}
		for _, c := range l.watch.calls {
			if c.who == id && !c.bot {
				v.Last = c.method + " at " + c.at.Format("15:04:05")
			}
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b grantView) int { return cmp.Compare(a.Person.Name, b.Person.Name) })
	return all[:min(len(all), shownPeople)]
}
