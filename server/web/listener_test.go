package web

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A stubConn is a connection from an address, of which only its end is looked at.
type stubConn struct {
	net.Conn
	from   string
	closed atomic.Bool
	due    time.Time // the deadline of reads
}

func (c *stubConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 5000))
}

func (c *stubConn) Close() error {
	c.closed.Store(true)
	return nil
}

func (c *stubConn) SetReadDeadline(t time.Time) error {
	c.due = t
	return nil
}

// A crowd is connections with a bound, each with a name.
type crowd struct {
	t     *testing.T
	of    *connections
	names []string
	conns map[string]*connection
}

func newCrowd(t *testing.T, most int, proxies ...netip.Prefix) *crowd {
	return &crowd{
		t: t, conns: map[string]*connection{},
		of: &connections{most: most, proxies: proxies, began: time.Now(), open: map[*connection]struct{}{}},
	}
}

// add accepts a connection from an address and brings it into a state: new, asking, signed or
// called, while it serves such a request, and idle, idle signed or idle called, when it is idle.
func (c *crowd) add(name, from, state string) {
	c.t.Helper()
	conn := c.of.accept(&stubConn{from: from})
	c.names, c.conns[name] = append(c.names, name), conn
	if state != "new" {
		c.of.track(conn, http.StateActive)
	}
	verified, isIdle := strings.CutPrefix(state, "idle")
	if k, ok := map[string]kind{"signed": signed, "called": called}[strings.TrimSpace(verified)]; ok {
		done, ok := conn.hold(k)
		if !ok {
			c.t.Fatalf("%s cannot be held", name)
		}
		if isIdle {
			done()
		}
	}
	if isIdle {
		c.of.track(conn, http.StateIdle)
	}
	time.Sleep(time.Millisecond) // the next one is younger
}

// gaveWay lists the connections that were closed since it was called last, in no order.
func (c *crowd) gaveWay() (list []string) {
	for _, name := range c.names {
		if k := c.conns[name]; k != nil && k.Conn.(*stubConn).closed.Load() {
			c.of.track(k, http.StateClosed)
			list = append(list, name)
			c.conns[name] = nil
		}
	}
	return list
}

// push adds newcomers that have carried a signed request at once, and wants these to give way, in this order.
func (c *crowd) push(want ...string) {
	c.t.Helper()
	for i, name := range want {
		c.add(fmt.Sprintf("newcomer %d of %d", i, len(c.names)), fmt.Sprintf("203.0.113.%d", i), "idle signed")
		if got := c.gaveWay(); !slices.Equal(got, []string{name}) {
			c.t.Fatalf("for newcomer %d %q gave way, want %s", i, got, name)
		}
	}
}

func TestWhoGivesWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T){
		"by what they carry": func(t *testing.T) {
			c := newCrowd(t, 16)
			c.add("signed", "192.0.2.1", "idle signed")
			c.add("called", "192.0.2.8", "idle called")
			c.add("idle", "192.0.2.2", "idle")
			c.add("slow body", "192.0.2.3", "asking")
			c.add("no head", "192.0.2.4", "new")
			for i := range 10 {
				c.add(fmt.Sprint("stream ", i), "192.0.2.5", "called")
			}
			time.Sleep(freshTime)
			c.add("no head yet", "192.0.2.6", "new")
			c.push("no head", "slow body", "idle", "called", "signed", "newcomer 0 of 16")
		},
		"no newcomer before an idle one, but for an eighth that are signed senders'": func(t *testing.T) {
			c := newCrowd(t, 64)
			for i := range 64 {
				c.add(fmt.Sprint("idle ", i), "192.0.2.1", []string{"idle called", "idle signed", "idle"}[i%3])
			}
			for i := range 64 {
				c.add(fmt.Sprint("newcomer ", i), "192.0.2.2", []string{"new", "asking"}[i%2])
				want := "idle"
				if i >= 56 {
					want = fmt.Sprint("newcomer ", i-56)
				}
				if got := c.gaveWay(); len(got) != 1 || !strings.HasPrefix(got[0], want) {
					t.Fatalf("for newcomer %d %q gave way, want %s", i, got, want)
				}
			}
			left := 0
			for i := range 64 {
				if name := fmt.Sprint("idle ", i); c.conns[name] != nil {
					if left++; i%3 != 1 {
						t.Errorf("%s is left", name)
					}
				}
			}
			if left != 8 {
				t.Errorf("%d idle connections are left, want an eighth", left)
			}
		},
		"no newcomer without a head before older ones without a body": func(t *testing.T) {
			c := newCrowd(t, 64)
			for i := range 64 {
				c.add(fmt.Sprint("slow body ", i), "192.0.2.1", "asking")
			}
			for i := range 32 {
				c.add(fmt.Sprint("newcomer ", i), "192.0.2.1", "new")
				if got := c.gaveWay(); !slices.Equal(got, []string{fmt.Sprint("slow body ", i)}) {
					t.Fatalf("for newcomer %d %q gave way, want the oldest", i, got)
				}
			}
		},
		"the address with most, its oldest first": func(t *testing.T) {
			c := newCrowd(t, 16)
			for i := range 2 {
				c.add(fmt.Sprint("one ", i), "192.0.2.1", "idle")
			}
			for i := range 4 {
				c.add(fmt.Sprint("many ", i), "192.0.2.2", "idle")
			}
			for i := range 10 {
				c.add(fmt.Sprint("stream ", i), "192.0.2.3", "idle signed")
			}
			c.push("many 0", "many 1")
		},
		"age alone where one has more than half": func(t *testing.T) {
			c := newCrowd(t, 16)
			c.add("slack", "192.0.2.1", "idle")
			for i := range 15 {
				c.add(fmt.Sprint("many ", i), "192.0.2.2", "idle")
			}
			c.push("slack", "many 0", "many 1")
		},
		"age alone where it is a trusted proxy": func(t *testing.T) {
			c := newCrowd(t, 16, netip.MustParsePrefix("10.0.0.0/8"))
			c.add("slack", "192.0.2.1", "idle")
			for i := range 4 {
				c.add(fmt.Sprint("proxy ", i), "10.0.0.1", "idle")
			}
			for i := range 11 {
				c.add(fmt.Sprint("stream ", i), "192.0.2.3", "idle signed")
			}
			c.push("slack", "proxy 0")
		},
		"none that became busy meanwhile": func(t *testing.T) {
			c := newCrowd(t, 64)
			for i := range 64 {
				c.add(fmt.Sprint("idle ", i), fmt.Sprintf("192.0.2.%d", i), "idle")
			}
			c.push("idle 0")
			c.of.track(c.conns["idle 1"], http.StateActive)
			done, ok := c.conns["idle 1"].hold(signed)
			if !ok {
				t.Fatal("a connection cannot be held")
			}
			defer done()
			c.push("idle 2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}
}

// TestHeldConnectionsLeaveAQuarter holds connections until no further one may be, so that there
// is always one that gives way. Calls leave some of them to signed requests.
func TestHeldConnectionsLeaveAQuarter(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 16)
	for i := range 10 {
		c.add(fmt.Sprint("stream ", i), "192.0.2.1", "called")
	}
	c.add("one more", "192.0.2.1", "asking")
	if done, ok := c.conns["one more"].hold(called); ok {
		t.Error("an eleventh connection of sixteen is held by a call")
	} else {
		done()
	}
	for i := range 2 {
		c.add(fmt.Sprint("event ", i), "192.0.2.1", "signed")
	}
	if done, ok := c.conns["one more"].hold(signed); ok {
		t.Error("a thirteenth connection of sixteen is held")
	} else {
		done()
	}
	if done, ok := c.conns["stream 0"].hold(called); !ok {
		t.Error("a second request on a connection that is held is refused")
	} else {
		done()
	}
	c.conns["stream 1"].release(called)
	if _, ok := c.conns["one more"].hold(signed); !ok {
		t.Error("a connection cannot be held in the place of one that was")
	}
}

// TestHoldingLeavesSomeToSignedRequests serves an authenticated request on a connection that can be
// held, and refuses one on a connection that cannot.
func TestHoldingLeavesSomeToSignedRequests(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 5)
	for i := range 5 {
		c.add(fmt.Sprint("connection ", i), "192.0.2.1", "asking")
	}
	var handler http.Handler
	serve := func(i int) int {
		r := httptest.NewRequestWithContext(carryConnection(t.Context(), c.conns[fmt.Sprint("connection ", i)]), http.MethodPost, "/mcp", nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	depth := 0
	handler = Callers{}.Holding(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if depth++; depth < 4 {
			w.WriteHeader(serve(depth)) // the next one comes while this one is served
		}
	}))
	if got := serve(0); got != http.StatusServiceUnavailable {
		t.Errorf("of four requests at once, on four connections, the last was answered %d, want 503", got)
	}
	if depth != 3 {
		t.Errorf("%d requests were served at once, want 3", depth)
	}
	if got := serve(3); got != http.StatusOK {
		t.Errorf("when they are done, one was answered %d, want 200", got)
	}
}

// TestFirstHeadsAreDueSoonerWhereManyAreOpen looks at the deadline of newcomers, however much more
// net/http gives them, and that theirs is net/http's once the head is whole.
func TestFirstHeadsAreDueSoonerWhereManyAreOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 16)
		for i := range 16 {
			k := c.of.accept(&stubConn{from: "192.0.2.1"})
			stub := k.Conn.(*stubConn)
			want := headTimeout
			if i >= 8 {
				want = headTimeoutHalf
			}
			if i >= 12 {
				want = headTimeoutMost
			}
			for _, asked := range []time.Time{{}, time.Now().Add(time.Minute)} {
				if _ = k.SetReadDeadline(asked); stub.due != time.Now().Add(want) {
					t.Errorf("connection %d has %v for its first head, want %v", i+1, time.Until(stub.due), want)
				}
			}
			c.of.track(k, http.StateActive)
			if stub.due != time.Now().Add(time.Minute) {
				t.Errorf("connection %d has %v after its first head, want what net/http gave", i+1, time.Until(stub.due))
			}
		}
	})
}

// TestConnectionsLeaveDescriptors bounds connections by the process's limit of open files.
func TestConnectionsLeaveDescriptors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		connections, descriptors, want int
		warned                         bool
	}{
		{8192, 1024, 896, true},
		{8192, 20_000, 8192, false},
		{896, 1024, 896, false},
		{8192, 0, 8192, false},
		{0, 1024, 0, false},
	} {
		logs := &bytes.Buffer{}
		got := possible(t.Context(), tc.connections, tc.descriptors, slog.New(slog.NewTextHandler(logs, nil)))
		if got != tc.want || strings.Contains(logs.String(), "LimitNOFILE") != tc.warned {
			t.Errorf("of %d connections %d are possible with %d descriptors, want %d; the log says %q", tc.connections, got, tc.descriptors, tc.want, logs)
		}
	}
}

// BenchmarkNewcomer is what a connection costs that another gives way to, where 8,192 are open.
func BenchmarkNewcomer(b *testing.B) {
	for _, clients := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			of := &connections{most: 8192, began: time.Now(), open: map[*connection]struct{}{}}
			stubs := make([]*stubConn, clients)
			for i := range stubs {
				stubs[i] = &stubConn{from: fmt.Sprintf("192.0.2.%d", i)}
			}
			add := func(i int) { of.track(of.accept(stubs[i%clients]), http.StateIdle) }
			for i := range of.most {
				add(i)
			}
			for i := 0; b.Loop(); i++ {
				add(i)
			}
		})
	}
}

// TestIdleCallersKeepNoNewcomerOut has one token open all connections, make a call on each and leave
// them idle. Senders who connect together, before they send, are answered all the same.
func TestIdleCallersKeepNoNewcomerOut(t *testing.T) {
	t.Parallel()
	const most, senders = 64, 8
	s := NewServer(t.Context(), ServerOptions{
		MaxConnections: most, Logger: slog.New(slog.DiscardHandler),
		Handler: Callers{}.Holding(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l) //nolint:errcheck // Drain tells its error.
	defer s.Drain(t.Context())
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	ask := func(c net.Conn) error {
		if _, err := c.Write([]byte("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	for range most {
		if err := ask(dial()); err != nil {
			t.Fatal(err)
		}
	}
	var waiting []net.Conn
	for range senders {
		waiting = append(waiting, dial())
	}
	for i, c := range waiting {
		if err := ask(c); err != nil {
			t.Errorf("sender %d, who connected before %d others, is not answered: %v", i, senders-1-i, err)
		}
	}
}

// TestIdleConnectionsOfOneCaller has one caller leave connections idle, beyond its share: its oldest one
// is closed for each further one, and none of another's, nor one that serves a request, nor one that
// several use.
func TestIdleConnectionsOfOneCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 16) // of which one may have four
		call := func(name, account string) {
			c.of.carries(c.conns[name], account, 25)
		}
		add := func(name, account, state string) {
			c.add(name, "192.0.2.1", state)
			call(name, account)
		}
		add("busy", "alice", "called")
		add("one", "alice", "idle called")
		add("two", "alice", "idle called")
		add("of both", "alice", "idle called")
		call("of both", "bob")
		add("bob's", "bob", "idle called")
		add("three", "alice", "idle called")
		if got := c.gaveWay(); got != nil {
			t.Fatalf("within their shares %v are closed", got)
		}
		for _, tc := range [][2]string{{"four", "one"}, {"five", "two"}} {
			add(tc[0], "alice", "idle called")
			if got := c.gaveWay(); !slices.Equal(got, []string{tc[1]}) {
				t.Errorf("for %s %v are closed, want %s", tc[0], got, tc[1])
			}
		}
		call("five", "alice") // again
		c.conns["three"].Conn.(*stubConn).closed.Store(true)
		c.gaveWay() // its client closes it
		add("six", "alice", "idle called")
		if got := c.gaveWay(); got != nil {
			t.Errorf("in the place of one that ended %v are closed", got)
		}
	})
}
