package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"slackmcp/store/memory"
	"slackmcp/store/state"
)

// A spareState keeps in memory what its store cannot take now, as on a full disk: then assistants still
// begin sessions and read. What is kept so ends with the process. It is for values that no other process has,
// and whose loss their owner can bear.
type spareState struct {
	state.Store // where values belong

	spare state.Store
}

// inSpare marks the versions of what is in memory.
const inSpare = "spare:"

func newSpareState(s state.Store) *spareState {
	m, _ := memory.New(memory.Options{}) // nothing is wrong with no options
	return &spareState{s, m.State()}
}

// Get implements state.Store.
func (s *spareState) Get(ctx context.Context, key string) (state.Entry, error) {
	e, err := s.spare.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return s.Store.Get(ctx, key)
	}
	e.Version = inSpare + e.Version
	return e, err
}

// Put implements state.Store.
func (s *spareState) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	spared, err := s.spare.Get(ctx, key)
	there := err == nil
	kept := p
	switch version, ours := strings.CutPrefix(p.IfVersion, inSpare); {
	case there && p.IfAbsent, there && p.IfVersion != "" && (!ours || version != spared.Version), !there && ours:
		return "", state.ErrConflict
	case there:
		kept.IfVersion = "" // what the store has is older
	}
	version, err := s.Store.Put(ctx, key, value, kept)
	switch {
	case err == nil && there:
		_ = s.spare.Delete(ctx, key, "") // it may have expired
	case errors.Is(err, state.ErrUnavailable):
		if !there && !s.holds(ctx, key, p) {
			return "", state.ErrConflict
		}
		version, err = s.spare.Put(ctx, key, value, state.Put{TTL: p.TTL})
		version = inSpare + version
	}
	return version, err
}

// holds reports whether the condition of a Put holds in the store, as far as that can be read.
func (s *spareState) holds(ctx context.Context, key string, p state.Put) bool {
	e, err := s.Store.Get(ctx, key)
	switch {
	case p.IfAbsent:
		return err != nil
	case p.IfVersion != "":
		return err == nil && e.Version == p.IfVersion
	}
	return true
}

// Delete implements state.Store.
func (s *spareState) Delete(ctx context.Context, key, ifVersion string) error {
	version, ours := strings.CutPrefix(ifVersion, inSpare)
	if ours {
		ifVersion = ""
	}
	spared := s.spare.Delete(ctx, key, version)
	if errors.Is(spared, state.ErrConflict) {
		return spared
	}
	err := s.Store.Delete(ctx, key, ifVersion)
	if spared == nil && errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}

// List implements state.Store.
func (s *spareState) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	list, err := s.Store.List(ctx, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	spared, err := s.spare.List(ctx, prefix, after, limit)
	if err != nil || len(spared) == 0 {
		return list, err
	}
	for _, e := range spared {
		list = slices.DeleteFunc(list, func(old state.Entry) bool { return old.Key == e.Key })
		e.Version = inSpare + e.Version
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b state.Entry) int { return strings.Compare(a.Key, b.Key) })
	return list[:min(len(list), cmp.Or(limit, 100))], nil
}

// Watch implements state.Store.
func (s *spareState) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, ended := make(chan state.Change), make(chan error, 2)
	watch := func(from state.Store) {
		ended <- from.Watch(ctx, prefix, func(c state.Change) {
			select {
			case changes <- c:
			case <-ctx.Done():
			}
		})
	}
	go watch(s.Store)
	go watch(s.spare)
	for {
		select {
		case c := <-changes:
			fn(c)
		case err := <-ended:
			return err
		}
	}
}
