package tools_test

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/slackapi/sandbox"
)

// mostFrames is how many functions of this module may lie between a tool's function and
// the transport that sends its request.
const mostFrames = 3

// A frameCounter is a transport that keeps the module's functions on the stack of each
// request, the innermost first.
type frameCounter struct {
	mu     sync.Mutex
	stacks [][]string
}

func (f *frameCounter) RoundTrip(req *http.Request) (*http.Response, error) {
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var stack []string
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if strings.HasPrefix(frame.Function, "slackmcp/") {
			stack = append(stack, frame.Function)
		}
	}
	f.mu.Lock()
	f.stacks = append(f.stacks, stack)
	f.mu.Unlock()
	return http.DefaultTransport.RoundTrip(req)
}

// between returns the functions that lie between the transport and the tool's function,
// which is the outermost one of package tools but for define, which hands it its kit.
func between(stack []string) []string {
	for i, function := range slices.Backward(stack) {
		if strings.HasPrefix(function, "slackmcp/mcp/tools.") && !strings.HasPrefix(function, "slackmcp/mcp/tools.define[") {
			return stack[:i]
		}
	}
	return nil
}

// TestAtMostThreeFramesToSlack calls each tool and counts the functions that lie between
// it and the request that it makes. The requests that package names makes, to find out
// what an id or a name stands for, are not counted.
func TestAtMostThreeFramesToSlack(t *testing.T) {
	t.Parallel()
	for _, userToken := range []bool{true, false} {
		var counter frameCounter
		r := newRig(t, func(o *rigOptions) { o.client.Transport, o.botOnly = &counter, !userToken })
		r.events.Append(eventtest.Envelope("EvAsk", a{"type": "app_mention", "channel": sandbox.General, "user": sandbox.Bob, "ts": "1700000000.000100", "text": "x", "action_token": "x"}))
		for _, tool := range r.callers() {
			before, counted := len(counter.stacks), 0
			args := arguments(tool.Name)
			if tool.Name == "slack_search_messages" && !userToken {
				args["event_id"] = "EvAsk"
			}
			_, _ = r.try(tool.Name, args) // a refusal of Slack's was a request too
			for _, stack := range counter.stacks[before:] {
				if strings.Contains(strings.Join(stack, " "), "slackmcp/mcp/names.") {
					continue
				}
				counted++
				if got := between(stack); len(got) > mostFrames {
					t.Errorf("%s reaches Slack through %d functions, want at most %d: %s", tool.Name, len(got), mostFrames, strings.Join(got, " < "))
				}
			}
			if counted == 0 && (userToken || len(tool.Needs) > 0) && tool.Name != "slack_search_users" && tool.Name != "slack_get_channel_info" {
				t.Errorf("%s made no request", tool.Name)
			}
		}
	}
}
