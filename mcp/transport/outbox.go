package transport

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slackmcp/mcp/access"
)

// A listKind is a bit for each list that can change.
type listKind uint8

const (
	toolsList listKind = 1 << iota
	promptsList
	resourcesList
)

// lists in the order in which their changes are written.
var lists = []struct {
	kind   listKind
	method string
}{
	{toolsList, "notifications/tools/list_changed"},
	{promptsList, "notifications/prompts/list_changed"},
	{resourcesList, "notifications/resources/list_changed"},
}

// errClosed says that the client is gone.
var errClosed = errors.New("the client's stream ended")

// An outbox holds what one client is still to be sent. Messages wait in order, in
// bounded bytes, and a caller that adds one waits for space; updates are a set, so a slow
// client makes it no longer than its subscriptions.
//
// It outlives the stream that empties it: a session's outbox waits for the client to
// come back.
type outbox struct {
	limit int
	wake  chan struct{} // capacity 1: there is something to send
	// account is whose share the box counts against, quota that of its bytes; nil is none.
	account string
	quota   *quota
	// caller is whose box it is, and judged that each update is asked for whether they may be told of it: user is then
	// the id of who has signed in.
	caller *access.Principal
	judged bool
	user   string

	mu       sync.Mutex
	messages []waiting
	bytes    int
	writing  int           // bytes of the messages that were taken and are being written
	space    chan struct{} // closed and replaced when messages were taken
	updated  []*subscription
	changed  listKind
	wants    listKind // the lists whose changes this client gets
	listMeta []byte   // as subscription.meta
	closed   bool

	// Events of a session's stream are numbered, so that a client that comes back can
	// say what it saw last.
	epoch    string
	event    uint64
	listSent [3]uint64       // event that last carried each list
	taken    []*subscription // of the last batch, until it was written
	takenL   listKind
}

// A waiting message is sent unless its sender has a reason not to by then.
type waiting struct {
	msg   []byte
	still func() bool // nil is always
}

// newOutbox returns an empty outbox of limit bytes. What is put in it wakes the reader
// of wake, a channel of capacity 1.
func newOutbox(limit int, wake chan struct{}) *outbox {
	return &outbox{limit: limit, wake: wake, space: make(chan struct{})}
}

// of makes the box a caller's.
func (b *outbox) of(caller *access.Principal) {
	who, person := caller.SignIn()
	b.caller, b.account, b.judged, b.user = caller, caller.Account(), person, who.Person.User
}

func (b *outbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// push appends a message and waits for space until ctx ends. The slice must not be
// changed afterwards.
func (b *outbox) push(ctx context.Context, msg []byte) error { return b.pushWhile(ctx, msg, nil) }

// pushWhile is push for a message that is left out if still is not true any more when it is its turn.
func (b *outbox) pushWhile(ctx context.Context, msg []byte, still func() bool) error {
	for {
		b.mu.Lock()
		if b.closed {
			b.mu.Unlock()
			return errClosed
		}
		// A single message may exceed the limit when it is alone, or it could never be sent.
		if (b.bytes == 0 || b.bytes+len(msg) <= b.limit) && b.reserve(len(msg)) {
			b.messages = append(b.messages, waiting{msg, still})
			b.bytes += len(msg)
			b.mu.Unlock()
			b.signal()
			return nil
		}
		space := b.space
		b.mu.Unlock()
		if err := b.await(ctx, space); err != nil {
			return err
		}
	}
}

// quotaPoll is how often a message that waits for its account's other clients to read looks
// for space.
const quotaPoll = 50 * time.Millisecond

// await returns when there may be space.
func (b *outbox) await(ctx context.Context, space <-chan struct{}) error {
	var again <-chan time.Time
	if b.quota != nil {
		timer := time.NewTimer(quotaPoll)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-space:
	case <-again:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// reserve counts the bytes of a message, if its account has space.
func (b *outbox) reserve(n int) bool {
	if b.quota == nil {
		return true
	}
	return b.quota.take(b.account, int64(n)) == nil
}

// written gives back the bytes of what take returned last: it was written, or will not be.
func (b *outbox) written() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.quota != nil {
		b.quota.give(b.account, int64(b.writing))
	}
	b.writing = 0
}

// markUpdated says that a resource changed; of a judged client also why.
func (b *outbox) markUpdated(s *subscription, why Cause) {
	if b.judged {
		b.note(s, why)
	}
	b.markNoted(s)
}

// markNoted says that a resource changed, of which it was noted why.
func (b *outbox) markNoted(s *subscription) {
	b.mu.Lock()
	fresh := !s.dirty && !s.gone && !b.closed
	if fresh {
		s.dirty = true
		b.updated = append(b.updated, s)
	}
	b.mu.Unlock()
	if fresh {
		b.signal()
	}
}

func (b *outbox) markChanged(kind listKind) {
	b.mu.Lock()
	b.changed |= kind & b.wants
	b.mu.Unlock()
	b.signal()
}

// forget drops what waits for a subscription.
func (b *outbox) forget(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.gone = true
}

// close fails every push from now on.
func (b *outbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.space)
		if b.quota != nil { // what is being written gives itself back
			b.quota.give(b.account, int64(b.bytes))
			b.messages, b.bytes = nil, 0
		}
	}
}

// take appends everything that waits to dst, framed, and empties the outbox. The
// caller calls failed when it could not write them.
func (b *outbox) take(dst []byte, f framing) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		if m.still == nil || m.still() {
			dst = f.message(dst, "", m.msg)
		}
	}
	if b.bytes > 0 {
		b.writing += b.bytes
		b.messages, b.bytes = nil, 0
		if !b.closed {
			close(b.space)
			b.space = make(chan struct{})
		}
	}
	for i, l := range lists {
		if b.changed&l.kind == 0 {
			continue
		}
		id := b.nextEvent()
		b.listSent[i] = b.event
		dst = f.listChanged(dst, id, l.method, b.listMeta)
	}
	b.takenL, b.changed = b.changed, 0
	b.taken = b.taken[:0]
	return b.takeUpdates(dst, f)
}

// takeUpdates requires b.mu.
func (b *outbox) takeUpdates(dst []byte, f framing) []byte {
	for _, s := range b.updated {
		if s.gone {
			continue
		}
		s.dirty = false
		if b.judged && !s.stillTold() {
			continue
		}
		id := b.nextEvent()
		s.sent = b.event
		dst = f.updated(dst, id, s)
		b.taken = append(b.taken, s)
	}
	clear(b.updated)
	b.updated = b.updated[:0]
	return dst
}

// nextEvent requires b.mu. It returns "" for a stream without event ids.
func (b *outbox) nextEvent() string {
	if b.epoch == "" {
		return ""
	}
	b.event++
	return b.epoch + "-" + strconv.FormatUint(b.event, 10)
}

// failed puts the updates of the last batch back: its stream broke.
func (b *outbox) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed |= b.takenL
	for _, s := range b.taken {
		b.missed(s)
	}
	b.taken = b.taken[:0]
}

// resume marks what a client missed that saw lastEvent last, given its subscriptions.
// An id of another process or epoch says nothing about what was seen, so then
// everything counts as missed: to read once too often is harmless.
func (b *outbox) resume(lastEvent string, subs []*subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	epoch, number, _ := strings.Cut(lastEvent, "-")
	seen, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != b.epoch {
		b.changed |= b.wants
		for _, s := range subs {
			b.missed(s)
		}
		return
	}
	for i, l := range lists {
		if b.listSent[i] > seen {
			b.changed |= l.kind
		}
	}
	slices.SortFunc(subs, func(x, y *subscription) int { return cmp.Compare(x.sent, y.sent) })
	for _, s := range subs {
		if s.sent > seen {
			b.missed(s)
		}
	}
}

// resumeUpdates marks all that a client follows as missed, where nothing is known of what
// it saw.
func (b *outbox) resumeUpdates(subs []*subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range subs {
		b.missed(s)
	}
}

// missed requires b.mu.
func (b *outbox) missed(s *subscription) {
	if !s.dirty && !s.gone {
		s.why = s.last
		s.dirty = true
		b.updated = append(b.updated, s)
	}
}

// lastEvent is the id of the newest event.
func (b *outbox) lastEvent() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch + "-" + strconv.FormatUint(b.event, 10)
}
