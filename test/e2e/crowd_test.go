package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An intruder is another process that attacks until it is stopped.
type intruder struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// startIntruder runs an order of attackMain. It does so at idle priority, for the reason that
// attack names, unless FLOOD_PRIORITY=normal.
func startIntruder(t *testing.T, order string, args ...any) *intruder {
	t.Helper()
	if os.Getenv("FLOOD_PRIORITY") == "normal" {
		return startOrder(t, nil, order, args...)
	}
	return startOrder(t, []string{"chrt", "-i", "0"}, order, args...)
}

// startRelay passes connections on to an address until the test ends; its line is its own address.
// It is no attacker, and has a priority as servers have.
func startRelay(t *testing.T, addr string) *intruder {
	t.Helper()
	return startOrder(t, nil, "relay", addr)
}

// startOrder runs an order of attackMain in a process of its own, which ends with the test.
func startOrder(t *testing.T, wrap []string, order string, args ...any) *intruder {
	t.Helper()
	line := append(wrap, os.Args[0])
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), attackEnv+"="+strings.TrimSpace(fmt.Sprintln(append([]any{order}, args...)...)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // It was stopped, or killed as the test's context ended.
	return &intruder{t, cmd, in, bufio.NewReader(out)}
}

// line returns the next line that it wrote.
func (i *intruder) line() string {
	i.t.Helper()
	text, err := i.out.ReadString('\n')
	if err != nil {
		i.t.Fatalf("the attack failed: %v", err)
	}
	return strings.TrimSpace(text)
}

// stop ends it, and returns what it counted.
func (i *intruder) stop() (counts map[string]int) {
	i.t.Helper()
	_ = i.in.Close()
	if err := json.Unmarshal([]byte(i.line()), &counts); err != nil {
		i.t.Fatal(err)
	}
	if err := i.cmd.Wait(); err != nil {
		i.t.Fatalf("the attack failed: %v", err)
	}
	return counts
}

// intrude is the other process.
func intrude(order string) int {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	counts := &counter{n: map[string]int{}}
	words := strings.Fields(order)
	var err error
	switch words[0] {
	case "junk":
		j := junk{counts: counts}
		if _, err = fmt.Sscan(order, &words[0], &j.addr, &j.size, &j.rate, &j.workers); err == nil {
			j.run(ctx)
		}
	case "crowd":
		c := crowd{counts: counts}
		if _, err = fmt.Sscan(order, &words[0], &c.addr, &c.kind, &c.open, &c.rate); err == nil {
			c.run(ctx)
		}
	case "relay":
		err = relay(ctx, words[1])
	default:
		err = fmt.Errorf("unknown order %q", order)
	}
	stop()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(counts.n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		return 2
	}
	return 0
}

// processor is how much of a processor it has taken; it has ended.
func (i *intruder) processor() time.Duration {
	return i.cmd.ProcessState.UserTime() + i.cmd.ProcessState.SystemTime()
}

// A counter counts by name.
type counter struct {
	mu sync.Mutex
	n  map[string]int // guarded by mu
}

func (c *counter) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name]++
}

// A pacer gives out turns at a rate.
type pacer struct {
	began time.Time
	rate  int // a second
	n     atomic.Int64
}

// wait waits for the next turn, and reports whether there is one.
func (p *pacer) wait(ctx context.Context) (turn int, ok bool) {
	n := p.n.Add(1)
	due := p.began.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	select {
	case <-time.After(time.Until(due)):
		return int(n), true
	case <-ctx.Done():
		return 0, false
	}
}

// junk posts bodies with a well-formed signature that is wrong, each worker over a connection that
// it keeps for as long as the server does, and every second one over a fresh one each time.
type junk struct {
	addr       string
	size, rate int
	workers    int // how many requests may wait for their answers at once
	counts     *counter
}

func (j junk) run(ctx context.Context) {
	pace := &pacer{began: time.Now(), rate: j.rate}
	request := []byte(fmt.Sprintf("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Slack-Request-Timestamp: %d\r\nX-Slack-Signature: v0=%064d\r\nContent-Length: %d\r\n\r\n%s",
		time.Now().Unix(), 7, j.size, strings.Repeat("x", j.size)))
	var wg sync.WaitGroup
	for i := range j.workers {
		wg.Go(func() {
			var conn net.Conn
			for {
				if _, ok := pace.wait(ctx); !ok {
					break
				}
				if conn == nil {
					if conn = dialOnce(ctx, j.addr); conn == nil {
						j.counts.add("not connected")
						continue
					}
				}
				status := j.post(conn, request)
				j.counts.add(status)
				if i%2 == 0 || status == "none" {
					_ = conn.Close()
					conn = nil
				}
			}
			if conn != nil {
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
}

// post returns the status of the answer, or none.
func (j junk) post(conn net.Conn, request []byte) string {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(request); err != nil {
		return "none"
	}
	var head [12]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return "none"
	}
	// What follows is read with the next answer's place: the server closes the connection after it.
	_, _ = conn.Read(make([]byte, 1024))
	return string(head[9:])
}

// dialOnce returns a connection whose end leaves nothing behind; nil where there is none.
func dialOnce(ctx context.Context, addr string) net.Conn {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	return conn
}

// A crowd opens connections of a kind at a rate, and keeps the newest of them open.
type crowd struct {
	addr, kind string
	open, rate int
	counts     *counter
}

func (c crowd) run(ctx context.Context) {
	const post = "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	forged := fmt.Sprintf("X-Slack-Request-Timestamp: %d\r\nX-Slack-Signature: v0=%064d\r\n", time.Now().Unix(), 7)
	opening := map[string]string{
		"idle":       "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"heads":      post,
		"bodies":     post + forged + "Content-Length: 8000\r\n\r\nx",
		"handshakes": "\x16",
	}[c.kind]
	pace := &pacer{began: time.Now(), rate: c.rate}
	conns := make([]net.Conn, c.open)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				turn, ok := pace.wait(ctx)
				if !ok {
					return
				}
				conn := dialOnce(ctx, c.addr)
				if conn == nil {
					c.counts.add("not connected")
					continue
				}
				c.counts.add("opened")
				_, _ = io.WriteString(conn, opening)
				mu.Lock()
				conn, conns[turn%c.open] = conns[turn%c.open], conn
				mu.Unlock()
				if conn != nil {
					_ = conn.Close()
				}
			}
		})
	}
	wg.Wait()
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// relay passes connections on to a target, as a balancer does that does not know HTTP. Its first
// line is where it listens.
func relay(ctx context.Context, target string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for ctx.Err() == nil {
		client, err := l.Accept()
		if err != nil {
			continue // It has no descriptor left for a moment, or it ends.
		}
		go func() {
			defer client.Close()
			server := dialOnce(ctx, target)
			if server == nil {
				return
			}
			defer server.Close()
			done := make(chan struct{}, 2)
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				go func() {
					// Without ReadFrom no pipe is made for each way, which would cost descriptors.
					_, _ = io.Copy(struct{ io.Writer }{way[0]}, way[1])
					done <- struct{}{}
				}()
			}
			<-done
		}()
	}
	return nil
}
