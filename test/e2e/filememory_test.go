package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"slackmcp/internal/requires"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestReadingFromSlackIsBounded reads large files and long pages of Slack, forty calls at
// once: the server's memory stays within its bound, and each call is answered, or refused
// with a remedy.
func TestReadingFromSlackIsBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		requires.Missing(t, "/proc: run it on Linux")
	}
	w := newWorkspace(t, sandbox.Options{})
	client := w.client(t)
	uploaded := func(name string, data []byte) string {
		f, err := client.Upload(t.Context(), slackapi.Upload{Name: name, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		return f.ID
	}
	text := uploaded("large.txt", bytes.Repeat([]byte("hello wörld,\r\n"), 5<<20/16))
	image := uploaded("large.png", append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 3<<20-8)...))
	for range 30 {
		if _, err := client.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.General, Text: strings.Repeat("long ", 7_900)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		tool string
		args map[string]any
	}{
		{"slack_read_file", map[string]any{"file_id": text, "limit": 10}},
		{"slack_read_file", map[string]any{"file_id": image}},
		{"slack_read_channel_messages", map[string]any{"channel": sandbox.General, "limit": 30}},
	} {
		t.Run(tc.tool, func(t *testing.T) {
			p := start(t, options{args: []string{"--integrated"}, env: append(w.env(), "LOG_LEVEL=error")})
			var sessions []*session
			for range 40 {
				sessions = append(sessions, connect(t, p))
			}
			before := residentMemory(t, p)
			ctx, stop := context.WithCancel(t.Context())
			highest := make(chan int64, 1)
			go func() { highest <- watchMemory(ctx, p.cmd.Process.Pid) }()
			var readers sync.WaitGroup
			var answered atomic.Int64
			for _, s := range sessions {
				readers.Go(func() {
					if ok, err := readFromSlack(s, tc.tool, tc.args); err != nil {
						t.Error(err)
					} else if ok {
						answered.Add(1)
					}
				})
			}
			readers.Wait()
			stop()
			grown := <-highest - before
			t.Logf("%d of 40 calls were answered: %d MiB more at most", answered.Load(), grown>>20)
			if grown > maxReading || answered.Load() == 0 {
				t.Errorf("resident memory grew by %d MiB and %d calls were answered, want at most %d MiB", grown>>20, answered.Load(), maxReading>>20)
			}
		})
	}
}

// readFromSlack reports false for a call that was refused with a remedy.
func readFromSlack(s *session, tool string, args map[string]any) (bool, error) {
	result, rpc := s.try("tools/call", map[string]any{"name": tool, "arguments": args})
	if rpc != nil {
		return false, fmt.Errorf("%d %s", rpc.Code, rpc.Message)
	}
	var out struct {
		IsError bool `json:"isError"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(result, &out); err != nil {
		return false, err
	}
	if !out.IsError {
		return true, nil
	}
	for _, refusal := range []string{"too_many_reads: ", "held_back: "} {
		if strings.HasPrefix(out.Content[0].Text, refusal) {
			return false, nil
		}
	}
	return false, fmt.Errorf("isError: %s", out.Content[0].Text)
}
