package socket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"slackmcp/store/queue"
)

// helloTimeout bounds the first question to a server, which it answers from memory.
const helloTimeout = 5 * time.Second

// A Client speaks to the server behind a socket. It is the store of that server; see
// remote.go. It is safe for concurrent use.
type Client struct {
	http  *http.Client
	path  string
	hello Hello
}

// Dial asks the server behind a path who it is. [ErrNoServer] when none is there; a
// server that does not answer within five seconds is another error.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		MaxIdleConnsPerHost: maxCalls,
	}}
	if checkPath(path) != nil {
		return nil, fmt.Errorf("%w at %s", ErrNoServer, path) // nobody can listen there
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	hello, err := Ask[Hello](ctx, c, helloRoute, none{})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s", ErrNoServer, path)
	case err != nil:
		c.http.CloseIdleConnections()
		return nil, fmt.Errorf("ask the server at %s: %w", path, err)
	}
	c.hello = hello
	return c, nil
}

// Hello is what the server said about itself.
func (c *Client) Hello() Hello { return c.hello }

// Path is where the socket is.
func (c *Client) Path() string { return c.path }

// Close lets go of the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Ask sends a value to a route that [Call] made and returns its answer. The error
// unwraps to what the server's was; [queue.ErrUnavailable] when the server went away.
func Ask[Out any](ctx context.Context, c *Client, route string, in any) (out Out, err error) {
	res, err := c.post(ctx, route, in)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("%s: the server went away: %w: %w", route, queue.ErrUnavailable, err)
	}
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return out, nil
}

// Follow sends a value to a route that [Stream] made and calls each for every item,
// until the stream ends (nil), ctx does (nil), or each fails (its error). A server that
// stops ends it with [queue.ErrClosed], one that went away with [queue.ErrUnavailable].
func Follow[Item any](ctx context.Context, c *Client, route string, in any, each func(Item) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.post(ctx, route, in)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer res.Body.Close()
	d := json.NewDecoder(bufio.NewReaderSize(res.Body, 64<<10))
	for {
		var l line
		if err := d.Decode(&l); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s: the server went away: %w: %w", route, queue.ErrUnavailable, err)
		}
		switch {
		case l.Fault != nil:
			return l.Fault
		case l.End:
			return nil
		}
		var item Item
		if err := json.Unmarshal(l.Item, &item); err != nil {
			return fmt.Errorf("%s: %w", route, err)
		}
		if err := each(item); err != nil {
			return err
		}
	}
}

// post sends a request and returns an answer that is no fault.
func (c *Client) post(ctx context.Context, route string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", route, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://operator"+prefix+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: the server cannot be reached: %w: %w", route, queue.ErrUnavailable, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	f := &Error{}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxRequest)).Decode(f); err != nil || f.Text == "" {
		return nil, fmt.Errorf("%s: the server answers status %d", route, res.StatusCode)
	}
	return nil, f
}
