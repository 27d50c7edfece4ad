package selftest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"slackmcp/webhook/signature"
)

// What to look at when a trial failed.
const (
	remedySecret  = "give this command and the server the same SLACK_SIGNING_SECRET, and set both clocks"
	remedyForged  = "do not trust the events of this address: something there takes what is not Slack's"
	remedyProxy   = "look at the proxy in front: it must pass bodies, headers and " + eventsPath + " on unchanged"
	remedyLimit   = "give this command the server's MAX_BODY_BYTES, and let the proxy refuse no smaller body"
	remedySlow    = "put read timeouts on the proxy in front: slow senders tie its connections up"
	remedyNoMCP   = "set MCP_AUTH_TOKEN or let the server make a token, and do not run with --mcp-no-auth"
	remedyVersion = "update the server, and see that nothing else answers in its place"
)

// trials are all of them, in the card's order. The first shows that there is a server.
func (t *Tester) trials() []trial {
	all := []trial{
		{name: "good", want: "200 and the challenge", remedy: remedySecret, run: t.greets(nil)},
		{name: "good, chunked", want: "200 and the challenge", remedy: remedyProxy, run: t.greets(func(a *attempt) { a.chunked = true })},
		{name: "good, with Slack's retry headers", want: "200 and the challenge", remedy: remedyProxy, run: t.greets(func(a *attempt) {
			a.change = func(h http.Header) {
				h.Set("X-Slack-Retry-Num", "1")
				h.Set("X-Slack-Retry-Reason", "http_timeout")
			}
		})},
	}
	if !t.o.NoEvents {
		all = append(all, trial{name: "event, then the same again", want: "200 twice", remedy: remedyProxy, run: t.twice})
	}
	all = append(all, t.forged()...)
	all = append(all, t.illFormed()...)
	all = append(all, t.elsewhere()...)
	if t.o.Slow > 0 {
		all = append(all, t.patience()...)
	}
	return all
}

// twice posts an event and repeats it byte for byte, as a replay or a retry does.
func (t *Tester) twice(ctx context.Context) (string, error) {
	a := attempt{body: fmt.Appendf(nil, `{"type":"event_callback","team_id":"T0SELFTEST","event_id":"EvSELFTEST%s","event_time":%d,`+
		`"event":{"type":"selftest","text":"slack-webhook-server selftest was here"}}`, rand.Text()[:10], time.Now().Unix())}
	for range 2 {
		got, err := t.send(ctx, a)
		if err != nil {
			return "", err
		}
		if got.status != http.StatusOK {
			return got.String(), errOther
		}
	}
	return "200 twice", nil
}

// forged are the requests that are not Slack's.
func (t *Tester) forged() []trial {
	body, _ := challenge()
	refused := func(name string, a attempt) trial {
		if a.body == nil {
			a.body = body
		}
		return trial{name: name, want: "401", remedy: remedyForged, run: t.status(a, http.StatusUnauthorized)}
	}
	header := func(change func(h http.Header)) attempt { return attempt{change: change} }
	const sig, ts = "X-Slack-Signature", "X-Slack-Request-Timestamp"
	beyond := t.o.Tolerance + 5*time.Second
	return []trial{
		refused("another secret", attempt{secret: rand.Text()}),
		refused("body changed after signing", attempt{signed: []byte(`{"type":"url_verification","challenge":"another"}`)}),
		refused("no signature", header(func(h http.Header) { h.Del(sig) })),
		refused("no timestamp", header(func(h http.Header) { h.Del(ts) })),
		refused("cut signature", header(func(h http.Header) { h.Set(sig, h.Get(sig)[:40]) })),
		refused("another version", header(func(h http.Header) { h.Set(sig, "v1"+strings.TrimPrefix(h.Get(sig), "v0")) })),
		refused("two signatures", header(func(h http.Header) { h.Add(sig, h.Get(sig)) })),
		refused("timestamp that overflows", header(func(h http.Header) { h.Set(ts, "18446744073709551616") })),
		refused("replayed too late", attempt{off: -beyond}),
		refused("from the future", attempt{off: beyond}),
	}
}

// illFormed are signed requests that cannot be meant.
func (t *Tester) illFormed() []trial {
	bad := func(name, want string, status int, a attempt) trial {
		return trial{name: name, want: want, remedy: remedyVersion, run: t.status(a, status)}
	}
	huge := padded(t.o.MaxBody + 1)
	body, _ := challenge()
	return []trial{
		{name: "oversized", want: "413", remedy: remedyLimit, run: t.status(attempt{body: huge}, http.StatusRequestEntityTooLarge)},
		{name: "oversized, chunked", want: "413", remedy: remedyLimit, run: t.status(attempt{body: huge, chunked: true}, http.StatusRequestEntityTooLarge)},
		bad("empty", "400", http.StatusBadRequest, attempt{body: []byte{}}),
		bad("not JSON", "400", http.StatusBadRequest, attempt{body: []byte(`{"type":`)}),
		bad("not an object", "400", http.StatusBadRequest, attempt{body: []byte(`[]`)}),
		bad("not UTF-8", "400", http.StatusBadRequest, attempt{body: []byte("{\"type\":\"\xff\"}")}),
		bad("nested too deep", "400", http.StatusBadRequest, attempt{body: []byte(`{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}")}),
		bad("another media type", "415", http.StatusUnsupportedMediaType, attempt{body: body, change: func(h http.Header) { h.Set("Content-Type", "text/plain") }}),
		bad("GET", "405", http.StatusMethodNotAllowed, attempt{method: http.MethodGet}),
	}
}

// elsewhere are the server's other doors.
func (t *Tester) elsewhere() []trial {
	at := func(path string) string { return t.base.JoinPath(path).String() }
	unsigned := func(h http.Header) {
		h.Del("X-Slack-Signature")
		h.Del("X-Slack-Request-Timestamp")
	}
	return []trial{
		{name: "unknown sender", want: "404", remedy: remedyVersion, run: t.status(
			attempt{url: at("/events/selftest_" + strings.ToLower(rand.Text()[:8])), body: []byte(`{}`), change: unsigned}, http.StatusNotFound)},
		{name: "Slack's ssl_check", want: "200", remedy: remedyProxy, run: t.status(attempt{body: []byte("ssl_check=1&token=selftest"), change: func(h http.Header) {
			unsigned(h)
			h.Set("Content-Type", "application/x-www-form-urlencoded")
		}}, http.StatusOK)},
		{name: "health", want: "200", remedy: remedyVersion, run: t.status(attempt{method: http.MethodGet, url: at("/health"), change: unsigned}, http.StatusOK)},
		{name: "mcp without a token", want: "401", remedy: remedyNoMCP, run: t.closedMCP(at("/mcp"), nil)},
		{name: "mcp from a foreign page", want: "403", remedy: remedyNoMCP, run: t.closedMCP(at("/mcp"), func(h http.Header) { h.Set("Origin", "https://selftest.invalid") })},
	}
}

// closedMCP requires that the assistants' side, where there is one, refuses a caller without a token.
func (t *Tester) closedMCP(url string, change func(http.Header)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := t.send(ctx, attempt{url: url, body: []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), change: func(h http.Header) {
			h.Del("X-Slack-Signature")
			h.Set("Accept", "application/json, text/event-stream")
			if change != nil {
				change(h)
			}
		}})
		switch {
		case err != nil:
			return "", err
		case got.status == http.StatusNotFound:
			return "404: no MCP side at /mcp", errNotThere
		case got.status == http.StatusUnauthorized && change == nil, got.status == http.StatusForbidden:
			return got.String(), nil
		}
		return got.String(), errOther
	}
}

// A trial is one kind of request and what should come back.
type trial struct {
	name, want, remedy string
	// slow says that it waits for the server to lose patience.
	slow bool
	// run returns what came back, and an error when it is not what was wanted.
	run func(context.Context) (got string, err error)
}

var (
	// errNotThere says that the server does not serve what the trial is about.
	errNotThere = errors.New("not served there")
	errOther    = errors.New("something else came back")
)

// An attempt is one signed request, changed where the trial wants it otherwise.
type attempt struct {
	method string
	url    string // empty is where Slack posts
	body   []byte
	// signed is what the signature is made over; nil is the body.
	signed []byte
	secret string        // empty is the server's
	off    time.Duration // of the timestamp
	// chunked sends the body without its length.
	chunked bool
	change  func(http.Header)
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte // at most 64 KiB
}

func (a answer) String() string {
	body := strings.TrimSpace(string(a.body))
	const most = 80
	if len(body) > most {
		body = body[:most] + "..."
	}
	return strings.TrimSpace(fmt.Sprint(a.status, " ", body))
}

// send makes the request. A server that answers before it has read everything may close
// the connection under the rest of the body, so that the answer is lost on the way: the
// request is then made again.
func (t *Tester) send(ctx context.Context, a attempt) (answer, error) {
	for try := 1; ; try++ {
		got, err := t.sendOnce(ctx, a)
		if err == nil || try == 3 || ctx.Err() != nil {
			return got, err
		}
	}
}

func (t *Tester) sendOnce(ctx context.Context, a attempt) (answer, error) {
	if a.method == "" {
		a.method = http.MethodPost
	}
	if a.url == "" {
		a.url = t.events.String()
	}
	var body io.Reader = bytes.NewReader(a.body)
	if a.chunked {
		body = io.MultiReader(body) // net/http cannot know its length
	}
	req, err := http.NewRequestWithContext(ctx, a.method, a.url, body)
	if err != nil {
		return answer{}, err
	}
	t.dress(req.Header, a)
	res, err := t.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }() // what matters was read
	got, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return answer{res.StatusCode, res.Header, got}, err
}

// dress sets the headers as Slack does, and then as the trial wants them.
func (t *Tester) dress(h http.Header, a attempt) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "slack-webhook-server selftest")
	signed, secret := a.body, t.o.Secret
	if a.signed != nil {
		signed = a.signed
	}
	if a.secret != "" {
		secret = a.secret
	}
	signature.SignSlack(h, secret, time.Now().Add(a.off), signed)
	if a.change != nil {
		a.change(h)
	}
}

// status wants one of the statuses.
func (t *Tester) status(a attempt, statuses ...int) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := t.send(ctx, a)
		if err != nil {
			return "", err
		}
		if slices.Contains(statuses, got.status) {
			return got.String(), nil
		}
		return got.String(), errOther
	}
}

// challenge is a body that the server answers and does not store, and the word that
// must come back.
func challenge() (body []byte, word string) {
	word = rand.Text()
	body, _ = json.Marshal(map[string]string{"type": "url_verification", "challenge": word}) // strings always encode
	return body, word
}

// greets wants the word of a challenge to come back.
func (t *Tester) greets(change func(*attempt)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		body, word := challenge()
		a := attempt{body: body}
		if change != nil {
			change(&a)
		}
		got, err := t.send(ctx, a)
		if err != nil {
			return "", err
		}
		if got.status != http.StatusOK || !bytes.Contains(got.body, []byte(word)) {
			return got.String(), errOther
		}
		return "200 and the challenge", nil
	}
}

// padded is a signed object of n bytes.
func padded(n int64) []byte {
	const frame = `{"type":"url_verification","challenge":"x","pad":""}`
	return []byte(frame[:len(frame)-2] + strings.Repeat("x", max(int(n)-len(frame), 0)) + `"}`)
}

// patience are the requests that never end: the server must let them go.
func (t *Tester) patience() []trial {
	body, _ := challenge()
	return []trial{
		{name: "headers that never end", want: "let go", remedy: remedySlow, slow: true, run: func(ctx context.Context) (string, error) {
			return t.stall(ctx, t.head(len(body), "")[:60])
		}},
		{name: "body that never ends", want: "let go", remedy: remedySlow, slow: true, run: func(ctx context.Context) (string, error) {
			return t.stall(ctx, t.head(len(body), string(body))+string(body[:len(body)/2]))
		}},
		{name: "body that breaks off", want: "no 200", remedy: remedyVersion, slow: true, run: func(ctx context.Context) (string, error) {
			return t.breakOff(ctx, t.head(len(body), string(body))+string(body[:len(body)/2]))
		}},
	}
}

// head is a request's head, signed over a body of a length.
func (t *Tester) head(length int, signed string) string {
	h := http.Header{}
	t.dress(h, attempt{body: []byte(signed)})
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", t.events.RequestURI(), t.events.Host, length)
	for name, values := range h {
		head.WriteString(name + ": " + values[0] + "\r\n")
	}
	return head.String() + "\r\n"
}

// dial connects as the address says.
func (t *Tester) dial(ctx context.Context) (net.Conn, error) {
	host, port := t.events.Hostname(), t.events.Port()
	if t.events.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		d := &tls.Dialer{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if port == "" {
		port = "80"
	}
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}

// open connects, and sends what is given.
func (t *Tester) open(ctx context.Context, begin string) (net.Conn, error) {
	c, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = c.SetDeadline(deadline)
	}
	if err == nil {
		_, err = io.WriteString(c, begin)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// stall begins a request, says nothing more, and waits to be let go.
func (t *Tester) stall(ctx context.Context, begin string) (string, error) {
	c, err := t.open(ctx, begin)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	begun := time.Now()
	said, err := io.ReadAll(io.LimitReader(c, 4<<10))
	after := time.Since(begun).Round(time.Second)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), ctx.Err() != nil:
		return fmt.Sprintf("still waiting after %s", after), errOther
	case len(said) > 0 && len(said) >= len("HTTP/1.1 200") && string(said[:12]) == "HTTP/1.1 200":
		return "200", errOther
	}
	return fmt.Sprintf("let go after %s", after), nil
}

// breakOff begins a request, and ends its side in the middle.
func (t *Tester) breakOff(ctx context.Context, begin string) (string, error) {
	c, err := t.open(ctx, begin)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	type halfCloser interface{ CloseWrite() error }
	if h, ok := c.(halfCloser); ok {
		if err := h.CloseWrite(); err != nil {
			return "", err
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "no answer", nil // as good as a refusal
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusOK {
		return res.Status, errOther
	}
	return res.Status, nil
}
