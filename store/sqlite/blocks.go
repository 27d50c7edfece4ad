package sqlite

import (
	"database/sql"
	"iter"
	"log/slog"
	"math"
	"slices"
	"sync"

	"slackmcp/store/internal/eventlog"
	"slackmcp/webhook/event"
)

// The blocks of the log, by which a reader with a filter passes over events that it does not
// select; see eventlog.Block. blocks has those that are full and known, with the bounds of
// received_at in them and when their last event was stored; block_lists has their lists, field
// by field.
//
// The lists of words are whole where block_words has the block, with the instant at which its last event was stored:
// an earlier build, and one that is told to keep no words, leaves them out.
//
// All of it follows from the events. A block that is missing, because an earlier build wrote
// its events, is read event by event until the writer has made it; one that cannot be read,
// for ever. An earlier build opens the file and leaves the tables as they are.
const blockSchema = `
CREATE TABLE IF NOT EXISTS blocks (block INTEGER PRIMARY KEY, min_at INTEGER NOT NULL, max_at INTEGER NOT NULL, stored_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS block_lists (id INTEGER PRIMARY KEY, list BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS block_words (block INTEGER PRIMARY KEY, stored_at INTEGER NOT NULL);
`

// listID is the key of a list: those of a field follow each other.
func listID(f eventlog.Field, block int64) int64 { return int64(f)<<40 | block }

// blocks is what the writer has of them.
type blocks struct {
	newest eventlog.Block // of the block that is not full yet
	whole  bool           // whether newest has all events of that block
	silent bool           // whether it has events whose words were not read: those of before the start
	late   []int64        // blocks that this batch has filled whose words have to be made

	missing []int64        // the blocks that have to be made from the file, oldest first
	making  eventlog.Block // the last of them
	words   eventlog.Words // its words
	made    int64          // up to which event it was read
	since   int            // how many were missing when that began
}

// makeStep is how many events are read at a time for a missing block; with their words, which takes longer, it is
// makeWords, or fewer whose bodies are makeBytes. Between two steps the writer does whatever has come in.
const (
	makeStep  = 1024
	makeWords = 256
	makeBytes = 1 << 20
)

// A recent has the words of the events of the block that is not full yet, for those who read them.
type recent struct {
	mu    sync.RWMutex
	block int64
	words eventlog.Words
}

// put takes in the words of an event that is being stored.
func (r *recent) put(seq int64, prints []uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := eventlog.BlockOf(seq); n != r.block {
		r.block = n
		r.words.Reset()
	}
	r.words.Put(seq, prints)
}

// reset begins with a block of which nothing is known.
func (r *recent) reset(block int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.block = block
	r.words.Reset()
}

// find returns the events of a block that may say what is asked for.
func (r *recent) find(block int64, s *eventlog.Search) eventlog.Places {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.block != block {
		return eventlog.AllPlaces()
	}
	return r.words.Find(s)
}

// openBlocks finds out which blocks there are.
func (w *writer) openBlocks() error {
	w.blocks = blocks{}
	w.q.recent.reset(eventlog.BlockOf(w.last + 1))
	if w.q.damage.lacks(blocksTable) {
		return nil
	}
	wrong, err := w.surveyBlocks()
	if unreadable(err) {
		_ = w.withoutBlocks(err) // They are only an aid.
		return nil
	}
	if err != nil {
		return err
	}
	for _, block := range wrong {
		if err := w.dropBlocks(block, block+1); err != nil {
			return w.withoutBlocks(err)
		}
	}
	if w.blocks.since = len(w.blocks.missing); w.blocks.since > 1 {
		w.q.o.Logger.Info("events are being indexed that are not yet; until then filters and searches read them one by one",
			slog.Int64("events", int64(w.blocks.since)*eventlog.BlockSize))
	}
	if w.blocks.since > 0 {
		w.q.mail.notify()
	}
	return nil
}

// surveyBlocks reads the beginning of the newest block, finds out which blocks are missing, and
// returns those that are not of these events: blocks out of the log, and those that another
// event ends. It reads on the connection that only reads: a transaction that has met something
// unreadable cannot be committed.
func (w *writer) surveyBlocks() (wrong []int64, err error) {
	err = w.guarded(func(s session) error {
		first, end := eventlog.BlockOf(w.trimmed+1), eventlog.BlockOf(w.last+1)
		numbers, err := s.numbers("SELECT block FROM blocks")
		if err != nil {
			return err
		}
		wrong, err = s.numbers("SELECT block FROM blocks WHERE block >= ?1 OR block < ?2 OR stored_at IS NOT (SELECT stored_at FROM events WHERE seq = (block + 1) * ?3)",
			end, first, eventlog.BlockSize)
		if err != nil {
			return err
		}
		lacking, err := s.numbers("SELECT block FROM blocks AS b WHERE ?1 AND NOT EXISTS (SELECT 1 FROM block_words AS w WHERE w.block = b.block AND w.stored_at = b.stored_at)"+
			" OR NOT EXISTS (SELECT 1 FROM block_lists WHERE id = ?2 + b.block)", !w.q.o.NoWords, listID(eventlog.FieldTimes, 0))
		if err != nil {
			return err
		}
		for n := first; n < end; n++ {
			if !slices.Contains(numbers, n) || slices.Contains(wrong, n) || slices.Contains(lacking, n) {
				w.blocks.missing = append(w.blocks.missing, n)
			}
		}
		// Their bodies would take long to read, and nothing is received before: until the block is full these events
		// are among those that may say what is asked for.
		w.blocks.silent = !w.q.o.NoWords && end*eventlog.BlockSize < w.last
		_, w.blocks.whole, err = addRows(s, &w.blocks.newest, nil, end*eventlog.BlockSize+1, w.last)
		return err
	})
	return wrong, err
}

// guarded reads on the connection that only reads.
func (w *writer) guarded(fn func(session) error) error {
	c, err := take(w.db.ctx, w.db.guard)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }() // Nothing was written.
	return fn(session{ctx: w.db.ctx, prepare: c.statement})
}

// dropBlocks removes blocks from one on to before another.
func (w *writer) dropBlocks(from, to int64) error {
	for _, table := range []string{"blocks", "block_words"} {
		if _, err := w.write("DELETE FROM "+table+" WHERE block >= ? AND block < ?", from, to); err != nil {
			return err
		}
	}
	for f := range eventlog.AllFields {
		field := eventlog.Field(f)
		if _, err := w.write("DELETE FROM block_lists WHERE id >= ? AND id < ?", listID(field, from), listID(field, to)); err != nil {
			return err
		}
	}
	return nil
}

// addRows adds events of the file to a block, and their words to words, unless that is nil. It returns up to which
// event: with words it ends when it has read bodies of makeBytes. whole is false where some cannot be read.
func addRows(s session, b *eventlog.Block, words *eventlog.Words, from, to int64) (last int64, whole bool, err error) {
	selected := columns + ", raw"
	if words == nil {
		selected = columns + ", NULL"
	}
	last, left := to, makeBytes
	err = s.each(func(scan func(...any) error) error {
		var raw []byte
		seq, e, err := scanEvent(scan, &raw)
		if err != nil {
			return err
		}
		b.Add(seq, &e, nanos(e.ReceivedAt))
		if words == nil {
			return nil
		}
		e.Raw = raw
		words.Put(seq, eventlog.WordsOf(&e))
		if left -= len(raw); left <= 0 {
			last = seq
			return errStop
		}
		return nil
	}, "SELECT "+selected+" FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
	if unreadable(err) {
		return to, false, nil
	}
	return last, err == nil, err
}

// withoutBlocks notes that the tables of the blocks cannot be read. The batch fails with err,
// and the next one does without them.
func (w *writer) withoutBlocks(err error) error {
	if unreadable(err) {
		w.q.foundTable(blocksTable, blocksMean, err)
	}
	return err
}

// addToBlock takes in an event that is being stored, with its words, and writes the block that it fills.
func (w *writer) addToBlock(seq, at int64, e *event.Event, words []uint32) error {
	b := &w.blocks
	b.newest.Add(seq, e, nanos(e.ReceivedAt))
	if !w.q.o.NoWords {
		w.q.recent.put(seq, words)
	}
	if seq%eventlog.BlockSize != 0 {
		return nil
	}
	var err error
	if b.whole && !w.q.damage.lacks(blocksTable) {
		n, said := eventlog.BlockOf(seq), &w.q.recent.words
		if b.silent || w.q.o.NoWords {
			said = nil
		}
		if b.silent {
			b.late = append(b.late, n)
		}
		err = w.writeBlock(&b.newest, said, n, at)
	}
	b.newest.Reset()
	b.whole, b.silent = true, false
	return w.withoutBlocks(err)
}

// writeBlock writes a full block, with its words unless they are nil.
func (w *writer) writeBlock(b *eventlog.Block, words *eventlog.Words, n, storedAt int64) error {
	for field, list := range b.Lists() {
		if err := w.writeList(field, n, list); err != nil {
			return err
		}
	}
	if words != nil {
		for field, list := range words.Lists() {
			if err := w.writeList(field, n, list); err != nil {
				return err
			}
		}
		if _, err := w.write("INSERT OR REPLACE INTO block_words (block, stored_at) VALUES (?, ?)", n, storedAt); err != nil {
			return err
		}
	}
	_, err := w.write("INSERT OR REPLACE INTO blocks (block, min_at, max_at, stored_at) VALUES (?, ?, ?, ?)", n, b.Min, b.Max, storedAt)
	return err
}

func (w *writer) writeList(f eventlog.Field, block int64, list eventlog.List) error {
	if len(list) == 0 {
		return nil
	}
	_, err := w.write("INSERT OR REPLACE INTO block_lists (id, list) VALUES (?, ?)", listID(f, block), []byte(list))
	return err
}

// makeBlocks does a step of the making of the blocks that are missing, the newest first.
func (w *writer) makeBlocks() error {
	b := &w.blocks
	if len(b.late) > 0 { // Their events are not in the file before this batch is.
		b.missing, b.late = append(b.missing, b.late...), nil
		w.q.mail.notify()
		return nil
	}
	if len(b.missing) == 0 || w.q.damage.lacks(blocksTable) {
		return nil
	}
	n := b.missing[len(b.missing)-1]
	first, last := n*eventlog.BlockSize+1, (n+1)*eventlog.BlockSize
	if b.made < first || b.made >= last {
		b.making.Reset()
		b.words.Reset()
		b.made = first - 1
	}
	words, step := &b.words, int64(makeWords)
	if w.q.o.NoWords {
		words, step = nil, makeStep
	}
	to, at, whole := int64(0), int64(0), false
	err := w.guarded(func(s session) (err error) {
		if to, whole, err = addRows(s, &b.making, words, b.made+1, min(b.made+step, last)); err == nil && whole {
			at, err = s.number("SELECT stored_at FROM events WHERE seq = ?", to)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.made = to
	if whole && to < last {
		w.q.mail.notify()
		return nil
	}
	if whole {
		if err := w.writeBlock(&b.making, words, n, at); err != nil {
			return w.withoutBlocks(err)
		}
	}
	b.missing = b.missing[:len(b.missing)-1]
	w.reportBlocks()
	w.q.mail.notify()
	return nil
}

// reportBlocks says how far the making of missing blocks has come.
func (w *writer) reportBlocks() {
	const every = 64
	switch left := len(w.blocks.missing); {
	case w.blocks.since <= 1:
	case left == 0:
		w.q.o.Logger.Info("all events are indexed")
	case left%every == 0:
		w.q.o.Logger.Info("events are being indexed", slog.Int64("left", int64(left)*eventlog.BlockSize))
	}
}

// trimBlocks removes the blocks that are out of the log when it begins behind an event, and
// began behind another one before.
func (w *writer) trimBlocks(before, now int64) error {
	from, to := eventlog.BlockOf(before+1), eventlog.BlockOf(now+1)
	if from == to || w.q.damage.lacks(blocksTable) {
		return nil
	}
	return w.withoutBlocks(w.dropBlocks(0, to))
}

// A searching is one reader with a filter, that goes through the log block by block.
type searching struct {
	q      *Store
	s      session
	b      eventlog.Bounds
	back   bool
	search eventlog.Search
	since  int64
	until  int64
	body   func(*event.Event, int64)
}

// A known is a block as the file has it.
type known struct {
	min, max int64
	words    bool            // whether it has its words
	places   eventlog.Places // of the events that may be selected
	found    eventlog.Places // by the step that is being taken
}

// mostBlocks is how many blocks are read at a time; it begins with one, and doubles.
const mostBlocks = 64

// find yields the log's events that a query may select, and says how far it has looked.
func (q *Store) find(s session, query *event.Query, b eventlog.Bounds, from int64, back bool, body func(*event.Event, int64)) iter.Seq2[eventlog.Item, error] {
	f := &query.Filter
	r := searching{
		q: q, s: s, b: b, back: back, body: body,
		since: math.MinInt64, until: math.MaxInt64,
	}
	if !f.Since.IsZero() {
		r.since = nanos(f.Since)
	}
	if !f.Until.IsZero() {
		r.until = nanos(f.Until)
	}
	r.search = eventlog.SearchFor(f, r.until)
	return func(yield func(eventlog.Item, error) bool) { r.run(from, yield) }
}

// run goes through the blocks, some at a time.
func (r *searching) run(from int64, yield func(eventlog.Item, error) bool) {
	low, high := r.b.Trimmed+1, r.b.Last
	if r.back {
		low, high = max(low, r.b.Floor+1), from
	} else {
		low = from
	}
	for n := int64(1); low <= high; n = min(2*n, mostBlocks) {
		first, last := eventlog.BlockOf(low), eventlog.BlockOf(high)
		if r.back {
			first = max(first, last-n+1)
		} else {
			last = min(last, first+n-1)
		}
		if !r.blocks(first, last, low, high, yield) {
			return
		}
		if r.back {
			high = first * eventlog.BlockSize
		} else {
			low = (last+1)*eventlog.BlockSize + 1
		}
	}
}

// blocks goes through some blocks, as far as they are between low and high.
func (r *searching) blocks(first, last, low, high int64, yield func(eventlog.Item, error) bool) bool {
	all, err := r.read(first, last)
	if err != nil {
		return yield(eventlog.Item{}, err)
	}
	for i := first; i <= last; i++ {
		block := i
		if r.back {
			block = last - (i - first)
		}
		if !r.block(all[block], max(low, block*eventlog.BlockSize+1), min(high, (block+1)*eventlog.BlockSize), yield) {
			return false
		}
	}
	return true
}

// read returns the blocks that are known of some, with what may be selected of each. There are none where the
// tables cannot be read.
func (r *searching) read(first, last int64) (map[int64]*known, error) {
	all := map[int64]*known{}
	if r.q.damage.lacks(blocksTable) {
		return all, nil
	}
	err := r.s.each(func(scan func(...any) error) error {
		var block int64
		k := &known{}
		err := scan(&block, &k.min, &k.max, &k.words)
		if !r.outside(k) {
			k.places = eventlog.AllPlaces()
		}
		all[block] = k
		return err
	}, "SELECT b.block, min_at, max_at, w.block IS NOT NULL FROM blocks AS b LEFT JOIN block_words AS w ON w.block = b.block AND w.stored_at = b.stored_at WHERE b.block BETWEEN ? AND ?", first, last)
	for _, step := range r.search.Steps() {
		if err == nil {
			err = r.step(all, &step)
		}
	}
	if unreadable(err) {
		r.q.foundTable(blocksTable, blocksMean, err)
		return map[int64]*known{}, nil
	}
	return all, err
}

// outside reports whether no event of a block was received when it is asked for.
func (r *searching) outside(k *known) bool {
	return k.min >= r.until && r.until != math.MaxInt64 || k.max < r.since
}

// step takes a step of the search. It reads the lists of the blocks of which something is left, and of those
// between them.
func (r *searching) step(all map[int64]*known, step *eventlog.Step) error {
	first, last := int64(math.MaxInt64), int64(-1)
	for n, k := range all {
		if k.places.Next(0) < eventlog.BlockSize && (k.words || !step.Words) {
			first, last = min(first, n), max(last, n)
		}
		k.found = step.Begin()
	}
	if last < 0 {
		return nil
	}
	for _, f := range step.Fields() {
		if err := r.s.each(func(scan func(...any) error) error {
			var id int64
			var list sql.RawBytes
			err := scan(&id, &list)
			if k := all[id-listID(f, 0)]; err == nil && k != nil && !step.Find(f, eventlog.List(list), &k.found) {
				k.found = eventlog.AllPlaces() // The list is not well formed.
			}
			return err
		}, "SELECT id, list FROM block_lists WHERE id BETWEEN ? AND ?", listID(f, first), listID(f, last)); err != nil {
			return err
		}
	}
	for _, k := range all {
		if k.words || !step.Words {
			k.places.And(&k.found)
		}
	}
	return nil
}

// The events that are read with one query are so far apart at most; those of a search for words, whose bodies are
// read, stand beside each other.
const near, nearWords = 8, 1

// block yields what may be selected of the events of a block, from low to high. It reports
// false when the reader has enough.
func (r *searching) block(k *known, low, high int64, yield func(eventlog.Item, error) bool) bool {
	end := high
	if r.back {
		end = low
	}
	number := eventlog.BlockOf(low)
	var places eventlog.Places
	switch {
	case k == nil && !r.search.Asks():
		return r.rows(low, high, yield)
	case k == nil:
		places = r.q.recent.find(number, &r.search)
	default:
		places = k.places
	}
	base := number*eventlog.BlockSize + 1
	runs := runsOf(&places, int(low-base), int(high-base), r.near())
	for i := range runs {
		run := runs[i]
		if r.back {
			run = runs[len(runs)-1-i]
		}
		if !r.rows(base+int64(run[0]), base+int64(run[1]), yield) {
			return false
		}
	}
	return yield(eventlog.Item{Seq: end}, nil)
}

// near is how far apart two events may be that are read with one query.
func (r *searching) near() int {
	if r.search.Asks() {
		return nearWords
	}
	return near
}

// runsOf returns the runs of places between two, each with its first and last one. Those that
// are near are one.
func runsOf(p *eventlog.Places, low, high, near int) (runs [][2]int) {
	for at := p.Next(low); at <= high && at < eventlog.BlockSize; at = p.Next(at + 1) {
		if n := len(runs); n > 0 && at-runs[n-1][1] <= near {
			runs[n-1][1] = at
		} else {
			runs = append(runs, [2]int{at, at})
		}
	}
	return runs
}

// rows yields the events from low to high as they are in the file.
func (r *searching) rows(low, high int64, yield func(eventlog.Item, error) bool) bool {
	b, from := r.b, low
	b.Last = high
	if r.back {
		b.Floor, from = low-1, high
	}
	items := r.q.scan(r.s, b, from, r.back, r.body)
	if r.search.Asks() { // The words of each are looked at.
		items = r.q.scanWhole(r.s, b, from, r.back)
	}
	for item, err := range items {
		if !yield(item, err) || err != nil {
			return false
		}
	}
	return true
}
