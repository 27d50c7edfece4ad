package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

const (
	// maxReading is how much readers may add to the server's resident memory, whatever they
	// read.
	maxReading = 128 << 20
	// readersAtOnce is how many clients read at the same time.
	readersAtOnce = 16
)

// TestReadingIsBounded has every kind of reader read a store of events of a megabyte, sixteen
// of each kind at once and then all kinds together, in a server that may use 128 MiB: its
// memory stays within its bound and comes back, and every signed event that is posted
// meanwhile is answered 200.
func TestReadingIsBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		requires.Missing(t, "/proc: run it on Linux")
	}
	dir := shortDir(t)
	p := pushing(t, options{data: dir, env: []string{
		"LOG_LEVEL=error", "SLACK_BOT_TOKEN=xoxb-e2e", "SLACK_API_URL=http://127.0.0.1:9/", "SLACK_TIMEOUT=1s",
	}})
	newSignedSender(p).sendFor(t, 200)
	before := residentMemory(t, p)
	events := number(t, "READ_EVENTS", 80)
	for i := range events {
		if status, body := p.post(largeEvent(i)); status != 200 {
			t.Fatalf("event %d was answered %d %s\n%s", i, status, body, p.logs)
		}
	}
	t.Logf("%d MiB before, %d MiB with %d events of a megabyte", before>>20, residentMemory(t, p)>>20, events)
	kinds := readerKinds(place{data: dir})
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { readAtOnce(t, p, before, []readerKind{k}, min(readersAtOnce, k.most)) })
	}
	t.Run("all together", func(t *testing.T) { readAtOnce(t, p, before, kinds, 1) })
	eventually(t, 90*time.Second, func() error {
		if now := residentMemory(t, p); now-before > maxReading*3/4 {
			return fmt.Errorf("%d MiB are not given back", (now-before)>>20)
		}
		return nil
	})
}

// largeEvent is a message of a megabyte: a long text, or what takes much memory when it is
// decoded.
func largeEvent(i int) []byte {
	const size = 1_000_000
	body := message(fmt.Sprintf("EvLARGE%04d", i), pushChannel, "large")
	filler := `"blocks":[` + strings.TrimSuffix(strings.Repeat(`{"a":[]},`, size/9), ",") + `],"text"`
	if i%2 == 0 {
		filler = `"text":"` + strings.Repeat("x", size) + `","was"`
	}
	return bytes.Replace(body, []byte(`"text"`), []byte(filler), 1)
}

// readAtOnce lets n clients read of each kind, while signed events are posted.
func readAtOnce(t *testing.T, p *process, before int64, kinds []readerKind, n int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	highest := make(chan int64, 1)
	go func() { highest <- watchMemory(ctx, p.cmd.Process.Pid) }()
	var readers sync.WaitGroup
	for _, k := range kinds {
		for i := range n {
			readers.Go(func() {
				if err := k.read(t, p, i); err != nil {
					t.Errorf("%s: %v", k.name, err)
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	posted, sender := 0, newSignedSender(p)
	for reading := true; reading; posted++ {
		sender.sendFor(t, 1)
		select {
		case <-done:
			reading = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	grown := <-highest - before
	t.Logf("%d clients of %d kinds: %d MiB more at most; %d signed events, slowest %s", n, len(kinds), grown>>20, posted, sender.percentile(99))
	if grown > maxReading {
		t.Errorf("resident memory grew by %d MiB, want at most %d", grown>>20, maxReading>>20)
	}
}

// A readerKind is one way in which events are read, by at most so many clients at once:
// those of whom each one reads the whole store take their time.
type readerKind struct {
	name string
	most int
	read func(t *testing.T, p *process, i int) error
}

func readerKinds(at place) []readerKind {
	// What reads the newest events comes first: those that are posted meanwhile are small.
	var kinds []readerKind
	for _, uri := range []string{
		"slack://events", "slack://channels/" + pushChannel + "/events", "webhook://slack/events", "slack://events/%s",
	} {
		kinds = append(kinds, readerKind{uri, readersAtOnce, func(t *testing.T, p *process, i int) error {
			s := connect(t, p)
			for k := range 3 {
				if err := tried(s, "resources/read", map[string]any{"uri": strings.ReplaceAll(uri, "%s", largeID(i*3+k))}); err != nil {
					return err
				}
			}
			return nil
		}})
	}
	kinds = append(kinds, []readerKind{
		{"slack_list_events", readersAtOnce, func(t *testing.T, p *process, _ int) error {
			return pageTool(t, p, map[string]any{"limit": 200, "channel": pushChannel})
		}},
		{"slack_list_events by 20, detailed", readersAtOnce, func(t *testing.T, p *process, _ int) error {
			return pageTool(t, p, map[string]any{"limit": 20, "response_format": "detailed", "order": "oldest_first", "channel": pushChannel})
		}},
		{"slack_get_event", readersAtOnce, func(t *testing.T, p *process, i int) error {
			s := connect(t, p)
			for k := range 4 {
				if err := tried(s, "tools/call", map[string]any{"name": "slack_get_event", "arguments": map[string]any{"event_id": largeID(i*4 + k)}}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"slack_event_context", 4, func(t *testing.T, p *process, i int) error {
			return tried(connect(t, p), "tools/call", map[string]any{"name": "slack_event_context", "arguments": map[string]any{"event_id": largeID(i)}})
		}},
		{"slack_wait_for_event", readersAtOnce, func(t *testing.T, p *process, _ int) error {
			return tried(connect(t, p), "tools/call", map[string]any{"name": "slack_wait_for_event", "arguments": map[string]any{"cursor": "start", "limit": 100, "channel": pushChannel}})
		}},
	}...)
	kinds = append(kinds, readerKind{"completion/complete", readersAtOnce, func(t *testing.T, p *process, _ int) error {
		return tried(connect(t, p), "completion/complete", map[string]any{
			"ref": map[string]any{"type": "ref/resource", "uri": "slack://events/{event_id}"}, "argument": map[string]any{"name": "event_id", "value": "Ev"},
		})
	}})
	return append(append(kinds, eventKinds()...), commandKinds(at)...)
}

// eventKinds are the ways of the extension for events.
func eventKinds() []readerKind {
	selection := map[string]any{"name": "message.created", "arguments": map[string]any{"channel": pushChannel}}
	return []readerKind{
		{"events/poll", 2, func(_ *testing.T, p *process, _ int) error {
			for cursor := "start"; ; {
				a, err := p.modern("events/poll", map[string]any{"name": selection["name"], "arguments": selection["arguments"], "cursor": cursor, "maxEvents": 500})
				if err != nil || a.Error != nil {
					return fmt.Errorf("poll: %w, %+v", err, a.Error)
				}
				var page struct {
					Cursor  string
					HasMore bool
				}
				if err := json.Unmarshal(a.Result, &page); err != nil || !page.HasMore {
					return err
				}
				cursor = page.Cursor
			}
		}},
		{"events/stream", 2, func(t *testing.T, p *process, _ int) error {
			_, _, err := p.readStream(t, selection, "start", number(t, "READ_EVENTS", 80))
			return err
		}},
		{"events/subscribe", 2, func(t *testing.T, p *process, _ int) error {
			s := newSubscriber(t, nil)
			ask := s.subscription()
			ask["cursor"] = "start"
			p.must("events/subscribe", ask)
			eventually(t, 2*time.Minute, func() error {
				if n := len(s.got()); n < number(t, "READ_EVENTS", 80) {
					return fmt.Errorf("%d events were posted", n)
				}
				return nil
			})
			return nil
		}},
	}
}

// commandKinds are the operator's commands beside the server.
func commandKinds(at place) []readerKind {
	var kinds []readerKind
	for _, args := range [][]string{
		{"events", "list", "--limit", "100", "--channel", pushChannel, "-o", "jsonl"},
		{"events", "list", "--limit", "100", "--channel", pushChannel, "-o", "json"},
		{"events", "get", largeID(3)},
		{"dead-letters", "list", "-o", "jsonl"},
	} {
		kinds = append(kinds, readerKind{strings.Join(args, " "), 2, func(t *testing.T, _ *process, _ int) error {
			_, errs, code := at.try(t, args...)
			if code != 0 {
				return fmt.Errorf("exit code %d: %s", code, errs)
			}
			return nil
		}})
	}
	return kinds
}

func largeID(i int) string { return fmt.Sprintf("EvLARGE%04d", i%200) }

// tried calls a method. That the server has no memory for it now is an answer, too.
func tried(s *session, method string, params any) error {
	result, rpc := s.try(method, params)
	switch {
	case rpc != nil && strings.HasPrefix(rpc.Message, "too_many_reads: "):
		return nil
	case rpc != nil:
		return fmt.Errorf("%d %s", rpc.Code, rpc.Message)
	}
	var tool struct {
		IsError bool `json:"isError"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(result, &tool); err != nil {
		return err
	}
	if tool.IsError && !strings.HasPrefix(tool.Content[0].Text, "too_many_reads: ") {
		return fmt.Errorf("isError: %s", tool.Content[0].Text)
	}
	return nil
}

// pageTool reads the first pages of the events.
func pageTool(t *testing.T, p *process, args map[string]any) error {
	s := connect(t, p)
	for range 2 {
		var page struct {
			NextCursor string `json:"next_cursor"`
			HasMore    bool   `json:"has_more"`
		}
		result, rpc := s.try("tools/call", map[string]any{"name": "slack_list_events", "arguments": args})
		var call struct {
			IsError           bool            `json:"isError"`
			StructuredContent json.RawMessage `json:"structuredContent"`
			Content           []struct {
				Text string `json:"text"`
			} `json:"content"`
		}
		if rpc != nil {
			return fmt.Errorf("%d %s", rpc.Code, rpc.Message)
		}
		if err := json.Unmarshal(result, &call); err != nil {
			return err
		}
		if call.IsError {
			if strings.HasPrefix(call.Content[0].Text, "too_many_reads: ") {
				return nil
			}
			return fmt.Errorf("isError: %s", call.Content[0].Text)
		}
		if err := json.Unmarshal(call.StructuredContent, &page); err != nil {
			return err
		}
		if !page.HasMore {
			return nil
		}
		args["cursor"] = page.NextCursor
	}
	return nil
}
