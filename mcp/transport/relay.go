package transport

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

// A relay hands messages to the replica that has what they are for: the stream of an SSE
// session, or the call of a session that a client answers or cancels. A nil relay is that
// of a server without replicas.
type relay struct {
	t      *Transport
	shared state.Store
	name   string       // of this process
	held   atomic.Int64 // SSE sessions
}

// Lives of what replicas leave for each other.
const (
	leaseLife   = 20 * time.Second // of a replica that holds SSE streams
	leaseRenew  = 5 * time.Second
	ownerLife   = 24 * time.Hour
	messageLife = 30 * time.Second
	// pieceBytes of a message fit into one value beside their envelope, which is JSON and
	// so has them in base64.
	pieceBytes = 40 << 10
)

// A parcel is a message under way to another replica. Who sent it is no more than a claim: where it
// arrives it is the caller of the session's stream who calls.
type parcel struct {
	Session string `json:"session"`
	// Principal is the name of the sender, and Scopes are what the sender's token allowed: the
	// stream's caller may have more.
	Principal string         `json:"from,omitempty"`
	Scopes    []access.Scope `json:"scopes,omitempty"`
	Message   []byte         `json:"message,omitempty"`
	// Pieces is how many values hold the message instead, under Piece.
	Pieces int    `json:"pieces,omitempty"`
	Piece  string `json:"piece,omitempty"`
}

func newRelay(t *Transport, shared state.Store) *relay {
	return &relay{t: t, shared: shared, name: strings.ToLower(rand.Text()[:13])}
}

// hold says that this replica has the stream of an SSE session. What it returns takes it
// back.
func (r *relay) hold(ctx context.Context, id string) (release func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	r.held.Add(1)
	err = r.lease(ctx)
	if err == nil {
		_, err = r.shared.Put(ctx, ownersKey+id, []byte(r.name), state.Put{TTL: ownerLife})
	}
	if err != nil {
		r.held.Add(-1)
		return nil, err
	}
	renew := time.AfterFunc(ownerLife/2, func() { r.extend(ctx, id) })
	return func() {
		renew.Stop()
		r.held.Add(-1)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
		defer cancel()
		if err := r.shared.Delete(ctx, ownersKey+id, ""); err != nil && !errors.Is(err, state.ErrNotFound) {
			r.t.log.LogAttrs(ctx, slog.LevelDebug, "the owner of an SSE session was not removed", slog.Any("error", err))
		}
	}, nil
}

// extend renews a stream that is open for very long.
func (r *relay) extend(ctx context.Context, id string) {
	for ctx.Err() == nil {
		if _, err := r.shared.Put(ctx, ownersKey+id, []byte(r.name), state.Put{TTL: ownerLife}); err != nil {
			r.t.log.LogAttrs(ctx, slog.LevelWarn, "the owner of an SSE session was not renewed", slog.Any("error", err))
		}
		select {
		case <-time.After(ownerLife / 2):
		case <-ctx.Done():
		}
	}
}

func (r *relay) lease(ctx context.Context) error {
	_, err := r.shared.Put(ctx, replicasKey+r.name, nil, state.Put{TTL: leaseLife})
	return err
}

// run keeps the lease while there are SSE streams, and takes what others leave, until ctx
// ends.
func (r *relay) run(ctx context.Context) {
	watch := func(prefix string, fn func(state.Change)) {
		if err := r.shared.Watch(ctx, prefix, fn); err != nil && ctx.Err() == nil {
			r.t.log.LogAttrs(ctx, slog.LevelError, "other replicas are not heard", slog.String("below", prefix), slog.Any("error", err))
		}
	}
	go watch(inboxKey+r.name+"/", func(c state.Change) { r.receive(ctx, c, r.deliver) })
	go watch(answersKey, func(c state.Change) { r.overhear(ctx, c) })
	go watch(keyKey, func(state.Change) { r.t.sessions.sign.forget() })
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if r.held.Load() == 0 {
			continue
		}
		if err := r.lease(ctx); err != nil && ctx.Err() == nil {
			r.t.log.LogAttrs(ctx, slog.LevelWarn, "the lease on SSE streams was not renewed", slog.Any("error", err))
		}
	}
}

// forward hands a message to the replica that holds the stream of an SSE session, or
// fails with ErrNoSession when no living one does.
func (r *relay) forward(ctx context.Context, id string, raw []byte) error {
	if r == nil {
		return ErrNoSession
	}
	owner, err := r.shared.Get(ctx, ownersKey+id)
	if err == nil {
		_, err = r.shared.Get(ctx, replicasKey+string(owner.Value))
	}
	switch {
	case errors.Is(err, state.ErrNotFound):
		return ErrNoSession
	case err != nil:
		return err
	case string(owner.Value) == r.name:
		return ErrNoSession // its stream ended here a moment ago
	}
	p := parcel{Session: id, Message: raw}
	if sender := access.From(ctx); sender != nil {
		p.Principal, p.Scopes = sender.Name, sender.Allowed()
	}
	return r.send(ctx, inboxKey+string(owner.Value)+"/", p)
}

// sendToAll leaves an answer or a cancellation for the replica that has the call of a
// session. All replicas look at it.
func (r *relay) sendToAll(ctx context.Context, id string, raw []byte) error {
	if r == nil {
		return nil
	}
	return r.send(ctx, answersKey, parcel{Session: id, Message: raw})
}

// send leaves a parcel below a prefix, where the receiver finds them in order.
func (r *relay) send(ctx context.Context, prefix string, p parcel) error {
	name := fmt.Sprintf("%016x-%s", time.Now().UnixNano(), strings.ToLower(rand.Text()[:10]))
	if rest := p.Message; len(rest) > pieceBytes {
		p.Message, p.Piece = nil, piecesKey+name+"/"
		for ; len(rest) > 0; p.Pieces++ {
			n := min(len(rest), pieceBytes)
			if _, err := r.shared.Put(ctx, p.piece(p.Pieces), rest[:n], state.Put{TTL: messageLife}); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = r.shared.Put(ctx, prefix+name, data, state.Put{TTL: messageLife})
	return err
}

func (p *parcel) piece(i int) string { return fmt.Sprintf("%s%04d", p.Piece, i) }

// open reads a parcel whole.
func (r *relay) open(ctx context.Context, key string) (p parcel, err error) {
	v, err := r.shared.Get(ctx, key)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(v.Value, &p); err != nil {
		return p, err
	}
	for i := range p.Pieces {
		piece, err := r.shared.Get(ctx, p.piece(i))
		if err != nil {
			return p, err
		}
		p.Message = append(p.Message, piece.Value...)
	}
	return p, nil
}

// receive takes a parcel out of this replica's inbox, once.
func (r *relay) receive(ctx context.Context, c state.Change, deliver func(context.Context, parcel)) {
	if c.Gone {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, messageLife)
	defer cancel()
	p, err := r.open(ctx, c.Key)
	if err == nil {
		err = r.shared.Delete(ctx, c.Key, "")
	}
	switch {
	case errors.Is(err, state.ErrNotFound): // it was taken already
	case err != nil:
		r.t.log.LogAttrs(ctx, slog.LevelWarn, "a message of another replica was not taken", slog.Any("error", err))
	default:
		deliver(ctx, p)
	}
	for i := range p.Pieces {
		_ = r.shared.Delete(ctx, p.piece(i), "") // what stays goes by itself
	}
}

// deliver serves a message for an SSE session whose stream is here. Its client was
// already answered that it is accepted, so errors go onto the stream.
func (r *relay) deliver(ctx context.Context, p parcel) {
	ses := r.t.sessions.get(p.Session)
	m, err := parseMessage(p.Message)
	if ses == nil || ses.pin == nil || err != nil {
		return // the stream ended meanwhile
	}
	ctx, err = p.admit(ctx, ses.pin.caller)
	switch {
	case errors.Is(err, access.ErrRevoked):
		return // the stream ends
	case err == nil && !m.isRequest():
		_ = r.t.take(ctx, ses, m)
		return
	case err == nil:
		err = r.startFor(ctx, ses, m, int64(len(p.Message)))
	}
	if err != nil && m.isRequest() {
		r.t.noteQuota(ctx, err)
		body, _ := encode(m.ID, rpcError(m.ID, mcp.INTERNAL_ERROR, err.Error(), nil))
		_ = ses.box.push(ctx, body) // a client that left needs no answer
	}
}

// errNotChecked says that it is not known whether a caller may still call.
var errNotChecked = errors.New("whether you may call cannot be found out now; try again")

// admit returns ctx with the caller of a session's stream, who is asked anew whether they may call. A
// message that somebody else sent, or wrote into the store, is taken for a caller's who may not.
func (p *parcel) admit(ctx context.Context, caller *access.Principal) (context.Context, error) {
	if caller == nil { // nobody authenticates
		return ctx, nil
	}
	if p.Principal != caller.Name {
		return ctx, access.ErrRevoked
	}
	switch err := caller.Holds(ctx); {
	case errors.Is(err, access.ErrRevoked):
		return ctx, err
	case err != nil:
		return ctx, errNotChecked
	}
	return access.With(ctx, caller.Within(p.Scopes)), nil
}

// startFor starts a request whose body counts against its session's share.
func (r *relay) startFor(ctx context.Context, ses *session, m *message, size int64) error {
	if err := r.t.quotas.bodies.take(ses.box.account, size); err != nil {
		return err
	}
	done := func() { r.t.quotas.bodies.give(ses.box.account, size) }
	err := r.t.start(ctx, ses, m, done)
	if err != nil {
		done()
	}
	return err
}

// overhear takes an answer or a cancellation that another replica could not place.
func (r *relay) overhear(ctx context.Context, c state.Change) {
	if c.Gone || r.t.quotas.calls.all() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, messageLife)
	defer cancel()
	p, err := r.open(ctx, c.Key)
	if err != nil {
		if !errors.Is(err, state.ErrNotFound) {
			r.t.log.LogAttrs(ctx, slog.LevelWarn, "a message of another replica was not read", slog.Any("error", err))
		}
		return
	}
	ses := r.t.sessions.get(p.Session)
	m, err := parseMessage(p.Message)
	if ses == nil || err != nil {
		return
	}
	if m.Method == "" {
		ses.answer(m)
	} else if id := m.cancelledID(); id != nil {
		ses.cancel(id)
	}
}
