package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Reply is what a target answered.
type Reply struct {
	Status int
	Header http.Header
	// Body is the answer's first bytes, at most Options.MaxReply; Cut says that it has more.
	Body []byte
	Cut  bool
}

// OK reports a status of 2xx.
func (r Reply) OK() bool { return r.Status >= 200 && r.Status < 300 }

// maxPause bounds what a target may ask for; who says more is taken to have said this.
const maxPause = 24 * time.Hour

// RetryAfter is how long the target asks to be left alone, 0 when it does not: the
// header Retry-After as seconds or as a date, at most a day.
func (r Reply) RetryAfter(now time.Time) time.Duration {
	v := r.Header.Get("Retry-After")
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(maxPause/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), maxPause)
	}
	return 0
}

// Post sends body to the target and returns what it answered, whatever its status: a
// redirect is an answer like any other. header is sent as it is, with the client's
// User-Agent unless it has one. Errors: *RefusedError, the form of the URL, and what the
// connection or the context said; none holds the URL's path.
func (c *Client) Post(ctx context.Context, target string, header http.Header, body []byte) (Reply, error) {
	return c.Do(ctx, http.MethodPost, target, header, body)
}

// Do is Post with another method.
func (c *Client) Do(ctx context.Context, method, target string, header http.Header, body []byte) (Reply, error) {
	u, err := c.parse(target)
	if err != nil {
		return Reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return Reply{}, fmt.Errorf("%s: the request cannot be made", u.Host)
	}
	maps.Copy(req.Header, header)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.opt.UserAgent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, c.fault(u, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, c.opt.MaxReply+1))
	r := Reply{Status: resp.StatusCode, Header: resp.Header, Body: b}
	if int64(len(b)) > c.opt.MaxReply {
		r.Body, r.Cut = b[:c.opt.MaxReply], true
		return r, nil
	}
	if err != nil {
		return r, c.fault(u, err)
	}
	return r, nil
}

// fault leaves the URL out of an error and names the host.
func (c *Client) fault(u *url.URL, err error) error {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return &RefusedError{Host: u.Host, Reason: refused.Reason}
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("%s: its name cannot be resolved: %w", u.Host, err)
	}
	return fmt.Errorf("%s: %w", u.Host, err)
}
