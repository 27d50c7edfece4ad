package operator

import (
	"fmt"
	"time"

	"slackmcp/webhook/event"
)

// A FilterText is what people write to choose events: in flags, or in the fields of a page.
type FilterText struct {
	Source, Team, Channel, User, Thread string
	Types                               []string
	Since, Until                        string
	ExcludeSelf                         bool
}

// Filter reads what was written; ages are before now. Its error begins with the field's name: type, since
// or until.
func (t *FilterText) Filter(now time.Time) (f event.Filter, err error) {
	f = event.Filter{Source: t.Source, Team: t.Team, Channel: t.Channel, User: t.User, Thread: t.Thread, ExcludeSelf: t.ExcludeSelf}
	if f.Patterns, err = event.ParsePatterns(t.Types...); err != nil {
		return f, fmt.Errorf("type: %w", err)
	}
	if f.Since, err = ParseTime(t.Since, now); err != nil {
		return f, fmt.Errorf("since: %w", err)
	}
	if f.Until, err = ParseTime(t.Until, now); err != nil {
		return f, fmt.Errorf("until: %w", err)
	}
	return f, nil
}
