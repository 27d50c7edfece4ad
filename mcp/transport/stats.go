package transport

import "sync/atomic"

// counters only ever grow.
type counters struct {
	calls, busy, panics                    atomic.Uint64
	refusedHost, refusedOrigin             atomic.Uint64
	sessionsOpened, sessionsFull           atomic.Uint64
	streamsOpened, streamsFull, streamsCut atomic.Uint64
}

// Stats are the transport's figures at one moment. Those that only grow say so.
type Stats struct {
	// Sessions is how many sessions this process serves, SSE and stdio included.
	Sessions int
	// Streams is how many GET, SSE and listen streams are open.
	Streams int
	// Subscriptions is how many pairs of a client and a resource there are.
	Subscriptions int
	// Calls is how many requests run.
	Calls int

	// CallsTotal grows with each request that was begun.
	CallsTotal uint64
	// BusyTotal grows with each request refused for a bound on calls.
	BusyTotal uint64
	// PanicsTotal grows with each handler that panicked.
	PanicsTotal uint64
	// RefusedHostTotal and RefusedOriginTotal grow with each request refused for its
	// Host or Origin.
	RefusedHostTotal, RefusedOriginTotal uint64
	// SessionsTotal grows with each session opened, SessionsFullTotal with each refused
	// for want of room.
	SessionsTotal, SessionsFullTotal uint64
	// StreamsTotal grows with each stream opened, StreamsFullTotal with each refused for
	// want of room, StreamsCutTotal with each ended because its peer took nothing.
	StreamsTotal, StreamsFullTotal, StreamsCutTotal uint64
	// UpdatesTotal grows with each change of a followed resource, CoalescedTotal with
	// those that were joined with another one.
	UpdatesTotal, CoalescedTotal uint64
}

// Stats returns the figures of now.
func (t *Transport) Stats() Stats {
	return Stats{
		Sessions:           t.sessions.count(),
		Streams:            int(t.open.Load()),
		Subscriptions:      int(t.table.subscriptions.Load()),
		Calls:              int(t.running.Load()),
		CallsTotal:         t.count.calls.Load(),
		BusyTotal:          t.count.busy.Load(),
		PanicsTotal:        t.count.panics.Load(),
		RefusedHostTotal:   t.count.refusedHost.Load(),
		RefusedOriginTotal: t.count.refusedOrigin.Load(),
		SessionsTotal:      t.count.sessionsOpened.Load(),
		SessionsFullTotal:  t.count.sessionsFull.Load(),
		StreamsTotal:       t.count.streamsOpened.Load(),
		StreamsFullTotal:   t.count.streamsFull.Load(),
		StreamsCutTotal:    t.count.streamsCut.Load(),
		UpdatesTotal:       t.table.updates.Load(),
		CoalescedTotal:     t.table.coalesced.Load(),
	}
}
