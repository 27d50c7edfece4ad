package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// SourcePath is the prefix of the routes of the senders other than Slack.
const SourcePath = "/events/"

// A Source is a sender other than Slack. It posts to /events/{Name}.
type Source struct {
	// Name is the route's last segment, the event's Source, and its Kind where the
	// sender names none: 1 to 64 characters of [a-z0-9._-], and none of the names that
	// this package uses itself. Required.
	Name string
	// Provider is a name of provider.Names, in place of a Scheme: all that is known of a sender.
	Provider string
	// Scheme is how the sender signs; nil means signature.HexHeader(""), the HMAC of the
	// body in X-Signature. The schemes of GitHub, Stripe, Standard Webhooks and Svix have
	// defaults for ID, Kind and Subtype.
	Scheme signature.Scheme
	// Secrets are those that are valid now. Required, unless the sender's keys are fetched.
	Secrets []string
	// Audiences and Subjects are those of a provider whose tokens a published key signs: of each
	// the token must name one. Subjects may be empty.
	Audiences, Subjects []string
	// URL is the address that the sender posts to, where it signs it; empty means that of
	// Options.PublicURL.
	URL string
	// VerifyToken is what a sender says in its handshake by GET; without one that is refused.
	VerifyToken string
	// Tolerance bounds how far a signed timestamp may be from now; 0 means that of Options.
	Tolerance time.Duration
	// ID, Kind and Subtype say where the delivery's id and the event's kind are: a path
	// in the JSON body (see event.ParsePath), the name of a form's field, or
	// "header:<name>". A header is not signed. Without an ID, and when a delivery has no id
	// at that place, the id is the hash of the body: the same body is then the same delivery.
	ID, Kind, Subtype string
	// People are those of the people who sign in with Slack who are shown its events: AllPeople, or some as
	// "T…/U…" or by the user's id alone. Without any nobody is.
	People []string
	// KeepHeaders names headers that are kept with each event. Those that carry a credential or the
	// signature are refused.
	KeepHeaders []string
	// MaxBody is the longest body that is taken, in bytes, up to MostBody; 0 means what is known of its Provider, or
	// MaxBodyBytes of Options.
	MaxBody int64
	// KeepRejected says what is kept of requests that are refused before they are verified, for
	// [Receiver.Rejected]: RejectedHeaders or RejectedBody; empty keeps nothing.
	KeepRejected string
}

// resolve returns what is known of the source's sender, with what the source says itself.
func (s Source) resolve() (provider.Provider, error) {
	if s.Provider != "" && s.Scheme != nil {
		return provider.Provider{}, errors.New("name a provider or a scheme, not both")
	}
	name := s.Provider
	if s.Scheme != nil {
		name = s.Scheme.Name() // A scheme that is a provider's own.
	}
	p, err := provider.Find(name)
	switch {
	case s.Provider != "" && err != nil:
		return p, err
	case s.Provider == "":
		if p.Scheme != s.Scheme {
			p = provider.Provider{}
		}
		p = provider.Provider{Scheme: s.Scheme, ID: p.ID, Type: p.Type, Subtype: p.Subtype}
		switch s.Scheme {
		case nil:
			p.Scheme = signature.HexHeader("")
		case signature.StandardWebhooks:
			p.ID, p.Type = "header:Webhook-Id", "type"
		}
	case p.Token != nil:
		token := *p.Token
		token.Audiences, token.Subjects = s.Audiences, s.Subjects
		if p.Scheme, err = signature.NewToken(token); err != nil {
			return p, err
		}
	}
	setDefault(&s.ID, p.ID)
	setDefault(&s.Kind, p.Type)
	setDefault(&s.Subtype, p.Subtype)
	p.ID, p.Type, p.Subtype = s.ID, s.Kind, s.Subtype
	return p, nil
}

// Signing returns how the source's sender signs.
func (s Source) Signing() (signature.Scheme, error) {
	p, err := s.resolve()
	return p.Scheme, err
}

// LongestBody returns how long a body of the source is taken, in bytes; 0 where the server's limit counts.
func (s Source) LongestBody() int64 {
	p, _ := s.resolve() // A provider that is not known says nothing.
	return cmp.Or(s.MaxBody, p.MaxBody)
}

// KeptHeaders returns the names of the headers that are kept with each event: those that the source names, and
// those that say the type.
func (s Source) KeptHeaders() ([]string, error) {
	p, err := s.resolve()
	if err != nil {
		return nil, err
	}
	kept, err := keptHeaders(s.KeepHeaders, p.Scheme.Headers())
	for _, place := range slices.Concat(strings.Split(p.Type, " or "), strings.Split(p.Subtype, " or ")) {
		if name, ok := strings.CutPrefix(place, event.HeaderPlace); ok && !slices.Contains(kept, http.CanonicalHeaderKey(name)) {
			one, refused := keptHeaders([]string{name}, p.Scheme.Headers())
			kept, err = append(kept, one...), errors.Join(err, refused)
		}
	}
	slices.Sort(kept)
	return kept, err
}

// Typed reports whether the sender names the types of its events; else all are of the type Name.
func (s Source) Typed() bool {
	p, err := s.resolve()
	return err != nil || p.Type != ""
}

// MostBody is the longest body that a source may take, in bytes.
const MostBody = 64 << 20

// AllPeople is every full member who signs in.
const AllPeople = "all"

var sourceName = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)

// endpoint checks a Source and returns its endpoint.
func (rc *Receiver) endpoint(s Source) (*endpoint, error) {
	switch {
	case !sourceName.MatchString(s.Name) || strings.Trim(s.Name, ".") == "":
		return nil, fmt.Errorf("name %q: use 1 to 64 characters of a-z 0-9 . _ -", s.Name)
	case s.MaxBody < 0 || s.MaxBody > MostBody:
		return nil, fmt.Errorf("max_body is %d bytes: at most %d can be taken", s.MaxBody, MostBody)
	case s.Name == event.SourceSlack, s.Name == event.SourceReceipts, s.Name == event.SourceGaps:
		return nil, fmt.Errorf("name %q is taken", s.Name)
	case s.Name == "none", s.Name == "other":
		return nil, fmt.Errorf("name %q is what the metrics call senders without a name of their own: choose another one", s.Name)
	}
	p, err := s.resolve()
	if err != nil {
		return nil, err
	}
	setDefault(&s.Tolerance, p.Window)
	setDefault(&s.Tolerance, rc.opt.Tolerance)
	if s.URL == "" && rc.opt.PublicURL != "" {
		s.URL = strings.TrimSuffix(rc.opt.PublicURL, "/") + SourcePath + s.Name
	}
	v, err := signature.New(signature.Options{Scheme: p.Scheme, Secrets: s.Secrets, Tolerance: s.Tolerance, URL: s.URL, Fetch: rc.fetch})
	if err != nil {
		return nil, err
	}
	d := sourceDecoder{source: s.Name, handshake: rc.handshake(p.Handshake)}
	var errs [4]error
	d.id, errs[0] = parseSelectors("ID", p.ID)
	d.kind, errs[1] = parseSelectors("Kind", p.Type)
	d.subtype, errs[2] = parseSelectors("Subtype", p.Subtype)
	d.keep, errs[3] = s.KeptHeaders()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	ep := &endpoint{
		source: s.Name, verifier: v, decode: d.decode, lookBack: !p.Scheme.Timed(), greet: greeting(p.Handshake, s.VerifyToken),
		rejected: s.KeepRejected, byGet: p.ByGet,
		limit: s.LongestBody(), longer: "if its sender's bodies are that long, raise max_body of the source in the sources file",
		unauthorized: []byte(`{"error":"invalid signature"}`), accepted: []byte(`{"status":"queued"}`),
	}
	if p.ReplyType != "" {
		ep.accepted, ep.replyType = []byte(p.Reply), []string{p.ReplyType}
	}
	return ep, nil
}

// A sourceDecoder decodes the deliveries of one source.
type sourceDecoder struct {
	source            string
	id, kind, subtype selectors
	keep              []string // the headers that are kept
	// handshake answers a verified request that is no event; nil means that there are none.
	handshake handshaker
}

func (d sourceDecoder) decode(v *delivery) (o Outcome, reason string) {
	enc, err := event.EncodingOf(v.body)
	if err != nil {
		return v.illFormed(err)
	}
	if d.handshake != nil {
		if o, reason := d.handshake(v); o != "" {
			return o, reason
		}
	}
	e := event.Event{Source: d.source, Encoding: enc, Raw: v.body, ID: d.id.of(v, enc), Headers: event.KeepHeaders(v.header, d.keep)}
	if e.ID == "" {
		e.ID = event.DerivedID(d.source, v.body)
	}
	e.Kind = kindOf(cmp.Or(d.kind.of(v, enc), d.source), d.subtype.of(v, enc))
	if v.claim.At != 0 {
		e.At = time.Unix(v.claim.At, 0).UTC()
	}
	v.event = e
	return "", ""
}

// maxKeptHeaders is how many headers a source may keep.
const maxKeptHeaders = 16

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// credentials are parts of the names of headers that carry one.
var credentials = []string{"authorization", "cookie", "signature", "secret", "password", "token", "hmac", "apikey", "api-key", "assertion", "jwt"}

// keptHeaders returns the names of headers that a source keeps, canonical and sorted. It refuses
// those that may hold a credential, and those by which the sender signs.
func keptHeaders(names, signed []string) ([]string, error) {
	var list []string
	for _, name := range names {
		lower := strings.ToLower(name)
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !headerName.MatchString(name) || lower == "host":
			return nil, fmt.Errorf("it cannot keep the header %q: write a header's name, such as X-Shop-Domain", name)
		case slices.ContainsFunc(credentials, func(part string) bool { return strings.Contains(lower, part) }),
			slices.ContainsFunc(signed, func(s string) bool { return strings.EqualFold(s, name) }):
			return nil, fmt.Errorf("it cannot keep the header %s, which holds a credential or the signature: remove it from keep_headers", canonical)
		case slices.Contains(list, canonical):
			return nil, fmt.Errorf("it keeps the header %s twice: remove one", canonical)
		}
		list = append(list, canonical)
	}
	if len(list) > maxKeptHeaders {
		return nil, fmt.Errorf("it keeps %d headers: at most %d can be kept", len(list), maxKeptHeaders)
	}
	slices.Sort(list)
	return list, nil
}

// kindOf returns the kind of a type and a subtype. Some senders write both in one, such as
// orders/create: patterns, which know types and subtypes, then match it as it is written.
func kindOf(typ, subtype string) event.Kind {
	k := event.Kind{Type: typ, Subtype: subtype}
	if before, after, ok := strings.Cut(k.String(), "/"); ok && before != "" {
		return event.Kind{Type: before, Subtype: after}
	}
	return k
}

// selectors find a field of a request in one of several places: the first that has it counts.
type selectors []selector

// parseSelectors reads places that are split by " or ".
func parseSelectors(option, s string) (selectors, error) {
	var list selectors
	for place := range strings.SplitSeq(s, " or ") {
		one, err := parseSelector(option, place)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (l selectors) of(v *delivery, enc event.Encoding) string {
	for _, s := range l {
		if text := s.of(v, enc); text != "" {
			return text
		}
	}
	return ""
}

// A selector finds one field of a request. The zero selector finds nothing.
type selector struct {
	header string // canonical; empty for a place in the body
	path   event.Path
	field  string // the path as a form's field
}

func parseSelector(option, s string) (selector, error) {
	if s == "" {
		return selector{}, nil
	}
	if name, ok := strings.CutPrefix(s, "header:"); ok {
		if name == "" {
			return selector{}, fmt.Errorf("%s: %q names no header", option, s)
		}
		return selector{header: http.CanonicalHeaderKey(name)}, nil
	}
	p, err := event.ParsePath(s)
	if err != nil {
		return selector{}, fmt.Errorf("%s: %w", option, err)
	}
	return selector{path: p, field: s}, nil
}

// maxSelected is the length in bytes of the longest value that is taken. A longer value
// counts as absent.
const maxSelected = 512

// of returns the text that the selector finds, or "".
func (s selector) of(v *delivery, enc event.Encoding) string {
	var text string
	switch {
	case s.header != "":
		if values := v.header[s.header]; len(values) == 1 {
			text = strings.Clone(values[0]) // The other headers must not live as long as the event.
		}
	case s.field == "":
	case enc == event.JSON:
		text, _ = s.path.Find(v.body)
	default:
		if payload, ok := event.FormValue(v.body, "payload"); ok {
			text, _ = s.path.Find(payload)
		} else if value, ok := event.FormValue(v.body, s.field); ok {
			text = string(value)
		}
	}
	if len(text) > maxSelected {
		return ""
	}
	return text
}
