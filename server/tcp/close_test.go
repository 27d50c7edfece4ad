package tcp_test

import (
	"errors"
	"net"
	"testing"
	"time"
)

// TestClosedIsClosed: a closed connection says so, also behind its deadline.
func TestClosedIsClosed(t *testing.T) {
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			c, _ := pair(t)
			set(t, c, time.Unix(1, 0))
			timedOut(t, ends(t, reading(c, size)))
			c.Close()
			if r := ends(t, reading(c, size)); !errors.Is(r.err, net.ErrClosed) {
				t.Errorf("read: %v, want %v", r.err, net.ErrClosed)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: %v, want %v", err, net.ErrClosed)
			}
			for _, set := range []func(time.Time) error{c.SetReadDeadline, c.SetWriteDeadline, c.SetDeadline} {
				if err := set(time.Now().Add(time.Hour)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("set a deadline: %v, want %v", err, net.ErrClosed)
				}
			}
		})
	}
}

// TestPartOfAWrite: what was written before the deadline is told.
func TestPartOfAWrite(t *testing.T) {
	c, _ := pair(t)
	if err := c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Write(make([]byte, 64<<20)) // which the peer does not read
	if n == 0 || n == 64<<20 {
		t.Errorf("wrote %d bytes", n)
	}
	timedOut(t, read{0, err})
}

// TestNowEndsARest: a deadline of this moment ends a read of one byte at once.
func TestNowEndsARest(t *testing.T) {
	c, _ := pair(t)
	time.Sleep(10 * time.Millisecond) // so that now is after the connection's beginning
	done := reading(c, 1)
	goesOn(t, done, 10*time.Millisecond)
	set(t, c, time.Now())
	timedOut(t, ends(t, done))
}
