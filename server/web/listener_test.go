package web

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// TestConnectionsAreBounded opens one connection more than there may be, then closes
// one and finds room again.
func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := &connections{most: 2, silent: map[net.Conn]struct{}{}}
	states := make(chan http.ConnState, 100)
	srv := &http.Server{Handler: http.NotFoundHandler(), ConnState: func(c net.Conn, s http.ConnState) {
		bound.track(c, s)
		states <- s
	}}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	await := func(want http.ConnState) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case s := <-states:
				if s == want {
					return
				}
			case <-deadline:
				t.Fatalf("no connection became %s", want)
			}
		}
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		await(http.StateNew)
		return c
	}
	first := dial()
	dial()
	third := dial()
	if err := third.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := third.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the third connection read %d bytes, want its end", n)
	}
	await(http.StateClosed)
	if open, refused := bound.open.Load(), bound.refused.Load(); open != 2 || refused != 1 {
		t.Errorf("%d are open and %d were refused, want 2 and 1", open, refused)
	}
	_ = first.Close()
	await(http.StateClosed)
	dial()
	if open, refused := bound.open.Load(), bound.refused.Load(); open != 2 || refused != 1 {
		t.Errorf("when there is room again %d are open and %d were refused, want 2 and 1", open, refused)
	}
}
