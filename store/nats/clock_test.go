//go:build unix

package nats_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/remote"
	"slackmcp/store/nats"
	"slackmcp/webhook/event"
)

// newStamped starts a server on whose clock events seem to have come at these times: it has the stream of events of the
// usual topic. The stream mirrors one that the test plays, and a mirror keeps the times of what it mirrors.
func newStamped(t *testing.T, times ...time.Time) *server {
	t.Helper()
	port := freePort(t)
	config := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(config, []byte("leafnodes { listen: \"127.0.0.1:"+port+"\" }"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "-c", config)
	nc := connected(t, s)
	type consumer struct{ name, deliver string }
	made := make(chan consumer, 16)
	if _, err := nc.Subscribe("played.api.CONSUMER.CREATE.>", func(m *natsgo.Msg) {
		var ask struct {
			Config map[string]any `json:"config"`
		}
		if err := json.Unmarshal(m.Data, &ask); err != nil {
			t.Error(err)
			return
		}
		c := consumer{fmt.Sprint(ask.Config["name"]), fmt.Sprint(ask.Config["deliver_subject"])}
		answer, err := json.Marshal(map[string]any{
			"type": "io.nats.jetstream.api.v1.consumer_create_response", "stream_name": "PLAYED", "name": c.name,
			"created": time.Now(), "config": ask.Config, "num_pending": len(times),
		})
		if err != nil {
			t.Error(err)
			return
		}
		_ = m.Respond(answer) // The server asks again if it does not come.
		made <- c
	}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "EVENTS-slack_2eevents", AllowDirect: true, Metadata: map[string]string{"slack-webhook-server-epoch": "0a0b0c0d"},
		Mirror: &jetstream.StreamSource{Name: "PLAYED", External: &jetstream.ExternalStream{APIPrefix: "played.api", DeliverPrefix: "played.deliver"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	to, leaf := <-made, asLeaf(t, port)
	for i, at := range times {
		seq := uint64(i) + 1
		rec := remote.AppendRecord(nil, &event.Event{Source: "slack", ID: fmt.Sprint(seq), ReceivedAt: at, Raw: []byte("{}")})
		eventually(t, func() error {
			if _, err := fmt.Fprintf(leaf, "LMSG %s $JS.ACK.PLAYED.%s.1.%d.%d.%d.%d %d\r\n%s\r\n", to.deliver, to.name, seq, seq, at.UnixNano(), len(times)-i, len(rec), rec); err != nil {
				return err
			}
			info, err := stream.Info(t.Context())
			if err == nil && info.State.LastSeq < seq {
				err = fmt.Errorf("the stream has %d events, want %d", info.State.LastSeq, seq)
			}
			return err
		})
		if m, err := stream.GetMsg(t.Context(), seq); err != nil || !m.Time.Equal(at) {
			t.Fatalf("event %d was stored at %v (%v), want %v", seq, m, err, at)
		}
	}
	return s
}

// asLeaf connects to a server as another one does: such a one may hand over what a consumer delivers, and a client may not.
func asLeaf(t *testing.T, port string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte(`CONNECT {"name":"played","server_id":"played","version":"2.11.0","headers":true}` + "\r\n")); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if lines.Text() == "PING" {
				_, _ = conn.Write([]byte("PONG\r\n")) // The test fails if it is not heard.
			}
		}
	}()
	return conn
}

// TestEventsOfAClockThatWasAheadKeepNothing has events that the server stored while its clock was a year ahead, before and
// between others: all go with their age, but for one that is fresh, and the server's disk lets go of them.
func TestEventsOfAClockThatWasAheadKeepNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old, fresh, ahead := now.Add(-2*time.Hour), now.Add(-time.Second), now.AddDate(1, 0, 0)
	s := newStamped(t, ahead, old, ahead, old, fresh)
	q := openWith(t, nats.Options{
		URL: s.url(), RetentionAge: 3 * time.Second, DedupeTTL: 3 * time.Second, Aging: func(time.Time) time.Time { return now },
	})
	js, err := jetstream.New(connected(t, s))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		stats, err := q.Stats(t.Context())
		if err != nil {
			return err
		}
		stream, err := js.Stream(t.Context(), "EVENTS-slack_2eevents")
		if err != nil {
			return err
		}
		if onDisk := stream.CachedInfo().State.Msgs; stats.Events != 1 || onDisk != 1 {
			return fmt.Errorf("%d events are kept and %d are on the disk, want the one that is fresh", stats.Events, onDisk)
		}
		return nil
	})
}

// TestEventsOfAClockThatWasBehindTakeNothing has events that the server stored while its clock was a month behind, among
// fresh ones: the one that is old goes, and nothing that came before them.
func TestEventsOfAClockThatWasBehindTakeNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old, fresh, behind := now.Add(-2*time.Hour), now.Add(-time.Second), now.AddDate(0, -1, 0)
	s := newStamped(t, old, fresh, behind, behind, behind, fresh)
	q := openWith(t, nats.Options{
		URL: s.url(), RetentionAge: 3 * time.Second, DedupeTTL: 3 * time.Second, Aging: func(time.Time) time.Time { return now },
	})
	eventually(t, func() error {
		stats, err := q.Stats(t.Context())
		if err == nil && stats.Expired == 0 {
			err = fmt.Errorf("%+v, want one event expired", stats)
		}
		return err
	})
	page, err := q.History(t.Context(), event.Query{Order: event.OldestFirst})
	if err != nil || len(page.Events) != 5 || page.Events[0].ID != "2" {
		t.Errorf("after retention %d events are left (%v), want all but the first", len(page.Events), err)
	}
}
