//go:build linux

package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// smallWindow is a client whose connections take little that it does not read.
func smallWindow(t *testing.T) *http.Client {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }); failed != nil {
			return failed
		}
		return err
	}}
	transport := &http.Transport{DialContext: d.DialContext, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// A held stream is one of events that its client reads when it likes.
type heldStream struct {
	body io.Closer
	r    *bufio.Reader
}

// next reads as far as the next event. It reports false at the end of the stream.
func (h heldStream) next() (occurrence, bool) {
	for {
		line, err := h.r.ReadString('\n')
		if err != nil {
			return occurrence{}, false
		}
		if o, ok := occurrenceOf(line); ok {
			return o, true
		}
	}
}

// TestPeopleWhoDoNotRead: a person has streams open and reads none of them, while much more happens in two
// conversations than lies on the way; then they leave one of the two. The server keeps little of what they do not read. When
// they read on, on the stream or behind its end by its cursor, they get all of the one, once and in order, and of
// the other nothing that was not on its way when they left.
func TestPeopleWhoDoNotRead(t *testing.T) {
	t.Parallel()
	const (
		streams  = 24
		read     = 6 // of them, in the end
		events   = 3000
		wordSize = 8000     // bytes, of which a stream has some 1,700
		most     = 80 << 20 // half of which receiving takes; what is not read is 24 times 5 MB, of which the system holds half
	)
	f := startPeople(t, 1, "QUEUE_BACKEND_TYPE=sqlite")
	p, alice := f.replicas[0], f.clients[sandbox.Alice][0]
	var all []string // of the conversation in which the person stays
	say := func(i int) {
		channel := []string{sandbox.Leads, sandbox.General}[i%2]
		id := fmt.Sprintf("Ev%s%05d", []string{"Room", "Hall"}[i%2], i)
		f.happen("application/json", saidIn(id, channel, strings.Repeat(" word", wordSize/5)))
		if channel == sandbox.General {
			all = append(all, id)
		}
	}
	say(0)
	say(1)
	f.known(alice, p, all[0])
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	open := func(by *http.Client, cursor string) heldStream {
		t.Helper()
		body := f.requestBy(ctx, by, alice, p, "events/stream", map[string]any{"name": "message.created", "arguments": map[string]any{}, "cursor": cursor}).Body //nolint:bodyclose // by who reads it
		return heldStream{body, bufio.NewReader(body)}
	}
	var unread []heldStream
	for range streams {
		s := open(smallWindow(t), "start")
		defer s.body.Close()
		for _, want := range []string{"EvRoom00000", "EvHall00001"} {
			if o, ok := s.next(); !ok || o.id != want {
				t.Fatalf("the stream begins with %+v", o)
			}
		}
		unread = append(unread, s)
	}
	before := residentMemory(t, p)
	watching, done := context.WithCancel(ctx)
	peak := make(chan int64, 1)
	go func() { peak <- watchMemory(watching, p.cmd.Process.Pid) }()
	for i := 2; i < events; i++ {
		say(i)
	}
	if err := f.slack.box.LeaveAs(sandbox.Alice, sandbox.Leads); err != nil {
		t.Fatal(err)
	}
	f.happen("application/json", leftFrom("EvLEFT", sandbox.Leads, sandbox.Alice))
	f.happen("application/json", saidIn("EvAFTER", sandbox.Leads, ""))
	f.happen("application/json", saidIn("EvLAST", sandbox.General, ""))
	all = append(all, "EvLAST")
	done()
	grown := <-peak - before
	if grown > most {
		t.Errorf("the server takes %d MiB more for %d streams that are not read", grown>>20, streams)
	}
	cut := 0 // streams that have ended before they were read
	for i, s := range unread[:read] {
		if i == read/2 {
			eventually(t, time.Minute, func() error { // none of the rest is read for so long that the server ends it
				_, body := p.get("/metrics")
				count := regexp.MustCompile(`streams_cut_total ([0-9]+)`).FindStringSubmatch(body)
				if count == nil {
					return errors.New("no streams are counted")
				}
				if n, err := strconv.Atoi(count[1]); err != nil || n < cut+streams-i {
					return fmt.Errorf("%s streams have ended, want %d", count[1], cut+streams-i)
				}
				return nil
			})
		}
		stays, left, ends := []string{all[0]}, 1, 0
		for cursor := ""; stays[len(stays)-1] != "EvLAST"; {
			o, ok := s.next()
			switch {
			case !ok && ends > 20:
				t.Fatalf("stream %d ends again and again behind %s", i, stays[len(stays)-1])
			case !ok:
				ends++
				s = open(http.DefaultClient, cursor)
				defer s.body.Close()
				continue
			case o.id == fmt.Sprintf("EvRoom%05d", 2*left):
				left++ // those that were on their way come in their order
			case strings.HasPrefix(o.id, "EvHall"), o.id == "EvLAST":
				stays = append(stays, o.id)
			default:
				t.Errorf("stream %d: behind %d of the conversation that was left comes %s", i, left, o.id)
			}
			cursor = o.cursor
		}
		cut += ends
		if !slices.Equal(stays, all) {
			t.Errorf("stream %d: %d events of %d come of the conversation in which the person is", i, len(stays), len(all))
		}
		if left >= events/2 {
			t.Errorf("stream %d: all of the conversation that was left is shown: nothing waited", i)
		}
		t.Logf("stream %d: %d of the conversation that was left, the stream ended %d times", i, left, ends)
	}
	t.Logf("%d MiB more for %d streams that are not read", grown>>20, streams)
}
