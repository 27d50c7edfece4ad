package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/bits"
	"slices"
	"sort"
	"sync"
	"time"

	"slackmcp/store/internal/eventlog"
)

// seen knows every id that was stored, for deduplication and for Get.
//
// An event's row is what makes its id seen, so both are one write. The newest ids, at
// most flushAt and one batch, are also in a map, which is filled from the events at
// start. When it is full its ids are written as a sorted run of blobs, 32 bytes each,
// and when there are mergeAt runs of a size they are merged: so an id costs a hundredth
// of a page where a table with a unique key costs a page. A run is looked into only
// when its filter, two bytes an id in memory, says that the id may be there.
//
// A run is dropped as a whole once all its ids have outlived the TTL and all its events
// have left the log.
type seen struct {
	runs    []*run // oldest first; the writer's
	flushed int64
	next    int64 // the next run's number

	mu    sync.RWMutex
	fresh map[eventlog.Key]place // events behind flushed; written by the writer, guarded by mu
	prev  map[eventlog.Key]place // what this transaction has moved from fresh to a run; guarded by mu
	shown []*run                 // runs as of the last commit; guarded by mu
}

// A place is where and when an id was stored.
type place struct {
	seq, at int64
}

// A run is a sorted list of ids in seen_ids, in chunks of idsPerChunk.
type run struct {
	number   int64
	ids      int
	toSeq    int64
	newestAt int64
	fences   []uint64 // the first bytes of each chunk's first key
	filter   filter
}

const (
	flushAt = 4096
	mergeAt = 16
	// fullRun is from how many ids on a run is merged no more, so that a merge never
	// holds up a commit for long.
	fullRun = flushAt * mergeAt
	// idsPerChunk fill one page of 4096 bytes.
	idsPerChunk = 126
	idSize      = 32
	chunkBits   = 20
)

func newSeen() *seen { return &seen{fresh: map[eventlog.Key]place{}, next: 1} }

// An idRow is one id as it stands in a run.
type idRow struct {
	key eventlog.Key
	place
}

// readChunk returns the entries of a chunk, valid until the next call, or nil.
type readChunk func(chunk int64) ([]byte, error)

var errDropped = errors.New("a run was merged while it was read")

// find returns the newest place of an id, for the writer.
func (s *seen) find(key eventlog.Key, read readChunk) (place, bool, error) {
	if p, ok := s.fresh[key]; ok {
		return p, true, nil
	}
	return search(s.runs, key, read)
}

// lookup is find for readers. It may answer errDropped: then it has to be called again.
func (s *seen) lookup(key eventlog.Key, read readChunk) (place, bool, error) {
	s.mu.RLock()
	p, ok := s.fresh[key]
	if !ok {
		p, ok = s.prev[key]
	}
	runs := s.shown
	s.mu.RUnlock()
	if ok {
		return p, true, nil
	}
	return search(runs, key, read)
}

func search(runs []*run, key eventlog.Key, read readChunk) (place, bool, error) {
	for _, r := range slices.Backward(runs) {
		if !r.filter.has(&key) {
			continue
		}
		if p, ok, err := r.find(key, read); ok || err != nil {
			return p, ok, err
		}
	}
	return place{}, false, nil
}

func (r *run) find(key eventlog.Key, read readChunk) (place, bool, error) {
	prefix := binary.BigEndian.Uint64(key[:8])
	i := sort.Search(len(r.fences), func(i int) bool { return r.fences[i] > prefix }) - 1
	for ; i >= 0; i-- {
		b, err := read(r.chunk(i))
		if err != nil {
			return place{}, false, err
		}
		if b == nil {
			return place{}, false, errDropped
		}
		n := len(b) / idSize
		at := sort.Search(n, func(i int) bool { return bytes.Compare(b[i*idSize:i*idSize+16], key[:]) >= 0 })
		if at < n {
			if row := decodeID(b[at*idSize:]); row.key == key {
				return row.place, true, nil
			}
		}
		if r.fences[i] != prefix {
			break // else the chunk before may end with the same first bytes
		}
	}
	return place{}, false, nil
}

func (r *run) chunk(i int) int64 { return r.number<<chunkBits + int64(i) }

// add remembers an id whose event is being stored.
func (s *seen) add(key eventlog.Key, p place) {
	s.mu.Lock()
	s.fresh[key] = p
	s.mu.Unlock()
}

// len is how many ids are remembered.
func (s *seen) len() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := len(s.fresh) + len(s.prev)
	for _, r := range s.shown {
		n += r.ids
	}
	return int64(n)
}

// plan makes a run of the fresh ids, which end with toSeq. The caller writes it, and
// calls flush once that is committed.
func (s *seen) plan(toSeq int64) (*run, []idRow) {
	rows := make([]idRow, 0, len(s.fresh))
	for key, p := range s.fresh {
		rows = append(rows, idRow{key, p})
	}
	slices.SortFunc(rows, func(a, b idRow) int { return bytes.Compare(a.key[:], b.key[:]) })
	return s.build(rows, toSeq), rows
}

// build makes a run of sorted rows.
func (s *seen) build(rows []idRow, toSeq int64) *run {
	r := &run{number: s.next, ids: len(rows), toSeq: toSeq, filter: newFilter(len(rows))}
	s.next++
	for i := range rows {
		r.index(i, &rows[i])
	}
	return r
}

// index enters the i-th id.
func (r *run) index(i int, row *idRow) {
	if i%idsPerChunk == 0 {
		r.fences = append(r.fences, binary.BigEndian.Uint64(row.key[:8]))
	}
	r.filter.add(&row.key)
	r.newestAt = max(r.newestAt, row.at)
}

// flush puts the fresh ids' run in their place.
func (s *seen) flush(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prev == nil {
		s.prev = s.fresh
	} else {
		maps.Copy(s.prev, s.fresh)
	}
	s.fresh = map[eventlog.Key]place{}
	s.flushed = r.toSeq
	s.runs = append(slices.Clip(s.runs), r)
}

// replace puts one run, or none, where some neighbours were.
func (s *seen) replace(old []*run, merged *run) {
	i := slices.Index(s.runs, old[0])
	list := slices.Clone(s.runs[:i])
	if merged != nil {
		list = append(list, merged)
	}
	s.runs = append(list, s.runs[i+len(old):]...)
}

// show lets readers see the runs, which are committed now.
func (s *seen) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown, s.prev = s.runs, nil
}

// mergeable returns the newest runs that should become one, or nil.
func (s *seen) mergeable() []*run {
	for size := mergeAt; ; size *= mergeAt {
		n, ids := 0, 0
		for n < len(s.runs) {
			r := s.runs[len(s.runs)-1-n]
			if r.ids >= fullRun || r.ids >= size {
				break
			}
			if ids+r.ids > 2*fullRun {
				return s.runs[len(s.runs)-n:]
			}
			n, ids = n+1, ids+r.ids
		}
		if n >= mergeAt {
			return s.runs[len(s.runs)-n:]
		}
		if size >= fullRun {
			return nil
		}
	}
}

// mergeIDs joins sorted lists; of the same id the later list's place stands.
func mergeIDs(lists [][]idRow) []idRow {
	var all []idRow
	for _, l := range slices.Backward(lists) {
		all = append(all, l...)
	}
	slices.SortStableFunc(all, func(a, b idRow) int { return bytes.Compare(a.key[:], b.key[:]) })
	return slices.CompactFunc(all, func(a, b idRow) bool { return a.key == b.key })
}

func encodeIDs(b []byte, rows []idRow) []byte {
	for i := range rows {
		b = append(b, rows[i].key[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(rows[i].seq)) //nolint:gosec // never negative
		b = binary.BigEndian.AppendUint64(b, uint64(rows[i].at))  //nolint:gosec // read back the same way
	}
	return b
}

func decodeID(b []byte) idRow {
	return idRow{eventlog.Key(b[:16]), place{
		seq: int64(binary.BigEndian.Uint64(b[16:])), //nolint:gosec // as it was written
		at:  int64(binary.BigEndian.Uint64(b[24:])), //nolint:gosec // as it was written
	}}
}

// A filter says of an id that it is not in a run, or that it may be: a Bloom filter
// whose bits for one id lie in one cache line. With 16 bits an id it is wrong about
// one strange id in some hundreds.
type filter [][8]uint64

const (
	bitsPerID = 16
	probes    = 6
	probeBits = 9 // 2^9 bits are a block
)

func newFilter(ids int) filter {
	return make(filter, max(1, (ids*bitsPerID+511)/512))
}

// split takes the block and the bits from different halves of the key, which is a hash.
func (f filter) split(key *eventlog.Key) (*[8]uint64, uint64) {
	i, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(len(f)))
	return &f[i], binary.BigEndian.Uint64(key[8:])
}

func (f filter) add(key *eventlog.Key) {
	block, h := f.split(key)
	for range probes {
		block[h&7] |= 1 << (h >> 3 & 63)
		h >>= probeBits
	}
}

func (f filter) has(key *eventlog.Key) bool {
	block, h := f.split(key)
	for range probes {
		if block[h&7]>>(h>>3&63)&1 == 0 {
			return false
		}
		h >>= probeBits
	}
	return true
}

// readChunk reads a part of a run of seen ids.
func (w *writer) readChunk(chunk int64) ([]byte, error) {
	return w.chunk.read(chunk)
}

// index writes the newest seen ids as a run when there are enough of them, and merges
// runs.
func (w *writer) index() error {
	if len(w.seen.fresh) < flushAt {
		return nil
	}
	return w.flushSeen()
}

// flushSeen writes all fresh ids as a run.
func (w *writer) flushSeen() error {
	if len(w.seen.fresh) == 0 {
		w.seen.flushed = w.last
		return nil
	}
	r, rows := w.seen.plan(w.last)
	if err := w.putRun(r, rows); err != nil {
		return err
	}
	w.seen.flush(r)
	return w.mergeSeen()
}

func (w *writer) mergeSeen() error {
	old := w.seen.mergeable()
	if old == nil {
		return nil
	}
	lists := make([][]idRow, len(old))
	for i, r := range old {
		for c := range r.fences {
			b, err := w.readChunk(r.chunk(c))
			if err != nil {
				return err
			}
			for ; len(b) >= idSize; b = b[idSize:] {
				lists[i] = append(lists[i], decodeID(b))
			}
		}
	}
	rows := mergeIDs(lists)
	merged := w.seen.build(rows, old[len(old)-1].toSeq)
	if err := w.putRun(merged, rows); err != nil {
		return err
	}
	for _, r := range old {
		if err := w.dropRun(r); err != nil {
			return err
		}
	}
	w.seen.replace(old, merged)
	return nil
}

func (w *writer) putRun(r *run, rows []idRow) error {
	s := w.stmt.putRun
	s.BindInt(1, r.number)
	s.BindInt(2, int64(r.ids))
	s.BindInt(3, r.toSeq)
	s.BindInt(4, r.newestAt)
	if err := w.write(s); err != nil {
		return err
	}
	buf := make([]byte, 0, idsPerChunk*idSize)
	for i := range r.fences {
		part := rows[i*idsPerChunk : min(len(rows), (i+1)*idsPerChunk)]
		s := w.stmt.putChunk
		s.BindInt(1, r.chunk(i))
		s.BindBytes(2, encodeIDs(buf, part))
		if err := w.write(s); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) dropRun(r *run) error {
	s := w.stmt.dropChunks
	s.BindInt(1, r.chunk(0))
	s.BindInt(2, (r.number+1)<<chunkBits)
	if err := w.write(s); err != nil {
		return err
	}
	w.stmt.dropRun.BindInt(1, r.number)
	return w.write(w.stmt.dropRun)
}

// dropSeen drops the oldest run when nobody needs it any more, and reports whether it did.
func (w *writer) dropSeen(now time.Time) (bool, error) {
	since := now.Add(-w.q.o.DedupeTTL).UnixNano()
	if len(w.seen.runs) == 0 {
		return false, nil
	}
	r := w.seen.runs[0]
	if r.newestAt > since || r.toSeq > w.trimmed {
		return false, nil
	}
	if err := w.dropRun(r); err != nil {
		return false, err
	}
	w.seen.replace([]*run{r}, nil)
	return true, nil
}
