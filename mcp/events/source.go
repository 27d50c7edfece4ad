package events

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"slackmcp/mcp/notify"
)

// A Source reads for webhook subscriptions what polls and streams read. It implements
// [notify.Source].
type Source struct {
	catalog *Catalog
	*Reader
}

// NewSource returns the source of a catalog's types.
func NewSource(c *Catalog, r *Reader) *Source { return &Source{catalog: c, Reader: r} }

// Follow implements [notify.Source].
func (s *Source) Follow(name string, arguments []byte, cursor string, limit int) (notify.Follower, error) {
	sel, ok, err := s.catalog.Select(name, arguments)
	if err == nil && !ok {
		err = fmt.Errorf("event type %q is not part of this version", name)
	}
	if err != nil {
		return nil, err
	}
	return encoder{s.Reader.Follow(sel, cursor, limit)}, nil
}

// An encoder is a follower whose occurrences are written as they are posted.
type encoder struct{ *Follower }

// Read implements [notify.Follower].
func (e encoder) Read(ctx context.Context, since time.Time) (notify.Batch, error) {
	b, err := e.Follower.Read(ctx, since)
	out := notify.Batch{From: b.From, Cursor: b.Cursor, Truncated: b.Truncated}
	for _, o := range b.Occurrences {
		body, err := json.Marshal(o)
		if err != nil {
			return notify.Batch{}, fmt.Errorf("encode %s: %w", o.EventID, err)
		}
		out.Items = append(out.Items, notify.Item{ID: o.EventID, Body: body, Cursor: o.Cursor})
	}
	return out, err
}
