package event

import "bytes"

// Sanitize returns what may be shown of an event's Raw bytes: every member that would
// let its reader act as somebody is left out, at any depth, in forms and in the
// payload of a form too. All else is as it was, byte for byte: numbers keep their
// digits, and space stays. It returns raw itself when there is nothing to leave out.
//
// Members go by their name, see the source for the list. What people wrote in a
// message is not looked at. Errors are those of DecodeSlack: what cannot be read
// cannot be shown.
func Sanitize(raw []byte, enc Encoding) ([]byte, error) {
	if err := check(raw); err != nil {
		return nil, err
	}
	if enc == Form {
		return sanitizeForm(raw)
	}
	return sanitizeJSON(raw)
}

func sanitizeJSON(raw []byte) ([]byte, error) {
	s := sieve{s: scanner{b: raw}}
	if s.s.space() == 0 {
		return nil, emptyOr(raw)
	}
	if err := s.value(); err != nil {
		return nil, err
	}
	if err := s.s.end(); err != nil {
		return nil, err
	}
	if len(s.out) == 0 {
		return raw, nil
	}
	clean, from := make([]byte, 0, len(raw)), 0
	for _, c := range s.out {
		clean = append(clean, raw[from:c.start]...)
		from = c.end
	}
	return append(clean, raw[from:]...), nil
}

// A sieve scans a value and notes which parts of the text are to be left out.
type sieve struct {
	s   scanner
	out []gap
}

type gap struct{ start, end int }

func (v *sieve) value() error {
	switch v.s.space() {
	case '{':
		return v.object()
	case '[':
		return v.array()
	}
	_, err := v.s.scalar()
	return err
}

func (v *sieve) array() error {
	if err := v.s.push(); err != nil {
		return err
	}
	if v.s.space() == ']' {
		return v.pop()
	}
	for {
		if err := v.value(); err != nil {
			return err
		}
		if more, err := v.s.next(']'); err != nil || !more {
			return err
		}
	}
}

func (v *sieve) pop() error {
	v.s.pos++
	v.s.depth--
	return nil
}

// object leaves a secret member out together with one comma: the one before it when
// a member was kept before it, else the one behind.
func (v *sieve) object() error {
	if err := v.s.push(); err != nil {
		return err
	}
	if v.s.space() == '}' {
		return v.pop()
	}
	kept, comma := false, 0
	for {
		v.s.space()
		start := v.s.pos
		secret, err := v.member()
		if err != nil {
			return err
		}
		end, last := v.s.pos, false
		switch v.s.space() {
		case ',':
		case '}':
			last = true
		default:
			return ErrNotJSON
		}
		next := v.s.pos
		switch {
		case !secret:
			kept = true
		case kept:
			v.out = append(v.out, gap{comma, end})
		case last:
			v.out = append(v.out, gap{start, end})
		default:
			v.s.pos++
			v.s.space()
			v.out = append(v.out, gap{start, v.s.pos})
		}
		if last {
			return v.pop()
		}
		comma = next
		v.s.pos = max(v.s.pos, next+1)
	}
}

// member reads a name and its value; the value of a secret is not looked into.
func (v *sieve) member() (secret bool, err error) {
	n, err := v.s.name()
	if err != nil {
		return false, err
	}
	var scratch [64]byte
	if isSecret(v.s.text(n, scratch[:])) {
		return true, v.s.skip()
	}
	return false, v.value()
}

// sanitizeForm leaves out the pairs of secret names, and what is secret in payload.
func sanitizeForm(raw []byte) ([]byte, error) {
	clean := make([]byte, 0, len(raw))
	changed := false
	for pair := range bytes.SplitSeq(raw, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		switch n := formDecode(name); {
		case isSecret(n):
			changed = true
			continue
		case string(n) == "payload":
			payload := formDecode(value)
			// A payload that is no JSON is another sender's, and a value like any other.
			if shown, err := Sanitize(payload, JSON); err == nil && len(shown) != len(payload) {
				changed = true
				pair = append(append([]byte{}, "payload="...), formEncode(shown)...)
			}
		}
		if len(clean) > 0 {
			clean = append(clean, '&')
		}
		clean = append(clean, pair...)
	}
	if !changed {
		return raw, nil
	}
	return clean, nil
}

// formEncode escapes a value for a form.
func formEncode(b []byte) []byte {
	const digits = "0123456789ABCDEF"
	dst := make([]byte, 0, len(b)+len(b)/2)
	for _, c := range b {
		switch {
		case c == ' ':
			dst = append(dst, '+')
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', isDigit(c), c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
