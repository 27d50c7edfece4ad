package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attackEnv says, in the environment of this very program, that it is not to test but to
// attack: the server's address, how many slow senders, how many posts, and how many of
// them at once.
const attackEnv = "E2E_ATTACK"

// An attack runs in a process of its own, and at idle priority: attackers have
// machines of their own, and here they would otherwise take the processors from the
// server, and from the signed sender whose latency is measured.
type attack struct {
	cmd     *exec.Cmd
	quit    io.Closer
	done    chan struct{} // closed when all posts were answered
	answers map[int]int   // by status; set before done
	err     error         // set before done
}

func startAttack(t *testing.T, url string, slow, posts int) *attack {
	t.Helper()
	// FLOOD_CPU=1 gives it a processor of its own.
	wrap := []string{"chrt", "-i", "0"}
	if cpu := os.Getenv("FLOOD_CPU"); cpu != "" {
		wrap = append(wrap, "taskset", "-c", cpu)
	}
	p := startOrder(t, wrap, url, slow, posts, number(t, "FLOOD_POSTERS", 16))
	a := &attack{cmd: p.cmd, quit: p.in, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		line, err := p.out.ReadBytes('\n')
		if err != nil {
			a.err = err
			return
		}
		a.err = json.Unmarshal(line, &a.answers)
	}()
	return a
}

// finished reports whether all posts were answered; the slow senders go on.
func (a *attack) finished() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// stop ends the attack and returns how its posts were answered.
func (a *attack) stop(t *testing.T) map[int]int {
	t.Helper()
	<-a.done
	_ = a.quit.Close()
	if err := a.cmd.Wait(); err != nil || a.err != nil {
		t.Fatalf("the attack failed: %v, %v", err, a.err)
	}
	return a.answers
}

// attackMain is the other process: it writes a line with the answers when all posts were
// answered, and ends when its standard input does.
func attackMain(order string) int {
	if !strings.HasPrefix(order, "http") {
		return intrude(order)
	}
	var url string
	var slow, posts, posters int
	if _, err := fmt.Sscan(order, &url, &slow, &posts, &posters); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		return 2
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var slowOnes, flood sync.WaitGroup
	for i := range slow {
		slowOnes.Go(func() { slowSender(ctx, url, attacker(i), i) })
	}
	answers := &tally{n: map[int]int{}}
	next := atomic.Int64{}
	for range posters {
		flood.Go(func() {
			for i := next.Add(1); i <= int64(posts); i = next.Add(1) {
				answers.add(unsignedPost(ctx, url, attacker(int(i)), int(i)))
			}
		})
	}
	flood.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(answers.n); err != nil {
		return 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	slowOnes.Wait()
	return 0
}

// attacker is the address that an attack comes from: one of six, of which one is the
// signed sender's own.
func attacker(i int) string { return fmt.Sprintf("127.0.0.%d", 1+i%6) }

// slowSender holds connections in one of three ways until ctx ends: headers that never
// end, a short body that does not come, and a long one that trickles.
func slowSender(ctx context.Context, url, from string, i int) {
	headers := "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	forged := fmt.Sprintf("X-Slack-Request-Timestamp: %d\r\nX-Slack-Signature: v0=%064d\r\n", time.Now().Unix(), i)
	opening, trickle := headers, "X-Slow: yes\r\n"
	switch i % 3 {
	case 1:
		opening, trickle = headers+forged+"Content-Length: 8000\r\n\r\n", "x"
	case 2:
		opening, trickle = headers+forged+"Content-Length: 1048576\r\n\r\n"+strings.Repeat("x", 20_000), strings.Repeat("x", 1000)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		conn, err := dialFrom(ctx, strings.TrimPrefix(url, "http://"), from)
		if err != nil {
			<-tick.C
			continue
		}
		_, err = io.WriteString(conn, opening)
		for err == nil {
			select {
			case <-tick.C:
				_, err = io.WriteString(conn, trickle)
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		_ = conn.Close()
	}
}

func dialFrom(ctx context.Context, addr, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", addr)
}

var megabyte = bytes.Repeat([]byte("x"), 1<<20)

// unsignedPost posts 1 MiB, every other time with a signature that is well-formed and
// wrong, and returns the status; 0 when the connection was ended before an answer.
func unsignedPost(ctx context.Context, url, from string, i int) int {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return dialFrom(ctx, addr, from)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/slack/events", bytes.NewReader(megabyte))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	if i%2 == 0 {
		req.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
		req.Header.Set("X-Slack-Signature", fmt.Sprintf("v0=%064d", i))
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// A tally counts answers by status.
type tally struct {
	mu sync.Mutex
	n  map[int]int // guarded by mu
}

func (a *tally) add(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n[status]++
}
