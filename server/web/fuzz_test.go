package web

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/server/apidoc"
	"slackmcp/store/memory"
	"slackmcp/webhook"
	"slackmcp/webhook/limiter"
)

// rawSecret signs what FuzzRawRequest has signed: a body without a time, so that its
// signature stays good.
const rawSecret, rawBody = "the-secret-of-the-fuzz-target", `{"id":"1","text":"signed"}`

// FuzzRawRequest sends bytes to the server over a connection of its own. Whatever they are,
// no delivery is accepted but those that were signed and whole; no request is answered twice
// or found in the body of another; no answer is ill-formed or 500; and the connection ends
// with what the client sent.
func FuzzRawRequest(f *testing.F) {
	mac := hmac.New(sha256.New, []byte(rawSecret))
	mac.Write([]byte(rawBody))
	signature := hex.EncodeToString(mac.Sum(nil))
	signed := "POST /events/contact_created HTTP/1.1\r\nHost: example.org:3000\r\nContent-Type: application/json\r\nX-Signature: " + signature + "\r\n"
	whole := signed + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(rawBody), rawBody)
	chunked := signed + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(rawBody), rawBody)
	const probe = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, seed := range []string{
		whole, chunked, strings.Replace(whole, signature, strings.ToUpper(signature), 1), whole + probe + whole, chunked + whole, whole + "\r\n" + whole,
		signed + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + whole,
		signed + "Content-Length: 6\r\nContent-Length: 5\r\n\r\n" + rawBody,
		signed + "Expect: 100-continue\r\nContent-Length: 0026\r\n\r\n" + rawBody,
		signed + "X-A: 1\r\n 2\r\nContent-Length: 26\r\n\r\n" + rawBody,
		fmt.Sprintf("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(whole), whole),
		fmt.Sprintf("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(whole), whole),
		"POST /slack/events HTTP/1.0\r\n\r\n", "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	l := rawServer(f)
	send := func(t testing.TB, sent []byte) (accepted int) {
		c := newRawConn(sent)
		l <- c
		select {
		case <-c.closed:
		case <-time.After(20 * time.Second):
			t.Fatal("the connection goes on")
		}
		methods, deliveries := requestsIn(sent, signature)
		answers, accepted := answersIn(t, c.out.Bytes(), methods)
		if answers > len(methods)+1 {
			t.Errorf("answered %d times to %d requests", answers, len(methods))
		}
		if accepted > deliveries {
			t.Errorf("accepted %d deliveries, signed are %d", accepted, deliveries)
		}
		return accepted
	}
	if n := send(f, []byte(whole+probe+chunked)); n != 2 {
		f.Fatalf("accepted %d of two deliveries", n)
	}
	f.Fuzz(func(t *testing.T, sent []byte) { send(t, sent) })
}

// rawServer is a server with a receiver whose connections come by a channel.
func rawServer(f *testing.F) rawListener {
	store, err := memory.New(memory.Options{})
	if err != nil {
		f.Fatal(err)
	}
	receiver, err := webhook.New(webhook.Options{
		Publisher: store, SlackSecrets: []string{"another"},
		Sources: []webhook.Source{{Name: "contact_created", Secrets: []string{rawSecret}}},
		Limiter: limiter.New(limiter.Options{PerMinute: 1_000_000}), RefusalDelay: time.Nanosecond,
	})
	if err != nil {
		f.Fatal(err)
	}
	api, err := apidoc.New(apidoc.Options{})
	if err != nil {
		f.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	site := New(Options{
		Health:  NewHealth(HealthOptions{Store: store, Trouble: func() bool { return false }, Slack: func() string { return "" }}),
		Metrics: http.NotFoundHandler(), API: api, Receiver: receiver, Logger: log,
	})
	l, s := make(rawListener), NewServer(f.Context(), ServerOptions{Handler: site.Handler(), Logger: log})
	go func() { _ = s.Serve(l) }()
	f.Cleanup(func() { _ = s.http.Close() })
	return l
}

// requestsIn reads what was sent as one request after the other: their methods, and how many
// of them are deliveries with the good signature and its body.
func requestsIn(sent []byte, signature string) (methods []string, deliveries int) {
	r := bufio.NewReader(bytes.NewReader(sent))
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return methods, deliveries
		}
		body, err := io.ReadAll(req.Body)
		methods = append(methods, req.Method)
		given := strings.TrimPrefix(req.Header.Get("X-Signature"), "sha256=")
		if err == nil && string(body) == rawBody && strings.EqualFold(given, signature) { // hex digits have no case
			deliveries++
		}
		if req.Method == http.MethodPost { // net/http overlooks line ends behind a body
			next, _ := r.Peek(4)
			_, _ = r.Discard(len(next) - len(bytes.TrimLeft(next, "\r\n")))
		}
	}
}

// answersIn reads the answers to requests of these methods, of which each is well formed and
// none is 500, and counts them, and those that say that a delivery is stored.
func answersIn(t testing.TB, text []byte, methods []string) (answers, accepted int) {
	for r := bufio.NewReader(bytes.NewReader(text)); ; {
		if _, err := r.Peek(1); err != nil {
			return answers, accepted
		}
		req := &http.Request{Method: http.MethodGet}
		if answers < len(methods) {
			req.Method = methods[answers]
		}
		res, err := http.ReadResponse(r, req)
		if err != nil {
			t.Fatalf("answered %q: %v", text, err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode == http.StatusInternalServerError {
			t.Fatalf("answered %q: %v", text, err)
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		answers++
		if bytes.Contains(body, []byte("queued")) {
			accepted++
		}
	}
}

// A rawListener accepts the connections that are sent to it.
type rawListener chan net.Conn

func (l rawListener) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l rawListener) Close() error   { close(l); return nil }
func (l rawListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// A rawConn is a connection whose client has sent all that it sends, and reads every answer.
type rawConn struct {
	in     *bytes.Reader
	out    bytes.Buffer
	closed chan struct{}
	past   chan struct{} // a read deadline in the past was set
	once   sync.Once
}

func newRawConn(sent []byte) *rawConn {
	return &rawConn{in: bytes.NewReader(sent), closed: make(chan struct{}), past: make(chan struct{}, 1)}
}

// Read implements net.Conn. net/http reads a single byte to notice the end of a client while
// a request is served; this client waits for its answer.
func (c *rawConn) Read(p []byte) (int, error) {
	if c.in.Len() > 0 || len(p) != 1 {
		return c.in.Read(p)
	}
	select {
	case <-c.past:
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *rawConn) Write(p []byte) (int, error) { return c.out.Write(p) }

func (c *rawConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *rawConn) SetReadDeadline(t time.Time) error {
	select {
	case <-c.past:
	default:
	}
	if !t.IsZero() && time.Until(t) < 0 {
		c.past <- struct{}{}
	}
	return nil
}

func (c *rawConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (c *rawConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (c *rawConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *rawConn) SetWriteDeadline(time.Time) error { return nil }
