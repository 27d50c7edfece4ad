package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// A sourceSpec is a source as a file has it.
type sourceSpec struct {
	name, provider, scheme, header string
	signature                      *signature.Recipe
	jwt                            *signature.Token
	secretEnv, secretFile          []string
	verifyEnv, url                 string
	audiences, subjects            []string
	tolerance                      time.Duration
	id, kind, subtype              string
	keep                           []string
	maxBody                        int
	rejected                       string

	people []string

	line   int
	source Source
}

type sourcesFile struct{ sources []sourceSpec }

// SourcesSchemaID names the schema of sources files.
const SourcesSchemaID = "https://slack-webhook-server.invalid/sources.schema.json"

// ParseSources reads a file of sources, which problems call name; publicURL is where the server
// is reached, for senders that sign the address. The error is a *yamldoc.Error with every problem;
// a source without its secret is a problem too. With an error the list has what could be read.
func ParseSources(name string, content []byte, env yamldoc.Env, publicURL string) ([]Source, error) {
	f, err := yamldoc.Read(name, content, sourcesObject(env, publicURL))
	list := make([]Source, len(f.sources))
	for i, s := range f.sources {
		list[i] = s.source
		list[i].Name = s.name
	}
	return list, err
}

// SourcesSchema returns the JSON Schema of sources files.
func SourcesSchema() ([]byte, error) {
	return sourcesObject(yamldoc.Env{}, "").Schema(SourcesSchemaID, "Sources of slack-webhook-server")
}

func sourcesObject(env yamldoc.Env, publicURL string) yamldoc.Object[sourcesFile] {
	return yamldoc.Object[sourcesFile]{
		Help: "Senders beside Slack; each posts to /events/<name>.",
		Fields: []yamldoc.Field[sourcesFile]{
			yamldoc.List("sources", "The senders", "source", func(f *sourcesFile) *[]sourceSpec { return &f.sources }, sourceObject(env, publicURL)).Required(),
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

func sourceObject(env yamldoc.Env, publicURL string) yamldoc.Object[sourceSpec] {
	fields := []yamldoc.Field[sourceSpec]{
		yamldoc.Text("name", "Last segment of the route /events/<name>, and the events' source: 1 to 64 characters of a-z 0-9 . _ -", func(s *sourceSpec) *string { return &s.name }, nil).Required(),
		yamldoc.Choice("provider", "A well-known sender: how it signs, its ids, types and handshakes are known", func(s *sourceSpec) *string { return &s.provider }, provider.Names()...),
		yamldoc.Choice("scheme", "How another sender signs: hex (HMAC-SHA256 of the body in a header, which is the default), bearer, standard (Standard Webhooks), svix, github, stripe, token (the secret itself in a header), basic (user:password)",
			func(s *sourceSpec) *string { return &s.scheme }, sourceSchemes...),
		yamldoc.Text("header", "For the schemes hex and token: the header that holds the signature or the token, X-Signature of hex unless it is here", func(s *sourceSpec) *string { return &s.header }, nil),
		yamldoc.Sub("signature", "How a sender signs that neither provider nor scheme knows", func(s *sourceSpec) **signature.Recipe { return &s.signature }, recipeObject()),
		yamldoc.Sub("jwt", "How a sender vouches for its requests with a JSON Web Token", func(s *sourceSpec) **signature.Token { return &s.jwt }, tokenObject()),
	}
	fields = append(fields, yamldoc.SecretFields(func(s *sourceSpec) *[]string { return &s.secretEnv }, func(s *sourceSpec) *[]string { return &s.secretFile })...)
	fields = append(fields,
		yamldoc.Text("verify_env", "Variable that holds the verify token of a handshake by GET (meta, whatsapp)", func(s *sourceSpec) *string { return &s.verifyEnv }, yamldoc.VariableName),
		yamldoc.Text("url", "The address that the sender posts to, for senders that sign it; below PUBLIC_URL unless it is here", func(s *sourceSpec) *string { return &s.url }, publicAddress),
		yamldoc.Texts("audience", "For tokens of a published key: the audience of which they must name one", func(s *sourceSpec) *[]string { return &s.audiences }, nil),
		yamldoc.Texts("subject", "For tokens of a published key: the email or sub of which they must name one", func(s *sourceSpec) *[]string { return &s.subjects }, nil),
		yamldoc.Duration("tolerance", "How far a signed time may be off; the setting TIMESTAMP_TOLERANCE unless it is here", func(s *sourceSpec) *time.Duration { return &s.tolerance }, time.Second, 24*time.Hour),
		yamldoc.Text("id", "Where the delivery's id is: a path in the body (data.id), a form's field, or header:<name>; without one the same body is the same delivery", func(s *sourceSpec) *string { return &s.id }, nil),
		yamldoc.Text("type", "Where the event's type is, written likewise; without one the type is the source's name", func(s *sourceSpec) *string { return &s.kind }, nil),
		yamldoc.Text("subtype", "Where its subtype is, written likewise", func(s *sourceSpec) *string { return &s.subtype }, nil),
		yamldoc.Texts("keep_headers", "Headers that are kept with each event, at most 16: rules, commands, receivers and views see them; those that hold a credential or the signature are refused", func(s *sourceSpec) *[]string { return &s.keep }, nil),
		yamldoc.Number("max_body", "The longest body that is taken, in bytes; what is known of the provider, or the setting MAX_BODY_BYTES, unless it is here", func(s *sourceSpec) *int { return &s.maxBody }, 1<<10, MostBody),
		yamldoc.Texts("people", "Which of the people who sign in with Slack are shown its events: none unless it is here, all (full members), or some, each as T…/U… or U…", func(s *sourceSpec) *[]string { return &s.people }, personNamed),
		yamldoc.Choice("keep_rejected", "What is kept for a day of requests that are refused, for the command deliveries rejected: the names of their headers, or the body as well", func(s *sourceSpec) *string { return &s.rejected }, RejectedHeaders, RejectedBody),
	)
	return yamldoc.Object[sourceSpec]{
		Fields: fields,
		Check:  func(r *yamldoc.Reader, line int, s *sourceSpec) { s.check(r, line, env, publicURL) },
	}
}

// sourceSchemes are the schemes that a source may have; Slack's is for Slack only.
var sourceSchemes = []string{"hex", "bearer", "standard", "svix", "github", "stripe", "token", "basic"}

var personID = regexp.MustCompile(`^([TE][A-Z0-9]{2,}/)?[UW][A-Z0-9]{2,}$`)

// personNamed is a Check of who is shown a source's events.
func personNamed(s string) error {
	if s == AllPeople || s == noPeople || personID.MatchString(s) {
		return nil
	}
	return errors.New("write all, none, or people as T0123456789/U0123456789 or U0123456789; people list shows them")
}

// noPeople is nobody, in words.
const noPeople = "none"

// publicAddress is a Check of an address that a sender signs.
func publicAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("write the address as the sender has it, without a query, such as https://events.example.com/events/shop")
	}
	return nil
}

func recipeObject() yamldoc.Object[signature.Recipe] {
	type recipe = signature.Recipe
	return yamldoc.Object[recipe]{
		Help: "A place is header:<name>, query:<name>, or the path of a member of the body.",
		Fields: []yamldoc.Field[recipe]{
			yamldoc.Choice("algorithm", "How it is signed: hmac-sha256 unless it is here; token is a constant, ed25519 and ecdsa take a public key in place of the secret", func(r *recipe) *string { return &r.Algorithm }, signature.Algorithms...),
			yamldoc.Texts("at", "The place of the signature or token; of several headers one has to be right", func(r *recipe) *[]string { return &r.Signature }, nil).Required(),
			yamldoc.Text("prefix", "What stands before the signature, such as sha256=", func(r *recipe) *string { return &r.Prefix }, nil),
			yamldoc.Bool("bare", "The prefix may be missing", func(r *recipe) *bool { return &r.Bare }),
			yamldoc.Choice("encoding", "How the signature is written: hex unless it is here", func(r *recipe) *string { return &r.Encoding }, signature.Encodings...),
			yamldoc.Choice("separator", "What splits a value with several items, such as t=1,v1=aa", func(r *recipe) *string { return &r.Separator }, ",", ";", " "),
			yamldoc.Text("time_item", "What the item with the time begins with, such as t=", func(r *recipe) *string { return &r.TimeItem }, nil),
			yamldoc.Text("signs", "What is signed: {body} unless it is here, with {timestamp}, {id}, {method}, {url}, {form}, {header:<name>} and {member:<path>}", func(r *recipe) *string { return &r.Signed }, nil),
			yamldoc.Text("time", "The place of the signed time", func(r *recipe) *string { return &r.Time }, nil),
			yamldoc.Choice("unit", "How the time is written: s unless it is here", func(r *recipe) *string { return &r.Unit }, signature.Units...),
			yamldoc.Text("id", "The place of the id, where it is signed", func(r *recipe) *string { return &r.ID }, nil),
			yamldoc.Choice("key", "How the secret is written: text unless it is here", func(r *recipe) *string { return &r.Secret }, signature.Writings...),
		},
	}
}

func tokenObject() yamldoc.Object[signature.Token] {
	type token = signature.Token
	return yamldoc.Object[token]{
		Fields: []yamldoc.Field[token]{
			yamldoc.Text("header", "The header that holds it; Authorization unless it is here", func(t *token) *string { return &t.Header }, nil),
			yamldoc.Text("keys", "The https address of the sender's key set (JWKS); without it the secret signs, with HS256", func(t *token) *string { return &t.Keys }, nil),
			yamldoc.Texts("issuer", "Whose token it must be", func(t *token) *[]string { return &t.Issuers }, nil),
			yamldoc.Text("body_hash", "The claim that holds the SHA-256 of the body", func(t *token) *string { return &t.BodyHash }, nil),
			yamldoc.Text("url_hash", "The claim that holds the SHA-256 of the address", func(t *token) *string { return &t.URLHash }, nil),
		},
	}
}

// check makes the Source and checks it as the Receiver does.
func (s *sourceSpec) check(r *yamldoc.Reader, line int, env yamldoc.Env, publicURL string) {
	s.line = line
	if s.name == "" {
		return
	}
	what := "source " + s.name
	if len(s.people) > 1 && (slices.Contains(s.people, AllPeople) || slices.Contains(s.people, noPeople)) {
		r.Problem(line, what+" names people beside all or none", "name one of all and none alone, or people")
	}
	scheme, err := s.signing()
	if err != nil {
		r.Problem(line, what+" cannot be served", err.Error())
		return
	}
	s.source = Source{
		Name: s.name, Provider: s.provider, Scheme: scheme, Tolerance: s.tolerance, URL: s.url,
		Audiences: s.audiences, Subjects: s.subjects, ID: s.id, Kind: s.kind, Subtype: s.subtype, KeepHeaders: s.keep, People: s.people, KeepRejected: s.rejected,
		MaxBody: int64(s.maxBody),
	}
	p, err := s.source.resolve()
	if err != nil {
		r.Problem(line, what+" cannot be served", err.Error())
		return
	}
	if s.verifyEnv != "" {
		s.source.VerifyToken = env.Variable(s.verifyEnv)
	}
	if p.Handshake == provider.Meta && s.source.VerifyToken == "" {
		r.Problem(line, what+" has no verify token, which its sender says in the handshake", "choose one, give it to the sender, and name the variable that holds it in verify_env")
	}
	if signature.NeedsSecret(p.Scheme) {
		if s.source.Secrets, err = env.Secrets(s.secretEnv, s.secretFile); err != nil {
			r.Problem(line, what+" has no secret", err.Error())
			return
		}
	} else if len(s.secretEnv)+len(s.secretFile) > 0 {
		r.Problem(line, what+" names a secret, and its sender signs with keys that it publishes", "remove secret_env and secret_file")
		return
	}
	if _, err := (&Receiver{opt: Options{PublicURL: publicURL}}).endpoint(s.source); err != nil {
		r.Problem(line, what+" cannot be served", err.Error())
	}
}

// signing returns the scheme that a source names, or nil for a provider's.
func (s *sourceSpec) signing() (signature.Scheme, error) {
	named := 0
	for _, is := range []bool{s.provider != "", s.scheme != "", s.signature != nil, s.jwt != nil} {
		if is {
			named++
		}
	}
	switch {
	case named > 1:
		return nil, errors.New("name one of provider, scheme, signature and jwt")
	case s.header != "" && !slices.Contains([]string{"", "hex", "token"}, s.scheme) || s.header != "" && s.scheme == "" && named > 0:
		return nil, errors.New("it names a header, and its scheme has its own: remove header")
	case s.provider != "":
		return nil, nil //nolint:nilnil // It is the provider's, and that is no error.
	case s.signature != nil:
		return signature.NewScheme(*s.signature)
	case s.jwt != nil:
		token := *s.jwt
		token.Label, token.Audiences, token.Subjects = "jwt of "+s.name, s.audiences, s.subjects
		return signature.NewToken(token)
	}
	header := http.CanonicalHeaderKey(strings.TrimSpace(s.header))
	switch s.scheme {
	case "", "hex":
		return signature.HexHeader(header), nil
	case "token":
		if header == "" {
			return nil, errors.New("the scheme token needs header: the name of the header that holds the token")
		}
		return signature.NewScheme(signature.Recipe{Label: "token in " + header, Algorithm: "token", Signature: []string{"header:" + header}})
	case "basic":
		return signature.NewScheme(signature.Recipe{Label: "basic", Algorithm: "token", Signature: []string{"header:Authorization"}, Prefix: "Basic ", Encoding: "base64"})
	}
	return signature.ByName(s.scheme)
}
