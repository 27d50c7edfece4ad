package tcp_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slackmcp/server/tcp"
)

// serve serves a handler on our connections.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Listener = tcp.NewListener(s.Listener)
	start := s.Start
	for _, c := range change {
		c(s)
	}
	if s.TLS != nil {
		start = s.StartTLS
	}
	start()
	t.Cleanup(s.Close)
	return s
}

// echo reads all before it answers, as HTTP/1.1 wants it.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

// TestBodies: bodies of all sizes go both ways, in clear, over TLS and over HTTP/2.
func TestBodies(t *testing.T) {
	variants := map[string]func(*httptest.Server){
		"clear": func(*httptest.Server) {},
		"tls":   func(s *httptest.Server) { s.TLS = &tls.Config{MinVersion: tls.VersionTLS12} },
		"http2": func(s *httptest.Server) { s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}; s.EnableHTTP2 = true },
	}
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			s := serve(t, echo, change)
			for _, size := range []int{0, 1, 2, 4095, 4096, 4097, 70_000, 5 << 20} {
				body := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
				if got := post(t, s, body); !bytes.Equal(got, body) {
					t.Errorf("of %d bytes %d came back, or others", size, len(got))
				}
			}
		})
	}
}

func post(t *testing.T, s *httptest.Server, body []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// dial opens a connection to speak by hand.
func dial(t *testing.T, s *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// TestClientGoesAway: the request's context ends, whether a body was read or not.
func TestClientGoesAway(t *testing.T) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
	} {
		t.Run(request[:4], func(t *testing.T) {
			began, ended := make(chan struct{}), make(chan struct{})
			s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(began)
				<-r.Context().Done()
				close(ended)
			})
			c, _ := dial(t, s)
			write(t, c, request)
			<-began
			c.Close()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("the handler was not told")
			}
		})
	}
}

// TestPipelined: requests that come at once, and one that comes while another is served
// for longer than a moment, are answered in turn.
func TestPipelined(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
				t.Error("the next request was taken for the client's end")
			}
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	c, r := dial(t, s)
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	write(t, c, get("/1")+get("/2")+get("/slow"))
	time.Sleep(150 * time.Millisecond)
	write(t, c, get("/3")+get("/4"))
	for _, want := range []string{"/1", "/2", "/slow", "/3", "/4"} {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(got) != want {
			t.Errorf("answer %q, want %q", got, want)
		}
	}
}

// TestServerTimeouts: a connection that stays silent, or stops within its request, is
// let go, also after requests that were answered.
func TestServerTimeouts(t *testing.T) {
	const short, long = 200 * time.Millisecond, time.Hour
	for name, limits := range map[string]struct {
		idle, header, read time.Duration
		begin              string
	}{
		"idle":   {short, long, long, ""},
		"header": {long, short, long, "GET / HTTP/1.1\r\nHost:"},
		"body":   {long, long, short, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, echo, func(s *httptest.Server) {
				s.Config.IdleTimeout, s.Config.ReadHeaderTimeout, s.Config.ReadTimeout = limits.idle, limits.header, limits.read
			})
			c, r := dial(t, s)
			for range 3 {
				write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			write(t, c, limits.begin)
			rest, err := io.ReadAll(r) // until the server closes; the deadline of dial says it did not
			if err != nil {
				t.Fatalf("the connection stays open: %v (%q)", err, rest)
			}
			if strings.Contains(string(rest), "200 OK") {
				t.Errorf("answered %q", rest)
			}
		})
	}
}
