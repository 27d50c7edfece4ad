package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// silentGrace is how long, once the server drains, a connection may still begin its
// first request.
const silentGrace = 200 * time.Millisecond

// silent remembers the connections that have not sent a byte yet. Clients dial more than
// they use; http.Server.Shutdown would wait five seconds for each of them.
type silent struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu
	n     atomic.Int64          // how many they are, so that requests need no lock
}

// track is the server's ConnState hook.
func (s *silent) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.n.Store(int64(len(s.conns)))
		s.mu.Unlock()
	case http.StateActive, http.StateClosed, http.StateHijacked:
		if s.n.Load() == 0 {
			return // so it is none of them
		}
		s.mu.Lock()
		delete(s.conns, c)
		s.n.Store(int64(len(s.conns)))
		s.mu.Unlock()
	case http.StateIdle:
	}
}

// closeSoon closes what is still silent after the grace, unless ctx ends before.
func (s *silent) closeSoon(ctx context.Context) {
	select {
	case <-time.After(silentGrace):
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // it has asked for nothing
	}
}
