package config

import (
	"encoding/json"
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

// minScrubbed is the length below which a secret is no rare text: taking it out would
// maim the log and tell the secret by its holes.
const minScrubbed = 8

// Learn makes the texts known as secrets to every logger that was made of this
// configuration or a copy of it, and to every writer of Scrubbed, at once: those that
// files name, and what replaced the settings while the process runs. Of an address that
// holds a password, the password is known too. Texts of fewer than eight bytes are left
// out. The newest 4,096 are kept, of 2 MiB together; so what is in force should be
// learned again when something is replaced. It is safe for concurrent use, and does
// nothing for a Config that Load did not make.
func (c Config) Learn(texts ...string) {
	if c.known == nil {
		return
	}
	for _, text := range texts {
		c.known.learn(append(urlSecrets(NewSecretURL(text)), text)...)
	}
}

// LearnFrom makes all that another configuration knows as secret known to this one.
func (c Config) LearnFrom(other Config) {
	c.Learn(settingsSecrets(other)...)
	if other.known != nil && other.known != c.known {
		c.Learn(other.known.texts()...)
	}
}

// settingsSecrets lists the secrets that settings hold.
func settingsSecrets(c Config) []string {
	var texts []string
	for _, setting := range table {
		texts = append(texts, revealed(setting.bind.get(&c))...)
	}
	return texts
}

// knownSecrets are the texts that no log may hold. The zero value is ready to use, and
// it is safe for concurrent use.
type knownSecrets struct {
	ready atomic.Pointer[matcher] // of all; nil when it has to be made anew

	mu       sync.Mutex
	settings []string // never forgotten; guarded by mu, as is what follows
	learned  []string // the oldest first
	bytes    int      // of learned
}

// settle adds the secrets of the settings that the process runs with.
func (k *knownSecrets) settle(texts []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, text := range texts {
		if len(text) >= minScrubbed && !slices.Contains(k.settings, text) {
			k.settings = append(k.settings, text)
			k.ready.Store(nil)
		}
	}
}

func (k *knownSecrets) learn(texts ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, text := range texts {
		if len(text) < minScrubbed {
			continue
		}
		if i := slices.Index(k.learned, text); i >= 0 {
			k.learned = append(slices.Delete(k.learned, i, i+1), text) // the newest again
			continue
		}
		k.learned = append(k.learned, strings.Clone(text))
		k.bytes += len(text)
		k.ready.Store(nil)
	}
	forget := 0
	for len(k.learned)-forget > maxLearned || k.bytes > maxLearnedBytes {
		k.bytes -= len(k.learned[forget])
		forget++
	}
	k.learned = slices.Delete(k.learned, 0, forget)
}

func (k *knownSecrets) texts() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.learned)
}

// matcher returns what finds all that is known now.
func (k *knownSecrets) matcher() *matcher {
	if m := k.ready.Load(); m != nil {
		return m
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	m := newMatcher(k.settings, k.learned)
	k.ready.Store(m)
	return m
}

// stride is how many bytes of a line a matcher goes at a time. A secret's first stride
// pairs of bytes are known, and wherever it stands one of them is looked at.
const stride = 4

// A matcher finds secrets in one pass over a line, which costs about the same however
// many there are. It is immutable.
type matcher struct {
	pairs  [1 << 16 / 64]uint64 // a bit for each of the first stride pairs of a secret
	starts map[[minScrubbed]byte][]string
}

func newMatcher(lists ...[]string) *matcher {
	m := &matcher{starts: map[[minScrubbed]byte][]string{}}
	for _, list := range lists {
		for _, text := range list {
			m.add(text)
			// As text and JSON write it.
			m.add(strings.Trim(strconv.Quote(text), `"`))
			if b, err := json.Marshal(text); err == nil {
				m.add(string(b[1 : len(b)-1]))
			}
		}
	}
	return m
}

func (m *matcher) add(text string) {
	if len(text) < minScrubbed {
		return
	}
	start := [minScrubbed]byte([]byte(text[:minScrubbed]))
	if !slices.Contains(m.starts[start], text) {
		m.starts[start] = append(m.starts[start], text)
	}
	for i := range stride {
		word, bit := pair(text[i], text[i+1])
		m.pairs[word] |= bit
	}
}

func pair(a, b byte) (word int, bit uint64) {
	return int(a)<<2 | int(b)>>6, 1 << (b & 63)
}

// redact returns the line without secrets. Where one overlaps another both go whole. A
// line that holds none is returned as it is.
func (m *matcher) redact(line []byte) []byte {
	var clean []byte
	end := 0 // line[:end] is in clean, or was taken out
	for i := 0; i+1 < len(line); i += stride {
		word, bit := pair(line[i], line[i+1])
		if m.pairs[word]&bit == 0 {
			continue
		}
		for at := max(0, i-stride+1); at <= i; at++ {
			n := m.longest(line[at:])
			if n > 0 && at >= end {
				clean = append(append(clean, line[end:at]...), Redacted...)
			}
			if n > 0 {
				end = max(end, at+n)
			}
		}
	}
	if end == 0 {
		return line
	}
	return append(clean, line[end:]...)
}

// longest returns the length of the longest secret that the bytes begin with, or 0.
func (m *matcher) longest(line []byte) int {
	if len(line) < minScrubbed {
		return 0
	}
	n := 0
	for _, text := range m.starts[[minScrubbed]byte(line[:minScrubbed])] {
		if len(text) > n && len(text) <= len(line) && string(line[:len(text)]) == text {
			n = len(text)
		}
	}
	return n
}
