package logging

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// The bounds of what is learned beside the settings. A process that rotates a secret
// every hour fills them in half a year.
const (
	maxLearned      = 4096
	maxLearnedBytes = 2 << 20
)

// minLength is the length below which a secret is no rare text: to take it out would
// damage the log, and the holes would show the secret.
const minLength = 8

// Redacted is what stands in a log in place of a secret.
const Redacted = "[redacted]"

// Secrets are the texts that no log may hold. The zero value is ready to use. Its methods
// are safe for concurrent use.
type Secrets struct {
	ready atomic.Pointer[matcher] // of all; nil when it has to be made anew

	mu       sync.Mutex
	settings []string // never forgotten; guarded by mu, as is what follows
	learned  []string // the oldest first
	bytes    int      // of learned
}

// Keep adds secrets that are never forgotten: those of the settings that the process runs
// with. Texts of fewer than eight bytes are left out.
func (s *Secrets) Keep(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if len(text) >= minLength && !slices.Contains(s.settings, text) {
			s.settings = append(s.settings, text)
			s.ready.Store(nil)
		}
	}
}

// Learn adds secrets. Texts of fewer than eight bytes are left out. The newest 4,096 are
// kept, of 2 MiB together; so what is in force should be learned again when something is
// replaced.
func (s *Secrets) Learn(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if len(text) < minLength {
			continue
		}
		if i := slices.Index(s.learned, text); i >= 0 {
			s.learned = append(slices.Delete(s.learned, i, i+1), text) // the newest again
			continue
		}
		s.learned = append(s.learned, strings.Clone(text))
		s.bytes += len(text)
		s.ready.Store(nil)
	}
	forget := 0
	for len(s.learned)-forget > maxLearned || s.bytes > maxLearnedBytes {
		s.bytes -= len(s.learned[forget])
		forget++
	}
	s.learned = slices.Delete(s.learned, 0, forget)
}

// Learned returns what Learn added and is not forgotten, the oldest first.
func (s *Secrets) Learned() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.learned)
}

// matcher returns what finds all that is known now.
func (s *Secrets) matcher() *matcher {
	if m := s.ready.Load(); m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := newMatcher(s.settings, s.learned)
	s.ready.Store(m)
	return m
}

// A matcher finds secrets in one pass over a line, which costs about the same however
// many there are. It is immutable.
type matcher struct {
	pairs  [1 << 16 / 64]uint64 // a bit for the first two bytes of each secret
	starts map[[minLength]byte][]string
}

func newMatcher(lists ...[]string) *matcher {
	m := &matcher{starts: map[[minLength]byte][]string{}}
	for _, list := range lists {
		for _, text := range list {
			m.add(text)
			// As text and JSON write it.
			m.add(strings.Trim(strconv.Quote(text), `"`))
			if b, err := json.Marshal(text); err == nil {
				m.add(string(b[1 : len(b)-1]))
			}
			// As addresses hold it.
			m.add(url.QueryEscape(text))
			m.add(url.PathEscape(text))
		}
	}
	return m
}

func (m *matcher) add(text string) {
	if len(text) < minLength {
		return
	}
	start := [minLength]byte([]byte(text[:minLength]))
	if !slices.Contains(m.starts[start], text) {
		m.starts[start] = append(m.starts[start], text)
	}
	word, bit := pair(text[0], text[1])
	m.pairs[word] |= bit
}

func pair(a, b byte) (word int, bit uint64) {
	return int(a)<<2 | int(b)>>6, 1 << (b & 63)
}

// redact returns the line without secrets. Where one overlaps another both go whole. A
// line that holds none is returned as it is.
func (m *matcher) redact(line []byte) []byte {
	var clean []byte
	end := 0 // line[:end] is in clean, or was taken out
	for i := 0; i+1 < len(line); i++ {
		word, bit := pair(line[i], line[i+1])
		if m.pairs[word]&bit == 0 {
			continue
		}
		n := m.longest(line[i:])
		if n > 0 && i >= end {
			clean = append(append(clean, line[end:i]...), Redacted...)
		}
		if n > 0 {
			end = max(end, i+n)
		}
	}
	if end == 0 {
		return line
	}
	return append(clean, line[end:]...)
}

// longest returns the length of the longest secret that the bytes begin with, or 0.
func (m *matcher) longest(line []byte) int {
	if len(line) < minLength {
		return 0
	}
	n := 0
	for _, text := range m.starts[[minLength]byte(line[:minLength])] {
		if len(text) > n && len(text) <= len(line) && string(line[:len(text)]) == text {
			n = len(text)
		}
	}
	return n
}
