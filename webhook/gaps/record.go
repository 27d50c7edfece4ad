package gaps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"slackmcp/store/state"
)

const (
	// MaxGaps is how many gaps are listed.
	MaxGaps = 1000
	// tries is how often a record is written that others write as well.
	tries = 5
)

// List returns the gaps that are remembered, oldest first.
func (l *Ledger) List(ctx context.Context) ([]Gap, error) {
	entries, err := l.opt.State.List(ctx, prefix, "", MaxGaps)
	if err != nil {
		return nil, err
	}
	list := make([]Gap, len(entries))
	for i, e := range entries {
		if list[i], err = decode(e.Value); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// get returns one gap with the version of its record; state.ErrNotFound.
func (l *Ledger) get(ctx context.Context, id string) (Gap, string, error) {
	e, err := l.opt.State.Get(ctx, prefix+safe(id))
	if err != nil {
		return Gap{}, "", err
	}
	g, err := decode(e.Value)
	return g, e.Version, err
}

// put writes a gap's record.
func (l *Ledger) put(ctx context.Context, g Gap, p state.Put) (version string, err error) {
	value, err := json.Marshal(g)
	if err != nil {
		return "", fmt.Errorf("encode a gap: %w", err)
	}
	p.TTL = l.opt.Keep
	return l.opt.State.Put(ctx, prefix+g.ID, value, p)
}

// record writes a gap, or lets the one of its kind grow that it continues. changed
// reports that something new is recorded.
func (l *Ledger) record(ctx context.Context, g Gap) (_ Gap, changed bool, err error) {
	for range tries {
		old, version, err := l.continued(ctx, g)
		if err != nil {
			return g, false, err
		}
		merged, put := g, state.Put{IfAbsent: true}
		if version != "" {
			if !g.To.After(old.To) {
				return old, false, nil
			}
			merged, put = old, state.Put{IfVersion: version}
			merged.To, merged.Fill = g.To, nil // what is new was not read
		}
		_, err = l.put(ctx, merged, put)
		if err == nil {
			return merged, true, nil
		}
		if !errors.Is(err, state.ErrConflict) {
			return g, false, err
		}
	}
	return g, false, fmt.Errorf("others write the same gap: %w", state.ErrConflict)
}

// continued finds the gap that g is part of, or goes on from.
func (l *Ledger) continued(ctx context.Context, g Gap) (_ Gap, version string, err error) {
	entries, err := l.opt.State.List(ctx, prefix, "", MaxGaps)
	if err != nil {
		return Gap{}, "", err
	}
	for _, e := range entries {
		old, err := decode(e.Value)
		if err != nil {
			return Gap{}, "", err
		}
		if old.Kind == g.Kind && old.Team == g.Team && !g.From.Before(old.From) && !g.From.After(old.To) {
			return old, e.Version, nil
		}
	}
	return Gap{}, "", nil
}

// OpenGaps is how many gaps are not filled to their end.
func (l *Ledger) OpenGaps(ctx context.Context) (int, error) {
	list, err := l.List(ctx)
	n := 0
	for i := range list {
		if list[i].Open() {
			n++
		}
	}
	return n, err
}
