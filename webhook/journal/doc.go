// Package journal is a bounded window on the newest events, in memory and indexed, so
// that many readers can look at what is recent without touching the store.
//
// [Journal.Run] is its only writer: it fills the window from the store's History and
// then follows its Tail, so that every replica of a server shows every event, whoever
// received it. Readers ask with [Journal.Query] and [Journal.Get], and wait with
// [Journal.Watch].
//
// It forgets: who needs every event, or an old one, reads the store. [Journal.Floor]
// tells where the window begins, so that a page can be continued there. It lags: an
// event shows a moment after Publish returned.
package journal
