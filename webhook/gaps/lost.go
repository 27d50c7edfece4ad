package gaps

import "time"

// Lost is the time in which events were received that the store has lost since.
const Lost Kind = "lost"

// Lost notes that events of a time were stored and are gone: From <= t < To. It may be called
// again with the same times.
func (l *Ledger) Lost(from, to time.Time) { l.note(newGap(Lost, "", from, to, l.opt.Now())) }
