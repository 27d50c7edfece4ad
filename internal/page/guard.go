package page

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
)

const (
	csrfField = "csrf"
	maxForm   = 1 << 20
)

// policy lets a page load and run the files of its own site, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

type browserKey struct{}

// browser is the secret of the browser that asks; empty when it was not given one yet.
func browser(r *http.Request) string {
	b, _ := r.Context().Value(browserKey{}).(string)
	return b
}

// Guard stands before everything of a site, also its assets, which it serves. It sets the headers that keep a page
// to itself, gives each browser a cookie, and refuses what a form of the site did not send: every method but GET
// and HEAD needs the origin of the site and the token of a page that this browser was given. Bodies have at most 1 MiB.
func (s *Site) Guard(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+s.opt.Base+assetsPath, s.serveAsset)
	mux.Handle("/", next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // another policy would hide a form's origin
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if s.opt.Local && !FromHere(r) {
			http.Error(w, ErrNotLocal.Error(), http.StatusForbidden)
			return
		}
		r = s.known(w, r)
		if tooLong(r) {
			s.Refuse(w, r, http.StatusRequestEntityTooLarge, "That is too long.", "A form has at most 1 MiB, with the files in it.")
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !s.own(r) {
			s.Refuse(w, r, http.StatusForbidden, "This form is not one of this page.",
				"Load the page again and repeat what you did: it may be from before a restart.")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// tooLong reports that a form is beyond what is read of one. The token of such a form was not read, which does not
// say that another page sent it.
func tooLong(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxForm) //nolint:gosec // Guard has bounded the body
	}
	_, long := errors.AsType[*http.MaxBytesError](err)
	return long
}

// own reports that a page of this site sent the form.
func (s *Site) own(r *http.Request) bool {
	if s.cross.Check(r) != nil || browserOf(r, s.opt.Cookie) == "" {
		return false
	}
	return hmac.Equal([]byte(r.PostFormValue(csrfField)), []byte(s.token(browser(r))))
}

// known gives the browser its secret, as a cookie that scripts and other sites cannot use.
func (s *Site) known(w http.ResponseWriter, r *http.Request) *http.Request {
	secret := browserOf(r, s.opt.Cookie)
	if secret == "" {
		secret = rand.Text()
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where there is TLS: a sandbox has none
			Name: s.opt.Cookie, Value: secret, Path: s.opt.Base + "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil,
		})
	}
	return r.WithContext(context.WithValue(r.Context(), browserKey{}, secret))
}

// browserOf is the secret that a browser sends; empty unless it looks like one of ours.
func browserOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) != len(rand.Text()) || strings.Trim(c.Value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return ""
	}
	return c.Value
}

// token ties the forms of a page to the browser that was given it.
func (s *Site) token(browser string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(browser))
	return hex.EncodeToString(mac.Sum(nil))
}
