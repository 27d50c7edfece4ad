// Package page is the house of all that people look at in a browser: the sandbox's workspace, the
// operator's console and /docs. A page is HTML that the server makes by html/template; what changes
// comes by server-sent events ([Live]) and is fetched again as a part of the page.
//
// It promises that no page loads anything from elsewhere or runs a script or a style that is not a file
// of this binary, whatever stands in the texts that it shows; that no other site can frame a page, read it
// or change anything by it; and that nothing of it is kept by a browser.
//
// The two libraries in assets/ are unchanged files of their packages, with their licences beside them.
package page

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
)

//go:embed assets
var assets embed.FS

//go:embed templates/*.html
var layout embed.FS

// A Link is a link of a page's header.
type Link struct {
	Text, Path string
}

// Options say what a site is.
type Options struct {
	// Name stands in the header and in titles.
	Name string
	// Base is the path below which the site is served, such as /console; "" is the root.
	Base string
	// Cookie is the name of the cookie that ties forms to a browser. Sites of one host need different ones:
	// browsers share cookies among ports.
	Cookie string
	// Nav are the links of the header.
	Nav []Link
	// Local answers browsers of this machine only, which ask for a name of this machine.
	Local bool
	// Styles and Scripts are the site's own files, which follow those of the toolkit, by name in Files.
	Styles, Scripts []string
	// Files has the site's own assets; nil is none.
	Files fs.FS
	// Templates has the site's templates, as *.html in its root.
	Templates fs.FS
	// Funcs are functions that the templates call, beside those of the toolkit.
	Funcs template.FuncMap
	// Redact takes secrets out of each text that the templates show, before it becomes HTML; nil takes none out.
	Redact func(text string) string
}

// A Site renders pages and guards them. It is safe for concurrent use.
type Site struct {
	opt       Options
	templates *template.Template
	files     map[string]file
	key       []byte // of the tokens of forms; new with each process
	mark      string // stands for the token until a page is sent
	cross     http.CrossOriginProtection
}

// A file is an asset as it is served.
type file struct {
	data    []byte
	media   string
	version string
}

// New makes a site. Its error is a defect of the templates or files.
func New(o Options) (*Site, error) {
	s := &Site{opt: o, files: map[string]file{}, key: []byte(rand.Text()), mark: "csrf-" + rand.Text()}
	built, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	for _, from := range []fs.FS{built, o.Files} {
		if err := s.load(from); err != nil {
			return nil, err
		}
	}
	s.templates, err = template.New("").Funcs(s.funcs()).Funcs(o.Funcs).ParseFS(layout, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	if o.Templates != nil {
		if _, err := s.templates.ParseFS(o.Templates, "*.html"); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
	}
	if o.Redact != nil {
		s.redactAll()
	}
	return s, nil
}

// load takes the files of one folder.
func (s *Site) load(from fs.FS) error {
	if from == nil {
		return nil
	}
	names, err := fs.Glob(from, "*")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	for _, name := range names {
		media, served := mediaTypes[path.Ext(name)]
		if !served {
			continue
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return fmt.Errorf("page: %w", err)
		}
		sum := sha256.Sum256(data)
		s.files[name] = file{data: data, media: media, version: hex.EncodeToString(sum[:6])}
	}
	return nil
}

// mediaTypes are the files that are served.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".LICENSE": "text/plain; charset=utf-8",
}

// funcs are what every template may call.
func (s *Site) funcs() template.FuncMap {
	return template.FuncMap{
		// at is a path of the site.
		"at": func(p string) string { return s.opt.Base + p },
		// asset is the address of an asset, which changes with its content.
		"asset": func(name string) (string, error) {
			f, ok := s.files[name]
			if !ok {
				return "", fmt.Errorf("no asset %q", name)
			}
			return s.opt.Base + assetsPath + name + "?v=" + f.version, nil
		},
		// csrf is the hidden field that every form of method post begins with.
		"csrf": func() template.HTML {
			return template.HTML(`<input type="hidden" name="` + csrfField + `" value="` + s.mark + `">`) //nolint:gosec // nothing from outside
		},
	}
}

const assetsPath = "/assets/"

// A view is what the layout shows.
type view struct {
	Site, Title     string
	Nav             []navLink
	Styles, Scripts []string
	Style           template.CSS // of a page that stands alone
	Body            template.HTML
}

type navLink struct {
	Link

	Current bool
}

// Page answers with a whole page: the template of a name inside the layout.
func (s *Site) Page(w http.ResponseWriter, r *http.Request, status int, title, name string, data any) {
	body, err := s.execute(name, data)
	if err != nil {
		s.fail(w, err)
		return
	}
	v := view{
		Site: s.opt.Name, Title: title, Body: template.HTML(body), //nolint:gosec // html/template made it
		Styles:  append([]string{"simple.css", "page.css"}, s.opt.Styles...),
		Scripts: append([]string{"htmx.js", "hx-sse.js"}, s.opt.Scripts...),
	}
	for _, l := range s.opt.Nav {
		v.Nav = append(v.Nav, navLink{Link: l, Current: r.URL.Path == s.opt.Base+l.Path})
	}
	whole, err := s.execute("page.layout", v)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.send(w, r, status, whole)
}

// Alone makes a whole page that loads nothing: its style stands in it, and it has no scripts. policy is the
// Content-Security-Policy that goes with it, by which a browser loads and runs nothing else.
func (s *Site) Alone(title, name string, data any) (html []byte, policy string, err error) {
	body, err := s.execute(name, data)
	if err != nil {
		return nil, "", err
	}
	var style []byte
	for _, one := range append([]string{"simple.css", "page.css"}, s.opt.Styles...) {
		style = append(style, s.files[one].data...)
	}
	v := view{Site: s.opt.Name, Title: title, Body: template.HTML(body), Style: template.CSS(style)} //nolint:gosec // html/template made the one, the other is ours
	html, err = s.execute("page.layout", v)
	sum := sha256.Sum256(style)
	return html, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", err
}

// Part answers with a part of a page: the template of a name alone.
func (s *Site) Part(w http.ResponseWriter, r *http.Request, name string, data any) {
	body, err := s.execute(name, data)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.send(w, r, http.StatusOK, body)
}

// Refuse says what is wrong and what helps: as the note of the page to a request of a page's script, else as
// a page.
func (s *Site) Refuse(w http.ResponseWriter, r *http.Request, status int, problem, remedy string) {
	data := struct{ Problem, Remedy string }{problem, remedy}
	if !live(r) {
		s.Page(w, r, status, "Refused", "page.problem", data)
		return
	}
	body, err := s.execute("page.problem", data)
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("HX-Retarget", "#note")
	w.Header().Set("HX-Reswap", "innerHTML")
	s.send(w, r, status, body)
}

// Done answers a change that succeeded: nothing to a request of a page's script, whose page is told by [Live]
// what has changed; else the way back to a path of the site.
func (s *Site) Done(w http.ResponseWriter, r *http.Request, back string) {
	if live(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, s.opt.Base+back, http.StatusSeeOther)
}

// live reports that a request was made by a page's script.
func live(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

func (s *Site) execute(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// send writes HTML with the token of this browser in its forms.
func (s *Site) send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.ReplaceAll(body, []byte(s.mark), []byte(s.token(browser(r))))) //nolint:gosec // html/template escaped it
}

// fail answers that a page could not be made. The words say nothing of what it would have shown.
func (*Site) fail(w http.ResponseWriter, _ error) {
	http.Error(w, "this page cannot be made: a template is defective", http.StatusInternalServerError)
}

// Assets serves the files that pages load, below [Options.Base] + /assets/.
func (s *Site) serveAsset(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[strings.TrimPrefix(r.URL.Path, s.opt.Base+assetsPath)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.media)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.version {
		w.Header().Set("Cache-Control", "max-age=31536000, immutable")
	}
	_, _ = w.Write(f.data) // the client may be gone
}

// ErrNotLocal is why a site that is Local refuses.
var ErrNotLocal = errors.New("this page answers browsers of this machine only, by a name of this machine and not through a proxy or tunnel")

// FromHere reports whether a request comes from this machine, for a name of this machine. A name of another
// machine that leads here, as in DNS rebinding, is none; and what comes through a proxy or a tunnel does not come from
// here, whatever name it asks for.
func FromHere(r *http.Request) bool {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && LocalName(peer) && LocalName((&url.URL{Host: r.Host}).Hostname()) && !forwarded(r.Header)
}

// forwarded reports that a proxy has passed a request on.
func forwarded(h http.Header) bool {
	for name := range h {
		switch {
		case strings.HasPrefix(name, "X-Forwarded-"), name == "Forwarded", name == "Via", name == "X-Real-Ip", name == "Cf-Connecting-Ip":
			return true
		}
	}
	return false
}

// LocalName reports whether a host, without its port, is this machine's own name or a loopback address.
func LocalName(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
