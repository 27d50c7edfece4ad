package sqlite

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"slackmcp/store/internal/engine"
	"slackmcp/webhook/event"
)

// Columns of events in the order in which bindEvent and scanEvent go through them.
const (
	columns     = "seq, stored_at, mark, received_at, at, source, id, type, subtype, team, channel, channel_type, user, thread, from_self, encoding, retry_num, retry_reason, raw"
	insertEvent = "INSERT INTO events (" + columns + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
	colRaw      = 18
)

func bindEvent(s *engine.Stmt, seq, storedAt, mark int64, e *event.Event) {
	s.BindInt(1, seq)
	s.BindInt(2, storedAt)
	s.BindInt(3, mark)
	bindTime(s, 4, e.ReceivedAt)
	bindTime(s, 5, e.At)
	for i, v := range [...]string{
		e.Source, e.ID, e.Kind.Type, e.Kind.Subtype,
		e.Team, e.Channel, e.ChannelType, e.User, e.Thread,
	} {
		s.BindText(6+i, v)
	}
	var self int64
	if e.FromSelf {
		self = 1
	}
	s.BindInt(15, self)
	s.BindInt(16, int64(e.Encoding))
	s.BindInt(17, int64(e.Retry.Num))
	s.BindText(18, e.Retry.Reason)
	s.BindBytes(19, e.Raw)
}

// scanEvent reads a row without its raw body and its position.
func scanEvent(s *engine.Stmt) (event.Event, error) {
	e := event.Event{
		Source: s.Text(5), ID: s.Text(6),
		Kind: event.Kind{Type: s.Text(7), Subtype: s.Text(8)},
		Team: s.Text(9), Channel: s.Text(10), ChannelType: s.Text(11), User: s.Text(12), Thread: s.Text(13),
		FromSelf: s.Int(14) != 0,
		Encoding: event.Encoding(s.Int(15)), //nolint:gosec // written by bindEvent
		Retry:    event.Retry{Num: int(s.Int(16)), Reason: s.Text(17)},
	}
	var err error
	if e.ReceivedAt, err = scanTime(s, 3); err != nil {
		return e, err
	}
	e.At, err = scanTime(s, 4)
	return e, err
}

// nanoRange is how many seconds around 1970 Unix nanoseconds can express.
const nanoRange = 9_000_000_000

func bindTime(s *engine.Stmt, i int, t time.Time) {
	switch sec := t.Unix(); {
	case t.IsZero():
		s.BindNull(i)
	case -nanoRange < sec && sec < nanoRange:
		s.BindInt(i, t.UnixNano())
	default:
		// A sender may claim any second; it is kept as it was claimed.
		s.BindText(i, fmt.Sprintf("%d.%09d", sec, t.Nanosecond()))
	}
}

func scanTime(s *engine.Stmt, i int) (time.Time, error) {
	switch {
	case s.Null(i):
		return time.Time{}, nil
	case !s.IsText(i):
		return time.Unix(0, s.Int(i)).UTC(), nil
	}
	secs, nanos, _ := strings.Cut(s.Text(i), ".")
	sec, err1 := strconv.ParseInt(secs, 10, 64)
	nano, err2 := strconv.ParseInt(nanos, 10, 64)
	if err1 != nil || err2 != nil {
		return time.Time{}, fmt.Errorf("stored event: ill-formed instant in column %d", i)
	}
	return time.Unix(sec, nano).UTC(), nil
}
