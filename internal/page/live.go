package page

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The bounds of server-sent events.
const (
	maxStreams   = 32               // of one Live
	streamLife   = 10 * time.Minute // after which a page connects anew
	writeWithin  = 10 * time.Second // for one event; a reader that is slower is cut off
	betweenSends = 150 * time.Millisecond
	heartbeat    = 15 * time.Second
)

// A Live tells pages that something has changed, by server-sent events. An event has a name and no content: the
// page fetches again what shows it. So a slow page misses nothing and costs nothing; it is told once of many
// changes. The zero value is ready, and safe for concurrent use.
type Live struct {
	mu      sync.Mutex
	readers map[*reader]struct{} // guarded by mu
}

type reader struct {
	wake    chan struct{}
	changed map[string]struct{} // guarded by the Live's mu
}

// Changed tells all pages that what has the name changed. It does not wait. The names are the program's own, and few.
func (l *Live) Changed(names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range l.readers {
		for _, name := range names {
			r.changed[name] = struct{}{}
		}
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// ServeHTTP streams the names of what changes, and "connected" at the beginning, so that a page catches up with what
// it has missed. It ends after ten minutes, when the page goes away, or with the request's context.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	me, ok := l.join()
	if !ok {
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d pages are open: close one", maxStreams), http.StatusServiceUnavailable)
		return
	}
	defer l.leave(me)
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	end, beat := time.NewTimer(streamLife), time.NewTicker(heartbeat)
	defer end.Stop()
	defer beat.Stop()
	if write(w, c, event("connected")) != nil {
		return
	}
	for {
		line := ": still here\n\n"
		select {
		case <-me.wake:
			line = l.take(me)
		case <-beat.C:
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		}
		if write(w, c, line) != nil {
			return
		}
		select {
		case <-time.After(betweenSends): // many changes at once are one
		case <-r.Context().Done():
			return
		}
	}
}

func (l *Live) join() (*reader, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.readers) >= maxStreams {
		return nil, false
	}
	if l.readers == nil {
		l.readers = map[*reader]struct{}{}
	}
	r := &reader{wake: make(chan struct{}, 1), changed: map[string]struct{}{}}
	l.readers[r] = struct{}{}
	return r, true
}

func (l *Live) leave(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, r)
}

// take returns the events that a reader was not sent yet.
func (l *Live) take(r *reader) (lines string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.changed)) {
		lines += event(name)
	}
	clear(r.changed)
	return lines
}

func event(name string) string { return "event: " + name + "\ndata:\n\n" }

// write sends a line within its time.
func write(w http.ResponseWriter, c *http.ResponseController, line string) error {
	err := c.SetWriteDeadline(time.Now().Add(writeWithin))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.Write([]byte(line)); err != nil {
		return err
	}
	return c.Flush()
}
