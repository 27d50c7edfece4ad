package rule

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"slackmcp/webhook/event"
	templates "slackmcp/webhook/rule/phrase"
)

// maxText bounds what a template makes; Slack takes at most 40,000 characters.
const maxText = 40_000

// A phrase is a template made ready. What it takes from an event is passed through
// clean first.
type phrase struct {
	t     *templates.Phrase
	text  locator // of what a person wrote in Slack
	clean func(string) string
}

var errTooLong = fmt.Errorf("the template makes more than %d bytes", maxText)

func newPhrase(text string, clean func(string) string) (*phrase, error) {
	p := &phrase{clean: clean}
	var err error
	if p.text, err = newLocator("event.text"); err != nil {
		return nil, err
	}
	if p.t, err = templates.New(text, p.funcs(&event.Event{})); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return p, nil
}

// checkTemplate tries a template on an event that has nothing.
func checkTemplate(text string) error {
	p, err := newPhrase(text, escape)
	if err != nil {
		return err
	}
	if _, err := p.make(&event.Event{Kind: event.Kind{Type: "message"}, Raw: []byte("{}")}); err != nil {
		return fmt.Errorf("%w; the fields are %s", err, strings.Join(fieldNames, ", "))
	}
	return nil
}

// fieldNames are what a template may say after a dot.
var fieldNames = []string{".source", ".id", ".type", ".subtype", ".team", ".channel", ".user", ".thread", ".at", ".received_at", ".text"}

func (p *phrase) fields(e *event.Event) templates.Fields {
	text, _ := p.text.find(e)
	f := templates.Fields{
		"source": e.Source, "id": e.ID, "type": e.Kind.Type, "subtype": e.Kind.Subtype, "team": e.Team,
		"channel": e.Channel, "user": e.User, "thread": e.Thread, "at": instant(e.At), "received_at": instant(e.ReceivedAt), "text": text,
	}
	for name, v := range f {
		f[name] = p.clean(v)
	}
	return f
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// funcs are what a template may call beside Go's own.
func (p *phrase) funcs(e *event.Event) templates.Funcs {
	return templates.Funcs{
		"get": {Takes: "s", Call: func(args []any) (string, error) {
			l, err := newLocator(args[0].(string)) //nolint:forcetypeassert // Takes says so
			if err != nil {
				return "", err
			}
			v, _ := l.find(e)
			return p.clean(v), nil
		}},
		"default": {Takes: "ss", Call: func(args []any) (string, error) {
			return cmp.Or(args[1].(string), args[0].(string)), nil //nolint:forcetypeassert // Takes says so
		}},
		"truncate": {Takes: "is", Call: func(args []any) (string, error) {
			return truncate(args[0].(int), args[1].(string)), nil //nolint:forcetypeassert // Takes says so
		}},
	}
}

// truncate cuts a text after n bytes at most, between characters and not within an
// entity, and says so.
func truncate(n int, s string) string {
	if n < 0 || len(s) <= n {
		return s
	}
	cut := n
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	if amp := strings.LastIndexByte(s[:cut], '&'); amp >= 0 && cut < amp+len(entity.FindString(s[amp:])) {
		cut = amp
	}
	return s[:cut] + "…"
}

// make fills the template for an event. An error will be the same at the next try.
func (p *phrase) make(e *event.Event) (string, error) {
	var b bounded
	if err := p.t.Execute(&b, p.fields(e), p.funcs(e)); err != nil {
		if b.full {
			return "", errTooLong
		}
		return "", err //nolint:wrapcheck // it tells the place in the template
	}
	return b.text.String(), nil
}

// bounded is a builder that refuses to hold more than maxText.
type bounded struct {
	text strings.Builder // not embedded: it has other ways in
	full bool
}

// Write takes bytes as long as they fit.
func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxText {
		b.full = true
		return 0, errTooLong
	}
	return b.text.Write(p)
}

// entity is what Slack writes for &, < and >; an ampersand that begins one stays, so that
// what people wrote is shown as they wrote it.
var entity = regexp.MustCompile(`&(amp;|lt;|gt;)?`)

// escape makes a text that others wrote harmless in Slack's markup: it can mention
// nobody, link nothing, and call no channel
// (docs.slack.dev/messaging/formatting-message-text).
func escape(s string) string {
	s = entity.ReplaceAllStringFunc(strings.ToValidUTF8(s, "\uFFFD"), func(m string) string {
		if m == "&" {
			return "&amp;"
		}
		return m
	})
	return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(s)
}

// mass is how Slack's markup calls everybody or a group, with or without a label.
var mass = regexp.MustCompile(`(?i)<!(channel|here|everyone|group|subteam\^[^>|]*)(\|[^>]*)?>`)

// calm takes the calls to everybody out of a message, but for the first n.
func calm(s string, n int) string {
	if n > 0 && len(mass.FindAllString(s, n+1)) <= n {
		return s
	}
	return mass.ReplaceAllStringFunc(s, func(m string) string {
		word, _, _ := strings.Cut(strings.ToLower(mass.FindStringSubmatch(m)[1]), "^")
		return "@" + word
	})
}
