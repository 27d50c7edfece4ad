//go:build unix

package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// TestCommandsOfRedis62 does everything that a queue can do while the server tells what
// it is asked, by us and by our scripts, and holds each command and each of its options
// against the server's own table of which version brought it.
func TestCommandsOfRedis62(t *testing.T) {
	t.Parallel()
	s := newServer(t, everysec...)
	seen := monitor(t, s)
	everything(t, s)
	news := newsAfter62(t, s)
	used := map[string]bool{}
	for _, words := range seen() {
		command := words[0]
		used[command] = true
		since, known := news[command]
		if !known {
			t.Errorf("%v: the server's table does not have the command", words)
		}
		for _, word := range words {
			if since[strings.ToLower(word)] {
				t.Errorf("%s: %s is newer than Redis 6.2", strings.Join(words, " "), word)
			}
		}
	}
	// What the queue cannot do without must have been seen, or the test saw nothing.
	for _, command := range []string{"evalsha", "xadd", "xtrim", "xrange", "xrevrange", "xread", "xdel", "zrangebyscore", "hincrby", "unlink", "time"} {
		if !used[command] {
			t.Errorf("%s was never sent: this test has stopped doing what a queue does", command)
		}
	}
}

// everything uses every script, with and without what they look for.
func everything(t *testing.T, s *server) {
	t.Helper()
	q := s.open(redis.Options{RetentionCount: 6, RetentionAge: time.Second, DedupeTTL: time.Second, Lease: 150 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		_ = q.Consume(ctx, queue.Group{Name: "g", Workers: 2, Policy: queue.Policy{MaxAttempts: 2, Base: time.Millisecond}}, func(_ context.Context, d queue.Delivery) error {
			pause(100 * time.Millisecond) // two renewals
			if strings.HasSuffix(d.Event.ID, "1") {
				return errors.New("no")
			}
			return nil
		})
	})
	running.Go(func() { _ = q.Tail(ctx, queue.Start{}, func(event.Event) error { return nil }) })
	var at []event.Position
	for n := range 20 {
		r, err := q.Publish(ctx, event.Event{Source: "slack", ID: fmt.Sprint("Ev", n%15), ReceivedAt: time.Now(), Raw: []byte("{}")})
		if err == nil {
			at = append(at, r.Position)
		}
		pause(50 * time.Millisecond)
	}
	for _, order := range []event.Order{event.NewestFirst, event.OldestFirst} {
		_, _ = q.History(ctx, event.Query{Order: order, Filter: event.Filter{Since: time.Now().Add(-time.Second)}})
	}
	_, _ = q.Get(ctx, "slack", "Ev1")
	_, _ = q.Stats(ctx)
	_, _ = q.DeadLetters(ctx, "g", queue.LetterQuery{After: at[0]})
	_, _ = q.Redrive(ctx, "g", at...)
	_, _ = q.Replay(ctx, "g", at...)
	_, _ = q.Drop(ctx, "g", at...)
	pause(1500 * time.Millisecond) // ages and letters pass
	_, _ = q.Groups(ctx)
	cancel()
	running.Wait()
	if err := q.DropGroup(t.Context(), "g"); err != nil {
		t.Error(err)
	}
}

// monitored is a line of MONITOR: a time, who asked, and the quoted words.
var monitored = regexp.MustCompile(`^\+\d+\.\d+ \[\d+ [^\]]*\] (.*)$`)

// monitor listens to what a server is asked. The returned function ends it and gives the
// words of each command, the first in lower case.
func monitor(t *testing.T, s *server) func() [][]string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	var list [][]string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(conn)
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			if m := monitored.FindStringSubmatch(lines.Text()); m != nil {
				list = append(list, unquote(m[1]))
			}
		}
	}()
	return func() [][]string {
		_ = conn.Close()
		<-ended
		return list
	}
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

func unquote(line string) []string {
	var words []string
	for _, q := range quoted.FindAllString(line, -1) {
		w, err := strconv.Unquote(q)
		if err != nil {
			w = q
		}
		words = append(words, w)
	}
	words[0] = strings.ToLower(words[0])
	return words
}

// newsAfter62 is, for each command, the words that only a server after 6.2 understands:
// the command itself, or options.
func newsAfter62(t *testing.T, s *server) map[string]map[string]bool {
	t.Helper()
	docs, err := s.client().Do(t.Context(), "COMMAND", "DOCS").Result()
	if err != nil {
		t.Fatal(err)
	}
	news := map[string]map[string]bool{}
	for name, doc := range pairs(docs) {
		name, _, _ = strings.Cut(name, "|")
		news[name] = map[string]bool{}
		d := pairs(doc)
		if after62(d["since"]) {
			news[name][name] = true
		}
		newArguments(d["arguments"], false, news[name])
	}
	return news
}

// newArguments collects the tokens of arguments that came after 6.2, by themselves or
// with what they are a part of.
func newArguments(list any, within bool, into map[string]bool) {
	args, _ := list.([]any)
	for _, one := range args {
		a := pairs(one)
		token, _ := a["token"].(string)
		since := within || after62(a["since"])
		if since && token != "" {
			into[strings.ToLower(token)] = true
		}
		newArguments(a["arguments"], since, into)
	}
}

func after62(since any) bool {
	version, _ := since.(string)
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return false
	}
	return slices.Compare([]string{parts[0], parts[1]}, []string{"6", "2"}) > 0
}

// pairs reads a map as either protocol writes it.
func pairs(v any) map[string]any {
	m := map[string]any{}
	switch v := v.(type) {
	case map[any]any:
		for k, e := range v {
			m[fmt.Sprint(k)] = e
		}
	case []any:
		for i := 0; i+1 < len(v); i += 2 {
			m[fmt.Sprint(v[i])] = v[i+1]
		}
	}
	return m
}
