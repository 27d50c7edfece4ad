package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync"
	"time"
)

// An Envelope is what DecodeSlack reads: the event, and the outside that decides how
// it is answered.
type Envelope struct {
	// Event lacks what the body does not know: ReceivedAt, Position and Retry.
	Event
	// Type is the outer type: event_callback, url_verification, app_rate_limited, the
	// type of an interaction, slash_command; or empty.
	Type string
	// Challenge is what a url_verification asks to hear back.
	Challenge string
}

// maxField is the longest field that is taken from an envelope. Slack's ids have a
// dozen characters; what is longer counts as absent, so that a store's keys stay small.
const maxField = 512

// DecodeSlack reads the envelope of what Slack posts, in one pass over the body, and
// checks on the way that the body is one JSON object. It refuses nothing else: any
// object is an event, {} too. Of members with the same name the last one counts. A
// number where Slack documents a string is taken as it is written.
//
// In a Form the object is in the field payload (interactivity); without one the form
// itself is the event (a slash command).
//
// The event's Raw is body itself; its other fields are copies. Errors: ErrEmpty,
// ErrNotUTF8, ErrNotJSON, ErrNotObject, ErrTooDeep, ErrTooLong.
func DecodeSlack(body []byte, enc Encoding) (Envelope, error) {
	if err := check(body); err != nil {
		return Envelope{}, err
	}
	if enc == Form {
		return decodeForm(body)
	}
	env, err := decodeObject(body)
	if err != nil {
		return Envelope{}, err
	}
	env.seal(body, JSON)
	return env, nil
}

// seal adds what every event of Slack has.
func (e *Envelope) seal(body []byte, enc Encoding) {
	e.Source, e.Raw, e.Encoding = SourceSlack, body, enc
	if e.ID == "" {
		e.ID = DerivedID(SourceSlack, body)
	}
	if e.Kind.Type == "" {
		e.Kind.Type = Unknown
	}
}

// DerivedID returns the id of a delivery that names none: a hash of its source and
// body, so that the same body of the same source is the same delivery.
func DerivedID(source string, body []byte) string {
	h := sha256.New()
	_, _ = io.WriteString(h, source) // a hash never fails
	h.Write([]byte{0})               // no source has a NUL: "a"+"bc" is not "ab"+"c"
	h.Write(body)
	var sum [sha256.Size]byte
	return "sha256-" + hex.EncodeToString(h.Sum(sum[:0]))
}

// decodeObject reads one JSON object.
func decodeObject(body []byte) (Envelope, error) {
	p := pickers.Get().(*picker) //nolint:forcetypeassert // the pool holds nothing else
	defer p.release()
	p.s.b = body
	switch p.s.space() {
	case 0:
		return Envelope{}, emptyOr(body)
	case '{':
		if err := p.object(rootNode); err != nil {
			return Envelope{}, err
		}
		if err := p.s.end(); err != nil {
			return Envelope{}, err
		}
		return p.envelope(), nil
	}
	if err := p.s.skip(); err != nil {
		return Envelope{}, err
	}
	if err := p.s.end(); err != nil {
		return Envelope{}, err
	}
	return Envelope{}, ErrNotObject
}

// emptyOr tells white space from a body that begins with a NUL.
func emptyOr(body []byte) error {
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return ErrEmpty
	}
	return ErrNotJSON
}

// A picker scans an object and remembers where the envelope's fields are. It has two KiB,
// so it is used again rather than cleared as a whole for each body.
type picker struct {
	s     scanner
	found [slots]span
}

var pickers = sync.Pool{New: func() any { return new(picker) }}

// release leaves the scanner's bits as they are: each is written before it is read.
func (p *picker) release() {
	p.s.b, p.s.pos, p.s.depth = nil, 0, 0
	p.found = [slots]span{}
	pickers.Put(p)
}

// object reads the object at pos, which is the node in.
func (p *picker) object(in node) error {
	if err := p.s.push(); err != nil {
		return err
	}
	if p.s.space() == '}' {
		p.s.pos++
		p.s.depth--
		return nil
	}
	for {
		n, err := p.s.name()
		if err != nil {
			return err
		}
		var scratch [32]byte
		m := find(in, p.s.text(n, scratch[:]))
		if err := p.value(m); err != nil {
			return err
		}
		if more, err := p.s.next('}'); err != nil || !more {
			return err
		}
	}
}

// value reads a member's value.
func (p *picker) value(m member) error {
	if m.at == noSlot && m.into == noNode {
		return p.s.skip()
	}
	if m.at != noSlot {
		p.found[m.at] = span{}
	}
	if m.first != noSlot {
		clear(p.found[m.first : m.last+1])
	}
	switch c := p.s.space(); {
	case c == '{' && m.into != noNode && !m.list:
		return p.object(m.into)
	case c == '[' && m.list:
		return p.firstOf(m.into)
	case c == '{', c == '[':
		return p.s.skip()
	}
	v, err := p.s.scalar()
	if m.at != noSlot {
		p.found[m.at] = v
	}
	return err
}

// firstOf reads the array at pos, whose first element is the node in.
func (p *picker) firstOf(in node) error {
	if err := p.s.push(); err != nil {
		return err
	}
	if p.s.space() == ']' {
		p.s.pos++
		p.s.depth--
		return nil
	}
	for first := true; ; first = false {
		var err error
		if first && p.s.space() == '{' {
			err = p.object(in)
		} else {
			err = p.s.skip()
		}
		if err != nil {
			return err
		}
		if more, err := p.s.next(']'); err != nil || !more {
			return err
		}
	}
}

// seconds reads a Unix time as Slack writes it, "1595926230.009600" or 1595926230;
// the zero time is the answer to everything else.
func seconds(b []byte) time.Time {
	const longest = 11 // digits; the year 5138 is far enough
	var sec, nano, scale int64
	for i, c := range b {
		switch {
		case c == '.' && scale == 0 && i > 0:
			scale = 1_000_000_000
		case !isDigit(c), scale == 0 && i >= longest, scale == 1:
			return time.Time{}
		case scale == 0:
			sec = sec*10 + int64(c-'0')
		default:
			scale /= 10
			nano += int64(c-'0') * scale
		}
	}
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, nano).UTC()
}
