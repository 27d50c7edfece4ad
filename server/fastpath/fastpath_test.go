package fastpath_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/server/fastpath"
)

// mirror answers with all that it was asked.
func mirror(fasts *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fast(w) {
			fasts.Add(1)
		}
		body, err := io.ReadAll(r.Body)
		if status, err := strconv.Atoi(r.Header.Get("X-Status")); err == nil {
			w.Header()["X-Lines"] = []string{"one\r\nX-Evil: yes", "two"}
			w.WriteHeader(status)
			w.WriteHeader(http.StatusTeapot) // the first one counts
		}
		if r.Header.Get("X-Close") != "" {
			w.Header().Set("Connection", "close")
		}
		if r.Header.Get("X-Empty") != "" {
			return
		}
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.TransferEncoding, host, r.Context().Err())
		for _, k := range slices.Sorted(maps.Keys(r.Header)) {
			fmt.Fprintln(w, k, r.Header[k])
		}
		fmt.Fprintf(w, "%s %v", body, err)
	})
}

// TestTheSameAnswers sends the same bytes to a server with a fastpath and to one without:
// what comes back is the same, and plain requests are served here. A request in pieces is
// sent with a pause at each |.
func TestTheSameAnswers(t *testing.T) {
	t.Parallel()
	const chunked = "POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
	long := strings.Repeat("x", 9<<10)
	for _, c := range []struct {
		name, sent     string
		answers, plain int
	}{
		{"plain", post("hello"), 1, 1},
		{"another path", strings.Replace(post("hello"), "/in", "/events/pay", 1), 1, 1},
		{"as Slack does", post(`{"type":"event_callback"}`, "User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n", "Accept: */*\r\n", "Accept-Encoding: gzip,deflate\r\n", "Content-Type: application/json\r\n", "X-Slack-Signature: v0=00ff\r\n", "X-Slack-Request-Timestamp: 1531420618\r\n"), 1, 1},
		{"small letters", post("hello", "x-slack-signature: v0=1\r\n", "content-type: text/plain\r\n", "X-sLACK-a: b\r\n"), 1, 1},
		{"a header twice", post("hello", "X-A: 1\r\n", "X-B: 2\r\n", "x-a: 3\r\n"), 1, 1},
		{"keep-alive", post("hello", "Connection: keep-alive\r\n"), 1, 1},
		{"leading zeros", strings.Replace(post("hello"), "Length: 5", "Length: 0005", 1), 1, 1},
		{"spaces inside", post("hello", "X-A: a  b\r\n"), 1, 1},
		{"a refusal", post("hello", "X-Status: 401\r\n"), 1, 1},
		{"no content", post("hello", "X-Status: 204\r\n"), 1, 1},
		{"an empty answer", post("hello", "X-Empty: 1\r\n"), 1, 1},
		{"the handler ends it", post("hello", "X-Close: 1\r\n"), 1, 1},
		{"three at once", post("one") + post("two") + post("three"), 3, 3},
		{"one after the other", post("one") + "|" + post("two") + "|" + post("three"), 3, 3},
		{"a line end behind a body", post("one") + "\r\n" + post("two"), 2, 2},
		{"two line ends", post("one") + "\r\n|\r\n" + post("two"), 2, 2},
		{"a line end, then something else", post("one") + "\r\nGET /in HTTP/1.1\r\nHost: x\r\n\r\n", 2, 1},
		{"plain, then not, then plain", post("one") + "GET /in HTTP/1.1\r\nHost: x\r\n\r\n" + post("three"), 3, 1},
		{"plain, then half of one", post("one") + post("two")[:30] + "|" + post("two")[30:], 2, 1},
		{"a head in two pieces", post("hello")[:20] + "|" + post("hello")[20:], 1, 0},
		{"a body in two pieces", post("hello")[:len(post("hello"))-2] + "|lo", 1, 0},
		{"a long body", post(long), 1, 0},
		{"a long header", post("hello", "X-A: "+long+"\r\n"), 1, 0},
		{"many headers", post("hello", strings.Repeat("X-A: 1\r\n", 20), strings.Join(numbered(40), "")), 1, 0},
		{"another method", strings.Replace(post("hello"), "POST", "PUT", 1), 1, 0},
		{"a path that is not ours", strings.Replace(post("hello"), "/in", "/in/", 1), 1, 0},
		{"a query", strings.Replace(post("hello"), "/in", "/in?a=b", 1), 1, 0},
		{"an absolute target", strings.Replace(post("hello"), "/in", "http://y/in", 1), 1, 0},
		{"an escaped path", strings.Replace(post("hello"), "/in", "/%69n", 1), 1, 0},
		{"HTTP/1.0", strings.Replace(post("hello"), "HTTP/1.1", "HTTP/1.0", 1), 1, 0},
		{"the client ends it", post("hello", "Connection: close\r\n"), 1, 0},
		{"an upgrade", post("hello", "Connection: upgrade\r\nUpgrade: h2c\r\n"), 1, 0},
		{"100-continue", post("hello", "Expect: 100-continue\r\n"), 2, 0},
		{"chunked", chunked, 1, 0},
		{"chunked and a length", strings.Replace(chunked, "Transfer", "Content-Length: 2\r\nTransfer", 1), 1, 0},
		{"no length", "POST /in HTTP/1.1\r\nHost: x\r\n\r\n", 1, 0},
		{"length 0", post(""), 1, 0},
		{"two lengths", post("hello", "Content-Length: 5\r\n"), 1, 0},
		{"two other lengths", post("hello", "Content-Length: 6\r\n"), 1, 0},
		{"a signed length", strings.Replace(post("hello"), "Length: 5", "Length: +5", 1), 1, 0},
		{"a negative length", strings.Replace(post("hello"), "Length: 5", "Length: -5", 1), 1, 0},
		{"no host", strings.Replace(post("hello"), "Host: x\r\n", "", 1), 1, 0},
		{"an empty host", strings.Replace(post("hello"), "Host: x\r\n", "Host: \r\n", 1), 1, 0},
		{"two hosts", post("hello", "Host: y\r\n"), 1, 0},
		{"a strange host", strings.Replace(post("hello"), "Host: x", "Host: x/y", 1), 1, 0},
		{"a folded line", post("hello", "X-A: 1\r\n 2\r\n"), 1, 0},
		{"a space before the colon", post("hello", "X-A : 1\r\n"), 1, 0},
		{"no space behind it", post("hello", "X-A:1\r\n"), 1, 0},
		{"spaces around a value", post("hello", "X-A:  1 \r\n"), 1, 0},
		{"an empty value", post("hello", "X-A: \r\n"), 1, 0},
		{"no colon", post("hello", "X-A\r\n"), 1, 0},
		{"an underscore", post("hello", "X_A: 1\r\n"), 1, 0},
		{"a tab", post("hello", "X-A: 1\t2\r\n"), 1, 0},
		{"a NUL", post("hello", "X-A: 1\x002\r\n"), 1, 0},
		{"a lone CR", post("hello", "X-A: 1\r2\r\n"), 1, 0},
		{"a lone LF", post("hello", "X-A: 1\nX-B: 2\r\n"), 1, 0},
		{"beyond ASCII", post("hello", "X-A: é\r\n"), 1, 0},
		{"no-cache", post("hello", "Pragma: no-cache\r\n"), 1, 0},
		{"an empty line before", "\r\n" + post("hello"), 1, 0},
		{"two spaces in the request line", strings.Replace(post("hello"), "POST ", "POST  ", 1), 1, 0},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1, 0},
		{"TLS", "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\r\n\r\n", 1, 0},
		{"nonsense", "nonsense\r\n\r\n", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var fasts, none atomic.Int64
			ours, theirs := start(t, mirror(&fasts), true).dial(t), start(t, mirror(&none), false).dial(t)
			for i, piece := range strings.Split(c.sent, "|") {
				if i > 0 {
					<-time.After(20 * time.Millisecond)
				}
				ours.send(piece)
				theirs.send(piece)
			}
			open := true
			for range c.answers {
				got, want := ours.receive(), theirs.receive()
				if got != want {
					t.Errorf("answered\n%s\nnet/http answers\n%s", got, want)
				}
				open = !strings.Contains(want, "close true\n")
			}
			if n := int(fasts.Load()); n != c.plain {
				t.Errorf("%d requests were served by the fastpath, want %d", n, c.plain)
			}
			if none.Load() != 0 {
				t.Error("net/http's answers cannot be flushed")
			}
			if !open {
				if got, want := ours.ended(), theirs.ended(); !got || !want {
					t.Errorf("the connection ended: %v, net/http's: %v", got, want)
				}
				return
			}
			ours.send(post("one more"))
			theirs.send(post("one more"))
			if got, want := ours.receive(), theirs.receive(); got != want {
				t.Errorf("the next one was answered\n%s\nnet/http answers\n%s", got, want)
			}
		})
	}
}

func numbered(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("X-%d: 1\r\n", i))
	}
	return lines
}

// TestShutdown ends a server with a connection that rests, one whose request is being
// served and one that has sent nothing: the first ends at once, the second is answered.
func TestShutdown(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	states := make(chan string, 100)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Wait") != "" {
			close(entered)
			<-leave
		}
		_, _ = io.WriteString(w, "done")
	})
	var silent atomic.Value
	s := start(t, h, true, func(o *fastpath.Options) {
		o.ConnState = func(c net.Conn, s http.ConnState) {
			if s == http.StateNew {
				silent.Store(c) // the last one
			}
			states <- s.String()
		}
	})
	resting := s.dial(t)
	resting.send(post("one"))
	resting.receive()
	working := s.dial(t)
	working.send(post("two", "X-Wait: 1\r\n"))
	<-entered
	quiet := s.dial(t)
	for range 5 { // new, active; new, active; new
		<-states
	}

	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- s.shutdown(ctx)
	}()
	if !resting.ended() {
		t.Error("the connection that rests was not closed")
	}
	select {
	case err := <-ended:
		t.Fatalf("shut down with a request in flight: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	if got := working.receive(); !strings.Contains(got, "true\n") || !strings.HasSuffix(got, "done") {
		t.Errorf("answered %q, want done, and the end of the connection said", got)
	}
	if !working.ended() {
		t.Error("the connection goes on after its answer")
	}
	select {
	case err := <-ended:
		t.Fatalf("shut down with a connection that may still begin: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_ = silent.Load().(net.Conn).Close() // as who is told of the states may
	if err := <-ended; err != nil {
		t.Errorf("shut down: %v", err)
	}
	if !quiet.ended() {
		t.Error("the silent connection was not closed")
	}
	for range 3 {
		if s := <-states; s != "closed" {
			t.Errorf("a connection is %s, want closed", s)
		}
	}
}

// TestShutdownIsBounded does not wait for a handler that does not return.
func TestShutdownIsBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	s := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-leave }), true)
	c := s.dial(t)
	c.send(post("one"))
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shut down with %v, want the deadline", err)
	}
	if !c.ended() {
		t.Error("the connection goes on")
	}
}

// TestShutdownUnused ends a server that nobody came to, from both sides at once.
func TestShutdownUnused(t *testing.T) {
	f := fastpath.New(listen(t), fastpath.Options{Handler: http.NotFoundHandler()})
	s := serve(http.NotFoundHandler(), f)
	fast := make(chan error, 1)
	go func() { fast <- f.Shutdown(t.Context()) }()
	if err := errors.Join(s.http.Shutdown(t.Context()), <-fast); err != nil {
		t.Error(err)
	}
	<-s.done
}

// TestHandedOver follows the states of a connection that becomes net/http's: together they
// are those of one connection.
func TestHandedOver(t *testing.T) {
	states := make(chan string, 10)
	tell := func(c net.Conn, s http.ConnState) {
		if s == http.StateNew && fastpath.HandedOver(c) {
			states <- "handed over"
			return
		}
		states <- s.String()
	}
	var fasts atomic.Int64
	f := fastpath.New(listen(t), fastpath.Options{Handler: mirror(&fasts), Paths: []string{"/in"}, FirstTimeout: patience, IdleTimeout: patience, ConnState: tell})
	s := serve(mirror(&fasts), f, func(h *http.Server) { h.ConnState = tell })
	s.endWith(t)
	c := s.dial(t)
	c.send(post("one"))
	c.receive()
	c.send("GET /in HTTP/1.1\r\nHost: x\r\n\r\n")
	c.receive()
	_ = c.Close()
	for _, want := range []string{"new", "active", "handed over", "active", "idle", "closed"} {
		if s := <-states; s != want {
			t.Errorf("the connection is %s, want %s", s, want)
		}
	}
	d := s.dial(t)
	d.send(post("one"))
	d.receive()
	_ = d.Close()
	for _, want := range []string{"new", "active", "closed"} {
		if s := <-states; s != want {
			t.Errorf("the other connection is %s, want %s", s, want)
		}
	}
	if len(states) > 0 {
		t.Errorf("and then %s", <-states)
	}
}

// TestRoomsAreNotShared has many clients at once, each with headers and bodies of its own,
// on connections that come and go.
func TestRoomsAreNotShared(t *testing.T) {
	var fasts atomic.Int64
	s := start(t, mirror(&fasts), true)
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			var c *client
			for j := range 100 {
				if j%7 == 0 {
					c = s.dial(t)
				}
				name := fmt.Sprintf("%d-%d", i, j)
				body := strings.Repeat(name, 1+j)
				c.send(post(body, "X-"+name+": "+name+"\r\n"))
				got := c.receive()
				if !strings.HasSuffix(got, body+" <nil>") || !strings.Contains(got, "\nX-"+name+" ["+name+"]\n") || strings.Count(got, "\nX-") != 1 {
					t.Errorf("%s was answered %q", name, got)
				}
			}
		})
	}
	clients.Wait()
	if n := fasts.Load(); n != 1600 {
		t.Errorf("%d requests were served by the fastpath, want 1600", n)
	}
}

// TestPanics ends the connection of a handler that panics, and only that.
func TestPanics(t *testing.T) {
	told := make(chan any, 2)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Panic") {
		case "abort":
			panic(http.ErrAbortHandler)
		case "other":
			panic("other")
		}
	})
	s := start(t, h, true, func(o *fastpath.Options) {
		o.Panicked = func(v any, stack []byte) {
			if !strings.Contains(string(stack), "TestPanics") {
				t.Errorf("the stack is %s", stack)
			}
			told <- v
		}
	})
	for _, how := range []string{"abort", "other"} {
		c := s.dial(t)
		c.send(post("one", "X-Panic: "+how+"\r\n"))
		if !c.ended() {
			t.Errorf("%s: the connection goes on", how)
		}
	}
	c := s.dial(t)
	c.send(post("one"))
	c.receive()
	if v := <-told; v != "other" || len(told) != 0 {
		t.Errorf("told %v and %d more, want the one that is no abort", v, len(told))
	}
}

// TestTimeouts gives up who sends nothing, at first or later.
func TestTimeouts(t *testing.T) {
	var fasts atomic.Int64
	s := start(t, mirror(&fasts), true, func(o *fastpath.Options) {
		o.FirstTimeout, o.IdleTimeout = 50*time.Millisecond, 50*time.Millisecond
	})
	if c := s.dial(t); !c.ended() {
		t.Error("a connection that sends nothing goes on")
	}
	c := s.dial(t)
	c.send(post("one"))
	c.receive()
	if !c.ended() {
		t.Error("a connection that rests goes on")
	}
}

// flaky fails to accept now and then.
type flaky struct {
	net.Listener
	n atomic.Int64
}

type passing struct{ error }

func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

func (l *flaky) Accept() (net.Conn, error) {
	if l.n.Add(1)%2 == 1 {
		return nil, passing{errors.New("no descriptors")}
	}
	return l.Listener.Accept()
}

// TestAcceptFails goes on after an error from which net/http goes on.
func TestAcceptFails(t *testing.T) {
	var fasts atomic.Int64
	f := fastpath.New(&flaky{Listener: listen(t)}, fastpath.Options{Handler: mirror(&fasts), Paths: []string{"/in"}, FirstTimeout: patience, IdleTimeout: patience})
	s := serve(mirror(&fasts), f)
	for range 3 {
		c := s.dial(t)
		c.send(post("one"))
		c.receive()
		_ = c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.shutdown(ctx); err != nil {
		t.Error(err)
	}
}
