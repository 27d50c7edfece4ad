package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"slackmcp/mcp/notify"
	"slackmcp/server/operate"
)

// people shows who has signed in.
func (c *Console) people(r *http.Request) (any, error) {
	var d struct {
		People []operate.Person
		More   int
		None   bool
	}
	if d.None = c.opt.People == nil; d.None {
		return d, nil
	}
	err := c.opt.People.List(r.Context(), func(p operate.Person) error {
		if len(d.People) == maxRows {
			d.More++
			return nil
		}
		d.People = append(d.People, p)
		return nil
	})
	slices.SortFunc(d.People, func(a, b operate.Person) int {
		return cmp.Or(strings.Compare(a.Workspace, b.Workspace), strings.Compare(a.Name, b.Name), strings.Compare(a.Person, b.Person))
	})
	return d, err
}

var errNobody = problem{"Nobody signs in at this server.", "Set SIGN_IN_TEAMS to let people sign in."}

// person shows a person with their sign-ins.
func (c *Console) person(r *http.Request) (any, error) {
	if c.opt.People == nil {
		return nil, errNobody
	}
	d, err := c.opt.People.Show(r.Context(), r.FormValue("who"))
	if err != nil {
		return nil, problem{err.Error() + ".", ""}
	}
	return d, nil
}

// signOutPerson ends a person's sign-ins, or one of them.
func (c *Console) signOutPerson(r *http.Request) (string, error) {
	if c.opt.People == nil {
		return "", errNobody
	}
	if err := sure(r); err != nil {
		return "", err
	}
	out, err := c.opt.People.SignOut(r.Context(), r.PostFormValue("who"))
	c.changed(r, "people_sign_out", cmp.Or(out.Person, r.PostFormValue("who")), len(out.Ended), err)
	if err != nil {
		return "", problem{err.Error() + ".", ""}
	}
	return "/people", nil
}

// subscriptions shows the webhook subscriptions.
func (c *Console) subscriptions(r *http.Request) (any, error) {
	var d struct {
		List []notify.Info
		More int
		None string
	}
	n, err := c.opt.Subscriptions()
	if err != nil {
		d.None = err.Error()
		return d, nil //nolint:nilerr // the page says why there are none
	}
	if d.List, err = n.List(r.Context()); len(d.List) > maxRows {
		d.List, d.More = d.List[:maxRows], len(d.List)-maxRows
	}
	return d, err
}

// subscription shows one with its dead letters.
func (c *Console) subscription(r *http.Request) (any, error) {
	n, err := c.opt.Subscriptions()
	if err != nil {
		return nil, problem{err.Error() + ".", ""}
	}
	info, err := n.Show(r.Context(), r.FormValue("id"))
	if err != nil {
		return nil, problem{err.Error() + ".", "It may have ended: look at the list."}
	}
	attempts := c.trail.of(func(a *Attempt) bool { return a.By == info.ID }, maxAttempt)
	return struct {
		notify.Info

		Attempts []Attempt
	}{info, attempts}, nil
}

// changeSubscription pauses, resumes or removes a subscription.
func (c *Console) changeSubscription(r *http.Request) (string, error) {
	n, err := c.opt.Subscriptions()
	if err != nil {
		return "", problem{err.Error() + ".", ""}
	}
	id := r.PostFormValue("id")
	var do func(context.Context, string) error
	what := r.PostFormValue("do")
	switch what {
	case "pause":
		do = n.Pause
	case "resume":
		do = n.Resume
	case "remove":
		if err := sure(r); err != nil {
			return "", err
		}
		do = n.Remove
	default:
		return "", problem{fmt.Sprintf("Nothing is called %q.", c.shown(what, maxSummary)), "Load the page again."}
	}
	err = do(r.Context(), id)
	c.changed(r, "subscription_"+what, id, 0, err)
	return "/subscriptions", err
}
