package tools

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/webhook/event"
)

// TestGrownThreads: which older threads got replies since a time, and how far the log reaches.
func TestGrownThreads(t *testing.T) {
	t.Parallel()
	const since = 1_700_001_000
	const old, recent = "1700000100.000100", "1700001100.000100"
	say := func(at int, thread string, more map[string]any) event.Event {
		m := map[string]any{"type": "message", "channel": "C1AA", "user": "U1AA", "ts": fmt.Sprintf("%d.000100", at), "text": "x"}
		if thread != "" {
			m["thread_ts"] = thread
		}
		maps.Copy(m, more)
		e := eventtest.Envelope(fmt.Sprint("Ev", at, m["type"], m["subtype"]), m)
		e.ReceivedAt = time.Unix(int64(at), 0).Add(time.Second)
		return e
	}
	log := &eventtest.Log{}
	log.Append(
		say(1_700_000_050, "", nil),
		say(1_700_000_100, "", nil),
		say(1_700_000_200, old, nil),                                   // before
		say(1_700_001_010, old, nil),                                   // counts
		say(1_700_001_010, old, map[string]any{"type": "app_mention"}), // the same message
		say(1_700_001_020, old, map[string]any{"user": "U2AA", "subtype": "file_share"}),
		say(1_700_001_030, old, nil), // is deleted
		say(1_700_001_040, "", map[string]any{"subtype": "message_deleted", "deleted_ts": "1700001030.000100", "previous_message": map[string]any{"ts": "1700001030.000100", "thread_ts": old}}),
		say(1_700_001_050, "1700000050.000100", map[string]any{"channel": "C2AA"}), // another conversation
		say(1_700_001_060, "1700000050.000100", nil),
		say(1_700_001_100, "", nil),
		say(1_700_001_110, recent, nil), // began since
		say(1_700_001_120, "", map[string]any{"subtype": "message_changed", "message": map[string]any{"ts": "1700001010.000100", "thread_ts": old, "user": "U1AA"}}),
	)
	k, err := newKit(Options{Events: log.Events()})
	if err != nil {
		t.Fatal(err)
	}
	k = k.by(eventtest.Service())
	want := grownThreads{From: time.Unix(since, 0), Threads: []grownThread{
		{ThreadTS: "1700000050.000100", Replies: 1, LatestReply: "1700001060.000100", Users: []string{"U1AA"}},
		{ThreadTS: old, Replies: 2, LatestReply: "1700001020.000100", Users: []string{"U2AA", "U1AA"}},
	}}
	for _, scan := range []int{0, 3} {
		log.Scan = scan
		got, err := k.grown(t.Context(), "C1AA", time.Unix(since, 0))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%d events a scan (-want +got):\n%s%v", scan, diff, err)
		}
	}
	got, err := k.grown(t.Context(), "C1AA", time.Unix(1_600_000_000, 0))
	if first := time.Unix(1_700_000_051, 0); err != nil || !got.From.Equal(first) {
		t.Errorf("asked for more than the log has, it reaches from %s (%v), want %s", got.From, err, first)
	}
}
