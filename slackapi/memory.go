package slackapi

import (
	"context"
	"errors"
	"sync"
)

const (
	// smallReply is how many bytes of a reply take no share of the memory for large ones.
	smallReply = 64 << 10
	// maxHeld bounds a reply that is read with a share.
	maxHeld = 8 << 20
)

// A hold is the share of [Options.OnLarge] of one reader, which takes it with its first
// large reply. It is safe for concurrent use.
type hold struct {
	mu    sync.Mutex
	taken bool // or the reader has ended
	leave func()
}

type holdKey struct{}

// Reading returns a context whose calls together take one share of [Options.OnLarge], as
// soon as a reply is longer than 64 KiB. It is given back by done, which must be called
// when what came of the replies is no longer held. A reply within it has at most 8 MiB;
// more is [TooLarge]. A reading within another one that has its share needs none.
func Reading(ctx context.Context) (_ context.Context, done func()) {
	if h := holdOf(ctx); h != nil && h.has() {
		return ctx, func() {}
	}
	h := &hold{}
	return context.WithValue(ctx, holdKey{}, h), h.end
}

func holdOf(ctx context.Context) *hold {
	h, _ := ctx.Value(holdKey{}).(*hold)
	return h
}

// take gets the share, once.
func (h *hold) take(ctx context.Context, get func(context.Context) (func(), error)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken {
		return nil
	}
	leave, err := get(ctx)
	if err == nil {
		h.taken, h.leave = true, leave
	}
	return err
}

func (h *hold) has() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leave != nil
}

func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leave != nil {
		h.leave()
	}
	h.taken, h.leave = true, nil
}

// errNoShare says that a large reply was not read, because others took the memory.
var errNoShare = errors.New("as many large replies are being read as there is memory for: ask again in some seconds, and for less at a time")
