package memory

import (
	"slices"
	"time"

	"slackmcp/store/internal/eventlog"
)

// generations is into how many parts of a TTL the seen ids are divided; a part is
// forgotten as a whole.
const generations = 6

// A place is where and when an id was stored.
type place struct {
	seq int64
	at  int64 // Unix nanoseconds
}

// seen remembers ids: a few maps, each for a part of the TTL, so that forgetting costs
// nothing. An id counts as seen for exactly the TTL; it can be found a little longer.
type seen struct {
	parts []part // oldest first
}

type part struct {
	ids         map[eventlog.Key]place
	begun, last time.Time // when the first and the last id came in
	seq         int64     // the last id's event
}

// find returns where the id was stored within ttl before now.
func (s *seen) find(key eventlog.Key, now time.Time, ttl time.Duration) (int64, bool) {
	p, ok := s.place(key)
	if !ok || now.Sub(time.Unix(0, p.at)) >= ttl {
		return 0, false
	}
	return p.seq, true
}

// place returns the newest place of an id, however old.
func (s *seen) place(key eventlog.Key) (place, bool) {
	for _, part := range slices.Backward(s.parts) {
		if p, ok := part.ids[key]; ok {
			return p, true
		}
	}
	return place{}, false
}

func (s *seen) add(key eventlog.Key, seq int64, now time.Time, ttl time.Duration) {
	if n := len(s.parts); n == 0 || now.Sub(s.parts[n-1].begun) >= ttl/generations {
		s.parts = append(s.parts, part{ids: map[eventlog.Key]place{}, begun: now})
	}
	p := &s.parts[len(s.parts)-1]
	p.ids[key] = place{seq: seq, at: now.UnixNano()}
	p.last, p.seq = now, seq
}

// forget drops the parts whose ids have all expired and whose events have all left the
// log, where Get finds them by id.
func (s *seen) forget(now time.Time, ttl time.Duration, trimmed int64) {
	for len(s.parts) > 0 && now.Sub(s.parts[0].last) >= ttl && s.parts[0].seq <= trimmed {
		s.parts = s.parts[1:]
	}
}

func (s *seen) len() int {
	n := 0
	for _, p := range s.parts {
		n += len(p.ids)
	}
	return n
}
