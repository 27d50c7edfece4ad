package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/signature"
)

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

// ParseSources reads a file of sources. name is what problems call it. The error is a
// *yamldoc.Error with every problem: a source whose secret is missing is one.
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

// SourcesSchema is the JSON Schema of sources files.
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

// sourceSchemes are those that a source may have: Slack's is Slack's.
var sourceSchemes = []string{"hex", "bearer", "standard", "svix", "github", "stripe"}

// check makes the Source, and tries it as the Receiver will.
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
