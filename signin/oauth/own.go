package oauth

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
)

// Where people see what they have signed in with, and end it. There is no session: Slack says who they
// are, and what they may end travels sealed in the page's form.
const (
	ownPath      = "/sign-ins"
	ownSlackPath = "/sign-ins/slack"
	ownEndPath   = "/sign-ins/end"
)

// The purposes of sealed transactions that are no client's: the form that leads to Slack, and that of
// the list.
const (
	atOwnStart = "own start"
	atOwn      = "own"
)

var (
	errOwnForm = &pageError{"This page is too old, or did not come from here. Open the page of your sign-ins again."}
	errOwnSent = &pageError{"Slack did not say who you are. Open the page of your sign-ins again."}
)

// own shows the way to a person's own page.
func (s *Server) own(w http.ResponseWriter, r *http.Request) {
	t := &transaction{Own: true, Scopes: []access.Scope{access.Read}, Until: s.opt.Now().Add(rows.StateLife)}
	sealed, toSlack, ok := s.handOut(w, r, atOwnStart, t)
	if !ok {
		return
	}
	s.show(w, http.StatusOK, ownStartPage, ownStartView{Sealed: sealed, Action: ownSlackPath}, toSlack)
}

// ownSlack takes the form that leads to Slack.
func (s *Server) ownSlack(w http.ResponseWriter, r *http.Request) {
	t, err := s.posted(r, atOwnStart)
	if err != nil {
		s.problem(w, http.StatusBadRequest, errOwnForm)
		return
	}
	s.toSlack(w, r, t)
}

// ownCallback takes a person back from Slack who is to see their own page. The grant that Slack gave for
// it is let go where they are signed in nowhere.
func (s *Server) ownCallback(w http.ResponseWriter, r *http.Request, t *transaction, code string) {
	if code == "" {
		s.problem(w, http.StatusBadRequest, errOwnSent)
		return
	}
	account, err := s.finish(w, r, t, code)
	if err != nil {
		s.problem(w, statusOf(err), err)
		return
	}
	t.Account, t.Until = &account, s.opt.Now().Add(rows.StateLife)
	s.release(r, account.Person)
	s.showOwn(w, r, t)
}

// ownEnd takes the form of the list: one sign-in ends, or all.
func (s *Server) ownEnd(w http.ResponseWriter, r *http.Request) {
	t, err := s.posted(r, atOwn)
	if err != nil || t.Account == nil {
		s.problem(w, http.StatusBadRequest, errOwnForm)
		return
	}
	ids := []string{r.PostForm.Get("end")}
	if ids[0] == "all" {
		if ids, err = s.idsOf(r, t.Account.Person); err != nil {
			s.ownFailed(w, r, err)
			return
		}
	}
	for _, id := range ids {
		switch _, err := s.opt.SignIns.EndOf(r.Context(), t.Account.Person, id); {
		case err == nil:
			s.opt.OnEvent(r, Event{What: SignedOut, Reason: "person", Person: t.Account.Person, SignIn: id})
		case !errors.Is(err, rows.ErrInvalid): // it has ended, or is another's: the list says what there is
			s.ownFailed(w, r, err)
			return
		}
	}
	s.release(r, t.Account.Person)
	s.showOwn(w, r, t)
}

func (s *Server) idsOf(r *http.Request, p access.Person) (ids []string, err error) {
	list, err := s.opt.SignIns.Of(r.Context(), p)
	for _, one := range list {
		ids = append(ids, one.ID)
	}
	return ids, err
}

// showOwn lists the sign-ins of the person who has signed in for it, the last used first.
func (s *Server) showOwn(w http.ResponseWriter, r *http.Request, t *transaction) {
	list, err := s.opt.SignIns.Of(r.Context(), t.Account.Person)
	if err != nil {
		s.ownFailed(w, r, err)
		return
	}
	sealed, err := s.sealed(atOwn, t)
	if err != nil {
		s.problem(w, http.StatusBadRequest, errTooMuch)
		return
	}
	slices.SortFunc(list, func(a, b rows.Info) int { return b.Used.Compare(a.Used) })
	v := ownView{Person: cleanName(t.Account.Name), Workspace: cleanName(t.Account.Workspace), Sealed: sealed, Action: ownEndPath}
	for _, one := range list {
		v.SignIns = append(v.SignIns, ownSignIn{
			ID: one.ID, Host: one.Host, Program: cleanName(one.ClientName), May: mayDo(one.Scopes),
			Created: dayOf(one.Created), Used: dayOf(one.Used),
		})
	}
	s.show(w, http.StatusOK, ownPage, v)
}

// ownFailed says that the list cannot be read or changed now.
func (s *Server) ownFailed(w http.ResponseWriter, r *http.Request, err error) {
	s.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "somebody's sign-ins could not be listed or ended", slog.Any("error", err))
	s.problem(w, statusOf(errors.Join(err, signin.ErrUnavailable)), errLater)
}

// dayOf is a time as people read it: the last use is known to the hour.
func dayOf(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

type ownStartView struct{ Sealed, Action string }

// ownView is what a person's own page shows.
type ownView struct {
	Person, Workspace, Sealed, Action string
	SignIns                           []ownSignIn
}

type ownSignIn struct {
	ID, Host, Program, Created, Used string
	May                              string
}

var ownStartPage = newPage("Your sign-ins", `<h1>Your sign-ins</h1>
<p>See which programs may use Slack as you through this server, and end it. Slack says who you are first.</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="t" value="{{.Sealed}}"><p><button class="go">Go on to Slack</button></p></form>`)

var ownPage = newPage("Your sign-ins", `<h1>Your sign-ins</h1><p class="name">{{.Person}} of {{.Workspace}}</p>
{{if .SignIns}}<form method="post" action="{{.Action}}"><input type="hidden" name="t" value="{{.Sealed}}">
{{range .SignIns}}<p class="host">{{.Host}}</p>
<p class="name">{{if .Program}}It is called “{{.Program}}”. {{end}}It may {{.May}} as you.</p>
<p class="small">Since {{.Created}}, last used {{.Used}} or up to an hour later.</p>
<p><button class="no" name="end" value="{{.ID}}">End this one</button></p>
{{end}}<p><button class="go" name="end" value="all">End all</button></p></form>
<p class="small">What has ended stops within a minute. Programs may ask you to sign in again; you need not.</p>
{{else}}<p>No program may use Slack as you through this server.</p>{{end}}`)
