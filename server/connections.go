package server

import (
	"net"
	"net/http"
	"sync/atomic"
)

// connections keeps no more than a number of connections open. What comes beyond is
// closed at once: to leave it waiting would keep everybody waiting.
type connections struct {
	most          int64
	open, refused atomic.Int64
}

// track is an http.Server's ConnState hook.
func (l *connections) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if l.open.Add(1) > l.most {
			l.refused.Add(1)
			_ = c.Close() // nobody has spoken yet; the server tells of its end
		}
	case http.StateClosed, http.StateHijacked:
		l.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}
