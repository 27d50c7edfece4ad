package rule

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/internal/egress"
	"slackmcp/internal/yamldoc"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
)

func (p *parser) forward() yamldoc.Object[Forward] {
	return yamldoc.Object[Forward]{
		Fields: append(yamldoc.SecretFields(func(f *Forward) *[]string { return &f.SecretEnv }, func(f *Forward) *[]string { return &f.SecretFile }),
			yamldoc.Texts("authorization_env", "Variable that holds the value of the header Authorization, such as Bearer and a token; then no signing secret is needed", func(f *Forward) *[]string { return &f.AuthEnv }, yamldoc.VariableName),
			yamldoc.Texts("authorization_file", "File that holds it", func(f *Forward) *[]string { return &f.AuthFile }, nil),
			yamldoc.Text("client_cert", "File with the certificate by which the target knows us (mTLS), in PEM; then no signing secret is needed", func(f *Forward) *string { return &f.ClientCert }, nil),
			yamldoc.Text("client_key", "File with its key, in PEM", func(f *Forward) *string { return &f.ClientKey }, nil),
			yamldoc.Text("ca", "File with the authorities that vouch for the target, in PEM, in place of the system's", func(f *Forward) *string { return &f.CA }, nil),
			yamldoc.Choice("method", "The method, POST unless it is here", func(f *Forward) *string { return &f.Method }, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete),
			yamldoc.Text("body", "A template that makes a JSON value, in place of the event's body", func(f *Forward) *string { return &f.Body }, checkJSON),
			yamldoc.Text("url", "Where to post; https unless allow names the host", func(f *Forward) *string { return &f.URL }, nil).Required(),
			yamldoc.Texts("allow", "Networks (10.1.0.0/16) and hosts (hooks.internal:8443) that may be reached besides the public network", func(f *Forward) *[]string { return &f.Allow }, checkAllowed),
			yamldoc.Duration("timeout", "Longest time for an answer, 15s unless it is here", func(f *Forward) *time.Duration { return &f.Timeout }, 100*time.Millisecond, maxTimeout),
			yamldoc.TextMap("headers", "Further headers; no secrets", func(f *Forward) *[]yamldoc.Entry[string] { return &f.Headers }, checkHeader, checkHeaderValue),
		),
		Check: p.checkForward,
	}
}

func (p *parser) checkForward(r *yamldoc.Reader, line int, f *Forward) {
	f.line = line
	if f.URL == "" {
		return
	}
	client, err := f.client(p.env)
	if err == nil {
		err = client.Check(f.URL)
	}
	if err != nil {
		r.Problem(line, "url does not fit", err.Error())
	}
	if _, err := f.credentials(p.env); err != nil {
		r.Problem(line, "the signing secret cannot be used", err.Error())
	}
	if _, err := f.authorization(p.env); err != nil {
		r.Problem(line, "the value of Authorization cannot be used", err.Error())
	}
}

// credentials returns the secrets that sign; none where the target knows us otherwise.
func (f *Forward) credentials(env yamldoc.Env) ([]string, error) {
	if len(f.SecretEnv)+len(f.SecretFile) == 0 && f.known() {
		return nil, nil
	}
	secrets, err := env.Secrets(f.SecretEnv, f.SecretFile)
	if err == nil {
		err = signature.CheckStandard(secrets)
	}
	return secrets, err
}

// found returns all that the forward is told by variables and files: when it changes the rule does.
func (f *Forward) found(env yamldoc.Env) ([]string, error) {
	secrets, err := f.credentials(env)
	if err != nil {
		return nil, err
	}
	authorization, err := f.authorization(env)
	if err != nil {
		return nil, err
	}
	content, err := f.certificates(env, &egress.Options{})
	return slices.Concat(secrets, []string{authorization}, content), err
}

// known reports whether the target knows us by something else than a signature.
func (f *Forward) known() bool { return len(f.AuthEnv)+len(f.AuthFile) > 0 || f.ClientCert != "" }

// authorization returns the value of the header Authorization; "" when there is none.
func (f *Forward) authorization(env yamldoc.Env) (string, error) {
	if len(f.AuthEnv)+len(f.AuthFile) == 0 {
		return "", nil
	}
	list, err := env.Secrets(f.AuthEnv, f.AuthFile)
	if err != nil {
		return "", errors.New(strings.ReplaceAll(err.Error(), "secret_", "authorization_"))
	}
	if len(list) != 1 || strings.ContainsFunc(list[0], func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("it has to be one line of plain characters, such as Bearer and a token")
	}
	return list[0], nil
}

// certificates reads the files by which the two sides know each other, and returns what they hold.
func (f *Forward) certificates(env yamldoc.Env, o *egress.Options) (content []string, err error) {
	if (f.ClientCert == "") != (f.ClientKey == "") {
		return nil, errors.New("name both client_cert and client_key, or neither")
	}
	var files [3][]byte
	for i, name := range []string{f.ClientCert, f.ClientKey, f.CA} {
		if name == "" {
			continue
		}
		if files[i], err = env.File(name); err != nil {
			return nil, fmt.Errorf("%s cannot be read: correct its name or its permissions", name)
		}
	}
	if f.ClientCert != "" {
		pair, err := tls.X509KeyPair(files[0], files[1])
		if err != nil {
			return nil, fmt.Errorf("%s and %s are no certificate and its key in PEM", f.ClientCert, f.ClientKey)
		}
		o.Certificates = []tls.Certificate{pair}
	}
	if f.CA != "" {
		if o.RootCAs = x509.NewCertPool(); !o.RootCAs.AppendCertsFromPEM(files[2]) {
			return nil, fmt.Errorf("%s has no certificate in PEM", f.CA)
		}
	}
	return []string{string(files[0]), string(files[1]), string(files[2])}, nil
}

// client returns the client that may reach what the rule allows. Plain http is for hosts
// and networks that were allowed.
func (f *Forward) client(env yamldoc.Env) (*egress.Client, error) {
	o := egress.Options{Timeout: f.Timeout, HTTPSOnly: len(f.Allow) == 0}
	if o.Timeout == 0 {
		o.Timeout = forwardLimit
	}
	for _, a := range f.Allow {
		if p, err := netip.ParsePrefix(a); err == nil {
			o.Networks = append(o.Networks, p)
		} else {
			o.Hosts = append(o.Hosts, a)
		}
	}
	if _, err := f.certificates(env, &o); err != nil {
		return nil, err
	}
	return egress.New(o)
}

// ownHeaders are those that a forward writes itself.
var ownHeaders = []string{"content-type", "content-length", "host", "connection", "transfer-encoding", "authorization", "cookie"}

func checkHeader(s string) error {
	lower := strings.ToLower(s)
	if !regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`).MatchString(s) {
		return errors.New("write a header's name, such as X-Team")
	}
	if lower == "authorization" {
		return errors.New("a secret does not stand in this file: name the variable that holds the value in authorization_env")
	}
	if slices.Contains(ownHeaders, lower) {
		return errors.New("this header is the server's own, or would hold a secret; the receiver knows us by the signature")
	}
	if strings.HasPrefix(lower, "webhook-") {
		return errors.New("this header is the signature's")
	}
	return nil
}

func checkHeaderValue(s string) error {
	if len(s) > 1024 || strings.ContainsAny(s, "\r\n\x00") {
		return errors.New("write one line of at most 1,024 bytes")
	}
	return nil
}

// The headers of a forwarded event beside those of Standard Webhooks.
const (
	headerSource  = "X-Event-Source"
	headerID      = "X-Event-Id"
	headerKind    = "X-Event-Kind"
	headerAttempt = "X-Event-Attempt"
)

type forward struct {
	spec          Forward
	secrets       []string
	authorization string        // "" sends none
	body          *textTemplate // nil forwards the event's body
	client        *egress.Client
	now           func() time.Time
}

func newForward(s Forward, env yamldoc.Env, t tools) (action, error) {
	a := &forward{spec: s, now: t.now}
	var err error
	if a.secrets, err = s.credentials(env); err != nil {
		return nil, err
	}
	if a.authorization, err = s.authorization(env); err != nil {
		return nil, err
	}
	if s.Body != "" {
		if a.body, err = newTemplate(s.Body, inJSON); err != nil {
			return nil, err
		}
	}
	a.client, err = s.client(env)
	return a, err
}

// content is what is posted of an event, and its media type.
func (a *forward) content(e *event.Event) (body []byte, media string, err error) {
	media = "application/json"
	if a.body != nil {
		text, err := a.body.execute(e)
		if err == nil && !json.Valid([]byte(text)) {
			err = errors.New("the template makes no JSON of this event: stand texts in quotes, and give a number that may be missing a default")
		}
		return []byte(text), media, err
	}
	if e.Encoding == event.Form {
		media = "application/x-www-form-urlencoded"
	}
	body, err = e.Whole()
	return body, media, err
}

// do posts the event. Every attempt has the same id and a new signature.
func (a *forward) do(ctx context.Context, d queue.Delivery) error {
	e := &d.Event
	body, media, err := a.content(e)
	if err != nil {
		return queue.Permanent(err)
	}
	h := http.Header{}
	for name, value := range e.Headers.All() {
		// A header that the sender's signature, the connection or this program needs is not passed on.
		if checkHeader(name) == nil && !strings.HasPrefix(name, "X-Event-") {
			h.Set(name, value)
		}
	}
	for _, extra := range a.spec.Headers {
		h.Set(extra.Name, extra.Value)
	}
	h.Set("Content-Type", media)
	if a.authorization != "" {
		h.Set("Authorization", a.authorization)
	}
	for name, v := range map[string]string{headerSource: e.Source, headerID: e.ID, headerKind: e.Kind.String(), headerAttempt: strconv.Itoa(d.Attempt)} {
		if headerValue(v) {
			h.Set(name, v)
		}
	}
	o := delivery.Attempt(ctx, a.client, delivery.Message{
		URL: a.spec.URL, Method: a.spec.Method, Header: h, ID: webhookID(e), Secrets: a.secrets, Unsigned: len(a.secrets) == 0 && a.spec.known(), Body: body,
	}, delivery.RetryBusy, a.now())
	if o.Final {
		return queue.Permanent(o.Err)
	}
	if o.Err != nil && refusesAll(o) {
		o.Err = &refusedError{o.Err}
	}
	return queue.RetryAfter(o.Err, o.Pause)
}

// refusesAll reports whether a failure says nothing about the event: the target was not
// reached, or is busy, or what stands before it does not reach it.
func refusesAll(o delivery.Outcome) bool {
	status, ok := errors.AsType[*delivery.StatusError](o.Err)
	if !ok {
		return true
	}
	switch status.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// webhookID returns the id of a forwarded event. It is the same for every attempt and on
// every replica, and has no dot.
func webhookID(e *event.Event) string {
	sum := sha256.Sum256([]byte(e.Source + "\x00" + e.ID))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// headerValue reports whether a text can be the value of a header.
func headerValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 512
}

func (a *forward) close() { a.client.Close() }
