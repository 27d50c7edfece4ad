package seal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/store/state"
)

// Rows is a [state.Store] whose values are sealed for their keys. A value that does not open, because
// somebody else wrote it, moved it from another key or sealed it with a key that is not in the ring,
// is none: Get says that it is not found, and List leaves it out. A value has at most MaxRow bytes.
type Rows struct {
	state.Store
	seal *Sealer
}

// MaxRow is the most bytes of a sealed row's content.
const MaxRow = state.MaxValue - Overhead

// NewRows returns the store whose values are sealed with the keys of ring.
func NewRows(s state.Store, ring *Keyring) (*Rows, error) {
	sealer, err := ring.For("rows")
	if err != nil {
		return nil, err
	}
	return &Rows{Store: s, seal: sealer}, nil
}

// Get implements state.Store.
func (r *Rows) Get(ctx context.Context, key string) (state.Entry, error) {
	e, err := r.Store.Get(ctx, key)
	if err != nil {
		return e, err
	}
	if e.Value, err = r.seal.Open(key, e.Value); err != nil {
		return state.Entry{}, fmt.Errorf("%w: %w", state.ErrNotFound, err)
	}
	return e, nil
}

// Put implements state.Store.
func (r *Rows) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	return r.Store.Put(ctx, key, r.seal.Seal(key, value), p)
}

// List implements state.Store. Entries that do not open are left out; the listing is at its end when
// nothing is returned.
func (r *Rows) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	for {
		page, err := r.Store.List(ctx, prefix, after, limit)
		if err != nil || len(page) == 0 {
			return nil, err
		}
		after = page[len(page)-1].Key
		open := page[:0]
		for _, e := range page {
			if e.Value, err = r.seal.Open(e.Key, e.Value); err == nil {
				open = append(open, e)
			}
		}
		if len(open) > 0 {
			return open, nil
		}
	}
}

// A Resealed says what Reseal found below a prefix.
type Resealed struct {
	// Fresh were sealed under the newest key already, Done are so now, and Lost do not open under any
	// key of the ring.
	Fresh, Done, Lost int
}

// Total is how many rows that were.
func (r Resealed) Total() int { return r.Fresh + r.Done + r.Lost }

// Reseal seals every row below a prefix under the newest key of the ring. A row that changes
// meanwhile, or is written by a process that still has the ring of before, is taken up again: when
// Done is 0, no row needs an older key. It may be interrupted and called again. Times at which rows
// expire stay. After each page it calls progress with what it has found so far.
func (r *Rows) Reseal(ctx context.Context, prefix string, progress func(Resealed)) (Resealed, error) {
	var sum Resealed
	after := ""
	for {
		page, err := r.Store.List(ctx, prefix, after, 0)
		if err != nil || len(page) == 0 {
			return sum, err
		}
		for _, e := range page {
			if err := r.reseal(ctx, e, &sum); err != nil {
				return sum, err
			}
		}
		after = page[len(page)-1].Key
		progress(sum)
	}
}

// maxTries bounds how often one row is sealed anew that keeps changing.
const maxTries = 10

func (r *Rows) reseal(ctx context.Context, e state.Entry, sum *Resealed) error {
	for range maxTries {
		again, err := r.resealOnce(ctx, e, sum)
		if !again || err != nil {
			return err
		}
		e, err = r.Store.Get(ctx, e.Key)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: row %s changes too often", state.ErrConflict, e.Key)
}

// resealOnce seals a row anew, and reports whether it has changed meanwhile.
func (r *Rows) resealOnce(ctx context.Context, e state.Entry, sum *Resealed) (again bool, _ error) {
	if r.seal.Fresh(e.Value) {
		sum.Fresh++
		return false, nil
	}
	plain, lost := r.seal.Open(e.Key, e.Value)
	if lost != nil {
		sum.Lost++
		return false, nil //nolint:nilerr // it is counted
	}
	p := state.Put{IfVersion: e.Version}
	if !e.ExpiresAt.IsZero() {
		if p.TTL = time.Until(e.ExpiresAt).Truncate(time.Millisecond); p.TTL <= 0 {
			return false, nil // it has gone, or is about to
		}
	}
	_, err := r.Put(ctx, e.Key, plain, p)
	if errors.Is(err, state.ErrConflict) {
		return true, nil
	}
	if err == nil {
		sum.Done++
	}
	return false, err
}

// Lost counts the rows below a prefix that do not open.
func (r *Rows) Lost(ctx context.Context, prefix string) (n int, _ error) {
	for after := ""; ; {
		page, err := r.Store.List(ctx, prefix, after, 0)
		if err != nil || len(page) == 0 {
			return n, err
		}
		for _, e := range page {
			after = e.Key
			if _, err := r.seal.Open(e.Key, e.Value); err != nil {
				n++
			}
		}
	}
}
