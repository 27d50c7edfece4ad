package selftest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"
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

// closedMCP wants the assistants' side to refuse a stranger, where there is one.
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
