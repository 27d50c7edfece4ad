// Package provider knows how well-known senders sign, what they call their events and what they
// ask of an endpoint, so that a source needs a name and a secret.
//
// Each is a row of data in table.go, with the pages of the sender's own documentation that its
// facts come from. A row promises nothing that those pages do not say. A sender that does not sign
// is in the table with what it can send instead, a token in a header or a password.
package provider

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slackmcp/webhook/signature"
)

// A Handshake is what a sender asks before it delivers, or beside it. See the constants.
type Handshake string

// All handshakes.
const (
	// Meta is a GET with hub.mode, hub.verify_token and hub.challenge, which is echoed.
	Meta Handshake = "meta"
	// Dropbox is a GET with challenge, which is echoed.
	Dropbox Handshake = "dropbox"
	// Graph is a POST with validationToken in the query, which is echoed.
	Graph Handshake = "graph"
	// CloudEvents is an OPTIONS that asks whether an origin may send.
	CloudEvents Handshake = "cloudevents"
	// EventGrid is an event with a code that is answered, or the OPTIONS of CloudEvents.
	EventGrid Handshake = "eventgrid"
	// Discord is a signed ping that is answered without an event.
	Discord Handshake = "discord"
	// Zoom is a signed event with a token, which is answered with its HMAC.
	Zoom Handshake = "zoom"
	// Slack is the signed url_verification.
	Slack Handshake = "slack"
	// Twitch is a signed challenge, which is echoed as text.
	Twitch Handshake = "twitch"
	// SNS is a signed message with an address to get.
	SNS Handshake = "sns"
	// Asana is a POST whose X-Hook-Secret is the secret from then on.
	Asana Handshake = "asana"
	// Notion is a POST whose verification_token is the secret from then on.
	Notion Handshake = "notion"
	// Head is a HEAD that is answered with 200.
	Head Handshake = "head"
)

// Handshakes says in words what each handshake is.
var Handshakes = map[Handshake]string{
	Meta:        "`GET` with `hub.challenge`, for who knows the verify token of `verify_env`",
	Dropbox:     "`GET` with `challenge`",
	Graph:       "`POST` with `validationToken` in the query",
	CloudEvents: "`OPTIONS` with `WebHook-Request-Origin`",
	EventGrid:   "the event `Microsoft.EventGrid.SubscriptionValidationEvent`, and `OPTIONS`",
	Discord:     "a signed `PING`",
	Zoom:        "the signed event `endpoint.url_validation`",
	Slack:       "the signed `url_verification`",
	Twitch:      "a signed `challenge`",
	SNS:         "`SubscriptionConfirmation`, confirmed at hosts of Amazon SNS alone",
	Asana:       "`POST` with `X-Hook-Secret`, taken once while `sources enroll` waits",
	Notion:      "`POST` with `verification_token`, taken once while `sources enroll` waits",
	Head:        "`HEAD`",
}

// A Provider is one sender.
type Provider struct {
	// Name is what a sources file calls it, and Title its own name.
	Name  string `json:"name"`
	Title string `json:"title"`
	// Scheme is how it signs. It is nil where the scheme needs what only the operator knows: then
	// Token says the rest.
	Scheme signature.Scheme `json:"-"`
	// Token is the scheme less the audiences and subjects, which the source names.
	Token *signature.Token `json:"-"`
	// Secret says which of the sender's values the secret is.
	Secret string `json:"secret"`
	// ID, Type and Subtype are the places of the delivery's id and the event's type, as a source has
	// them. Without an ID the same body is the same delivery.
	ID      string `json:"id,omitempty"`
	Type    string `json:"type,omitempty"`
	Subtype string `json:"subtype,omitempty"`
	// Window is how far the signed time may be from now; 0 is the server's own tolerance.
	Window time.Duration `json:"window_ns,omitempty"`
	// Handshake is what it asks for; empty is nothing.
	Handshake Handshake `json:"handshake,omitempty"`
	// Reply is what it reads in the answer to a delivery, and ReplyType its media type; an empty
	// ReplyType is the server's own answer.
	Reply     string `json:"-"`
	ReplyType string `json:"-"`
	// ByGet says that it delivers by GET as well, with its parameters in the query. Its scheme covers that.
	ByGet bool `json:"by_get,omitempty"`
	// MaxBody is the most that it says to send, in bytes; 0 where it says nothing.
	MaxBody int64 `json:"max_body_bytes,omitempty"`
	// Facts are the pages that say all this.
	Facts []string `json:"facts"`
	// Note is what an operator should know besides.
	Note string `json:"note,omitempty"`
}

// Timed reports whether the sender signs the time together with the delivery.
func (p Provider) Timed() bool { return p.Scheme != nil && p.Scheme.Timed() }

// Example is the provider's entry in a sources file, in its fewest lines.
func (p Provider) Example() string {
	name := p.Name
	if name == "slack" {
		name = "other-slack" // The route of the first app has the name.
	}
	lines := fmt.Sprintf("- name: %s\n  provider: %s\n", name, p.Name)
	if p.Token != nil {
		return lines + "  audience: https://events.example.com/events/" + p.Name + "\n  subject: push@project.iam.gserviceaccount.com\n"
	}
	lines += "  secret_env: " + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_SECRET\n"
	if p.Handshake == Meta {
		lines += "  verify_env: " + strings.ToUpper(p.Name) + "_VERIFY_TOKEN\n"
	}
	return lines
}

// place writes a place as a page does.
func place(s string) string {
	if s == "" {
		return ""
	}
	var list []string
	for one := range strings.SplitSeq(s, " or ") {
		list = append(list, "`"+strings.TrimPrefix(one, "header:")+"`")
	}
	return strings.Join(list, " or ")
}

// WindowText says how far the signed time may be from now.
func (p Provider) WindowText() string {
	switch {
	case !p.Timed():
		return "no"
	case p.Window == 0:
		return "yes"
	}
	return fmt.Sprintf("%g min", p.Window.Minutes())
}

// Places says where the id and the type are, as a page does.
func (p Provider) Places() (id, kind string) {
	id, kind = place(p.ID), place(p.Type)
	if id == "" {
		id = "hash of the body"
	}
	if p.Subtype != "" {
		kind += ", " + place(p.Subtype)
	}
	return id, kind
}

// LongestBody says how long a body of the sender may be; "" where it does not say.
func (p Provider) LongestBody() string {
	if p.MaxBody == 0 {
		return ""
	}
	return fmt.Sprintf("%d MB", p.MaxBody>>20)
}

// Text says what is known of the provider, for a person.
func (p Provider) Text() string {
	id, kind := p.Places()
	var b strings.Builder
	for _, row := range [][2]string{
		{"sender", p.Title},
		{"secret", p.Secret},
		{"id", id},
		{"type", kind},
		{"signs a time", p.WindowText()},
		{"handshake", Handshakes[p.Handshake]},
		{"longest body", p.LongestBody()},
		{"note", p.Note},
		{"facts", strings.Join(p.Facts, "\n              ")},
	} {
		if row[1] != "" {
			fmt.Fprintf(&b, "%-14s%s\n", row[0], strings.ReplaceAll(row[1], "`", ""))
		}
	}
	return b.String() + "\n" + p.Example()
}

// Find returns the provider of a name.
func Find(name string) (Provider, error) {
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
	}
	return Provider{}, fmt.Errorf("no provider %q is known: `sources providers` lists them", name)
}

// Names lists the names of all providers, sorted.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// All lists the providers, by name.
func All() []Provider { return slices.Clone(all) }

// all is the table, read once.
var all = sorted(table)

func sorted(list []Provider) []Provider {
	slices.SortFunc(list, func(a, b Provider) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// sign reads a recipe of the table, which a test has read before.
func sign(label string, r signature.Recipe) signature.Scheme {
	r.Label = label
	s, err := signature.NewScheme(r)
	if err != nil {
		panic(err)
	}
	return s
}

// header is the recipe of an HMAC-SHA256 of the body in hexadecimal.
func header(name string) signature.Recipe {
	return signature.Recipe{Signature: []string{"header:" + name}}
}

// prefixed is header with a word before the signature.
func prefixed(name, prefix string) signature.Recipe {
	r := header(name)
	r.Prefix = prefix
	return r
}

// base64 is header with the signature in base64.
func base64(name string) signature.Recipe {
	r := header(name)
	r.Encoding = "base64"
	return r
}

// stamped is the recipe of a value such as "t=1700000000,v1=<hexadecimal>".
func stamped(name, separator, timeItem, prefix, signed, unit string) signature.Recipe {
	return signature.Recipe{
		Signature: []string{"header:" + name}, Separator: separator, TimeItem: timeItem, Prefix: prefix, Signed: signed, Unit: unit,
	}
}

// timed is a recipe with the time in a header of its own.
func timed(r signature.Recipe, at, signed, unit string) signature.Recipe {
	r.Time, r.Signed, r.Unit = at, signed, unit
	return r
}

// token is the recipe of a constant.
func token(place, prefix string) signature.Recipe {
	return signature.Recipe{Algorithm: "token", Signature: []string{place}, Prefix: prefix}
}

// basic is the recipe of "user:password" in Authorization.
func basic() signature.Recipe {
	return signature.Recipe{Algorithm: "token", Signature: []string{"header:Authorization"}, Prefix: "Basic ", Encoding: "base64"}
}

// by changes the algorithm of a recipe.
func by(algorithm string, r signature.Recipe) signature.Recipe {
	r.Algorithm = algorithm
	return r
}

func jwt(o signature.Token) signature.Scheme {
	s, err := signature.NewToken(o)
	if err != nil {
		panic(err)
	}
	return s
}
