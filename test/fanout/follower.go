package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An era is how a client follows.
type era string

const (
	session   era = "2025-11-25"
	stateless era = "2026-07-28"
)

// A follower is one client with an open stream. It notes when it was told.
type follower struct {
	cancel context.CancelFunc
	done   chan struct{}
	count  atomic.Int64

	mu    sync.Mutex
	times []time.Time
}

func (f *follower) leave() {
	f.cancel()
	<-f.done
}

// told returns when the follower was told, in order.
func (f *follower) told() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.times
}

// opening is how many sessions are opened at once.
const opening = 16

// follow opens all sessions and waits for their streams.
func (s settings) follow(ctx context.Context, p *process, sc scenario) ([]*follower, error) {
	followers := make([]*follower, s.sessions)
	errs := make([]error, s.sessions)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: opening}}
	defer client.CloseIdleConnections()
	places := make(chan struct{}, opening)
	var all sync.WaitGroup
	for i := range s.sessions {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			followers[i], errs[i] = open(ctx, client, p.base+"/mcp", sc.era, sc.uri(i))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, f := range followers {
			if f != nil {
				f.leave()
			}
		}
		return nil, err
	}
	return followers, nil
}

func open(ctx context.Context, client *http.Client, url string, e era, uri string) (*follower, error) {
	if e == stateless {
		const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
		body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{` + meta + `,"notifications":{"resourceSubscriptions":["` + uri + `"]}}}`
		h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"subscriptions/listen"}}
		return stream(ctx, http.MethodPost, url, h, body, "subscriptions/acknowledged")
	}
	h := http.Header{}
	res, err := call(ctx, client, url, h, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"fanout","version":"1"}}}`)
	if err != nil {
		return nil, err
	}
	h.Set("Mcp-Session-Id", res.Get("Mcp-Session-Id"))
	h.Set("Mcp-Protocol-Version", "2025-11-25")
	if _, err := call(ctx, client, url, h, `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"`+uri+`"}}`); err != nil {
		return nil, err
	}
	return stream(ctx, http.MethodGet, url, h, "", "retry:")
}

func request(ctx context.Context, method, url string, h http.Header, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = h.Clone()
	req.Header.Set("Authorization", "Bearer "+mcpToken)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	return req, nil
}

// call sends a request and returns the headers of a good answer.
func call(ctx context.Context, client *http.Client, url string, h http.Header, body string) (http.Header, error) {
	req, err := request(ctx, http.MethodPost, url, h, body)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(said, []byte(`"error"`)) {
		return nil, fmt.Errorf("%d: %s", res.StatusCode, said)
	}
	return res.Header, nil
}

// stream opens a stream, on a connection of its own, and returns when it said hello.
func stream(ctx context.Context, method, url string, h http.Header, body, hello string) (*follower, error) {
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
	f := &follower{cancel: cancel, done: make(chan struct{})}
	if res.StatusCode != http.StatusOK {
		cancel()
		_ = res.Body.Close()
		return nil, fmt.Errorf("%s: %d", method, res.StatusCode)
	}
	greeted := make(chan struct{})
	go func() {
		defer close(f.done)
		defer func() { _ = res.Body.Close() }()
		f.read(res.Body, hello, greeted)
	}()
	select {
	case <-greeted:
		return f, nil
	case <-f.done:
		cancel()
		return nil, errors.New("the stream ended at once")
	}
}

func (f *follower) read(body io.Reader, hello string, greeted chan<- struct{}) {
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
			f.count.Add(1)
		}
	}
}
