package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/webhook/event"
)

func TestReadersShareTheirMemory(t *testing.T) {
	if n := cap(newReads(1 << 20)); n != 4 {
		t.Errorf("%d readers hold a page and a body of 1 MiB each in 8 MiB, want 4", n)
	}
	if n := cap(newReads(1 << 30)); n != 1 {
		t.Errorf("%d readers hold bodies of 1 GiB, want one at a time", n)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newReads(16 << 20)
		leave, left := make(chan struct{}), make(chan error, 1)
		go func() {
			left <- r.Hold(t.Context(), func() error {
				<-leave
				return errors.New("what the reader returned")
			})
		}()
		synctest.Wait()
		began := time.Now()
		if err := r.Hold(t.Context(), func() error { return nil }); !errors.Is(err, event.ErrBusy) || time.Since(began) != readPatience {
			t.Errorf("a reader without a share is answered %v after %v, want ErrBusy after %v", err, time.Since(began), readPatience)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Hold(ctx, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader that gave up is answered %v", err)
		}
		go func() {
			time.Sleep(readPatience / 2)
			close(leave)
		}()
		if err := r.Hold(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("a reader that waited for its share is answered %v", err)
		}
		if err := <-left; err == nil || err.Error() != "what the reader returned" {
			t.Errorf("Hold = %v, want the reader's error", err)
		}
	})
}
