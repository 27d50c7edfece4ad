package rows

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

const (
	// lookEvery is how often the row is read of each sign-in that has something open here, and
	// lookAgain how soon after one could not be read.
	lookEvery = 15 * time.Second
	lookAgain = 5 * time.Second
	// lookTime bounds one such reading, and looksAtOnce how many run at once.
	lookTime    = 5 * time.Second
	looksAtOnce = 16
	// blindFor is for how long what is open stays while its row cannot be read. It is judged every
	// blindEvery, and a row counts for readReuse when something opens: together they are a minute.
	blindFor   = 50 * time.Second
	blindEvery = 5 * time.Second

	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// held is a sign-in that has something open here.
type held struct {
	ctx       context.Context //nolint:containedctx // ends with the sign-in
	end       context.CancelCauseFunc
	principal string
	opened    int       // how many
	at        time.Time // when the sign-in was known to hold last
}

// During implements access.Keeper.
func (s *SignIns) During(ctx context.Context, of access.SignIn) (context.Context, func()) {
	id := of.ID
	s.mu.Lock()
	h := s.held[id]
	if h == nil || h.ctx.Err() != nil {
		h = &held{at: s.opt.Now(), principal: of.Principal()}
		h.ctx, h.end = context.WithCancelCause(context.Background())
		s.held[id] = h
	}
	h.opened++
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })
	var once sync.Once
	return ctx, func() {
		once.Do(func() {
			stop()
			cancel(nil)
			s.mu.Lock()
			defer s.mu.Unlock()
			if h.opened--; h.opened == 0 {
				h.end(nil)
				if s.held[id] == h {
					delete(s.held, id)
				}
			}
		})
	}
}

// Check implements access.Keeper.
func (s *SignIns) Check(ctx context.Context, id string) error {
	_, _, err := s.lately(ctx, id)
	switch {
	case errors.Is(err, ErrInvalid):
		return access.ErrRevoked
	case err != nil:
		return forAccess(err)
	}
	return nil
}

// cut ends what a sign-in has open here, and says so.
func (s *SignIns) cut(ctx context.Context, id, principal string) {
	s.mu.Lock()
	h := s.held[id]
	delete(s.held, id)
	s.mu.Unlock()
	if h != nil {
		h.end(access.ErrRevoked)
	}
	s.tell(ctx, principal)
}

func (s *SignIns) tell(ctx context.Context, principal string) {
	if s.opt.OnEnd != nil {
		s.opt.OnEnd(ctx, principal)
	}
}

// Run ends what sign-ins have opened here when they end elsewhere, until ctx is done.
func (s *SignIns) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { s.watch(ctx) })
	beside.Go(func() { s.cutBlind(ctx) })
	for pause := lookEvery; wait.Sleep(ctx, pause) == nil; {
		if pause = lookEvery; !s.lookAll(ctx) {
			pause = lookAgain
		}
	}
	return nil
}

// watch looks at a row as soon as it is said to have changed.
func (s *SignIns) watch(ctx context.Context) {
	backoff := wait.Backoff{First: firstPause, Most: lastPause}
	for ctx.Err() == nil {
		err := s.rows.Watch(ctx, Prefix, func(c state.Change) {
			backoff.Reset()
			if id := idOf(c.Key); id != "" {
				s.forget(id)
				if c.Gone {
					_ = s.look(ctx, id) // what cannot be read now is looked at with the others
				}
			}
		})
		if err != nil && ctx.Err() == nil {
			s.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "ends of sign-ins are not announced now; they are looked for", slog.Any("error", err))
		}
		_ = wait.Sleep(ctx, backoff.Next()) // the loop ends with ctx
	}
}

// lookAll reads the rows of all sign-ins that have something open here, and reports whether all could
// be read.
func (s *SignIns) lookAll(ctx context.Context) bool {
	s.mu.Lock()
	ids := make([]string, 0, len(s.held))
	for id := range s.held {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	var looks sync.WaitGroup
	var blind atomic.Bool
	slots := make(chan struct{}, looksAtOnce)
	for _, id := range ids {
		slots <- struct{}{}
		looks.Go(func() {
			defer func() { <-slots }()
			if s.look(ctx, id) != nil {
				blind.Store(true)
			}
		})
	}
	looks.Wait()
	return !blind.Load()
}

// look reads the row of a sign-in, and ends what it has open here when there is none. It returns why the
// row could not be read.
func (s *SignIns) look(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	s.mu.Lock()
	h := s.held[id]
	s.mu.Unlock()
	began := s.opt.Now()
	_, _, err := s.get(ctx, id)
	switch {
	case h == nil: // nothing is open here
	case err == nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		h.at = began
	case errors.Is(err, ErrInvalid):
		s.cut(ctx, id, h.principal)
	default:
		return err
	}
	return nil
}

// cutBlind ends what sign-ins have open here whose rows were not to be read for too long. It reads
// nothing itself: where the store hangs, looking at many rows takes longer than they may stay.
func (s *SignIns) cutBlind(ctx context.Context) {
	for wait.Sleep(ctx, blindEvery) == nil {
		now := s.opt.Now()
		var blind []string
		s.mu.Lock()
		for id, h := range s.held {
			if now.Sub(h.at) >= blindFor {
				h.end(access.ErrRevoked)
				delete(s.held, id)
				blind = append(blind, h.principal)
			}
		}
		s.mu.Unlock()
		if len(blind) > 0 {
			s.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "sign-ins could not be looked at for too long; what they have open ends", slog.Int("sign_ins", len(blind)))
		}
		for _, principal := range blind {
			s.tell(ctx, principal)
		}
	}
}
