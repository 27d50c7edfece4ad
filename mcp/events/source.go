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

// Read implements [notify.Source].
func (s *Source) Read(ctx context.Context, name string, arguments []byte, cursor string, since time.Time, limit int) (notify.Batch, error) {
	sel, ok, err := s.catalog.Select(name, arguments)
	if err == nil && !ok {
		err = fmt.Errorf("event type %q is not part of this version", name)
	}
	if err != nil {
		return notify.Batch{}, err
	}
	b, err := s.Reader.Read(ctx, sel, cursor, since, limit)
	if err != nil {
		return notify.Batch{}, err
	}
	out := notify.Batch{From: b.From, Cursor: b.Cursor, More: b.More, Truncated: b.Truncated}
	for _, o := range b.Occurrences {
		body, err := json.Marshal(o)
		if err != nil {
			return notify.Batch{}, fmt.Errorf("encode %s: %w", o.EventID, err)
		}
		out.Items = append(out.Items, notify.Item{ID: o.EventID, Body: body, Cursor: o.Cursor})
	}
	return out, nil
}
