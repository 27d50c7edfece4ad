package queue

import (
	"fmt"
	"time"

	"slackmcp/webhook/event"
)

// What a Group's zero fields mean.
const (
	DefaultWorkers  = 8
	DefaultDeadline = time.Minute
	DefaultDrain    = 10 * time.Second
)

// maxName bounds the names of groups, so that every engine can store them in a key.
const maxName = 64

// Normalize returns g with its defaults filled in, or an error that names the field
// that is wrong. Backends call it at the start of Consume.
func (g Group) Normalize() (Group, error) {
	switch {
	case !validName(g.Name):
		return g, fmt.Errorf("group name %q: use 1 to %d characters of a-z A-Z 0-9 . _ -", g.Name, maxName)
	case g.Workers < 0:
		return g, fmt.Errorf("group %s: Workers is negative", g.Name)
	case g.Deadline < 0:
		return g, fmt.Errorf("group %s: Deadline is negative", g.Name)
	case g.Drain < 0:
		return g, fmt.Errorf("group %s: Drain is negative", g.Name)
	}
	if g.Workers == 0 {
		g.Workers = DefaultWorkers
	}
	if g.Deadline == 0 {
		g.Deadline = DefaultDeadline
	}
	if g.Drain == 0 {
		g.Drain = DefaultDrain
	}
	if g.Policy == (Policy{}) {
		g.Policy = DefaultPolicy()
	}
	return g, nil
}

func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// CheckEvent refuses what no backend can deduplicate: an event without source or id.
// Backends call it at the start of Publish.
func CheckEvent(e *event.Event) error {
	switch {
	case e.Source == "":
		return fmt.Errorf("publish: event has no source")
	case e.ID == "":
		return fmt.Errorf("publish: event has no id")
	}
	return nil
}
