package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/event"
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
	// Scheme is how the sender signs; nil means signature.HexHeader(""), the HMAC of the
	// body in X-Signature. The schemes of GitHub, Stripe, Standard Webhooks and Svix have
	// defaults for ID, Kind and Subtype.
	Scheme signature.Scheme
	// Secrets are those that are valid now. Required.
	Secrets []string
	// Tolerance bounds how far a signed timestamp may be from now; 0 means that of Options.
	Tolerance time.Duration
	// ID, Kind and Subtype say where the delivery's id and the event's kind are: a path
	// in the JSON body (see event.ParsePath), the name of a form's field, or
	// "header:<name>". A header is not signed. Without an ID, and when a delivery has no id
	// at that place, the id is the hash of the body: the same body is then the same delivery.
	ID, Kind, Subtype string
}

// schemeSelectors are the defaults of ID, Kind and Subtype by scheme.
var schemeSelectors = map[string]struct{ id, kind, subtype string }{
	"github":   {"header:X-GitHub-Delivery", "header:X-GitHub-Event", "action"},
	"stripe":   {"id", "type", ""},
	"standard": {"header:Webhook-Id", "type", ""},
	"svix":     {"header:Svix-Id", "type", ""},
}

var sourceName = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)

// endpoint checks a Source and returns its endpoint.
func (rc *Receiver) endpoint(s Source) (*endpoint, error) {
	switch {
	case !sourceName.MatchString(s.Name) || strings.Trim(s.Name, ".") == "":
		return nil, fmt.Errorf("name %q: use 1 to 64 characters of a-z 0-9 . _ -", s.Name)
	case s.Name == event.SourceSlack, s.Name == event.SourceReceipts, s.Name == event.SourceGaps:
		return nil, fmt.Errorf("name %q is taken", s.Name)
	}
	if s.Scheme == nil {
		s.Scheme = signature.HexHeader("")
	}
	if s.Tolerance == 0 {
		s.Tolerance = rc.opt.Tolerance
	}
	v, err := signature.New(signature.Options{Scheme: s.Scheme, Secrets: s.Secrets, Tolerance: s.Tolerance})
	if err != nil {
		return nil, err
	}
	preset := schemeSelectors[s.Scheme.Name()]
	setDefault(&s.ID, preset.id)
	setDefault(&s.Kind, preset.kind)
	setDefault(&s.Subtype, preset.subtype)
	d := sourceDecoder{source: s.Name}
	var errs [3]error
	d.id, errs[0] = parseSelector("ID", s.ID)
	d.kind, errs[1] = parseSelector("Kind", s.Kind)
	d.subtype, errs[2] = parseSelector("Subtype", s.Subtype)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return &endpoint{
		source: s.Name, verifier: v, decode: d.decode, lookBack: !s.Scheme.Timed(),
		unauthorized: []byte(`{"error":"invalid signature"}`), accepted: []byte(`{"status":"queued"}`),
	}, nil
}

// A sourceDecoder decodes the deliveries of one source.
type sourceDecoder struct {
	source            string
	id, kind, subtype selector
}

func (d sourceDecoder) decode(v *delivery) (o Outcome, reason string) {
	enc, err := event.EncodingOf(v.body)
	if err != nil {
		return v.illFormed(err)
	}
	e := event.Event{Source: d.source, Encoding: enc, Raw: v.body, ID: d.id.of(v, enc)}
	if e.ID == "" {
		e.ID = event.DerivedID(d.source, v.body)
	}
	e.Kind = event.Kind{Type: cmp.Or(d.kind.of(v, enc), d.source), Subtype: d.subtype.of(v, enc)}
	if v.claim.At != 0 {
		e.At = time.Unix(v.claim.At, 0).UTC()
	}
	v.event = e
	return "", ""
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

// A sourceSpec is a source as a file has it.
type sourceSpec struct {
	name, scheme, header  string
	secretEnv, secretFile []string
	tolerance             time.Duration
	id, kind, subtype     string

	line   int
	source Source
}

type sourcesFile struct{ sources []sourceSpec }

// SourcesSchemaID names the schema of sources files.
const SourcesSchemaID = "https://slack-webhook-server.invalid/sources.schema.json"

// ParseSources reads a file of sources, which problems call name. The error is a
// *yamldoc.Error with every problem; a source without its secret is a problem too.
func ParseSources(name string, content []byte, env yamldoc.Env) ([]Source, error) {
	f, err := yamldoc.Read(name, content, sourcesObject(env))
	if err != nil {
		return nil, err
	}
	list := make([]Source, len(f.sources))
	for i, s := range f.sources {
		list[i] = s.source
	}
	return list, nil
}

// SourcesSchema returns the JSON Schema of sources files.
func SourcesSchema() ([]byte, error) {
	return sourcesObject(yamldoc.Env{}).Schema(SourcesSchemaID, "Sources of slack-webhook-server")
}

func sourcesObject(env yamldoc.Env) yamldoc.Object[sourcesFile] {
	return yamldoc.Object[sourcesFile]{
		Help: "Senders beside Slack; each posts to /events/<name>.",
		Fields: []yamldoc.Field[sourcesFile]{
			yamldoc.List("sources", "The senders", "source", func(f *sourcesFile) *[]sourceSpec { return &f.sources }, sourceObject(env)).Required(),
		},
		Check: func(r *yamldoc.Reader, _ int, f *sourcesFile) {
			seen := map[string]int{}
			for _, s := range f.sources {
				if first, twice := seen[s.name]; twice && s.name != "" {
					r.Problem(s.line, "name "+s.name+" is taken", fmt.Sprintf("the source in line %d has it: give this one another", first))
				}
				seen[s.name] = s.line
			}
		},
	}
}

func sourceObject(env yamldoc.Env) yamldoc.Object[sourceSpec] {
	fields := []yamldoc.Field[sourceSpec]{
		yamldoc.Text("name", "Last segment of the route /events/<name>, and the events' source: 1 to 64 characters of a-z 0-9 . _ -", func(s *sourceSpec) *string { return &s.name }, nil).Required(),
		yamldoc.Choice("scheme", "How the sender signs: hex (HMAC-SHA256 of the body in a header, which is the default), bearer, standard (Standard Webhooks), svix, github, stripe",
			func(s *sourceSpec) *string { return &s.scheme }, sourceSchemes...),
		yamldoc.Text("header", "For the scheme hex: the header that holds the signature, X-Signature unless it is here", func(s *sourceSpec) *string { return &s.header }, nil),
	}
	fields = append(fields, yamldoc.SecretFields(func(s *sourceSpec) *[]string { return &s.secretEnv }, func(s *sourceSpec) *[]string { return &s.secretFile })...)
	fields = append(fields,
		yamldoc.Duration("tolerance", "How far a signed time may be off; the setting TIMESTAMP_TOLERANCE unless it is here", func(s *sourceSpec) *time.Duration { return &s.tolerance }, time.Second, 24*time.Hour),
		yamldoc.Text("id", "Where the delivery's id is: a path in the body (data.id), a form's field, or header:<name>; without one the same body is the same delivery", func(s *sourceSpec) *string { return &s.id }, nil),
		yamldoc.Text("type", "Where the event's type is, written likewise; without one the type is the source's name", func(s *sourceSpec) *string { return &s.kind }, nil),
		yamldoc.Text("subtype", "Where its subtype is, written likewise", func(s *sourceSpec) *string { return &s.subtype }, nil),
	)
	return yamldoc.Object[sourceSpec]{
		Fields: fields,
		Check:  func(r *yamldoc.Reader, line int, s *sourceSpec) { s.check(r, line, env) },
	}
}

// sourceSchemes are the schemes that a source may have; Slack's is for Slack only.
var sourceSchemes = []string{"hex", "bearer", "standard", "svix", "github", "stripe"}

// check makes the Source and checks it as the Receiver does.
func (s *sourceSpec) check(r *yamldoc.Reader, line int, env yamldoc.Env) {
	s.line = line
	if s.name == "" {
		return
	}
	what := "source " + s.name
	if s.header != "" && s.scheme != "" && s.scheme != "hex" {
		r.Problem(line, what+" names a header, and the scheme "+s.scheme+" has its own", "remove header")
	}
	secrets, err := env.Secrets(s.secretEnv, s.secretFile)
	if err != nil {
		r.Problem(line, what+" has no secret", err.Error())
		return
	}
	s.source = Source{
		Name: s.name, Scheme: s.signing(), Secrets: secrets, Tolerance: s.tolerance,
		ID: s.id, Kind: s.kind, Subtype: s.subtype,
	}
	if _, err := (&Receiver{}).endpoint(s.source); err != nil {
		r.Problem(line, what+" cannot be served", err.Error())
	}
}

func (s *sourceSpec) signing() signature.Scheme {
	if s.scheme == "" || s.scheme == "hex" {
		return signature.HexHeader(http.CanonicalHeaderKey(strings.TrimSpace(s.header)))
	}
	scheme, err := signature.ByName(s.scheme)
	if err != nil {
		return nil // the table knows only names that are there
	}
	return scheme
}
