package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// sessions are the sessions that this process serves, over a store that may be shared.
type sessions struct {
	sign   *keyring
	store  SessionStore
	table  *table
	limits Options

	mu   sync.Mutex
	live map[string]*session // by id
}

// open makes the session of a client that initialized and stores its record.
func (l *sessions) open(ctx context.Context, s *session) error {
	r, err := s.record()
	if err != nil {
		return err
	}
	if err := l.store.Create(ctx, r); err != nil {
		return err
	}
	l.keep(s)
	return nil
}

func (l *sessions) keep(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live[s.id] = s
}

// find returns the session of an id that belongs to the principal, or ErrNoSession:
// forged, another's, ended and expired ids look the same.
func (l *sessions) find(ctx context.Context, id, principal string) (*session, error) {
	if s := l.get(id); s != nil {
		if s.principal != principal {
			return nil, ErrNoSession
		}
		return s, nil // its id was signed here, or checked when it came to life
	}
	sign, err := l.sign.signer(ctx)
	if err != nil {
		return nil, err
	}
	if !sign.valid(id, principal) {
		return nil, ErrNoSession
	}
	r, err := l.store.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Principal != principal {
		return nil, ErrNoSession
	}
	return l.revive(r)
}

func (l *sessions) get(id string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[id]
}

// revive builds the live half of a session that was opened elsewhere or dropped here.
func (l *sessions) revive(r Record) (*session, error) {
	s := l.fresh(r.ID, r.Principal)
	if err := s.adopt(r); err != nil {
		return nil, err
	}
	s.revived = true
	l.mu.Lock()
	if other, ok := l.live[r.ID]; ok {
		l.mu.Unlock()
		return other, nil
	}
	l.live[r.ID] = s
	l.mu.Unlock()
	l.align(s, r.Subscriptions, time.Time{})
	return s, nil
}

// fresh returns a session with a store behind it and numbered events.
func (l *sessions) fresh(id, principal string) *session {
	s := newSession(id, principal, l.limits.MaxQueueBytes)
	s.stored = true
	s.box.epoch = rand.Text()[:8]
	s.box.wants = toolsList | promptsList | resourcesList
	return s
}

// close ends a session for good.
func (l *sessions) close(ctx context.Context, s *session, cause error) error {
	err := l.store.Delete(ctx, s.id)
	l.drop(s, cause)
	return err
}

// drop ends the live half of a session; its record stays.
func (l *sessions) drop(s *session, cause error) {
	l.mu.Lock()
	if l.live[s.id] == s {
		delete(l.live, s.id)
	}
	l.mu.Unlock()
	if s.end(cause) {
		l.align(s, nil, time.Time{})
	}
}

// subscribe adds a resource to what a session follows.
func (l *sessions) subscribe(ctx context.Context, s *session, uri string) error {
	s.inLine.Lock()
	defer s.inLine.Unlock()
	if known, err := s.maySubscribe(uri, l.limits.MaxSubscriptions); known || err != nil {
		return err
	}
	err := l.change(ctx, s, func(r *Record) {
		if i, found := slices.BinarySearch(r.Subscriptions, uri); !found {
			r.Subscriptions = slices.Insert(r.Subscriptions, i, uri)
			r.SubscribedAt = time.Now()
		}
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errClosed
	}
	s.subs[uri] = l.table.follow(s.box, uri, nil)
	return nil
}

func (l *sessions) unsubscribe(ctx context.Context, s *session, uri string) error {
	s.inLine.Lock()
	defer s.inLine.Unlock()
	s.mu.Lock()
	sub, ok := s.subs[uri]
	delete(s.subs, uri)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	l.table.leave(sub)
	return l.change(ctx, s, func(r *Record) {
		if i, found := slices.BinarySearch(r.Subscriptions, uri); found {
			r.Subscriptions = slices.Delete(r.Subscriptions, i, i+1)
		}
	})
}

// change updates the record, where there is one yet.
func (l *sessions) change(ctx context.Context, s *session, f func(*Record)) error {
	if !s.stored {
		return nil
	}
	return l.store.Update(ctx, s.id, f)
}

// align makes a session follow exactly these resources, which are sorted. Since, unless it
// is zero, is from when on the client counts on new ones, by what another replica answered
// it: those that changed since then are announced.
func (l *sessions) align(s *session, uris []string, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uri, sub := range s.subs {
		if _, wanted := slices.BinarySearch(uris, uri); !wanted {
			l.table.leave(sub)
			delete(s.subs, uri)
		}
	}
	for _, uri := range uris {
		if _, ok := s.subs[uri]; !ok {
			s.subs[uri] = l.table.follow(s.box, uri, nil)
			if !since.IsZero() && l.table.changedSince(uri, since) {
				s.box.markUpdated(s.subs[uri])
			}
		}
	}
}

// clockSkew is how far the clocks of replicas may differ without an update being missed
// that comes while a subscription is on its way from one to the other.
const clockSkew = 2 * time.Second

// changed takes over what happened to a record without us.
func (l *sessions) changed(ctx context.Context, id string) {
	s := l.get(id)
	if s == nil {
		return
	}
	s.inLine.Lock()
	defer s.inLine.Unlock()
	r, err := l.store.Get(ctx, id)
	switch {
	case errors.Is(err, ErrNoSession):
		l.drop(s, ErrNoSession)
	case err == nil:
		if s.adopt(r) == nil {
			l.align(s, r.Subscriptions, r.SubscribedAt.Add(-clockSkew))
		}
	}
}

// round tells the store which sessions are in use and drops those that are not: the
// store forgets them in its own time.
func (l *sessions) round(ctx context.Context) error {
	now := time.Now()
	var used []string
	for _, s := range l.all() {
		if !s.stored {
			continue
		}
		switch inUse, idle := s.state(now, l.limits.IdleTimeout); {
		case inUse:
			used = append(used, s.id)
		case idle:
			l.drop(s, ErrNoSession)
		}
	}
	return l.store.Touch(ctx, used)
}

func (l *sessions) all() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*session, 0, len(l.live))
	for _, s := range l.live {
		all = append(all, s)
	}
	return all
}

func (l *sessions) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// interface checks: what mcp-go asks of a session.
var (
	_ server.SessionWithLogging                  = (*call)(nil)
	_ server.SessionWithClientInfo               = (*call)(nil)
	_ server.SessionWithProtocolVersion          = (*call)(nil)
	_ server.SessionWithResourceSubscriptionsErr = (*call)(nil)
	_ server.SessionWithElicitation              = (*call)(nil)
	_ server.SessionWithSampling                 = (*call)(nil)
	_ server.SessionWithRoots                    = (*call)(nil)
)
