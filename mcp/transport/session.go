package transport

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

// A session is one client between initialize and its end: a streamable HTTP session,
// an SSE connection or a stdio process. The record in the store is the truth that
// replicas share; this is what one process needs beside it.
type session struct {
	id        string
	principal string
	box       *outbox
	stored    bool          // has a record
	pin       *pin          // of an SSE or stdio session, which lives with its stream instead
	done      chan struct{} // closed when the session ended

	// inLine is held while record and subscriptions are brought in line, so that an older
	// record never undoes what a client was just answered. It is taken before mu.
	inLine sync.Mutex

	mu      sync.Mutex
	revived bool // from its record, and no stream was opened here since
	version string
	client  mcp.Implementation
	caps    mcp.ClientCapabilities
	level   mcp.LoggingLevel
	subs    map[string]*subscription // by URI
	calls   map[*call]struct{}
	streams int                       // how many of the calls are streams
	answers map[int64]chan<- *message // requests of ours that wait for the client
	stream  *attachment               // the open GET stream, if any
	usedAt  time.Time
	touched bool // used since the janitor's last round
	ended   bool
}

// An attachment is the one stream that empties a session's outbox.
type attachment struct {
	replaced chan struct{} // closed to send the stream away
	left     chan struct{} // closed when it is gone
	abort    func()        // breaks a write that is under way
}

func newSession(id, principal string, caller *access.Principal, limit int) *session {
	s := &session{
		id: id, principal: principal, box: newOutbox(limit, make(chan struct{}, 1)), done: make(chan struct{}),
		level: mcp.LoggingLevelInfo, subs: map[string]*subscription{}, calls: map[*call]struct{}{},
		answers: map[int64]chan<- *message{}, usedAt: time.Now(), touched: true,
	}
	s.box.of(caller)
	return s
}

// lastUsed is when the client was last heard of; held reports an open stream or a running call.
func (s *session) lastUsed() (at time.Time, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usedAt, s.stream != nil || len(s.calls) > 0
}

// use notes that the client was heard of.
func (s *session) use() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usedAt = time.Now()
	s.touched = true
}

// state reports whether the session is held, or was used since this was asked last;
// and otherwise whether its client was silent for d.
func (s *session) state(now time.Time, d time.Duration) (used, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used = s.touched || s.stream != nil || len(s.calls) > 0
	s.touched = false
	return used, !used && now.Sub(s.usedAt) >= d
}

// add registers a running call, unless the session ended or has too many.
func (s *session) add(c *call, limit int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errClosed
	case len(s.calls)-s.streams >= limit:
		return errBusy
	}
	s.calls[c] = struct{}{}
	s.usedAt, s.touched = time.Now(), true
	return nil
}

// addStreams says that n more of the calls are streams, which the bound leaves out.
func (s *session) addStreams(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams += n
}

func (s *session) remove(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c)
	s.usedAt = time.Now()
}

// cancel ends this session's own calls of that id, and reports whether there was one.
func (s *session) cancel(id json.RawMessage) (found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.calls {
		// The specification forbids to cancel initialize.
		if bytes.Equal(c.id, id) && c.method != string(mcp.MethodInitialize) {
			c.cancel(errCancelled)
			found = true
		}
	}
	return found
}

// expect registers a request of ours; forget removes it.
func (s *session) expect(id int64, answer chan<- *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[id] = answer
}

func (s *session) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, id)
}

// maySubscribe reports whether a resource is followed already, or why it cannot be.
func (s *session) maySubscribe(uri string, limit int) (known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known = s.subs[uri]
	switch {
	case known:
		return true, nil
	case s.ended:
		return false, errClosed
	case len(s.subs) >= limit:
		return false, errTooManySubscriptions
	}
	return false, nil
}

// answer hands a client's response to the call that asked, and reports whether there is
// one.
func (s *session) answer(m *message) bool {
	var id int64
	if json.Unmarshal(m.ID, &id) != nil {
		return false
	}
	s.mu.Lock()
	ch, ok := s.answers[id]
	delete(s.answers, id)
	s.mu.Unlock()
	if ok {
		ch <- m // capacity 1, and taken out of the map: never blocks
	}
	return ok
}

// wasElsewhere reports, once, whether the session came here from another replica: what
// its client was sent there is not known.
func (s *session) wasElsewhere() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.revived
	s.revived = false
	return was
}

// attach makes a the session's stream. An older one is sent away and awaited: the
// newest wins, and two never share an outbox.
func (s *session) attach(ctx context.Context, a *attachment) error {
	for {
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			return errClosed
		}
		old := s.stream
		if old == nil {
			s.stream = a
			s.mu.Unlock()
			return nil
		}
		select {
		case <-old.replaced:
		default:
			close(old.replaced)
		}
		s.mu.Unlock()
		old.abort()
		select {
		case <-old.left:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// detach ends the session's stream a.
func (s *session) detach(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == a {
		s.stream = nil
	}
	s.usedAt, s.touched = time.Now(), true
	close(a.left)
}

func (s *session) subscriptions() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	subs := make([]*subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		subs = append(subs, sub)
	}
	return subs
}

// record is the session as it is stored.
func (s *session) record() (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Record{ID: s.id, Principal: s.principal, ProtocolVersion: s.version, LogLevel: string(s.level), CreatedAt: time.Now()}
	var err error
	if r.ClientInfo, err = json.Marshal(s.client); err != nil {
		return r, err
	}
	if r.Capabilities, err = json.Marshal(s.caps); err != nil {
		return r, err
	}
	for uri := range s.subs {
		r.Subscriptions = append(r.Subscriptions, uri)
	}
	slices.Sort(r.Subscriptions)
	return r, nil
}

// adopt takes over what a record says, except its subscriptions.
func (s *session) adopt(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.level = r.ProtocolVersion, mcp.LoggingLevel(r.LogLevel)
	if len(r.ClientInfo) > 0 {
		if err := json.Unmarshal(r.ClientInfo, &s.client); err != nil {
			return err
		}
		s.client = keptInfo(s.client)
	}
	if len(r.Capabilities) > 0 {
		if err := json.Unmarshal(r.Capabilities, &s.caps); err != nil {
			return err
		}
		s.caps = keptCapabilities(s.caps)
	}
	return nil
}

// end closes the session: its calls are cancelled and its stream, if any, ends. It
// reports whether this call did it.
func (s *session) end(cause error) bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.ended = true
	for c := range s.calls {
		c.cancel(cause)
	}
	s.mu.Unlock()
	close(s.done)
	s.box.close()
	return true
}

// sessions are the sessions that this process serves, over a store that may be shared.
type sessions struct {
	sign   *keyring
	store  SessionStore
	table  *table
	limits Options
	quota  *quota

	mu   sync.Mutex
	live map[string]*session // by id
}

// open makes the session of a client that initialized and stores its record.
func (l *sessions) open(ctx context.Context, s *session) error {
	r, err := s.record()
	if err != nil {
		return err
	}
	if err := l.admit(ctx, s.box.account); err != nil {
		return err
	}
	if err := l.store.Create(ctx, r); err != nil {
		l.quota.give(s.box.account, 1)
		return err
	}
	l.keep(s)
	return nil
}

// admit counts a new session of an account. One that has its share loses the session that was idle
// longest, unless even that one was used within the last minute.
func (l *sessions) admit(ctx context.Context, account string) error {
	err := l.quota.take(account, 1)
	if err == nil {
		return nil
	}
	var oldest *session
	var since time.Time
	for _, s := range l.all() {
		if at, held := s.lastUsed(); s.stored && !held && s.box.account == account && (oldest == nil || at.Before(since)) {
			oldest, since = s, at
		}
	}
	if oldest == nil || time.Since(since) < busy {
		return err
	}
	if err := l.close(ctx, oldest, ErrNoSession); err != nil && !errors.Is(err, ErrNoSession) {
		return err
	}
	return l.quota.take(account, 1)
}

// keep makes a session live that was counted.
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
	return l.revive(ctx, r)
}

func (l *sessions) get(id string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[id]
}

// revive builds the live half of a session that was opened elsewhere or dropped here.
func (l *sessions) revive(ctx context.Context, r Record) (*session, error) {
	s := l.fresh(r.ID, r.Principal, access.From(ctx))
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
	l.quota.force(s.box.account, 1) // it was admitted where it was opened
	l.align(s, r.Subscriptions, time.Time{})
	return s, nil
}

// fresh returns a session with a store behind it and numbered events.
func (l *sessions) fresh(id, principal string, caller *access.Principal) *session {
	s := newSession(id, principal, caller, l.limits.MaxQueueBytes)
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
		l.quota.give(s.box.account, 1)
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
	if err := l.table.quota.room(s.box.account, weight(uri)); err != nil {
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
			if !since.IsZero() {
				l.table.catchUp(s.subs[uri], since)
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

// round reports the sessions in use to the store and drops those that are not: the
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

// A session id is 16 random bytes and the first 16 of their HMAC with the name of
// the principal, so a forged or borrowed one is refused without a look-up, on every
// replica that has the key.
const (
	idNonceBytes = 16
	idMACBytes   = 16
)

type signer struct{ key []byte }

func (s signer) mint(principal string) string {
	id := make([]byte, idNonceBytes, idNonceBytes+idMACBytes)
	rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(append(id, s.mac(id, principal)...))
}

func (s signer) valid(id, principal string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != idNonceBytes+idMACBytes {
		return false
	}
	return hmac.Equal(raw[idNonceBytes:], s.mac(raw[:idNonceBytes], principal))
}

func (s signer) mac(nonce []byte, principal string) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("mcp session\x00"))
	h.Write(nonce)
	h.Write([]byte(principal))
	return h.Sum(nil)[:idMACBytes]
}

// A keyring has the key that signs session ids: a given one, or the one that replicas
// share, which the first one that needs it makes.
type keyring struct {
	shared state.Store // nil: key is given

	mu  sync.Mutex
	key []byte
}

// signer returns the means to sign, and asks for the shared key the first time.
func (k *keyring) signer(ctx context.Context) (signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.key) == 0 {
		key, err := k.agree(ctx)
		if err != nil {
			return signer{}, fmt.Errorf("the key of session ids: %w", err)
		}
		k.key = key
	}
	return signer{key: k.key}, nil
}

// agree reads the shared key, or makes it: one of several that try wins.
func (k *keyring) agree(ctx context.Context) ([]byte, error) {
	for {
		v, err := k.shared.Get(ctx, keyKey)
		switch {
		case err == nil && len(v.Value) >= minKeyBytes:
			return v.Value, nil
		case err == nil:
			return nil, fmt.Errorf("%s has %d bytes, want at least %d: remove it", keyKey, len(v.Value), minKeyBytes)
		case !errors.Is(err, state.ErrNotFound):
			return nil, err
		}
		key := make([]byte, minKeyBytes)
		rand.Read(key) // never fails
		if _, err := k.shared.Put(ctx, keyKey, key, state.Put{IfAbsent: true}); err != nil && !errors.Is(err, state.ErrConflict) {
			return nil, err
		}
	}
}

// forget makes the next caller read the shared key again: it was written anew, since the
// store had lost it.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = nil
}
