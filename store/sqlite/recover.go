package sqlite

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"slackmcp/store/queue"
)

// Bounds of the pauses between attempts at reopening.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// recover closes the store after an error and tries until it is open again, or the
// queue is closed. Meanwhile everybody is told that it is unavailable.
func (w *writer) recover(cause error) {
	w.q.mail.suspend(unavailable(cause))
	w.q.pool.shut(unavailable(cause))
	w.q.o.Logger.Error("store is unavailable and is being reopened", slog.Any("error", cause))
	acknowledged := w.q.bounds()
	if err := w.discard(); err != nil {
		w.q.o.Logger.Warn("closing the store", slog.Any("error", err))
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if !w.idle(pause/2 + rand.N(pause/2+1)) { //nolint:gosec // jitter, no secret
			return
		}
		err := w.q.files.renew()
		if err == nil {
			err = w.open(false)
		}
		if err == nil {
			err = w.check(acknowledged.Last)
		}
		if err == nil {
			break
		}
		w.q.o.Logger.Warn("store is still unavailable", slog.Any("error", err))
	}
	w.q.pool.open()
	w.q.mail.suspend(nil)
	w.q.o.Logger.Info("store is available again")
}

// check looks whether what was acknowledged is there. If it is not, which takes a disk
// that broke its word or a file that somebody exchanged, the store begins a new epoch,
// so that no position is given out twice.
func (w *writer) check(acknowledged int64) error {
	if w.last >= acknowledged {
		return nil
	}
	w.q.o.Logger.Error("acknowledged events are missing after the store was reopened", slog.Int64("missing", acknowledged-w.last))
	epoch, err := newEpoch()
	if err == nil {
		err = w.conn.Exec("UPDATE meta SET value = '" + epoch + "' WHERE name = 'epoch'")
	}
	if err != nil {
		return errors.Join(err, w.discard())
	}
	w.epoch = epoch
	w.show()
	return nil
}

// idle waits between attempts at reopening, and does what touches no file. It reports
// false when the queue is closed.
func (w *writer) idle(d time.Duration) bool {
	w.timer.Reset(d)
	for {
		select {
		case <-w.timer.C:
			return true
		case <-w.q.stop:
			return false
		case <-w.q.mail.wake:
			b := w.q.mail.take(w.again)
			w.again = b.settled
			for _, c := range b.calls {
				c.err = queue.ErrUnavailable
				if c.local {
					c.err = c.do(w)
				}
			}
			b.fail(queue.ErrUnavailable)
		}
	}
}
