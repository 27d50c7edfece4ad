package event

import (
	"errors"
	"math"
	"unicode/utf8"
)

// What DecodeSlack, Decode and Sanitize refuse. They carry no part of the body.
var (
	// ErrEmpty says that the body has no bytes but white space.
	ErrEmpty = errors.New("body is empty")
	// ErrNotUTF8 says that the body is not UTF-8, which RFC 8259 asks for.
	ErrNotUTF8 = errors.New("body is not UTF-8")
	// ErrNotJSON says that the body is not one JSON value.
	ErrNotJSON = errors.New("body is not JSON")
	// ErrNotObject says that the body is JSON, but no object.
	ErrNotObject = errors.New("body is not a JSON object")
	// ErrTooDeep says that arrays and objects are nested more than MaxDepth deep.
	ErrTooDeep = errors.New("body is nested too deep")
	// ErrTooLong says that the body has 2 GiB or more.
	ErrTooLong = errors.New("body is too long")
)

// MaxDepth is how deep arrays and objects may nest: what encoding/json reads, so
// that whatever is accepted here can be parsed later.
const MaxDepth = 10_000

// A scanner walks over JSON text once and checks it on the way. Its text has to be
// UTF-8. No method allocates, but for names and values that are written with escapes.
type scanner struct {
	b     []byte
	pos   int
	depth int
	// objects has a bit for each open container of skip: set for an object.
	objects [MaxDepth/64 + 1]uint64
}

// check refuses what no scanner is to see.
func check(body []byte) error {
	if len(body) == 0 {
		return ErrEmpty
	}
	if len(body) > math.MaxInt32 {
		return ErrTooLong
	}
	if !utf8.Valid(body) {
		return ErrNotUTF8
	}
	return nil
}

// space moves over white space and returns the byte after it, or 0 at the end.
func (s *scanner) space() byte {
	for s.pos < len(s.b) {
		switch c := s.b[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// push enters a container whose first byte is at pos.
func (s *scanner) push() error {
	s.pos++
	s.depth++
	if s.depth > MaxDepth {
		return ErrTooDeep
	}
	return nil
}

// skip moves over one value of any kind. It does not recurse, so that a deep value
// costs a bit a level.
func (s *scanner) skip() error {
	base := s.depth
	for {
		opened, err := s.begin()
		if err != nil {
			return err
		}
		if opened {
			continue
		}
		more, err := s.after(base)
		if err != nil || !more {
			return err
		}
	}
}

// begin reads a scalar or an empty container, or opens one that has something in it
// and stops where its first value begins.
func (s *scanner) begin() (opened bool, err error) {
	switch s.space() {
	case '{':
		if err := s.push(); err != nil {
			return false, err
		}
		if s.space() == '}' {
			s.pos++
			s.depth--
			return false, nil
		}
		s.objects[(s.depth-1)/64] |= 1 << ((s.depth - 1) % 64)
		_, err := s.name()
		return true, err
	case '[':
		if err := s.push(); err != nil {
			return false, err
		}
		if s.space() == ']' {
			s.pos++
			s.depth--
			return false, nil
		}
		s.objects[(s.depth-1)/64] &^= 1 << ((s.depth - 1) % 64)
		return true, nil
	}
	_, err = s.scalar()
	return false, err
}

// after closes what ends behind a value and reports whether another value follows
// within the containers above base.
func (s *scanner) after(base int) (more bool, err error) {
	for s.depth > base {
		object := s.objects[(s.depth-1)/64]&(1<<((s.depth-1)%64)) != 0
		switch c := s.space(); {
		case c == ',' && object:
			s.pos++
			_, err := s.name()
			return true, err
		case c == ',':
			s.pos++
			return true, nil
		case c == '}' && object, c == ']' && !object:
			s.pos++
			s.depth--
		default:
			return false, ErrNotJSON
		}
	}
	return false, nil
}

// A span is a scalar's place in the text: of a string the inside of its quotes.
type span struct {
	start, end int32
	kind       spanKind
}

type spanKind uint8

const (
	absent  spanKind = iota
	plain            // a string without escapes
	escaped          // a string with escapes
	number
	literal // true, false or null
)

// name reads a member's name and the colon behind it.
func (s *scanner) name() (span, error) {
	if s.space() != '"' {
		return span{}, ErrNotJSON
	}
	n, err := s.str()
	if err != nil {
		return span{}, err
	}
	if s.space() != ':' {
		return span{}, ErrNotJSON
	}
	s.pos++
	return n, nil
}

// scalar reads a string, a number or a literal.
func (s *scanner) scalar() (span, error) {
	switch c := s.space(); c {
	case '"':
		return s.str()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c == '-' || isDigit(c) {
			return s.num()
		}
		return span{}, ErrNotJSON
	}
}

func (s *scanner) word(w string) (span, error) {
	start := s.pos
	if len(s.b)-start < len(w) || string(s.b[start:start+len(w)]) != w {
		return span{}, ErrNotJSON
	}
	s.pos += len(w)
	return spanOf(start, s.pos, literal), nil
}

func (s *scanner) num() (span, error) {
	start := s.pos
	s.one('-', '-')
	leading := s.pos
	if !s.digits() || (s.b[leading] == '0' && s.pos > leading+1) {
		return span{}, ErrNotJSON
	}
	if s.one('.', '.') && !s.digits() {
		return span{}, ErrNotJSON
	}
	if s.one('e', 'E') {
		s.one('+', '-')
		if !s.digits() {
			return span{}, ErrNotJSON
		}
	}
	return spanOf(start, s.pos, number), nil
}

// one moves over one byte if it is a or b, and reports whether it did.
func (s *scanner) one(a, b byte) bool {
	if s.pos < len(s.b) && (s.b[s.pos] == a || s.b[s.pos] == b) {
		s.pos++
		return true
	}
	return false
}

// digits moves over one digit or more.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.b) && isDigit(s.b[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// next moves over what follows a value in a container: a comma, or the byte that
// closes it.
func (s *scanner) next(closing byte) (more bool, err error) {
	switch s.space() {
	case ',':
		s.pos++
		return true, nil
	case closing:
		s.pos++
		s.depth--
		return false, nil
	}
	return false, ErrNotJSON
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.b) {
		return ErrNotJSON
	}
	return nil
}

func spanOf(start, end int, k spanKind) span {
	return span{start: int32(start), end: int32(end), kind: k} //nolint:gosec // check bounds the length
}
