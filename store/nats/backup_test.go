//go:build unix

package nats_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// snapshot is what `nats stream backup` writes of a stream: its configuration and state, and its messages in pieces.
type snapshot struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	pieces [][]byte
}

// api asks JetStream.
func api(t *testing.T, nc *natsgo.Conn, subject string, ask, answer any) {
	t.Helper()
	body, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nc.Request("$JS.API."+subject, body, 30*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	if strings.Contains(string(m.Data), `"error":`) {
		t.Fatalf("%s: %s", subject, m.Data)
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		t.Fatal(err)
	}
}

// backUp takes a stream as `nats stream backup` does, also while it is used.
func backUp(t *testing.T, nc *natsgo.Conn, stream string) (s snapshot) {
	t.Helper()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	api(t, nc, "STREAM.SNAPSHOT."+stream, map[string]any{"deliver_subject": inbox, "no_consumers": false, "jsck": true}, &s)
	for {
		m, err := sub.NextMsg(30 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Data) == 0 {
			return s
		}
		s.pieces = append(s.pieces, m.Data)
		if m.Reply != "" {
			if err := m.Respond(nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// restore makes the stream of a snapshot as `nats stream restore` does.
func restore(t *testing.T, nc *natsgo.Conn, stream string, s snapshot) {
	t.Helper()
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	api(t, nc, "STREAM.RESTORE."+stream, s, &to)
	for _, piece := range append(s.pieces, nil) {
		m, err := nc.Request(to.Subject, piece, 30*time.Second)
		if err != nil || strings.Contains(string(m.Data), `"error":`) {
			t.Fatalf("restore %s: %v %v", stream, m, err)
		}
	}
}

// TestTheEnginesOwnBackup takes the streams in the order of the documentation, while they are used, with the calls of
// `nats stream backup`, and restores them on another server: it has the events with their positions, the seen ids, the groups and the
// small values.
func TestTheEnginesOwnBackup(t *testing.T) {
	t.Parallel()
	one, other := newServer(t), newServer(t)
	q := openAt(t, one)
	event1 := event.Event{Source: "slack", ID: "1", Raw: []byte("{}")}
	receipt, err := q.Publish(t.Context(), event1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := q.Consume(ctx, queue.Group{Name: "g", Workers: 1}, func(context.Context, queue.Delivery) error { stop(); return nil }); err != nil {
		t.Fatal(err)
	}
	from, to := connected(t, one), connected(t, other)
	for _, stream := range []string{"KV_STATE-slack_2eevents", "KV_WORK-slack_2eevents", "EVENTS-slack_2eevents"} {
		restore(t, to, stream, backUp(t, from, stream))
	}
	again := openAt(t, other)
	if r, err := again.Publish(t.Context(), event1); err != nil || !r.Duplicate || r.Position != receipt.Position {
		t.Errorf("the event in the copy is %+v, %v, want a duplicate at %s", r, err, receipt.Position)
	}
	if v, err := again.State().Get(t.Context(), "key"); err != nil || string(v.Value) != "value" {
		t.Errorf("a small value in the copy is %q, %v", v.Value, err)
	}
	if stats, err := again.Stats(t.Context()); err != nil || len(stats.Groups) != 1 || stats.Groups[0].Done != 1 {
		t.Errorf("the groups in the copy are %+v, %v, want one that has done its event", stats.Groups, err)
	}
	if r, err := again.Publish(t.Context(), event.Event{Source: "slack", ID: "2", Raw: []byte("{}")}); err != nil || r.Duplicate {
		t.Errorf("a new event after the restore: %+v, %v", r, err)
	}
}

func connected(t *testing.T, s *server) *natsgo.Conn {
	t.Helper()
	nc, err := natsgo.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
