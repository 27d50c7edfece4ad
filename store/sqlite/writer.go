package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A writer is the one goroutine that writes. It takes what has come in and makes one
// transaction of it:
//
//  1. the ends of attempts,
//  2. the new events, each unless its id was seen,
//  3. what operators and consumers ask for,
//  4. retention,
//  5. claims for the workers that are free, also of the events that have just come.
//
// Then it commits, which returns when the write-ahead log is on the disk, and only then
// it answers, shows the events to the readers that follow, and hands out what it claimed. Its
// fields are what the tables say; after an error they are read anew.
type writer struct {
	q  *Store
	db *database // nil while it is closed

	args       []any   // of the statement that stores an event
	candidates []int64 // what place looks at
	lastIDs    idRow   // the newest row of seen while it grows, else empty
	newIDs     bool    // whether this transaction has added to it

	epoch         string
	last, trimmed int64 // the log: trimmed < seq <= last
	mark          int64 // the latest received_at, in Unix nanoseconds
	oldestAt      int64 // when the oldest event was stored that was not by a clock ahead; 0 is unknown
	ahead         int64 // up to here the events were stored while the clock was ahead, or are older
	pinned        int64 // events at or before trimmed that are still stored
	seen          *seen
	groups        map[string]*group
	sweepAt       time.Time // when retention by age looks next
	shrinking     bool      // whether more is kept than RetentionCount, and it is being removed
	blocks        blocks

	before  noted // what the position note said when the store was opened
	accept  bool  // whether the operator has said to go on without what is missing
	damaged bool  // whether damage was found that is not written down yet
	// idleGroups says that a part of the tables of the groups' work cannot be read: then
	// events are still received, and no group works.
	idleGroups bool
	surveyed   int64 // up to which event it was found out what can be read; see survey

	tx       bool
	fresh    []event.Event          // stored in this transaction
	claims   []claim                // made in this transaction
	dropped  []*consumer            // whose group was dropped in this transaction
	again    []settlement           // could not be recorded so far
	together int                    // how many published at once lately
	timer    *time.Timer            // the writer's alarm
	active   map[*consumer]struct{} // the calls of Consume, across reopening
}

func newWriter(q *Store) *writer {
	return &writer{q: q, active: map[*consumer]struct{}{}}
}

// open opens the file and reads the writer's state. start says that the process
// begins: attempts that were running then were cut short by a crash.
func (w *writer) open(start bool) (err error) {
	var alone bare
	if start && !w.accept {
		alone = bareOf(w.q.files.db)
	}
	if w.db, err = openDatabase(w.q.files.db, queueLayout, w.q.o.Synchronous); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.discard())
		}
	}()
	w.tx = false
	if err := w.recognise(start, alone); err != nil {
		return err
	}
	if err := migrate(w.db); err != nil {
		return err
	}
	if err := w.load(start); err != nil {
		return err
	}
	if start {
		if err := w.examine(); err != nil {
			return err
		}
	}
	if err := w.resume(start); err != nil {
		return err
	}
	return w.q.readers.open()
}

// recognise reports where the file is not the one that was written before, or not whole. alone
// is what it said of itself without its log.
func (w *writer) recognise(start bool, alone bare) error {
	if w.db.found == 0 && w.before.Events > 0 && start && !w.accept {
		return gone(w.q.files.db, "is empty, and there were "+w.before.events()+" in it")
	}
	if err := lengthOf(w.db.session, w.q.files.db); err != nil || w.db.found == 0 {
		return err
	}
	return alone.belongs(w.db.session, w.q.files.db)
}

// discard closes the file and does not touch it further.
func (w *writer) discard() error {
	if w.db == nil {
		return nil
	}
	err := w.db.discard()
	w.db, w.tx = nil, false
	return err
}

// close gives the store back.
func (w *writer) close() error {
	w.q.readers.shut(fmt.Errorf("read: %w", queue.ErrClosed))
	defer w.q.files.release()
	defer w.q.note.close()
	err := w.q.values.close()
	if w.db != nil {
		err = errors.Join(err, w.db.close())
		w.db = nil
	}
	return err
}

// abandonStore ends a store that did not open: its files stay as they are.
func (w *writer) abandonStore() error {
	defer w.q.files.release()
	var err error
	if w.q.values != nil {
		err = w.q.values.abandon()
	}
	return errors.Join(err, w.discard())
}

// run works until Close.
func (w *writer) run() {
	defer close(w.q.stopped)
	w.timer = time.NewTimer(0)
	defer w.timer.Stop()
	for open := true; open; {
		w.timer.Reset(w.pause())
		select {
		case <-w.q.mail.wake:
			w.collect()
		case <-w.timer.C:
		case <-w.q.stop:
			// What came in before the end, settlements above all, is still recorded.
			open = false
		}
		w.serve(w.q.mail.take(w.again))
	}
	w.q.mail.take(nil).finish(queue.ErrClosed)
	w.q.closed = w.close()
}

// The window in which a batch may grow. It pays only when several publish at once;
// one alone is never kept waiting. It is as long as 32 requests take that were answered
// together and come again: in half the time a sixth of them is left for the next commit.
const (
	window      = 2 * time.Millisecond
	windowFloor = 4
)

// collect gives a batch time to grow: one that has nothing but ends of attempts until all have
// ended that run, or something else comes in, so that one commit records the ends of what many
// groups did with one event; and then until as many publish as did before.
func (w *writer) collect() {
	running := 0
	for c := range w.active {
		running += len(c.inFlight)
	}
	if w.q.mail.gather(running) {
		w.timer.Reset(window)
		select {
		case <-w.q.mail.reached:
		case <-w.timer.C:
		case <-w.q.stop:
			return
		}
	}
	if w.together < windowFloor || w.q.mail.grow(w.together) {
		return
	}
	w.timer.Reset(window)
	select {
	case <-w.q.mail.reached:
	case <-w.timer.C:
	case <-w.q.stop:
		return
	}
}

// serve makes one transaction of a batch, and recovers when that fails. When it succeeds,
// serve answers the callers and gives the claimed events to their consumers.
func (w *writer) serve(b *batch) {
	w.again = nil
	if w.db == nil {
		b.finish(queue.ErrUnavailable) // closed while it was being reopened
		return
	}
	err := w.apply(b)
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		w.again = b.settled
		w.abandon()
		b.finish(unavailable(err))
		w.recover(err)
		return
	}
	w.show()
	w.q.feed.add(w.fresh)
	defer w.q.note.advanceEvents(w.epoch, w.last)
	// The callers that are answered now, and those that came meanwhile.
	w.together = len(b.entries) + w.q.mail.waiting()
	b.finish(nil)
	if w.idleGroups {
		w.again, b.settled = b.settled, nil
	}
	for i := range b.settled {
		c := b.settled[i].c
		delete(c.inFlight, b.settled[i].seq)
		w.forget(c)
	}
	for _, c := range w.dropped {
		c.attached, c.dropped = false, true
		close(c.gone)
	}
	w.dropped = nil
	// A consumer's channel has a place for each of its workers, so this never waits.
	for _, one := range w.claims {
		one.c.order.Taken(one.seq)
	}
	for _, one := range w.claims {
		one.c.inFlight[one.seq] = struct{}{}
		one.c.work <- one.delivery
	}
	clear(w.claims)
	w.claims = w.claims[:0]
}

// apply does all of a batch but the commit. An error is the store's, not a caller's.
func (w *writer) apply(b *batch) error {
	now := w.q.o.Now()
	clear(w.fresh)
	w.fresh = w.fresh[:0]
	if err := w.settleAll(b.settled, now); err != nil {
		return w.cannotWork(err)
	}
	if err := w.publish(b.entries, now); err != nil {
		return err
	}
	for _, c := range b.calls {
		c.err = c.do(w)
		if broken(c.err) {
			return c.err
		}
	}
	if err := w.sweep(now); err != nil {
		return w.cannotWork(err)
	}
	if err := w.makeBlocks(); err != nil {
		return err
	}
	if w.damaged {
		if err := w.saveDamage(); err != nil {
			return err
		}
		w.damaged = false
	}
	return w.cannotWork(w.claimAll(now))
}

// settleAll records the ends of attempts.
func (w *writer) settleAll(list []settlement, now time.Time) error {
	if w.idleGroups {
		return nil
	}
	for i := range list {
		if err := w.settle(&list[i], now); err != nil {
			return err
		}
	}
	return nil
}

// claimAll claims events for the workers that are free, and writes the rows of the groups.
func (w *writer) claimAll(now time.Time) error {
	w.claims = w.claims[:0]
	if w.idleGroups {
		return nil
	}
	for _, g := range w.groups {
		if err := w.claimFor(g, now); err != nil {
			return err
		}
	}
	return w.saveGroups()
}

// cannotWork notes that the groups stand still when their tables cannot be read. The batch
// fails with err, and those that follow do without them, until the process ends: what this process
// knows of the groups stays as it is, and no event is taken out of the file, because some group may
// need it.
func (w *writer) cannotWork(err error) error {
	if unreadable(err) {
		w.idleGroups = true
		w.q.foundTable(workTable, workMeans, err)
	}
	return err
}

// write runs a statement within the transaction, and begins it if need be.
func (w *writer) write(query string, args ...any) (int64, error) {
	if !w.tx {
		if _, err := w.db.exec("BEGIN IMMEDIATE"); err != nil {
			return 0, err
		}
		w.tx = true
	}
	return w.db.exec(query, args...)
}

// commit ends the transaction. When it returns nil, everything is on the disk.
func (w *writer) commit() error {
	if !w.tx {
		return nil
	}
	if _, err := w.db.exec("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.tx = false
	return nil
}

// abandon forgets what the failed transaction did in memory. recover reads the rest.
func (w *writer) abandon() {
	w.tx = false
	w.fresh = nil
	w.claims = w.claims[:0]
	w.dropped = nil
}

// How long the writer sleeps at most: while something is scheduled, so that a clock
// that jumps is noticed, and otherwise.
const (
	alertPause = time.Second
	idlePause  = 30 * time.Second
)

// pause is how long the writer may sleep.
func (w *writer) pause() time.Duration {
	d := idlePause
	now := w.q.o.Now()
	for _, g := range w.groups {
		if len(g.consumers) == 0 || w.idleGroups {
			continue
		}
		d = min(d, alertPause)
		// What is due has to wait for a worker, whose end wakes the writer.
		if g.nextDue != 0 && g.free() > 0 {
			d = min(d, max(0, time.Unix(0, g.nextDue).Sub(now)))
			if g.nextDue > g.far(now) {
				d = 0
			}
		}
	}
	return d
}

// A mailbox is where the writer finds its work. All that comes in while it commits
// makes the next batch.
type mailbox struct {
	mu      sync.Mutex
	next    *batch
	wake    chan struct{} // holds a token while next is not empty
	reached chan struct{} // holds a token once next has goal events, or what ends is for
	goal    int           // guarded by mu; 0 is none
	ends    int           // how many ends of attempts are awaited; guarded by mu; 0 is none
	closed  error         // why nothing is taken in any more, or nil; guarded by mu
	down    error         // why nothing is taken in now, or nil; guarded by mu
}

// A batch is what becomes one transaction.
type batch struct {
	entries []entry
	calls   []*call
	settled []settlement
	bytes   int
	done    chan struct{} // closed when all has its answer
	err     error         // of the transaction; set before done
}

// An entry is one event to publish and its answer.
type entry struct {
	event   event.Event
	key     eventlog.Key
	words   []uint32 // see eventlog.WordsOf
	known   int64    // the event that was stored with this id within the TTL; 0 is none
	first   *entry   // the first copy of this event in the batch, unless this is it
	receipt queue.Receipt
	err     error
}

// A call is something else that the writer does for a caller that waits.
type call struct {
	do func(*writer) error
	// local says that it touches no file, so that it is done while the store is
	// unavailable, too.
	local bool
	err   error
}

// A settlement is the end of an attempt.
type settlement struct {
	c       *consumer
	seq     int64
	outcome consume.Outcome
	// unstarted says that the handler was never called.
	unstarted bool
}

// Bounds of a batch. What comes in beyond them waits for the next one, and its sender
// with it.
const (
	maxEntries = 512
	maxBytes   = 8 << 20
)

func newMailbox() *mailbox {
	return &mailbox{next: &batch{done: make(chan struct{})}, wake: make(chan struct{}, 1), reached: make(chan struct{}, 1)}
}

// publish puts an event into the next batch and returns the batch and its place there.
// A nil batch is full: the channel is closed when the next one is begun.
func (m *mailbox) publish(e *event.Event, key eventlog.Key, words []uint32) (b *batch, i int, full <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.closed, m.down); err != nil {
		return nil, 0, nil, err
	}
	b = m.next
	if len(b.entries) >= maxEntries || b.bytes >= maxBytes {
		return nil, 0, b.done, nil
	}
	b.entries = append(b.entries, entry{event: *e, key: key, words: words})
	b.bytes += len(e.Raw)
	switch len(b.entries) {
	case 1:
		m.notify()
		m.gathered()
	case m.goal:
		m.reach()
	}
	return b, len(b.entries) - 1, nil, nil
}

// call puts a call into the next batch.
func (m *mailbox) call(c *call) (*batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.closed, m.down); err != nil && !c.local {
		return nil, err
	}
	m.next.calls = append(m.next.calls, c)
	m.notify()
	m.gathered()
	return m.next, nil
}

// settle puts the end of an attempt into the next batch. No caller waits for it.
func (m *mailbox) settle(s settlement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next.settled = append(m.next.settled, s)
	m.notify()
	if len(m.next.settled) >= m.ends {
		m.gathered()
	}
}

// gathered ends the waiting for ends of attempts. It requires m.mu.
func (m *mailbox) gathered() {
	if m.ends > 0 {
		m.ends = 0
		m.reach()
	}
}

// reach puts the token into reached.
func (m *mailbox) reach() {
	select {
	case m.reached <- struct{}{}:
	default:
	}
}

// gather asks for a token in reached when the next batch has so many ends of attempts, or
// something else. It reports whether that is to be waited for.
func (m *mailbox) gather(ends int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.reached: // of an earlier batch
	default:
	}
	m.ends, m.goal = 0, 0
	if n := len(m.next.settled); len(m.next.entries) == 0 && len(m.next.calls) == 0 && n > 0 && n < ends {
		m.ends = ends
	}
	return m.ends > 0
}

// notify wakes the writer.
func (m *mailbox) notify() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take hands out what has come in. Settlements that an earlier batch could not record
// go first.
func (m *mailbox) take(again []settlement) *batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.next
	m.ends = 0
	m.next = &batch{done: make(chan struct{})}
	// The next batch is likely to be as large as this one; a slice that has to grow
	// copies every event several times.
	if n := len(b.entries); n > 1 {
		m.next.entries = make([]entry, 0, n+n/4)
	}
	b.settled = append(again, b.settled...)
	return b
}

// grow asks for a token in reached when the next batch has so many events. It reports
// whether it has them already.
func (m *mailbox) grow(goal int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.reached: // of an earlier batch
	default:
	}
	m.goal = min(goal, maxEntries)
	return len(m.next.entries) >= m.goal
}

// waiting is how many events are in the next batch.
func (m *mailbox) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.next.entries)
}

// shut makes all that comes in fail with err from now on.
func (m *mailbox) shut(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = err
}

// suspend makes all that comes in fail with err until it is called with nil.
func (m *mailbox) suspend(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

// finish answers all that wait for the batch. A nil error is success.
func (b *batch) finish(err error) {
	b.err = err
	close(b.done)
}

// Bounds of the pauses between attempts at reopening.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// recover closes the store after an error and tries until it is open again, or the
// queue is closed. Meanwhile every call is answered that it is unavailable.
func (w *writer) recover(cause error) {
	w.q.mail.suspend(unavailable(cause))
	// Where there is only no room, what is there is whole, and is read on.
	readable := full(cause)
	if !readable {
		w.q.readers.shut(unavailable(cause))
	}
	w.q.o.Logger.Error("store is unavailable and is being reopened", slog.Any("error", cause))
	acknowledged := w.q.bounds()
	if err := w.discard(); err != nil {
		w.q.o.Logger.Warn("closing the store", slog.Any("error", err))
	}
	for pauses := (wait.Backoff{First: firstPause, Most: lastPause}); ; {
		if !w.idle(pauses.Next()) {
			return
		}
		err := w.reopen(readable, acknowledged.Last)
		if err == nil {
			break
		}
		if unreadable(err) {
			w.q.foundTable(metaTable, metaMeans, err)
		}
		w.q.o.Logger.Warn("store is still unavailable", slog.Any("error", err))
		if readable = readable && full(err); !readable {
			w.q.readers.shut(unavailable(cause))
		}
	}
	w.q.mail.suspend(nil)
	w.q.o.Logger.Info("store is available again")
}

// reopen opens the store once more. readable says that its log is whole, and that reads go on.
func (w *writer) reopen(readable bool, acknowledged int64) error {
	if !readable {
		if err := renewLog(w.q.files.db); err != nil {
			return err
		}
	}
	if err := w.open(false); err != nil {
		return err
	}
	return w.check(acknowledged)
}

// check looks whether what was acknowledged is there. If it is not, which takes a disk
// that broke its word or a file that was exchanged, the store begins a new epoch,
// so that no position is given out twice.
func (w *writer) check(acknowledged int64) error {
	if w.last >= acknowledged {
		return nil
	}
	w.q.o.Logger.Error("acknowledged events are missing after the store was reopened", slog.Int64("missing", acknowledged-w.last))
	now := w.q.o.Now()
	err := w.lose(loss{Events: acknowledged - w.last, Since: instant(storedAt(w.db.session, w.last)), Until: now})
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		return errors.Join(err, w.discard())
	}
	w.show()
	w.q.note.advanceEvents(w.epoch, w.last)
	return nil
}

// idle waits between attempts at reopening, and does what touches no file. It reports
// false when the queue is closed.
func (w *writer) idle(d time.Duration) bool {
	w.timer.Reset(d)
	for {
		select {
		case <-w.timer.C:
			return true
		case <-w.q.stop:
			return false
		case <-w.q.mail.wake:
			b := w.q.mail.take(w.again)
			w.again = b.settled
			for _, c := range b.calls {
				c.err = queue.ErrUnavailable
				if c.local {
					c.err = c.do(w)
				}
			}
			b.finish(queue.ErrUnavailable)
		}
	}
}
