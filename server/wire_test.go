package server_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/server"
)

// A wire is a connection of a client that writes bytes as it likes.
type wire struct {
	*net.TCPConn
	t *testing.T
	r *bufio.Reader
}

func dialWire(t *testing.T, url string) *wire {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &wire{c.(*net.TCPConn), t, bufio.NewReader(c)}
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.TCPConn, text); err != nil {
		w.t.Fatal(err)
	}
}

// receive reads one answer.
func (w *wire) receive() (status int, closes bool) {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, nil)
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Close
}

// ended waits for the end of the connection.
func (w *wire) ended() bool {
	w.t.Helper()
	_, err := w.r.ReadByte()
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// over is ended without waiting for it. Nothing may be sent to the connection meanwhile.
func (w *wire) over() bool {
	w.t.Helper()
	if err := w.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = w.SetReadDeadline(time.Now().Add(time.Minute)) }()
	return w.ended()
}

// signed is a signed delivery as it goes over the wire: one line a header, among them the
// further ones.
func signed(body string, further ...string) string {
	ts := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + ts + ":" + body))
	return fmt.Sprintf("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Slack-Request-Timestamp: %s\r\nX-Slack-Signature: v0=%s\r\n%sContent-Length: %d\r\n\r\n%s",
		ts, hex.EncodeToString(mac.Sum(nil)), strings.Join(further, ""), len(body), body)
}

// delivery is the body of an event.
func delivery(id string) string {
	return fmt.Sprintf(`{"type":"event_callback","event_id":%q,"event":{"type":"message"}}`, id)
}

// TestRawRequests sends bytes to the whole server, piece by piece at each |, where FIN is
// the end of what the client writes, and holds it to how many events are stored, what is answered, and whether the connection serves another
// request afterwards. A body is read as long as its request says and no longer: a second
// request is never found in it.
func TestRawRequests(t *testing.T) {
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"UNVERIFIED_PER_MINUTE": "100000"})})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	accepted := func() (n int) {
		t.Helper()
		var health struct{ Queue struct{ Accepted int } }
		if _, body := get(t, url+"/health/detailed", ""); json.Unmarshal([]byte(body), &health) != nil {
			t.Fatal(body)
		}
		return health.Queue.Accepted
	}
	n, one := 0, func(status int) []int { return []int{status} }
	event := func() string { n++; return delivery(fmt.Sprintf("Ev%04d", n)) }
	post := func(further ...string) string { return signed(event(), further...) }
	change := func(old, new string) string {
		sent := post()
		if !strings.Contains(sent, old) {
			t.Fatalf("%q is not in %q", old, sent)
		}
		return strings.Replace(sent, old, new, 1)
	}
	length := func(how string) string { return change("Content-Length: ", how) }
	chunk := func(sent string, further ...string) string {
		head, body, _ := strings.Cut(sent, "\r\n\r\n")
		head = head[:strings.LastIndex(head, "\r\n")] // the length comes last
		return fmt.Sprintf("%s\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, strings.Join(further, ""), len(body), body)
	}
	withPieces := func(at func(string) int) string {
		sent := post()
		return sent[:at(sent)] + "|" + sent[at(sent):]
	}
	unsigned := func(body string) string {
		return fmt.Sprintf("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	const probe = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	long := strings.Repeat("x", 9<<10)
	for _, c := range []struct {
		name, sent string
		stored     int
		answers    []int
		closed     bool
	}{
		// Requests as senders write them.
		{"as Slack does", post("User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n", "Accept: */*\r\n", "Accept-Encoding: gzip,deflate\r\n"), 1, one(200), false},
		{"small letters", change("X-Slack-Signature", "x-slack-signature"), 1, one(200), false},
		{"a header twice", post("X-A: 1\r\n", "X-B: 2\r\n", "x-a: 3\r\n"), 1, one(200), false},
		{"keep-alive", post("Connection: keep-alive\r\n"), 1, one(200), false},
		{"the client ends it", post("Connection: close\r\n"), 1, one(200), true},
		{"100-continue", post("Expect: 100-continue\r\n"), 1, []int{100, 200}, false},
		{"a long header", post("X-A: " + long + "\r\n"), 1, one(200), false},
		{"a header that is too long", post("X-A: " + strings.Repeat(long, 5) + "\r\n"), 0, one(431), true},
		{"a long body", signed(`{"event_id":"EvLONG","text":"` + long + `"}`), 1, one(200), false},
		{"spaces around a value", post("X-A:  1 \r\n", "X-B:2\r\n", "X-C: \r\n", "X-D: a\tb\r\n"), 1, one(200), false},
		{"beyond ASCII", post("X-A: é\r\n"), 1, one(200), false},
		{"chunked", chunk(post()), 1, one(200), false},
		{"HTTP/1.0", change("HTTP/1.1", "HTTP/1.0"), 1, one(200), true},
		{"an absolute target", change("/slack/events", "http://y/slack/events"), 1, one(200), false},
		{"a query", change("/slack/events", "/slack/events?a=b"), 1, one(200), false},
		{"an escaped path", change("/slack", "/%73lack"), 0, one(404), false},
		{"an upgrade", post("Connection: upgrade\r\nUpgrade: h2c\r\n"), 1, one(200), false},

		// Several requests on a connection, and requests in pieces.
		{"three at once", post() + post() + post(), 3, []int{200, 200, 200}, false},
		{"one after the other", post() + "|" + post() + "|" + post(), 3, []int{200, 200, 200}, false},
		{"between others", probe + post() + probe, 1, []int{200, 200, 200}, false},
		{"one and half of one", withPieces(func(s string) int { return 30 }), 1, one(200), false},
		{"a head in two pieces", withPieces(func(s string) int { return strings.Index(s, "X-Slack") + 3 }), 1, one(200), false},
		{"a body in two pieces", withPieces(func(s string) int { return len(s) - 2 }), 1, one(200), false},
		{"a line end behind a body", post() + "\r\n" + post(), 2, []int{200, 200}, false},
		{"two line ends", post() + "\r\n|\r\n" + post(), 2, []int{200, 200}, false},
		{"an empty line before", "\r\n" + post(), 0, one(400), true},
		{"the same one twice", strings.Repeat(post(), 2), 1, []int{200, 200}, false},

		// Lengths that two readers could read in two ways.
		{"leading zeros", length("Content-Length: 000"), 1, one(200), false},
		{"a signed length", length("Content-Length: +"), 0, one(400), true},
		{"a negative length", length("Content-Length: -"), 0, one(400), true},
		{"a length of two", length("Content-Length: 1,"), 0, one(400), true},
		{"a hexadecimal length", length("Content-Length: 0x"), 0, one(400), true},
		{"an empty length", length("Content-Length: \r\nX-A: "), 0, one(400), true},
		{"two other lengths", post("Content-Length: 6\r\n"), 0, one(400), true},
		{"no length", change("Content-Length", "X-Length") + "\r\n\r\n", 0, one(401), true},
		{"no body", signed(""), 0, one(400), false},
		{"a length that is too long", signed(strings.Repeat("x", 1<<20+1)), 0, one(413), true},
		{"chunked and a length", chunk(post(), "Content-Length: 5\r\n"), 1, one(200), false},
		{"chunked in another word", strings.Replace(chunk(post()), "chunked", "xchunked", 1), 0, one(501), true},
		{"chunked twice", strings.Replace(chunk(post()), "chunked", "chunked, chunked", 1), 0, one(501), true},
		{"chunked over HTTP/1.0", strings.Replace(chunk(post()), "HTTP/1.1", "HTTP/1.0", 1), 0, one(401), true},
		{"a chunk without a length", strings.Replace(chunk(post()), "\r\n0\r\n", "\r\nz\r\n", 1), 0, one(400), true},
		{"chunks that end too early", chunk(post())[:len(chunk(post()))-7] + "|FIN", 0, one(400), true},
		{"a body that ends too early", post()[:len(post())-2] + "|FIN", 0, one(400), true},

		// A request in a body is no request.
		{"in an unsigned body", unsigned(post()), 0, one(401), true},
		{"in a signed body", signed(post()), 0, one(400), false},
		{"in the body of a probe", strings.Replace(probe, "\r\n\r\n", "\r\nContent-Length: "+fmt.Sprint(len(post()))+"\r\n\r\n"+post(), 1), 0, one(200), false},
		{"behind a length that is too short", unsigned("{}") + post(), 0, one(401), true},
		{"in the body of a route that is none", strings.Replace(unsigned(post()), "/slack/events", "/nothing", 1), 0, one(404), false},

		// Headers that two readers could read in two ways.
		{"no host", change("Host: x\r\n", ""), 0, one(400), true},
		{"an empty host", change("Host: x", "Host: "), 1, one(200), false},
		{"two hosts", post("Host: y\r\n"), 0, one(400), true},
		{"a strange host", change("Host: x", "Host: x\x00y"), 0, one(400), true},
		{"a folded line", post("X-A: 1\r\n 2\r\n"), 1, one(200), false},
		{"a space before the colon", post("X-A : 1\r\n"), 0, one(400), true},
		{"no colon", post("X-A\r\n"), 0, one(400), true},
		{"a NUL", post("X-A: 1\x002\r\n"), 0, one(400), true},
		{"a lone CR", post("X-A: 1\r2\r\n"), 0, one(400), true},
		{"a lone LF", post("X-A: 1\nX-B: 2\r\n"), 1, one(200), false},

		// What is no request to the route.
		{"another method", change("POST", "PUT"), 0, one(405), true},
		{"a path that is not ours", change("/slack/events", "/slack/events/"), 0, one(404), false},
		{"two spaces in the request line", change("POST ", "POST  "), 0, one(400), true},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, one(404), true},
		{"TLS", "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\r\n\r\n", 0, one(400), true},
		{"nonsense", "nonsense\r\n\r\n", 0, one(400), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := accepted()
			w := dialWire(t, url)
			for i, piece := range strings.Split(c.sent, "|") {
				if i > 0 {
					time.Sleep(20 * time.Millisecond)
				}
				if piece == "FIN" {
					_ = w.CloseWrite()
					continue
				}
				w.send(piece)
			}
			var got []int
			closes := false
			for range c.answers {
				var status int
				status, closes = w.receive()
				if got = append(got, status); closes {
					break
				}
			}
			if !slices.Equal(got, c.answers) {
				t.Errorf("answered %d, want %d", got, c.answers)
			}
			if closes && !c.closed {
				t.Error("the last answer ends the connection")
			}
			if c.closed && !w.ended() {
				t.Error("the connection goes on")
			}
			if !c.closed && !closes {
				w.send(probe)
				if status, _ := w.receive(); status != http.StatusOK {
					t.Errorf("the next request is answered %d", status)
				}
			}
			if stored := accepted() - before; stored != c.stored {
				t.Errorf("%d events were stored, want %d", stored, c.stored)
			}
		})
	}
}

// TestMostConnections has as many connections as MAX_CONNECTIONS lets in: one more is let in, and
// one of the others gives way to it.
func TestMostConnections(t *testing.T) {
	t.Parallel()
	const most = 16
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"MAX_CONNECTIONS": fmt.Sprint(most)})})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	const probe = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	slack := dialWire(t, url)
	slack.send(signed(delivery("EvFIRST")))
	if status, _ := slack.receive(); status != http.StatusOK {
		t.Fatalf("a signed event was answered %d", status)
	}
	var wires []*wire
	for range 2 * most {
		w := dialWire(t, url)
		w.send(probe)
		if status, _ := w.receive(); status != http.StatusOK {
			t.Fatalf("a newcomer was answered %d", status)
		}
		wires = append(wires, w)
	}
	// Which of those that are idle give way is tried in server/web: here the server may not have seen yet
	// that the newest answers have been read.
	open := 1 + len(wires) // one is Slack's
	for until := time.Now().Add(20 * time.Second); open > most && time.Now().Before(until); {
		open = 1
		for _, w := range wires {
			if !w.over() {
				open++
			}
		}
	}
	if open > most {
		t.Errorf("%d connections are open, want %d", open, most)
	}
	last := wires[len(wires)-1]
	last.send(probe)
	if status, _ := last.receive(); status != http.StatusOK {
		t.Errorf("the youngest connection is answered %d", status)
	}
	slack.send(signed(delivery("EvLAST")))
	if status, _ := slack.receive(); status != http.StatusOK {
		t.Errorf("on the oldest connection, which carried a signed event, another one is answered %d", status)
	}
}

// TestAStreamDoesNotGiveWay opens many more connections than there may be beside an assistant's
// stream, and looks whether that still has its heartbeat to wait for.
func TestAStreamDoesNotGiveWay(t *testing.T) {
	t.Parallel()
	const token = "stream-token-0123456789"
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{
		"INTEGRATED": "true", "SANDBOX": "true", "SLACK_BOT_TOKEN": "", "MCP_AUTH_TOKEN": token, "MAX_CONNECTIONS": "16",
	})})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	stream := dialWire(t, url)
	stream.send("GET /mcp/sse HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + token + "\r\n\r\n")
	if line, err := stream.r.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("the stream is answered %q, %v", line, err)
	}
	for line := ""; !strings.HasPrefix(line, "data:"); {
		if line, err = stream.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for range 48 {
		w := dialWire(t, url)
		w.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, _ := w.receive(); status != http.StatusOK {
			t.Fatalf("a newcomer was answered %d", status)
		}
	}
	if err := stream.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stream.r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the stream ended: %v", err)
	}
}

// TestStopAnswersWhatHasBegun stops a server that has an idle connection, one whose request
// has come in part and one that has sent nothing: the first is closed at once, the second is
// answered and closed, and the server does not wait for the third.
func TestStopAnswersWhatHasBegun(t *testing.T) {
	t.Parallel()
	s, err := server.New(t.Context(), server.Options{Config: load(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	idle, begun, silent := dialWire(t, url), dialWire(t, url), dialWire(t, url)
	idle.send(signed(delivery("Ev1")))
	if status, _ := idle.receive(); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	sent := signed(delivery("Ev2"), "Expect: 100-continue\r\n")
	begun.send(sent[:len(sent)-10])
	if status, _ := begun.receive(); status != http.StatusContinue { // its body is being read
		t.Fatalf("answered %d", status)
	}
	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- stop() }()
	if !idle.ended() {
		t.Error("the idle connection goes on")
	}
	if !silent.ended() {
		t.Error("the silent connection goes on")
	}
	select {
	case err := <-stopped:
		t.Fatalf("the server stopped within a request: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	begun.send(sent[len(sent)-10:])
	if status, closes := begun.receive(); status != http.StatusOK || !closes {
		t.Errorf("answered %d, closes %v", status, closes)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("the server took %s to stop", d)
	}
}

// TestSlowHeaders gives up a client that sends half a header and no more.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	s, err := server.New(t.Context(), server.Options{Config: load(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	nothing, half, second := dialWire(t, url), dialWire(t, url), dialWire(t, url)
	half.send("POST /slack/events HTTP/1.1\r\nHost:")
	second.send(signed(delivery("Ev1")) + "POST /slack/events HTTP/1.1\r\nHost:")
	if status, _ := second.receive(); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	began := time.Now()
	for name, w := range map[string]*wire{"a silent client": nothing, "half a header": half, "half of a second header": second} {
		rest, err := io.ReadAll(w.r) // until the server ends the connection
		if err != nil || strings.Contains(string(rest), "200") {
			t.Errorf("%s: the connection ends with %v, after %q", name, err, rest)
		}
	}
	if d := time.Since(began); d < 3*time.Second || d > 20*time.Second {
		t.Errorf("they were given up after %s", d)
	}
}
