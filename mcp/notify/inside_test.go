package notify_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/mcp/notify"
)

// A nameserver answers every name with the address that it has now.
func nameserver(t *testing.T, addr *atomic.Pointer[net.IP]) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			end := 12
			for buf[end] != 0 {
				end += int(buf[end]) + 1
			}
			a := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, buf[12:end+5]...)
			if n > end+2 && buf[end+2] == 1 { // of IPv4
				a[7] = 1
				a = append(append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), addr.Load().To4()...)
			}
			_, _ = conn.WriteTo(a, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestRebinding: a name that leads outside when it is subscribed, as far as we are
// concerned, and inside when an event is to be posted, is not followed.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var inside atomic.Int64
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	t.Cleanup(srv.Close)
	srv.Config.ConnState = func(net.Conn, http.ConnState) { inside.Add(1) }
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	loopback := net.ParseIP("127.0.0.1")
	var addr atomic.Pointer[net.IP]
	addr.Store(&loopback)
	resolver := nameserver(t, &addr)

	// Straight inside: no challenge goes there.
	r := newRig(t, func(o *notify.Options) { o.Client = guarded(t, egress.Options{HTTPSOnly: true, Resolver: resolver}) })
	e, _ := r.start()
	p := newEndpoint(t)
	q := p.request(`{}`)
	q.URL = "https://hooks.example.com" + port + "/"
	_, err := e.Subscribe(t.Context(), q)
	if callback, ok := errors.AsType[*notify.CallbackError](err); !ok || callback.Reason != "connection_refused" {
		t.Errorf("subscribed: %v", err)
	}

	// Verified while it was allowed, refused when it is not: what waits is not posted.
	var allowed, refused atomic.Int64
	r = newRig(t, func(opt *notify.Options) {
		open := guarded(t, egress.Options{Hosts: []string{"hooks.example.com"}, Resolver: resolver})
		shut := guarded(t, egress.Options{Resolver: resolver})
		opt.Client = rebinds{open: open, shut: shut, allowed: &allowed, refused: &refused}
	})
	e, _ = r.start()
	q.URL = "http://hooks.example.com" + p.url[strings.LastIndexByte(p.url, ':'):]
	if _, err := e.Subscribe(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	r.say("C01", 2)
	eventually(t, "the refusals", func() bool { return refused.Load() >= 2 })
	if n := len(p.requests()) + int(inside.Load()); n != 0 || allowed.Load() != 1 {
		t.Errorf("%d requests inside, %d allowed", n, allowed.Load())
	}
}

func guarded(t *testing.T, o egress.Options) *egress.Client {
	t.Helper()
	o.Timeout = 5 * time.Second
	c, err := egress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// rebinds is a client whose network lets the first post through, as if the name led
// outside then.
type rebinds struct {
	open, shut       *egress.Client
	allowed, refused *atomic.Int64
}

func (c rebinds) Check(target string) error { return c.shut.Check(target) }

func (c rebinds) Send(ctx context.Context, method, target string, h http.Header, body []byte) (egress.Reply, error) {
	if c.allowed.Add(1) == 1 {
		return c.open.Post(ctx, target, h, body)
	}
	c.allowed.Add(-1)
	reply, err := c.shut.Post(ctx, target, h, body)
	if _, ok := errors.AsType[*egress.RefusedError](err); ok {
		c.refused.Add(1)
	}
	return reply, err
}
