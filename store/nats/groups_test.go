package nats

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// An entry is a change of the bucket as its watch tells it.
type entry struct {
	jetstream.KeyValueEntry

	key   string
	value []byte
	rev   uint64
	op    jetstream.KeyValueOp
}

func (e entry) Key() string                     { return e.key }
func (e entry) Value() []byte                   { return e.value }
func (e entry) Revision() uint64                { return e.rev }
func (e entry) Operation() jetstream.KeyValueOp { return e.op }

func put(t *testing.T, key string, i item, rev uint64) entry {
	t.Helper()
	value, err := i.encode([]byte("record"))
	if err != nil {
		t.Fatal(err)
	}
	return entry{key: key, value: value, rev: rev}
}

// TestLateMessageBringsNoKeyBack: what is said late does not undo what was said before it.
func TestLateMessageBringsNoKeyBack(t *testing.T) {
	t.Parallel()
	b := newGroupCache(nil, slog.New(slog.DiscardHandler))
	key := workKey("g", 7)
	old := put(t, key, item{State: leased, Attempts: 1}, 3)
	b.apply(t.Context(), put(t, key, item{State: retrying, Attempts: 1}, 4))
	b.apply(t.Context(), old)
	if i, ok := b.item("g", 7); !ok || i.State != retrying || i.rev != 4 {
		t.Errorf("after an older revision came late: %+v, %v", i, ok)
	}
	b.removed(key, 4)
	b.apply(t.Context(), entry{key: key, rev: 5, op: jetstream.KeyValuePurge})
	b.apply(t.Context(), old)
	b.apply(t.Context(), put(t, key, item{State: retrying}, 4))
	if i, ok := b.item("g", 7); ok {
		t.Errorf("a removed item came back: %+v", i)
	}
	b.apply(t.Context(), put(t, key, item{State: buried}, 6))
	if _, _, dead, _, _ := b.counts("g"); dead != 1 {
		t.Errorf("a newer item is not in the cache")
	}
}

// TestClaimableItems: what is due and what is over its lease, and nothing else.
func TestClaimableItems(t *testing.T) {
	t.Parallel()
	b := newGroupCache(nil, slog.New(slog.DiscardHandler))
	now := time.Now()
	for seq, i := range map[int64]item{
		1: {State: retrying, At: now.Add(-time.Second).UnixMicro()},
		2: {State: retrying, At: now.Add(time.Minute).UnixMicro()},
		3: {State: leased},
		4: {State: buried},
		5: {State: retrying, At: now.Add(-time.Minute).UnixMicro()},
	} {
		b.apply(t.Context(), put(t, workKey("g", seq), i, uint64(seq)))
	}
	for range 2 { // to look changes nothing
		list := b.claimable("g", 9, now, time.Hour, time.Hour)
		if len(list) != 2 || list[0].seq != 5 || list[1].seq != 1 {
			t.Errorf("claimable = %+v, want 5 and then 1", list)
		}
	}
	if list := b.claimable("g", 9, now, 0, time.Hour); len(list) != 3 || list[0].seq != 3 {
		t.Errorf("with a lease that is over: %+v, want 3 first", list)
	}
	if d := b.until("g", now, time.Hour, time.Hour, time.Hour); d != 0 {
		t.Errorf("until = %v with something due", d)
	}
	// The clock was set back by a day: what is scheduled for tomorrow is due, and what is for soon is not.
	b = newGroupCache(nil, slog.New(slog.DiscardHandler))
	b.apply(t.Context(), put(t, workKey("g", 1), item{State: retrying, At: now.Add(24 * time.Hour).UnixMicro()}, 1))
	b.apply(t.Context(), put(t, workKey("g", 2), item{State: retrying, At: now.Add(time.Minute).UnixMicro()}, 2))
	if d := b.until("g", now, time.Hour, time.Hour, time.Hour); d != 0 {
		t.Errorf("until = %v with something due", d)
	}
	if list := b.claimable("g", 9, now, time.Hour, time.Hour); len(list) != 1 || list[0].seq != 1 {
		t.Errorf("after the clock was set back %+v can be claimed, want 1", list)
	}
}

func TestPinnedItems(t *testing.T) {
	t.Parallel()
	b := newGroupCache(nil, slog.New(slog.DiscardHandler))
	for seq := range int64(5) {
		b.apply(t.Context(), put(t, workKey("g", seq+1), item{State: buried}, uint64(seq+1)))
	}
	if pins := b.pinned(); len(pins) != 5 {
		t.Errorf("pinned = %v, want all five", pins)
	}
}

func TestTrimTo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trimmed, begun, want, most int64
		pins                       []int64
		to                         int64
	}{
		"there is room":                        {0, 9, 9, 10, nil, 0},
		"one has to go":                        {0, 9, 11, 10, nil, 1},
		"no group may be overtaken":            {0, 3, 20, 10, nil, 3},
		"what a group keeps goes on counting":  {0, 9, 11, 10, []int64{1, 2}, 3},
		"what was kept before counts as well":  {4, 9, 12, 10, []int64{1, 2, 3}, 5},
		"everything is kept, so nothing helps": {0, 3, 11, 3, []int64{1, 2, 3}, 3},
	} {
		if got := trimTo(tc.trimmed, tc.begun, tc.want, tc.most, tc.pins); got != tc.to {
			t.Errorf("%s: trimTo = %d, want %d", name, got, tc.to)
		}
	}
}
