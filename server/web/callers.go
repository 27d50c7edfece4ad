package web

import (
	"context"
	"net/http"
)

// Callers say whose connections those are that carry authenticated calls.
type Callers struct {
	// Account is whose share a request counts against; "" has none.
	Account func(context.Context) string
	// Share is how many percent of MaxConnections one account may have, the idle ones among them: for
	// one more its oldest idle one is closed. A connection that carries calls of several, as that of
	// a proxy, counts for none. 0 sets no bound.
	Share int
	// OnClosed is called for each one that is closed so; nil is not called.
	OnClosed func()
}

// Holding is a middleware of requests that are authenticated. It answers 503 where no further
// connection can be held.
func (k Callers) Holding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, ok := hold(r, called)
		if !ok {
			h := w.Header()
			h.Set("Retry-After", "5")
			h.Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"error":"busy","detail":"too many connections are in use; try again, or raise MAX_CONNECTIONS"}`)) // A peer that left needs no answer.
			return
		}
		defer done()
		if c, _ := r.Context().Value(connectionKey{}).(*connection); c != nil && k.Account != nil {
			if c.of.carries(c, k.Account(r.Context()), k.Share) && k.OnClosed != nil {
				k.OnClosed()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// carries notes that a connection carries a call of an account, and closes the account's oldest idle
// one where it has more than its share. It reports whether it did.
func (s *connections) carries(c *connection, account string, share int) (closed bool) {
	s.mu.Lock()
	if _, open := s.open[c]; !open || c.account == account || c.several {
		s.mu.Unlock()
		return false
	}
	if s.owned == nil {
		s.owned = map[string]map[*connection]struct{}{}
	}
	var over *connection
	if c.account != "" {
		s.disown(c)
		c.several = true
	} else if account != "" {
		if s.owned[account] == nil {
			s.owned[account] = map[*connection]struct{}{}
		}
		c.account = account
		s.owned[account][c] = struct{}{}
		if over = s.beyond(account, share); over != nil {
			s.forget(over)
		}
	}
	s.mu.Unlock()
	if over != nil {
		_ = over.Close()
	}
	return over != nil
}

// beyond returns the connection that an account has to give up, its oldest idle one; nil where it has
// its share or less, or none that is idle: requests in progress have a bound of their own. It requires
// s.mu.
func (s *connections) beyond(account string, share int) (oldest *connection) {
	list := s.owned[account]
	if s.most == 0 || share == 0 || len(list) <= max(1, s.most*share/100) {
		return nil
	}
	for c := range list {
		if phase(c.phase.Load()) == idle && !c.serves() && (oldest == nil || c.since.Load() < oldest.since.Load()) {
			oldest = c
		}
	}
	return oldest
}

// forget takes a connection out of those that are open. It requires s.mu.
func (s *connections) forget(c *connection) {
	delete(s.open, c)
	s.disown(c)
}

// disown takes a connection from its account. It requires s.mu.
func (s *connections) disown(c *connection) {
	list := s.owned[c.account]
	if delete(list, c); len(list) == 0 {
		delete(s.owned, c.account)
	}
	c.account = ""
}
