package fastpath_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/server/fastpath"
)

const patience = 30 * time.Second

// A server is an http.Server with a fastpath in front of it, or without.
type server struct {
	http *http.Server
	l    net.Listener
	done chan struct{}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func start(t *testing.T, h http.Handler, fast bool, change ...func(*fastpath.Options)) *server {
	t.Helper()
	l := listen(t)
	if fast {
		o := fastpath.Options{Handler: h, Paths: []string{"/in", "/events/pay"}, FirstTimeout: patience, IdleTimeout: patience}
		for _, c := range change {
			c(&o)
		}
		l = fastpath.New(l, o)
	}
	s := serve(h, l)
	s.endWith(t)
	return s
}

// endWith ends the server when the test does.
func (s *server) endWith(t *testing.T) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := s.shutdown(ctx); err != nil {
			_ = s.http.Close()
		}
	})
}

func serve(h http.Handler, l net.Listener, change ...func(*http.Server)) *server {
	s := &server{http: &http.Server{Handler: h, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}, l: l, done: make(chan struct{})}
	for _, c := range change {
		c(s.http)
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l)
	}()
	return s
}

// shutdown ends the server as its owner does.
func (s *server) shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	<-s.done
	if f, ok := s.l.(*fastpath.Listener); ok {
		err = errors.Join(err, f.Shutdown(ctx))
	}
	return err
}

// A client is a connection of a client that writes bytes as it likes.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (s *server) dial(t *testing.T) *client {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// receive reads an answer into a text that two servers agree on: all but the date, and
// headers sorted.
func (c *client) receive() string {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := http.ParseTime(res.Header.Get("Date")); err != nil && res.StatusCode >= 200 && res.StatusCode < 400 {
		c.t.Errorf("Date: %v", err)
	}
	res.Header.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, res.Status, res.Proto, res.ContentLength, "close", res.Close)
	for _, k := range slices.Sorted(maps.Keys(res.Header)) {
		fmt.Fprintln(&b, k, res.Header[k])
	}
	b.Write(body)
	return b.String()
}

// ended waits for the end of the connection.
func (c *client) ended() bool {
	c.t.Helper()
	_, err := c.r.ReadByte()
	return errors.Is(err, io.EOF)
}

// fast reports whether a request is served by the fastpath: its answers cannot be flushed.
func fast(w http.ResponseWriter) bool {
	_, flushes := w.(http.Flusher)
	return !flushes
}

// post is a plain request.
func post(body string, headers ...string) string {
	return fmt.Sprintf("POST /in HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", strings.Join(headers, ""), len(body), body)
}
