package tcp_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"slackmcp/server/tcp"
)

// TestContract holds the connections to what every net.Conn promises.
func TestContract(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = pair(t)
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

// pair is a connection as the listener gives it, and the peer's end.
func pair(t *testing.T) (ours, peer net.Conn) {
	t.Helper()
	l := listen(t)
	peer, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); peer.Close() })
	return ours, peer
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return tcp.NewListener(l)
}

// A read is what a Read in another goroutine came to.
type read struct {
	n   int
	err error
}

func reading(c net.Conn, size int) <-chan read {
	done := make(chan read, 1)
	go func() {
		n, err := c.Read(make([]byte, size))
		done <- read{n, err}
	}()
	return done
}

// ends waits for a read that has to end by itself.
func ends(t *testing.T, done <-chan read) read {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("the read did not end")
		return read{}
	}
}

// goesOn checks that a read still waits.
func goesOn(t *testing.T, done <-chan read, d time.Duration) {
	t.Helper()
	select {
	case r := <-done:
		t.Fatalf("the read ended with %d bytes, %v", r.n, r.err)
	case <-time.After(d):
	}
}

// sizes are a read as net/http's connections do it, and the read of one byte by which it
// listens for the end of a client.
var sizes = map[string]int{"many bytes": 512, "one byte": 1}

func TestDeadlineMovedWhileWaiting(t *testing.T) {
	for name, size := range sizes {
		t.Run(name+", later", func(t *testing.T) {
			c, peer := pair(t)
			set(t, c, time.Now().Add(150*time.Millisecond))
			done := reading(c, size)
			goesOn(t, done, 50*time.Millisecond)
			set(t, c, time.Now().Add(time.Minute))
			goesOn(t, done, 400*time.Millisecond)
			write(t, peer, "x")
			if r := ends(t, done); r.n != 1 || r.err != nil {
				t.Errorf("read %d bytes, %v", r.n, r.err)
			}
		})
		t.Run(name+", never", func(t *testing.T) {
			c, peer := pair(t)
			set(t, c, time.Now().Add(150*time.Millisecond))
			done := reading(c, size)
			goesOn(t, done, 50*time.Millisecond)
			set(t, c, time.Time{})
			goesOn(t, done, 400*time.Millisecond)
			write(t, peer, "x")
			if r := ends(t, done); r.n != 1 || r.err != nil {
				t.Errorf("read %d bytes, %v", r.n, r.err)
			}
		})
		for _, wait := range []time.Duration{0, 300 * time.Millisecond} { // before and after the kernel was asked
			t.Run(name+", earlier, after "+wait.String(), func(t *testing.T) {
				c, _ := pair(t)
				set(t, c, time.Now().Add(time.Hour))
				done := reading(c, size)
				goesOn(t, done, wait)
				set(t, c, time.Now().Add(50*time.Millisecond))
				timedOut(t, ends(t, done))
			})
			t.Run(name+", past, after "+wait.String(), func(t *testing.T) {
				c, peer := pair(t)
				done := reading(c, size)
				goesOn(t, done, wait)
				set(t, c, time.Unix(1, 0))
				timedOut(t, ends(t, done))
				timedOut(t, ends(t, reading(c, size)))
				set(t, c, time.Time{})
				write(t, peer, "x")
				if r := ends(t, reading(c, size)); r.n != 1 || r.err != nil {
					t.Errorf("after the deadline was taken away: read %d bytes, %v", r.n, r.err)
				}
			})
		}
	}
}

func set(t *testing.T, c net.Conn, due time.Time) {
	t.Helper()
	if err := c.SetReadDeadline(due); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func timedOut(t *testing.T, r read) {
	t.Helper()
	var e net.Error
	if r.n != 0 || !errors.Is(r.err, os.ErrDeadlineExceeded) || !errors.As(r.err, &e) || !e.Timeout() {
		t.Errorf("read %d bytes, %v; want a timeout", r.n, r.err)
	}
}

// TestDeadlineOfATrickle: a peer that always has a byte ready does not outlive the
// deadline.
func TestDeadlineOfATrickle(t *testing.T) {
	c, peer := pair(t)
	go func() {
		for {
			if _, err := io.WriteString(peer, "xxxxxxxx"); err != nil {
				return
			}
		}
	}()
	set(t, c, time.Now().Add(100*time.Millisecond))
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the copy ended with %v, want the deadline", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the copy went on after its deadline")
	}
}

// TestEndOfThePeer: the read of one byte hears of it, and so does one that begins later.
func TestEndOfThePeer(t *testing.T) {
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t)
			done := reading(c, size)
			goesOn(t, done, 10*time.Millisecond)
			peer.Close()
			for _, done := range []<-chan read{done, reading(c, size)} {
				if r := ends(t, done); r.n != 0 || !errors.Is(r.err, io.EOF) {
					t.Errorf("read %d bytes, %v; want EOF", r.n, r.err)
				}
			}
		})
	}
}

// TestCloseWhileReading: whoever reads is told, resting or not.
func TestCloseWhileReading(t *testing.T) {
	for name, size := range sizes {
		for _, wait := range []time.Duration{0, 300 * time.Millisecond} {
			t.Run(name+", after "+wait.String(), func(t *testing.T) {
				c, _ := pair(t)
				done := reading(c, size)
				goesOn(t, done, wait)
				c.Close()
				for _, done := range []<-chan read{done, reading(c, size)} {
					if r := ends(t, done); !errors.Is(r.err, net.ErrClosed) {
						t.Errorf("read %d bytes, %v; want %v", r.n, r.err, net.ErrClosed)
					}
				}
			})
		}
	}
}

// TestOneByteKeepsTheRest: what came behind the byte is still there.
func TestOneByteKeepsTheRest(t *testing.T) {
	c, peer := pair(t)
	write(t, peer, "abc")
	var got []byte
	for range 3 {
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
	}
	if string(got) != "abc" {
		t.Errorf("read %q", got)
	}
}
