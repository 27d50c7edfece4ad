package sqlite

import (
	"fmt"
	"testing"

	"slackmcp/store/internal/eventlog"
)

// chunks are runs as they would stand in the file.
type chunks map[int64][]byte

func (c chunks) read(chunk int64) ([]byte, error) { return c[chunk], nil }

func (c chunks) put(r *run, rows []idRow) {
	for i := range r.fences {
		c[r.chunk(i)] = encodeIDs(nil, rows[i*idsPerChunk:min(len(rows), (i+1)*idsPerChunk)])
	}
}

func TestRunsFindWhatIsInThem(t *testing.T) {
	t.Parallel()
	s, c := newSeen(), chunks{}
	key := func(i int) eventlog.Key { return eventlog.KeyOf("slack", fmt.Sprint(i)) }
	seq := int64(0)
	for i := range 40 {
		for j := range 200 {
			seq++
			s.add(key(i*200+j), place{seq: seq, at: seq * 10})
		}
		s.add(key(7), place{seq: seq, at: 1}) // stored again in each run
		r, rows := s.plan(seq)
		c.put(r, rows)
		s.flush(r)
		if old := s.mergeable(); old != nil {
			lists := make([][]idRow, len(old))
			for k, r := range old {
				for n := range r.fences {
					for b := c[r.chunk(n)]; len(b) > 0; b = b[idSize:] {
						lists[k] = append(lists[k], decodeID(b))
					}
				}
			}
			rows := mergeIDs(lists)
			merged := s.build(rows, old[len(old)-1].toSeq)
			c.put(merged, rows)
			s.replace(old, merged)
		}
	}
	if len(s.runs) >= 2*mergeAt {
		t.Errorf("%d runs, want fewer than %d: they are merged", len(s.runs), 2*mergeAt)
	}
	for i := range 40 * 200 {
		want := place{seq: int64(i + 1), at: int64(i+1) * 10}
		if i == 7 {
			want = place{seq: seq, at: 1}
		}
		if p, ok, err := s.find(key(i), c.read); err != nil || !ok || p != want {
			t.Fatalf("find(%d) = %+v, %v, %v, want %+v", i, p, ok, err, want)
		}
	}
	for i := 8000; i < 9000; i++ {
		if _, ok, err := s.find(key(i), c.read); ok || err != nil {
			t.Fatalf("find(%d), which was never added: %v, %v", i, ok, err)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100, 20_000} {
		f := newFilter(n)
		for i := range n {
			k := eventlog.KeyOf("in", fmt.Sprint(i))
			f.add(&k)
		}
		for i := range n {
			k := eventlog.KeyOf("in", fmt.Sprint(i))
			if !f.has(&k) {
				t.Fatalf("a filter of %d denies what is in it", n)
			}
		}
		wrong := 0
		for i := range 10_000 {
			k := eventlog.KeyOf("out", fmt.Sprint(i))
			if f.has(&k) {
				wrong++
			}
		}
		if wrong > 100 {
			t.Errorf("a filter of %d is wrong about %d of 10,000", n, wrong)
		}
	}
}

// Fences compare the first bytes of keys only: equal ones at the border of two chunks
// have to be found in both.
func TestRunWithEqualPrefixes(t *testing.T) {
	t.Parallel()
	s, c := newSeen(), chunks{}
	for i := range 3 * idsPerChunk {
		var k eventlog.Key
		k[0], k[14], k[15] = 9, byte(i>>8), byte(i)
		s.add(k, place{seq: int64(i + 1)})
	}
	r, rows := s.plan(1000)
	c.put(r, rows)
	s.flush(r)
	for i := range 3 * idsPerChunk {
		var k eventlog.Key
		k[0], k[14], k[15] = 9, byte(i>>8), byte(i)
		if p, ok, err := s.find(k, c.read); !ok || err != nil || p.seq != int64(i+1) {
			t.Fatalf("find(%d) = %+v, %v, %v", i, p, ok, err)
		}
	}
}
