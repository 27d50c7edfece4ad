package tools_test

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"slackmcp/slackapi"
)

// countedDownloads counts the files that are fetched.
func countedDownloads(n *atomic.Int64) func(*rigOptions) {
	return func(o *rigOptions) {
		o.client.OnCall = func(_ context.Context, i slackapi.CallInfo) {
			if i.Method == "files.download" {
				n.Add(1)
			}
		}
	}
}

func (r *rig) uploaded(name string, data []byte) string {
	r.t.Helper()
	f, err := r.client.Upload(r.t.Context(), slackapi.Upload{Name: name, Data: data})
	if err != nil {
		r.t.Fatal(err)
	}
	return f.ID
}

func TestAnImageThatIsNotShownIsNotFetched(t *testing.T) {
	var fetched atomic.Int64
	r := newRig(t, countedDownloads(&fetched))
	id := r.uploaded("large.png", append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 4<<20)...))
	var out struct{ Note string }
	r.call("slack_read_file", a{"file_id": id}, &out)
	if !strings.Contains(out.Note, "larger than 3 MB") || fetched.Load() != 1 {
		t.Errorf("note %q after %d downloads, want that it is too large, and one, of the first bytes", out.Note, fetched.Load())
	}
}

// TestReadingAPartOfAFileTakesLittleMemory measures what one call allocates for ten
// characters of a text of 5 MB with characters that are removed. What the fake Slack
// allocates to send it is counted too.
func TestReadingAPartOfAFileTakesLittleMemory(t *testing.T) {
	r := newRig(t)
	id := r.uploaded("large.txt", bytes.Repeat([]byte("hello wörld,\r\n\u200b"), 5<<20/20))
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			r.call("slack_read_file", a{"file_id": id, "offset": 14 * 1000, "limit": 10}, nil)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 110<<20 { // with the race detector it is about 95
		t.Errorf("a call allocates %d MiB, want at most 110", got>>20)
	}
}
