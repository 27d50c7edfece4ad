package consume

import (
	"time"

	"slackmcp/store/queue"
)

// Rest is what a group remembers of an event that it has no lease, schedule or dead letter of.
type Rest struct {
	// Seq is the event's number, Start that behind which the group begins, Cursor that up to
	// which it has begun.
	Seq, Start, Cursor int64
	// Took says that the event is from before the start and was replayed; it is known while
	// the event is in the log.
	Took bool
	// Adopted and Expired are the group's counts of such events and of expired dead letters.
	Adopted, Expired int64
	// Logged says that the event is in the log, StoredAt when it came there.
	Logged   bool
	StoredAt time.Time
}

// State returns what the event is to the group. A dead letter that expired leaves no trace but the
// count. While its event is in the log it can only have expired by its age, that is not before the
// event itself reached it; age is the retention's, and below 1 unknown.
func (r Rest) State(age time.Duration, now time.Time) queue.State {
	young := r.Logged && age > 0 && r.StoredAt.After(now.Add(-age))
	expired := r.Expired > 0 && !young
	switch {
	case r.Seq > r.Cursor:
		return queue.Waiting
	case r.Seq > r.Start || r.Took:
		if expired {
			return queue.NotKnown
		}
		return queue.Done
	case !r.Logged && r.Adopted > 0:
		return queue.NotKnown
	}
	return queue.BeforeStart
}
