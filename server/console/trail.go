package console

import (
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// An Attempt is one try of a group or a subscriber at an event.
type Attempt struct {
	At time.Time
	// By is the group, or the subscription.
	By         string
	Source, ID string // of the event; Source is "" where the subscription's event does not say it
	Number     int
	// Outcome is a word, and Why what went wrong.
	Outcome, Why string
	Took         time.Duration
}

const (
	maxAttempts = 4096 // that are remembered
	maxWhy      = 300  // bytes of what went wrong
)

// trail remembers the newest attempts of this process.
type trail struct {
	mu   sync.Mutex
	ring []Attempt // guarded by mu, as is next
	next int
}

// Tried remembers an attempt. It does not wait.
func (c *Console) Tried(a Attempt) {
	a.Why, a.Took = c.shown(a.Why, maxWhy), a.Took.Round(100*time.Microsecond)
	t := &c.trail
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < maxAttempts {
		t.ring = append(t.ring, a)
		return
	}
	t.ring[t.next] = a
	t.next = (t.next + 1) % maxAttempts
}

// of lists what is remembered of the attempts that match, the newest first, at most so many.
func (t *trail) of(match func(*Attempt) bool, most int) []Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Attempt
	for i := range t.ring {
		if a := &t.ring[(t.next+len(t.ring)-1-i)%len(t.ring)]; match(a) {
			if list = append(list, *a); len(list) == most {
				break
			}
		}
	}
	return slices.Clip(list)
}

// shown is a text without secrets, shortened to so many bytes. A secret that was cut first would not be known any more.
func (c *Console) shown(text string, most int) string { return cut(c.opt.Redact(text), most) }

// cut shortens a text that others wrote to so many bytes, at a character's border.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
