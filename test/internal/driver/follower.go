package driver

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An Era is how a client follows.
type Era string

// The eras that are measured.
const (
	Session   Era = "2025-11-25"
	Stateless Era = "2026-07-28"
)

// A Client is who makes requests, and what it follows.
type Client struct {
	// Token is a person's; empty is [Token], which is a service's.
	Token string
	// URI is the resource that it follows.
	URI string
}

// header are the headers by which the client is known.
func (c Client) header() http.Header {
	return http.Header{"Authorization": {"Bearer " + cmp.Or(c.Token, Token)}}
}

// A Follower is one client with an open stream. It notes when it was notified.
type Follower struct {
	cancel  context.CancelFunc
	done    chan struct{}
	session http.Header // the headers of the session's requests; nil has none
	end     func()      // ends the session; nil has none

	mu    sync.Mutex
	times []time.Time
	ended error
}

// Leave ends the stream, waits for its end, and ends the session, as the SDKs' clients do.
func (f *Follower) Leave() {
	f.cancel()
	<-f.done
	if f.end != nil {
		f.end()
	}
}

// Notified returns when the follower was notified, in order.
func (f *Follower) Notified() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.times
}

// Ended returns why the stream ended before its client left it, or nil.
func (f *Follower) Ended() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// opening is how many sessions are opened at once.
const opening = 16

// Follow opens so many clients, each of which follows a resource, and waits for their
// streams.
func Follow(ctx context.Context, p *Process, sessions int, e Era, who func(session int) Client) ([]*Follower, error) {
	followers := make([]*Follower, sessions)
	errs := make([]error, sessions)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: opening}}
	defer client.CloseIdleConnections()
	places := make(chan struct{}, opening)
	var all sync.WaitGroup
	for i := range sessions {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			followers[i], errs[i] = open(ctx, client, p.Base+"/mcp", e, who(i))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, f := range followers {
			if f != nil {
				f.Leave()
			}
		}
		return nil, err
	}
	return followers, nil
}

func open(ctx context.Context, client *http.Client, url string, e Era, who Client) (*Follower, error) {
	h := who.header()
	if e == Stateless {
		body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{` + meta + `,"notifications":{"resourceSubscriptions":["` + who.URI + `"]}}}`
		h.Set("Mcp-Protocol-Version", string(Stateless))
		h.Set("Mcp-Method", "subscriptions/listen")
		return stream(ctx, http.MethodPost, url, h, body, "subscriptions/acknowledged")
	}
	res, _, err := call(ctx, client, url, h, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"fanout","version":"1"}}}`)
	if err != nil {
		return nil, err
	}
	h.Set("Mcp-Session-Id", res.Get("Mcp-Session-Id"))
	h.Set("Mcp-Protocol-Version", "2025-11-25")
	if _, _, err := call(ctx, client, url, h, `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"`+who.URI+`"}}`); err != nil {
		return nil, err
	}
	f, err := stream(ctx, http.MethodGet, url, h, "", "retry:")
	if err != nil {
		return nil, err
	}
	life := context.WithoutCancel(ctx)
	f.session = h
	f.end = func() { deleteSession(life, url, h) }
	return f, nil
}

// deleteSession ends a session. A server that is gone has ended it too.
func deleteSession(ctx context.Context, url string, h http.Header) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := request(ctx, http.MethodDelete, url, h, "")
	if err != nil {
		return
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

// Call makes a request in the follower's session, and wants a good answer. Only a
// follower of [Session] has a session.
func (f *Follower) Call(ctx context.Context, client *http.Client, p *Process, method, params string) error {
	_, _, err := call(ctx, client, p.Base+"/mcp", f.session, `{"jsonrpc":"2.0","id":7,"method":"`+method+`","params":{`+params+`}}`)
	return err
}

// Call is [Client.Call] of a service, which reads no answer.
func Call(ctx context.Context, client *http.Client, p *Process, method, name, params string) error {
	_, err := Client{}.Call(ctx, client, p, method, name, params)
	return err
}

// Call makes one request of 2026-07-28, which needs no session, and returns a good answer.
func (c Client) Call(ctx context.Context, client *http.Client, p *Process, method, name, params string) ([]byte, error) {
	h := c.header()
	h.Set("Mcp-Protocol-Version", string(Stateless))
	h.Set("Mcp-Method", method)
	if name != "" {
		h.Set("Mcp-Name", name)
	}
	if params != "" {
		params += ","
	}
	_, said, err := call(ctx, client, p.Base+"/mcp", h, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+params+meta+`}}`)
	return said, err
}

// meta is what a request of 2026-07-28 says about itself.
const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

func request(ctx context.Context, method, url string, h http.Header, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = h.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	return req, nil
}

// call sends a request and returns a good answer.
func call(ctx context.Context, client *http.Client, url string, h http.Header, body string) (head http.Header, said []byte, err error) {
	req, err := request(ctx, http.MethodPost, url, h, body)
	if err != nil {
		return nil, nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if said, err = io.ReadAll(res.Body); err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(said, []byte(`"error"`)) || bytes.Contains(said, []byte(`"isError":true`)) {
		return nil, nil, fmt.Errorf("%d: %s", res.StatusCode, said)
	}
	return res.Header, said, nil
}

// stream opens a stream, on a connection of its own, and returns when it said hello.
func stream(ctx context.Context, method, url string, h http.Header, body, hello string) (*Follower, error) {
	ctx, cancel := context.WithCancel(ctx)
	req, err := request(ctx, method, url, h, body)
	if err != nil {
		cancel()
		return nil, err
	}
	res, err := (&http.Transport{DisableKeepAlives: true, ReadBufferSize: 1 << 10}).RoundTrip(req) //nolint:bodyclose // closed by the reader below
	if err != nil {
		cancel()
		return nil, err
	}
	f := &Follower{cancel: cancel, done: make(chan struct{})}
	if res.StatusCode != http.StatusOK {
		cancel()
		_ = res.Body.Close()
		return nil, fmt.Errorf("%s: %d", method, res.StatusCode)
	}
	greeted := make(chan struct{})
	go func() {
		defer close(f.done)
		defer func() { _ = res.Body.Close() }()
		err := f.read(res.Body, hello, greeted)
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ended = cmp.Or(err, io.EOF)
	}()
	select {
	case <-greeted:
		return f, nil
	case <-f.done:
		cancel()
		return nil, errors.New("the stream ended at once")
	}
}

func (f *Follower) read(body io.Reader, hello string, greeted chan<- struct{}) error {
	lines := bufio.NewScanner(body)
	for said := false; lines.Scan(); {
		line := lines.Bytes()
		if !said && bytes.Contains(line, []byte(hello)) {
			said = true
			close(greeted)
		}
		if bytes.Contains(line, []byte(`notifications/resources/updated`)) {
			now := time.Now()
			f.mu.Lock()
			f.times = append(f.times, now)
			f.mu.Unlock()
		}
	}
	return lines.Err()
}
