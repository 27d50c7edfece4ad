package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
)

// SourcePath is the prefix of the routes of all senders but Slack.
const SourcePath = "/events/"

// A Source is a sender beside Slack. It posts to /events/{Name}.
type Source struct {
	// Name is the route's last segment, the event's Source, and its Kind where the
	// sender names none: 1 to 64 characters of [a-z0-9._-], and none of the names that
	// this package uses itself. Required.
	Name string
	// Scheme is how the sender signs; nil means signature.HexHeader(""), the HMAC of the
	// body in X-Signature. GitHub, Stripe, Standard Webhooks and Svix bring their own ID
	// and Kind below.
	Scheme signature.Scheme
	// Secrets are those that are valid now. Required.
	Secrets []string
	// Tolerance bounds how far a signed timestamp may be from now; 0 means that of Options.
	Tolerance time.Duration
	// ID, Kind and Subtype say where the delivery's id and the event's kind are: a path
	// in the JSON body (see event.ParsePath), the name of a form's field, or
	// "header:<name>". A header is not signed. Without an ID, and where a delivery has
	// none there, the hash of the body stands in: the same body is then the same delivery.
	ID, Kind, Subtype string
}

// selectors of the named schemes, for the fields that a Source leaves empty.
var schemeSelectors = map[string]struct{ id, kind, subtype string }{
	"github":   {"header:X-GitHub-Delivery", "header:X-GitHub-Event", "action"},
	"stripe":   {"id", "type", ""},
	"standard": {"header:Webhook-Id", "type", ""},
	"svix":     {"header:Svix-Id", "type", ""},
}

var sourceName = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)

// endpoint checks a Source and makes its route.
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

// A sourceDecoder makes events of what one source posts.
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

// maxSelected is the longest value that is taken; what is longer counts as absent.
const maxSelected = 512

// of returns what the selector finds, or "".
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
