package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/server"
)

// TestAConnectionCountsOnce has as many connections as there may be, each served before
// net/http first and by net/http then: none more is let in, and none of them is put out.
func TestAConnectionCountsOnce(t *testing.T) {
	const most = 16
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"MAX_CONNECTIONS": fmt.Sprint(most)})})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	addr := strings.TrimPrefix(url, "http://")
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	var conns []net.Conn
	for range most {
		conns = append(conns, dial())
	}
	ask := func(c net.Conn, request string, want int) {
		t.Helper()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != want {
			t.Errorf("answered %d, %v, want %d", res.StatusCode, err, want)
		}
	}
	const plain, other = "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	full := func(when string) {
		t.Helper()
		if n, err := dial().Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: one connection more read %d bytes, %v, want its end", when, n, err)
		}
	}
	for _, c := range conns {
		ask(c, plain, http.StatusUnauthorized)
	}
	full("served before net/http")
	for _, c := range conns {
		ask(c, other, http.StatusOK)
		full("handed over")
	}
	for _, c := range conns {
		ask(c, other, http.StatusOK)
	}
	_ = conns[0].Close()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		c := dial()
		_, _ = io.WriteString(c, other)
		if answered, _ := io.CopyN(io.Discard, c, 1); answered == 1 {
			break // room was made
		}
		if time.Now().After(deadline) {
			t.Fatal("a connection that was closed made no room")
		}
	}
}
