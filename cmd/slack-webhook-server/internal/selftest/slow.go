package selftest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

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
