package oauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
)

// A pageError is what a person is told who cannot go on.
type pageError struct{ Text string }

func (e *pageError) Error() string { return e.Text }

var (
	errRequest  = &pageError{"The program has sent an address that this server cannot read. Start again in the program."}
	errRedirect = &pageError{"The program wants to be called back at an address that it has not registered. Start again in the program."}
	errTooMuch  = &pageError{"The program has sent more than this server can keep track of."}
	errForm     = &pageError{"This page is too old, or did not come from here. Start again in the program."}
	errBrowser  = &pageError{"This browser is not the one in which signing in was begun, or it keeps no cookies, or more than ten minutes have gone by. " +
		"Start again in the program, and open the page in your own browser."}
	errBusy  = &pageError{"Too many people sign in at this moment. Wait a moment, then reload this page: that is enough."}
	errLater = &pageError{"Signing in is not possible now. Try again in a moment."}
)

// statusOf is the status of the page for an error.
func statusOf(err error) int {
	switch {
	case errors.Is(err, signin.ErrUnavailable), errors.Is(err, errFetch), errors.Is(err, error(errLater)), errors.Is(err, error(errBusy)):
		return http.StatusServiceUnavailable
	case errors.As(err, new(*signin.RefusedError)):
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// words are what a person is told of an error. Of those that are not meant for people nothing is.
func words(err error) string {
	if page, ok := errors.AsType[*pageError](err); ok {
		return page.Text
	}
	if refused, ok := errors.AsType[*signin.RefusedError](err); ok {
		return refused.Text
	}
	for _, known := range []error{errUnknownClient, errFetch, errRedirectForm, errRedirectPlace} {
		if errors.Is(err, known) {
			return strings.ToUpper(known.Error()[:1]) + known.Error()[1:] + "."
		}
	}
	if errors.Is(err, rows.ErrInvalid) {
		return "This page was used already. Start again in the program."
	}
	return errLater.Text
}

// problem shows why a person cannot go on.
func (s *Server) problem(w http.ResponseWriter, status int, err error) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	s.show(w, status, problemPage, words(err))
}

// A page is a route that people see.
type page struct{ http.Handler }

func (s *Server) page(method string, h http.HandlerFunc) http.Handler {
	return page{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != method {
			w.Header().Set("Allow", method)
			s.problem(w, http.StatusMethodNotAllowed, errRequest)
			return
		}
		h(w, r)
	})}
}

// show writes a page. Its forms may lead to the addresses, which browsers follow after a form was
// sent; one without a name in a policy leaves forms free.
func (s *Server) show(w http.ResponseWriter, status int, page *template.Template, view any, addresses ...string) {
	var b bytes.Buffer
	if err := page.Execute(&b, view); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	policy := "default-src 'none'; style-src " + s.style + "; base-uri 'none'; frame-ancestors 'none'"
	sources := []string{"'self'"}
	for _, a := range addresses {
		sources = append(sources, source(a))
	}
	if !slices.Contains(sources, "") {
		policy += "; form-action " + strings.Join(sources, " ")
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a peer that left needs no answer
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:10vh auto;padding:0 1rem;color:#1d1c1d;background:#fff}` +
	`.host{font-size:1.5rem;font-weight:600;overflow-wrap:anywhere}.name,.small{color:#555}button{font:inherit;padding:.5rem 1.2rem;margin-right:.6rem;cursor:pointer}` +
	`.go{background:#2d6cdf;color:#fff;border:1px solid #2d6cdf;border-radius:4px}.no{background:#fff;border:1px solid #999;border-radius:4px}` +
	`label{display:block;margin:1rem 0}.warn{border-left:4px solid #d80;padding-left:.8rem}`

// styleSource names the style in a policy, which then allows no other.
func styleSource() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func newPage(title, body string) *template.Template {
	return template.Must(template.New(title).Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8">` +
		`<meta name="viewport" content="width=device-width"><title>` + title + `</title><style>` + style + `</style></head><body>` + body + `</body></html>`))
}

// consentView is what the page of consent shows.
type consentView struct {
	Name, Host, Sealed, Action string
	Vouched, Local             bool
	Read, Events, Write        bool
}

// mayDo says what a program may do in Slack.
func mayDo(scopes []access.Scope) string {
	may := []string{"read"}
	if slices.Contains(scopes, access.Events) {
		may = append(may, "be told of events")
	}
	if slices.Contains(scopes, access.Write) {
		may = append(may, "write")
	}
	if n := len(may) - 1; n > 0 {
		return strings.Join(may[:n], ", ") + " and " + may[n]
	}
	return may[0]
}

// doneView is what the page shows that says who has signed in.
type doneView struct {
	Person, Workspace, Program, Host, Sealed, Action, Own string
	May                                                   string
}

var consentPage = newPage("Sign in with Slack", `<h1>Let a program use Slack as you?</h1>
<p class="host">{{.Host}}</p>
<p class="name">{{if .Vouched}}It is known as “{{.Name}}”.{{else if .Name}}It calls itself “{{.Name}}”; nobody has checked that.{{else}}It gives no name.{{end}}</p>
<p class="warn">Go on only if you have started to sign in {{if .Local}}on this computer {{end}}yourself, a moment ago.</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="t" value="{{.Sealed}}">
{{if .Read}}<p>It may read what you can read in Slack: messages, files, people, private conversations too.</p>{{end}}
{{if .Events}}<label><input type="checkbox" name="events" value="on" checked> It may also be told of what happens in the conversations that you can see and this server’s Slack app is in, as it happens. Untick this if it should only look when you ask.</label>{{end}}
{{if .Write}}<label><input type="checkbox" name="write" value="on" checked> It may also write as you: post, react, upload. Untick this if it should only read.</label>{{end}}
<p><button class="go" name="answer" value="allow">Go on to Slack</button><button class="no" name="answer" value="deny">Deny</button></p></form>
<p class="small">You sign in at Slack next. Your Slack password and token are not given to the program.</p>`)

var donePage = newPage("Signed in", `<h1>You are signed in</h1>
<p class="host">{{.Person}}</p><p class="name">of {{.Workspace}}</p>
<p>From now on <b>{{.Host}}</b>{{if .Program}} (“{{.Program}}”){{end}} may {{.May}} in Slack as this person.</p>
<p class="warn">Is this not you? Then somebody else began this. Do not go on.</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="t" value="{{.Sealed}}">
<p><button class="go" name="answer" value="continue">Continue</button><button class="no" name="answer" value="stop">This is not me</button></p></form>
<p class="small">You see and end what you have signed in with at <a href="{{.Own}}">your sign-ins</a>, at any time.</p>`)

var problemPage = newPage("Signing in did not work", `<h1>Signing in did not work</h1><p>{{.}}</p>`)
