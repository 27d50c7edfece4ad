package rule

import (
	"fmt"
	"sync"
	"time"

	"slackmcp/webhook/event"
)

// A trip counts the acts of one rule and says when it acts too often. It is closed until
// more than Limit events came within a time span; then it is open for Pause; then it
// counts anew.
type trip struct {
	b   Breaker
	now func() time.Time

	mu     sync.Mutex
	acts   []time.Time // within the span, the oldest first; at most Limit
	opened time.Time   // zero while closed
}

// A state of a breaker that has just begun; empty when nothing changed.
const (
	opened = "open"
	closed = "closed"
)

// allow counts one act, unless the breaker is open. change tells of its opening and
// closing.
func (t *trip) allow(e *event.Event) (ok bool, change string) {
	if t.b.Counts == countsBots && !byBot(e) {
		return true, ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if !t.opened.IsZero() {
		if now.Sub(t.opened) < t.b.Pause {
			return false, ""
		}
		t.opened, t.acts, change = time.Time{}, nil, closed
	}
	for len(t.acts) > 0 && now.Sub(t.acts[0]) >= t.b.Within {
		t.acts = t.acts[1:]
	}
	if len(t.acts) >= t.b.Limit {
		t.opened, t.acts = now, nil
		return false, opened
	}
	t.acts = append(t.acts, now)
	return true, change
}

// A TrippedError is an event that its rule's breaker stopped.
type TrippedError struct {
	Rule string
	Breaker
}

// Error says what happened and the remedy.
func (e *TrippedError) Error() string {
	return fmt.Sprintf("rule %s acted on %d events within %s and pauses for %s: if it is no loop between bots, raise breaker.limit and redrive",
		e.Rule, e.Limit, e.Within, e.Pause)
}

// author is who wrote an event of Slack, as far as its loop guards ask.
type author struct {
	BotID   string `json:"bot_id"`
	Subtype string `json:"subtype"`
	Message *struct {
		BotID string `json:"bot_id"`
	} `json:"message"`
	Previous *struct {
		BotID string `json:"bot_id"`
	} `json:"previous_message"`
}

func authorOf(e *event.Event) author {
	a, err := event.Inner[author](e)
	if err != nil {
		return author{} // of another shape: no bot's message
	}
	return a
}

func (a author) bots() []string {
	ids := []string{a.BotID}
	if a.Message != nil {
		ids = append(ids, a.Message.BotID)
	}
	if a.Previous != nil {
		ids = append(ids, a.Previous.BotID)
	}
	return ids
}

// byBot reports whether a bot wrote what a Slack event tells of.
func byBot(e *event.Event) bool {
	if e.Source != event.SourceSlack {
		return false
	}
	a := authorOf(e)
	for _, id := range a.bots() {
		if id != "" {
			return true
		}
	}
	return a.Subtype == "bot_message"
}

// A Self is who our own app is in Slack; empty fields are unknown.
type Self struct{ UserID, BotID string }

// did reports whether our own app caused an event. That somebody invited or removed our
// bot is never its own doing.
func (s Self) did(e *event.Event) bool {
	switch {
	case e.Source != event.SourceSlack:
		return false
	case e.FromSelf:
		return true
	case e.Kind.Type == "member_joined_channel", e.Kind.Type == "member_left_channel":
		return false
	case s.UserID != "" && e.User == s.UserID:
		return true
	}
	for _, id := range authorOf(e).bots() {
		if id != "" && id == s.BotID {
			return true
		}
	}
	return false
}
