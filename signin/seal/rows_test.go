package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"slackmcp/signin/seal"
	"slackmcp/store/memory"
	"slackmcp/store/state"
)

func values(t *testing.T) state.Store {
	t.Helper()
	m, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m.State()
}

func rows(t *testing.T, s state.Store, k *seal.Keyring) *seal.Rows {
	t.Helper()
	r, err := seal.NewRows(s, k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRows(t *testing.T) {
	t.Parallel()
	ctx, under := t.Context(), values(t)
	r := rows(t, under, ring(t, 1))
	put := func(s state.Store, key, value string) {
		t.Helper()
		if _, err := s.Put(ctx, key, []byte(value), state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	put(r, "signins/a/1", "ann's")
	put(r, "signins/b/1", "ben's")
	raw, err := under.Get(ctx, "signins/a/1")
	if err != nil || bytes.Contains(raw.Value, []byte("ann")) {
		t.Errorf("the store can be read: %q, %v", raw.Value, err)
	}
	if e, err := r.Get(ctx, "signins/a/1"); err != nil || string(e.Value) != "ann's" {
		t.Errorf("%q, %v", e.Value, err)
	}
	// Whoever can write to the store plants a row, copies one and keeps an old one of another key.
	put(under, "signins/a/2", `{"person":"eve"}`)
	put(under, "signins/a/3", string(raw.Value))
	put(under, "signins/b/1", string(raw.Value))
	for _, key := range []string{"signins/a/2", "signins/a/3", "signins/b/1"} {
		if e, err := r.Get(ctx, key); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("%s is a row: %q, %v", key, e.Value, err)
		}
	}
	if list, err := r.List(ctx, "signins/", "", 0); err != nil || len(list) != 1 || string(list[0].Value) != "ann's" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := r.List(ctx, "signins/b", "", 0); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	// A page of planted rows does not end a listing.
	for i := range 20 {
		put(under, fmt.Sprintf("more/%02d", i), "planted")
	}
	put(r, "more/99", "real")
	if list, err := r.List(ctx, "more/", "", 5); err != nil || len(list) != 1 || list[0].Key != "more/99" {
		t.Errorf("%v, %v", list, err)
	}
	if e, err := rows(t, under, ring(t, 2)).Get(ctx, "signins/a/1"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("the store opens with other keys: %q, %v", e.Value, err)
	}
	if _, err := r.Put(ctx, "big", make([]byte, seal.MaxRow), state.Put{}); err != nil {
		t.Errorf("the longest row: %v", err)
	}
	if _, err := r.Put(ctx, "big", make([]byte, seal.MaxRow+1), state.Put{}); err == nil {
		t.Error("a row that is too long was written")
	}
}

func TestReseal(t *testing.T) {
	t.Parallel()
	ctx, under := t.Context(), values(t)
	before, both := rows(t, under, ring(t, 1)), rows(t, under, ring(t, 2, 1))
	for i := range 150 {
		p := state.Put{}
		if i == 0 {
			p.TTL = time.Hour
		}
		if _, err := before.Put(ctx, fmt.Sprintf("people/%03d", i), fmt.Append(nil, i), p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := under.Put(ctx, "people/x", []byte("planted"), state.Put{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []seal.Resealed{{Done: 150, Lost: 1}, {Fresh: 150, Lost: 1}} {
		var seen seal.Resealed
		if got, err := both.Reseal(ctx, "people/", func(r seal.Resealed) { seen = r }); err != nil || got != want || seen != want {
			t.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	}
	after := rows(t, under, ring(t, 2))
	for i := range 150 {
		e, err := after.Get(ctx, fmt.Sprintf("people/%03d", i))
		if err != nil || string(e.Value) != fmt.Sprint(i) {
			t.Fatalf("row %d: %q, %v", i, e.Value, err)
		}
		if e.ExpiresAt.IsZero() == (i == 0) {
			t.Errorf("row %d expires at %v", i, e.ExpiresAt)
		}
	}
}
